//! Envoy's format strings, compiled once: in access logs and in the values of headers.
//!
//! ```text
//! [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):80%" %RESPONSE_CODE%
//! ```
//!
//! An operator is `%NAME%`, `%NAME(ARGUMENT)%` or either with `:LENGTH` before the closing percent sign;
//! `%%` is a percent sign. What they stand for is for each user to find: a log has a record, a header's value
//! what is known when it is set. So the names and their syntax are here, and nothing that could be printed.

mod date;
mod operator;

pub use date::DateFormat;
pub use operator::{GrpcStatus, Operator, Part, RequestHeader, Value, grpc_status};

/// A compiled format string.
///
/// ```
/// use mesh_core::format::{Operator, Piece, Template};
///
/// let template = Template::parse("100%% of %PROTOCOL%")?;
/// assert_eq!(template.pieces()[0], Piece::Literal("100% of ".to_owned()));
/// let error = Template::parse("sent by %NOBODY%").unwrap_err();
/// assert_eq!(error.to_string(), "byte 8: \"NOBODY\" is not an operator that is known here");
/// # Ok::<(), mesh_core::format::FormatError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

/// A part of a [`Template`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Text that stays as it is; `%%` is a percent sign here.
    Literal(String),
    /// Something to be found.
    Operator {
        /// What.
        operator: Operator,
        /// The most bytes that are printed of it.
        limit: Option<usize>,
        /// Where it stands in the format string, in bytes.
        at: usize,
    },
}

type Bounded = (Operator, Option<usize>);

/// What is wrong with a format string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {fault}")]
pub struct FormatError {
    at: usize,
    fault: Fault,
}

impl FormatError {
    /// Offset in the format string of the operator that is wrong.
    pub fn at(&self) -> usize {
        self.at
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("an operator is not closed by '%'")]
    Unclosed,
    #[error("{0:?} is not an operator that is known here")]
    Unknown(String),
    #[error("{0:?} is not a header's name")]
    Header(String),
    #[error("{0:?} is not a length")]
    Length(String),
    #[error("{0} takes no argument")]
    Argument(String),
    #[error("{0} needs an argument in parentheses")]
    NoArgument(String),
    #[error("the date format {0:?} has a letter that is not known here")]
    Date(String),
    #[error("{0:?} is not CAMEL_STRING, SNAKE_STRING or NUMBER")]
    GrpcStyle(String),
}

impl Template {
    /// Compiles a format string.
    ///
    /// # Errors
    /// The first operator that is not known, with its position.
    pub fn parse(format: &str) -> Result<Self, FormatError> {
        parse(format).map(Self)
    }

    /// Its parts, in order; two literals never stand side by side.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Its operators, each with its place in the format string.
    pub fn operators(&self) -> impl Iterator<Item = (usize, &Operator)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Operator { operator, at, .. } => Some((*at, operator)),
            Piece::Literal(_) => None,
        })
    }

    /// The text, if there is no operator in it.
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Piece::Literal(text)] => Some(text),
            _ => None,
        }
    }

    /// Appends what operators find; what is missing is printed as `missing`.
    pub fn write<'a>(&'a self, missing: &[u8], out: &mut Vec<u8>, find: impl Fn(&'a Operator) -> Value<'a>) {
        for piece in &self.0 {
            match piece {
                Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Operator { operator, limit, .. } => find(operator).write(*limit, missing, out),
            }
        }
    }
}

fn parse(format: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        let at = format.len() - after.len() - 1;
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let ((operator, limit), after) = parse_operator(after).map_err(|fault| FormatError { at, fault })?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(Piece::Operator { operator, limit, at });
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// What stands behind an opening percent sign, and the rest behind the closing one.
fn parse_operator(text: &str) -> Result<(Bounded, &str), Fault> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let (name, mut rest) = text.split_at(end.ok_or(Fault::Unclosed)?);
    let mut argument = None;
    if let Some(inner) = rest.strip_prefix('(') {
        // A date format holds percent signs, so the parenthesis decides where the argument ends.
        let (inside, after) = inner.split_once(')').ok_or(Fault::Unclosed)?;
        argument = Some(inside);
        rest = after;
    }
    let mut limit = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (digits, _) = after.split_once('%').ok_or(Fault::Unclosed)?;
        limit = Some(digits.parse().map_err(|_| Fault::Length(digits.to_owned()))?);
        rest = after.get(digits.len()..).unwrap_or_default();
    }
    let Some(rest) = rest.strip_prefix('%') else {
        let shown: String = text.chars().take_while(|c| *c != '%').take(60).collect();
        return Err(if text.contains('%') { Fault::Unknown(shown) } else { Fault::Unclosed });
    };
    Ok(((operator::operator(name, argument)?, limit), rest))
}
