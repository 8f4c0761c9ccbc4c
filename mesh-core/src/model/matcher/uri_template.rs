//! Templates of paths: Envoy's `path.match.uri_template`, which Istio's `{*}` and `{**}` become.
//!
//! A template is matched part by part, without a regular expression: it has at most one `**`, and nothing
//! but text after it, so that one look from the front and one from the back decide.

use std::fmt;
use std::sync::Arc;

/// A template of a path: `*` is one part, `**` any number of them, `{name}` and `{name=…}` the same with a
/// name, and a text may follow the last of them, as in `/videos/*.m4s`.
///
/// A part is any bytes between slashes, and never none. Envoy takes fewer bytes for a part than HTTP lets through,
/// so that a rule that denies could be walked around; here no byte but the slash ends one.
///
/// ```
/// use mesh_core::model::matcher::UriTemplate;
/// let template = UriTemplate::new("/users/*/files/**")?;
/// assert!(template.matches("/users/7/files/a/b"));
/// assert!(!template.matches("/users/7/8/files/a"));
/// # Ok::<(), mesh_core::model::matcher::InvalidTemplate>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct UriTemplate {
    source: Arc<str>,
    /// From the front, up to `**` if there is one.
    front: Vec<Piece>,
    /// What follows `**`.
    back: Option<String>,
    /// Text right after the last wildcard.
    suffix: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    /// Slashes and all.
    Text(String),
    /// One part.
    Part,
}

/// Why a text is not a [`UriTemplate`]; the rules are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// A path starts with a slash.
    #[error("a template starts with /")]
    Relative,
    /// A part that is neither text nor a wildcard.
    #[error("a part of a template is a text, *, ** or {{name}}; only a text may follow right after one")]
    Part,
    /// A brace that is not closed, or a bad name in it.
    #[error("a variable is {{name}} or {{name=parts}}; names have 1 to 16 letters, digits and _")]
    Variable,
    /// The same name twice, or more than five.
    #[error("a template has at most five variables, each with a name of its own")]
    Variables,
    /// A wildcard after `**`.
    #[error("no wildcard may follow **")]
    AfterAny,
}

impl UriTemplate {
    /// Reads a template.
    ///
    /// # Errors
    /// [`InvalidTemplate`] where Envoy refuses it.
    pub fn new(source: &str) -> Result<Self, InvalidTemplate> {
        let rest = source.strip_prefix('/').ok_or(InvalidTemplate::Relative)?;
        let mut reader = Reader { front: Vec::new(), back: None, names: Vec::new() };
        let suffix = reader.parts(rest)?;
        Ok(Self { source: source.into(), front: reader.front, back: reader.back, suffix })
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether a path, without query, matches as a whole.
    pub fn matches(&self, path: &str) -> bool {
        let Some(mut rest) = path.strip_suffix(&*self.suffix) else { return false };
        for piece in &self.front {
            let after = match piece {
                Piece::Text(text) => rest.strip_prefix(&**text),
                Piece::Part => {
                    let end = rest.find('/').unwrap_or(rest.len());
                    if end == 0 { None } else { rest.get(end..) }
                }
            };
            let Some(after) = after else { return false };
            rest = after;
        }
        match &self.back {
            Some(back) => rest.ends_with(&**back),
            None => rest.is_empty(),
        }
    }

    /// The text that every path that matches starts with; and whether that is all of it.
    pub fn literal(&self) -> (&str, bool) {
        match self.front.as_slice() {
            [Piece::Text(all)] => (all, self.back.is_none() && self.suffix.is_empty()),
            [Piece::Text(start), ..] => (start, false),
            _ => ("", false),
        }
    }
}

struct Reader<'a> {
    front: Vec<Piece>,
    back: Option<String>,
    names: Vec<&'a str>,
}

impl<'a> Reader<'a> {
    /// All parts after the first slash; gives the suffix.
    fn parts(&mut self, mut rest: &'a str) -> Result<String, InvalidTemplate> {
        self.text("/");
        while !rest.is_empty() {
            rest = self.part(rest)?;
            match rest.strip_prefix('/') {
                Some(after) => {
                    self.text("/");
                    if after.starts_with('/') {
                        return Err(InvalidTemplate::Part);
                    }
                    rest = after;
                }
                None if rest.is_empty() => {}
                // A text right after a wildcard, up to the end.
                None if is_text(rest) => return Ok(rest.to_owned()),
                None => return Err(InvalidTemplate::Part),
            }
        }
        Ok(String::new())
    }

    /// One part; gives what follows.
    fn part(&mut self, rest: &'a str) -> Result<&'a str, InvalidTemplate> {
        if let Some(after) = rest.strip_prefix('{') {
            let (variable, after) = after.split_once('}').ok_or(InvalidTemplate::Variable)?;
            self.variable(variable)?;
            return Ok(after);
        }
        self.plain(rest)
    }

    fn variable(&mut self, variable: &'a str) -> Result<(), InvalidTemplate> {
        let (name, parts) = variable.split_once('=').map_or((variable, "*"), |(name, parts)| (name, parts));
        let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_name = (1..=16).contains(&name.len())
            && name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.bytes().all(legal);
        if !is_name || parts.is_empty() {
            return Err(InvalidTemplate::Variable);
        }
        if self.names.contains(&name) || self.names.len() == 5 {
            return Err(InvalidTemplate::Variables);
        }
        self.names.push(name);
        let mut rest = parts;
        loop {
            rest = self.plain(rest)?;
            match rest.strip_prefix('/') {
                Some(after) if !after.is_empty() => {
                    self.text("/");
                    rest = after;
                }
                _ if rest.is_empty() => return Ok(()),
                _ => return Err(InvalidTemplate::Variable),
            }
        }
    }

    /// A wildcard, or a text up to the next slash.
    fn plain(&mut self, rest: &'a str) -> Result<&'a str, InvalidTemplate> {
        if rest.starts_with('*') && self.back.is_some() {
            return Err(InvalidTemplate::AfterAny);
        }
        if let Some(after) = rest.strip_prefix("**") {
            self.back = Some(String::new());
            return Ok(after);
        }
        if let Some(after) = rest.strip_prefix('*') {
            self.front.push(Piece::Part);
            return Ok(after);
        }
        let (text, after) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if !is_text(text) {
            return Err(InvalidTemplate::Part);
        }
        self.text(text);
        Ok(after)
    }

    fn text(&mut self, text: &str) {
        match (&mut self.back, self.front.last_mut()) {
            (Some(back), _) => back.push_str(text),
            (None, Some(Piece::Text(before))) => before.push_str(text),
            (None, _) => self.front.push(Piece::Text(text.to_owned())),
        }
    }
}

/// The bytes that Envoy lets a template's text hold.
fn is_text(text: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()+,;:@=".contains(&b);
    !text.is_empty() && text.bytes().all(legal)
}

impl fmt::Debug for UriTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template {}", self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(template: &str, path: &str) -> bool {
        UriTemplate::new(template).unwrap().matches(path)
    }

    #[test]
    fn a_star_is_one_part_and_two_are_any_number() {
        assert!(takes("/a/*/c", "/a/b/c") && !takes("/a/*/c", "/a/b/b/c") && !takes("/a/*/c", "/a//c"));
        assert!(takes("/a/**", "/a/b/c") && takes("/a/**", "/a/") && !takes("/a/**", "/a"));
        assert!(takes("/**/c", "/a/b/c") && takes("/**/c", "//c") && !takes("/**/c", "/c"));
        assert!(takes("/a/*/**", "/a/b/") && !takes("/a/*/**", "/a/b"));
        assert!(takes("/", "/") && takes("/a/", "/a/") && !takes("/a/", "/a"));
    }

    #[test]
    fn a_variable_is_the_parts_that_it_names() {
        assert!(takes("/a/{id}/c", "/a/7/c") && !takes("/a/{id}/c", "/a/7/8/c"));
        assert!(takes("/{all=a/*/b}/c", "/a/x/b/c") && !takes("/{all=a/*/b}/c", "/a/x/c"));
        assert!(takes("/{rest=**}", "/x/y") && takes("/{rest=**}.ts", "/x/y.ts"));
    }

    #[test]
    fn a_text_may_follow_the_last_wildcard() {
        assert!(takes("/v/*.m4s", "/v/1.m4s") && !takes("/v/*.m4s", "/v/.m4s"));
        assert!(takes("/v/**.m4s", "/v/a/1.m4s") && !takes("/v/**.m4s", "/v/a/1.mp4"));
    }

    #[test]
    fn no_byte_hides_a_part() {
        for byte in ["|", "*", "\"", "{", "ü"] {
            assert!(takes("/admin/*", &format!("/admin/a{byte}b")), "{byte}");
        }
    }

    #[test]
    fn what_envoy_refuses_is_refused() {
        for (template, error) in [
            ("a", InvalidTemplate::Relative),
            ("/a*", InvalidTemplate::Part),
            ("//", InvalidTemplate::Part),
            ("/*/a//b", InvalidTemplate::Part),
            ("/*b/c", InvalidTemplate::Part),
            ("/a?b", InvalidTemplate::Part),
            ("/{", InvalidTemplate::Variable),
            ("/{1a}", InvalidTemplate::Variable),
            ("/{a=}", InvalidTemplate::Variable),
            ("/{a}/{a}", InvalidTemplate::Variables),
            ("/{a}/{b}/{c}/{d}/{e}/{f}", InvalidTemplate::Variables),
            ("/**/*", InvalidTemplate::AfterAny),
            ("/**/{a}", InvalidTemplate::AfterAny),
        ] {
            assert_eq!(UriTemplate::new(template), Err(error), "{template}");
        }
    }

    #[test]
    fn the_literal_start_is_known() {
        let literal = |t: &str| {
            let template = UriTemplate::new(t).unwrap();
            let (text, whole) = template.literal();
            (text.to_owned(), whole)
        };
        assert_eq!(literal("/a/b"), ("/a/b".to_owned(), true));
        assert_eq!(literal("/a/*/b"), ("/a/".to_owned(), false));
        assert_eq!(literal("/**"), ("/".to_owned(), false));
    }
}
