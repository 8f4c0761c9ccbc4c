//! The syntax of the Common Expression Language, as far as a parser can judge it.
//!
//! Istio's webhook parses the filters of access logs and refuses those that are not CEL; what a name means is
//! found out where requests are seen. So is it here. The grammar is that of the language's specification;
//! macros are calls to it. Depth is bounded, since an expression may be hostile.

use std::fmt;

/// As deep may an expression nest, as in cel-go.
const DEEPEST: usize = 250;

/// Why a text is not an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// Character, from 1.
    at: usize,
    what: String,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not an expression in CEL: {} at character {}", self.what, self.at)
    }
}

/// Whether a text is an expression.
pub(super) fn check(text: &str) -> Result<(), SyntaxError> {
    let tokens = lex(text)?;
    let end = text.chars().count() + 1;
    let mut parser = Parser { tokens: &tokens, next: 0, depth: 0, end };
    parser.expression()?;
    match parser.peek() {
        None => Ok(()),
        Some(token) => Err(parser.unexpected(&token.clone())),
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal,
    Name(String),
    Sign(&'static str),
}

#[derive(Clone, Debug)]
struct Placed {
    token: Token,
    at: usize,
}

/// Longer ones first.
const SIGNS: &[&str] = &[
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "?", ":", ".", ",", "(", ")", "[", "]", "{", "}", "+", "-",
    "*", "/", "%", "!",
];

/// Words that cannot be names.
const RESERVED: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "namespace",
    "package",
    "return",
    "var",
    "void",
    "while",
];

fn lex(text: &str) -> Result<Vec<Placed>, SyntaxError> {
    let mut tokens = Vec::new();
    let (mut rest, mut at) = (text, 1);
    while let Some(first) = rest.chars().next() {
        let error = |what: &str| SyntaxError { at, what: what.to_owned() };
        let blank = blank(rest);
        let length = if blank > 0 {
            blank
        } else {
            let (token, length) = match quoted(rest) {
                Some(length) => (Token::Literal, length.map_err(error)?),
                None => plain(rest).ok_or_else(|| error(&format!("an unknown sign {first:?}")))?,
            };
            tokens.push(Placed { token, at });
            length
        };
        let (passed, next) = rest.split_at_checked(length).unwrap_or((rest, ""));
        at += passed.chars().count();
        rest = next;
    }
    Ok(tokens)
}

/// The length of the white space or comment that is here.
fn blank(rest: &str) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len())
}

/// The number, name or sign that is here, and its length.
fn plain(rest: &str) -> Option<(Token, usize)> {
    let mut bytes = rest.bytes();
    let first = bytes.next()?;
    if first.is_ascii_digit() || (first == b'.' && bytes.next().is_some_and(|b| b.is_ascii_digit())) {
        return Some((Token::Literal, number(rest)));
    }
    if first.is_ascii_alphabetic() || first == b'_' {
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let token = match rest.get(..length)? {
            "true" | "false" | "null" => Token::Literal,
            "in" => Token::Sign("in"),
            name => Token::Name(name.to_owned()),
        };
        return Some((token, length));
    }
    let sign = SIGNS.iter().find(|s| rest.starts_with(**s))?;
    Some((Token::Sign(sign), sign.len()))
}

/// The length of a text in quotes with its prefix, if there is one here.
fn quoted(rest: &str) -> Option<Result<usize, &'static str>> {
    let prefix = rest.bytes().take(3).position(|b| b == b'"' || b == b'\'')?;
    let marks = rest.get(..prefix)?.to_ascii_lowercase();
    if !matches!(&*marks, "" | "r" | "b" | "rb" | "br") {
        return None;
    }
    let body = rest.get(prefix..)?;
    let quote = body.chars().next()?;
    let triple = quote.to_string().repeat(3);
    let fence = if body.starts_with(&triple) { triple } else { quote.to_string() };
    let is_raw = marks.contains('r');
    let mut inside = body.get(fence.len()..)?;
    loop {
        if inside.starts_with(&fence) {
            return Some(Ok(rest.len() - inside.len() + fence.len()));
        }
        let Some(c) = inside.chars().next().filter(|c| *c != '\n' || fence.len() == 3) else {
            return Some(Err("a text without its closing quote"));
        };
        inside = inside.get(c.len_utf8()..)?;
        if c == '\\' && !is_raw {
            let escaped = inside.chars().next().map_or(0, char::len_utf8);
            inside = inside.get(escaped..)?;
        }
    }
}

fn number(rest: &str) -> usize {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let after = |n: usize| rest.get(n..).unwrap_or_default();
    if rest.starts_with("0x") || rest.starts_with("0X") {
        let n = 2 + after(2).bytes().take_while(u8::is_ascii_hexdigit).count();
        return n + usize::from(after(n).starts_with(['u', 'U']));
    }
    let mut n = digits(rest);
    let mut is_whole = true;
    if after(n).starts_with('.') && digits(after(n + 1)) > 0 {
        n += 1 + digits(after(n + 1));
        is_whole = false;
    }
    if after(n).starts_with(['e', 'E']) {
        let sign = usize::from(after(n + 1).starts_with(['+', '-']));
        let exponent = digits(after(n + 1 + sign));
        if exponent > 0 {
            n += 1 + sign + exponent;
            is_whole = false;
        }
    }
    n + usize::from(is_whole && after(n).starts_with(['u', 'U']))
}

struct Parser<'a> {
    tokens: &'a [Placed],
    next: usize,
    depth: usize,
    /// The character past the last.
    end: usize,
}

type Parsed = Result<(), SyntaxError>;

impl Parser<'_> {
    fn peek(&self) -> Option<&Placed> {
        self.tokens.get(self.next)
    }

    fn is(&self, sign: &str) -> bool {
        self.peek().is_some_and(|t| t.token == Token::Sign(sign_of(sign)))
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.next += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> Parsed {
        if self.take(sign) { Ok(()) } else { Err(self.wrong(&format!("`{sign}` is missing"))) }
    }

    fn wrong(&self, what: &str) -> SyntaxError {
        SyntaxError { at: self.peek().map_or(self.end, |t| t.at), what: what.to_owned() }
    }

    fn unexpected(&self, found: &Placed) -> SyntaxError {
        let what = match &found.token {
            Token::Literal => "a value is too many".to_owned(),
            Token::Name(name) => format!("`{name}` is too many"),
            Token::Sign(sign) => format!("`{sign}` is too many"),
        };
        SyntaxError { at: found.at, what }
    }

    /// `condition ? then : else`, or one of its parts.
    fn expression(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(self.wrong("it nests too deep"));
        }
        self.operators()?;
        if self.take("?") {
            self.operators()?;
            self.expect(":")?;
            self.expression()?;
        }
        self.depth -= 1;
        Ok(())
    }

    /// Operands with operators between. Which of them binds closer does not matter to what is legal.
    fn operators(&mut self) -> Parsed {
        const BINARY: &[&str] =
            &["||", "&&", "==", "!=", "<=", ">=", "<", ">", "in", "+", "-", "*", "/", "%"];
        loop {
            self.operand()?;
            if !BINARY.iter().any(|sign| self.take(sign)) {
                return Ok(());
            }
        }
    }

    fn operand(&mut self) -> Parsed {
        while self.take("!") || self.take("-") {}
        self.primary()?;
        loop {
            if self.take(".") {
                // `a.?b` selects what may not be there.
                self.take("?");
                self.name()?;
                if self.take("(") {
                    self.list(")", Self::expression)?;
                }
            } else if self.take("[") {
                self.take("?");
                self.expression()?;
                self.expect("]")?;
            } else if self.take("{") {
                self.list("}", Self::field)?;
            } else {
                return Ok(());
            }
        }
    }

    fn primary(&mut self) -> Parsed {
        if self.take("(") {
            self.expression()?;
            return self.expect(")");
        }
        if self.take("[") {
            return self.list("]", Self::expression);
        }
        if self.take("{") {
            return self.list("}", Self::field);
        }
        if self.peek().is_some_and(|t| t.token == Token::Literal) {
            self.next += 1;
            return Ok(());
        }
        self.take(".");
        self.name()?;
        if self.take("(") { self.list(")", Self::expression) } else { Ok(()) }
    }

    fn name(&mut self) -> Parsed {
        match self.peek().map(|t| &t.token) {
            Some(Token::Name(name)) if RESERVED.contains(&name.as_str()) => {
                let what = format!("`{name}` is a reserved word");
                Err(self.wrong(&what))
            }
            Some(Token::Name(_)) => {
                self.next += 1;
                Ok(())
            }
            Some(Token::Literal | Token::Sign(_)) => Err(self.wrong("a name or a value is missing")),
            None if self.next == 0 => Err(self.wrong("it is empty")),
            None => Err(self.wrong("it ends where a value is missing")),
        }
    }

    fn field(&mut self) -> Parsed {
        self.expression()?;
        self.expect(":")?;
        self.expression()
    }

    /// Items with commas between, up to the sign that closes them.
    fn list(&mut self, close: &str, item: fn(&mut Self) -> Parsed) -> Parsed {
        loop {
            if self.take(close) {
                return Ok(());
            }
            item(self)?;
            if !self.take(",") {
                return self.expect(close);
            }
        }
    }
}

/// The sign as the lexer has it.
fn sign_of(text: &str) -> &'static str {
    SIGNS.iter().find(|s| **s == text).copied().unwrap_or("in")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_istio_s_users_filter_by_is_an_expression() {
        for text in [
            "true",
            "response.code >= 400",
            "connection.mtls && request.url_path.contains('v1beta3')",
            "!has(request.headers['x-debug']) || request.headers[\"x-debug\"] != \"0\"",
            "response.code >= 500 ? true : duration > duration('1s')",
            "'x' in ['x', 'y',] && {'a': 1}['a'] == -1 - 2 * 3u / 0x1F % 1.5e-3",
            "metadata.filter_metadata['istio_authn'].all(k, k.startsWith(r'\\d') || k == '''it's''')",
            "google.rpc.Status{code: 1}.code == .x.y(1, 2) // and so on",
            "b\"a\\\"b\" == bytes('a') && a.?b[?c] == null",
        ] {
            assert_eq!(check(text), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_is_not_says_where() {
        let said = |text: &str| check(text).unwrap_err().to_string();
        assert!(said("").ends_with("it is empty at character 1"));
        assert!(said("response.code >= ").ends_with("it ends where a value is missing at character 18"));
        assert!(said("response.code = 400").contains("an unknown sign '=' at character 15"));
        assert!(said("a b").ends_with("`b` is too many at character 3"));
        assert!(said("(a").ends_with("`)` is missing at character 3"));
        assert!(said("a ? b").ends_with("`:` is missing at character 6"));
        assert!(said("'a").contains("without its closing quote"));
        assert!(said("a && for").contains("reserved"));
        assert!(said("ä").contains("an unknown sign 'ä' at character 1"));
        assert!(said("[1, 2").contains("`]` is missing"));
    }

    #[test]
    fn hostile_depth_and_broken_bytes_are_errors() {
        assert!(check(&"(".repeat(100_000)).unwrap_err().to_string().contains("too deep"));
        assert!(check(&"!".repeat(100_000)).is_err());
        assert!(check("'\\").is_err() && check("r'\\").is_err() && check("\u{0}").is_err());
    }
}
