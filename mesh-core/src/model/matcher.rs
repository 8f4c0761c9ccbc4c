//! What a part of a request must look like: Envoy's string, header, path and query matchers.
//!
//! Matching itself is here too, since it is pure and used by routes and by authorization alike.

mod re2;
mod uri_template;

pub use uri_template::{InvalidTemplate, UriTemplate};

use http::{HeaderMap, HeaderName};
use std::fmt;
use std::sync::Arc;

/// A compiled regular expression of RE2's syntax that must match the whole text, as RE2 does for Envoy.
///
/// Linear in the text by construction; its source is bounded so that compilation is, too.
#[derive(Clone)]
pub struct Regex {
    source: Arc<str>,
    translated: Arc<str>,
    whole: regex::Regex,
}

/// Why a text is not a [`Regex`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRegex {
    /// Longer than Istio admits.
    #[error("a regular expression has at most 1024 bytes, not {0}")]
    Length(usize),
    /// Not the syntax of RE2.
    #[error("{0}")]
    NotRe2(String),
    /// Not a regular expression at all, or one that compiles to too much.
    #[error("not a regular expression: {0}")]
    Syntax(String),
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is too long, not RE2 syntax, or compiles to more than 1 MiB.
    pub fn new(source: &str) -> Result<Self, InvalidRegex> {
        if source.len() > 1024 {
            return Err(InvalidRegex::Length(source.len()));
        }
        let translated = re2::translate(source).map_err(InvalidRegex::NotRe2)?;
        // Checked alone first: a pattern such as `a)|(b` must not escape from the anchors.
        build(&translated)?;
        let whole = build(&format!(r"\A(?:{translated})\z"))?;
        let source: Arc<str> = source.into();
        let translated = if translated == *source { source.clone() } else { translated.into() };
        Ok(Self { source, translated, whole })
    }

    /// The pattern in the syntax of the `regex` crate, for those who look for it within a text.
    pub fn translated(&self) -> &str {
        &self.translated
    }

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// How many groups it has, beside the whole.
    pub fn groups(&self) -> usize {
        self.whole.captures_len().saturating_sub(1)
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }
}

fn build(pattern: &str) -> Result<regex::Regex, InvalidRegex> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .nest_limit(100)
        .build()
        .map_err(|e| InvalidRegex::Syntax(e.to_string()))
}

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source == other.source
    }
}

impl Eq for Regex {}

impl fmt::Debug for Regex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}/", self.source)
    }
}

/// How a text is compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Equal.
    Exact(String),
    /// Starts with.
    Prefix(String),
    /// Ends with.
    Suffix(String),
    /// Contains.
    Contains(String),
    /// Matches as a whole.
    Regex(Regex),
}

/// A text matcher. Envoy's `type.matcher.v3.StringMatcher`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StringMatch {
    /// How to compare.
    pub pattern: Pattern,
    /// Compare ASCII letters without case; regular expressions do not look at it.
    pub ignore_case: bool,
}

impl From<Pattern> for StringMatch {
    fn from(pattern: Pattern) -> Self {
        Self { pattern, ignore_case: false }
    }
}

impl StringMatch {
    /// Equal to a text, with case.
    pub fn exact(text: impl Into<String>) -> Self {
        Pattern::Exact(text.into()).into()
    }

    /// Starts with a text, with case.
    pub fn prefix(text: impl Into<String>) -> Self {
        Pattern::Prefix(text.into()).into()
    }

    /// Ends with a text, with case.
    pub fn suffix(text: impl Into<String>) -> Self {
        Pattern::Suffix(text.into()).into()
    }

    /// Whether a text matches.
    pub fn matches(&self, text: &str) -> bool {
        let fold = self.ignore_case;
        let same = |a: &[u8], b: &[u8]| if fold { a.eq_ignore_ascii_case(b) } else { a == b };
        let text_bytes = text.as_bytes();
        match &self.pattern {
            Pattern::Exact(want) => same(text_bytes, want.as_bytes()),
            Pattern::Prefix(want) => {
                text_bytes.get(..want.len()).is_some_and(|head| same(head, want.as_bytes()))
            }
            Pattern::Suffix(want) => text_bytes
                .len()
                .checked_sub(want.len())
                .and_then(|from| text_bytes.get(from..))
                .is_some_and(|tail| same(tail, want.as_bytes())),
            Pattern::Contains(want) if want.is_empty() => true,
            Pattern::Contains(want) => text_bytes.windows(want.len()).any(|w| same(w, want.as_bytes())),
            Pattern::Regex(re) => re.is_match(text),
        }
    }
}

/// What a header must be like. Envoy's `route.v3.HeaderMatcher`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderMatch {
    /// The header; pseudo-headers by [`HeaderKey`].
    pub name: HeaderKey,
    /// What its value must be like.
    pub value: ValueMatch,
    /// Turn the answer round.
    pub invert: bool,
    /// Treat an absent header as an empty value.
    pub absent_is_empty: bool,
}

/// A header or one of the pseudo-headers that Envoy lets a matcher name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderKey {
    /// `:method`.
    Method,
    /// `:authority`.
    Authority,
    /// `:scheme`.
    Scheme,
    /// `:path`, with the query.
    Path,
    /// An ordinary header.
    Name(HeaderName),
}

/// What a header's value must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueMatch {
    /// The header is there (or, with `false`, is not).
    Present(bool),
    /// The value matches. Values that were sent as several lines are joined by a comma, as Envoy does.
    String(StringMatch),
    /// The value is a decimal integer in `[start, end)`.
    Range {
        /// First that matches.
        start: i64,
        /// First that does not.
        end: i64,
    },
}

/// What a query parameter must be like. Envoy's `route.v3.QueryParameterMatcher`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueryMatch {
    /// The parameter's name.
    pub name: String,
    /// `None`: it must be there.
    pub value: Option<StringMatch>,
}

/// The parts of a request that decisions look at; borrowed, so that asking costs nothing.
#[derive(Clone, Copy, Debug)]
pub struct RequestHead<'a> {
    /// `:method`.
    pub method: &'a http::Method,
    /// `:scheme`: `http` or `https`.
    pub scheme: &'a str,
    /// `:authority` or `host`, as sent: with port if the caller wrote one.
    pub authority: &'a str,
    /// The normalised path, with its query: the very bytes that are forwarded.
    pub path: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
}

impl<'a> RequestHead<'a> {
    /// The path without query or fragment.
    pub fn path_only(&self) -> &'a str {
        match self.path.find(['?', '#']) {
            Some(at) => self.path.get(..at).unwrap_or(self.path),
            None => self.path,
        }
    }

    /// The query without its `?`, empty if there is none.
    pub fn query(&self) -> &'a str {
        let without_fragment = self.path.split_once('#').map_or(self.path, |(before, _)| before);
        without_fragment.split_once('?').map_or("", |(_, query)| query)
    }
}

impl HeaderMatch {
    /// The header's value must match.
    pub fn string(name: HeaderKey, value: StringMatch) -> Self {
        Self { name, value: ValueMatch::String(value), invert: false, absent_is_empty: false }
    }

    /// Whether a request's header is as wanted.
    ///
    /// As in Envoy, an absent header never matches a value, inverted or not.
    pub fn matches(&self, head: &RequestHead<'_>) -> bool {
        self.matches_if(head, self.invert)
    }

    fn matches_if(&self, head: &RequestHead<'_>, invert: bool) -> bool {
        let mut joined = String::new();
        let value: Option<&str> = match &self.name {
            HeaderKey::Method => Some(head.method.as_str()),
            HeaderKey::Authority => Some(head.authority),
            HeaderKey::Scheme => Some(head.scheme),
            HeaderKey::Path => Some(head.path),
            HeaderKey::Name(name) => header_value(head.headers, name, &mut joined),
        };
        self.takes(value, invert)
    }

    /// Whether a response's header is as wanted. Pseudo-headers of requests are absent from it.
    pub fn matches_response(&self, headers: &HeaderMap) -> bool {
        let mut joined = String::new();
        let value = match &self.name {
            HeaderKey::Name(name) => header_value(headers, name, &mut joined),
            _ => None,
        };
        self.takes(value, self.invert)
    }

    fn takes(&self, value: Option<&str>, invert: bool) -> bool {
        let value = match value {
            None if self.absent_is_empty => Some(""),
            other => other,
        };
        match (&self.value, value) {
            (ValueMatch::Present(want), found) => (*want == found.is_some()) != invert,
            (_, None) => false,
            (value, Some(text)) => value.takes(text) != invert,
        }
    }
}

/// What a header is to a rule that must not be walked around.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is as wanted.
    Matches,
    /// It is not.
    Differs,
    /// It holds bytes that are not text, so nobody can say.
    Unreadable,
}

impl HeaderMatch {
    /// As [`matches`](Self::matches), for authorization: each value of a repeated header counts by itself as
    /// well as all of them joined, so that a second value hides nothing, and bytes that are not text are
    /// neither absent nor a match.
    pub fn read(&self, head: &RequestHead<'_>) -> Reading {
        let HeaderKey::Name(name) = &self.name else { return self.matches(head).into() };
        let ValueMatch::Present(want) = &self.value else { return self.read_values(name, head) };
        ((*want == head.headers.contains_key(name)) != self.invert).into()
    }

    fn read_values(&self, name: &HeaderName, head: &RequestHead<'_>) -> Reading {
        let mut found = self.matches_if(head, false);
        let mut unreadable = false;
        let mut absent = !self.absent_is_empty;
        for value in head.headers.get_all(name) {
            absent = false;
            match std::str::from_utf8(value.as_bytes()) {
                Ok(text) => found |= self.value.takes(text),
                Err(_) => unreadable = true,
            }
        }
        match found {
            true => (!self.invert).into(),
            false if unreadable => Reading::Unreadable,
            // Absent is never a match, inverted or not.
            false => (self.invert && !absent).into(),
        }
    }
}

impl ValueMatch {
    fn takes(&self, text: &str) -> bool {
        match self {
            Self::Present(want) => *want,
            Self::String(want) => want.matches(text),
            Self::Range { start, end } => text.parse::<i64>().is_ok_and(|n| (*start..*end).contains(&n)),
        }
    }
}

impl From<bool> for Reading {
    fn from(matches: bool) -> Self {
        if matches { Self::Matches } else { Self::Differs }
    }
}

/// One value as it is; several joined by commas. Bytes that are not text match nothing, not even `.*`,
/// and so are absent here.
fn header_value<'a>(headers: &'a HeaderMap, name: &HeaderName, joined: &'a mut String) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?.to_str().ok()?;
    let Some(second) = values.next() else { return Some(first) };
    joined.push_str(first);
    for value in std::iter::once(second).chain(values) {
        joined.push(',');
        joined.push_str(value.to_str().ok()?);
    }
    Some(joined)
}

impl QueryMatch {
    /// Whether a query string (without `?`) is as wanted. The first occurrence of the name decides.
    pub fn matches(&self, query: &str) -> bool {
        let found = query.split('&').find_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == self.name && !pair.is_empty()).then_some(value)
        });
        match (&self.value, found) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(want), Some(value)) => want.matches(value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head<'a>(headers: &'a HeaderMap, path: &'a str) -> RequestHead<'a> {
        RequestHead { method: &http::Method::GET, scheme: "http", authority: "a", path, headers }
    }

    #[test]
    fn a_regex_must_match_the_whole_text() {
        let re = Regex::new("a|b").unwrap();
        assert!(re.is_match("a") && re.is_match("b") && !re.is_match("ab"));
        assert!(Regex::new("a)|(b").is_err());
        assert_eq!(Regex::new(&"a".repeat(1025)), Err(InvalidRegex::Length(1025)));
    }

    #[test]
    fn repeated_headers_are_matched_joined_and_absent_ones_never_as_a_value() {
        let mut headers = HeaderMap::new();
        headers.append("x", "a".parse().unwrap());
        headers.append("x", "b".parse().unwrap());
        let name = HeaderKey::Name(HeaderName::from_static("x"));
        assert!(HeaderMatch::string(name.clone(), StringMatch::exact("a,b")).matches(&head(&headers, "/")));
        let mut not = HeaderMatch::string(name, StringMatch::exact("z"));
        not.invert = true;
        assert!(not.matches(&head(&headers, "/")));
        assert!(!not.matches(&head(&HeaderMap::new(), "/")));
    }

    #[test]
    fn path_and_query_are_split_before_fragments() {
        let headers = HeaderMap::new();
        let h = head(&headers, "/a/b?x=1&y#frag");
        assert_eq!((h.path_only(), h.query()), ("/a/b", "x=1&y"));
        assert_eq!(head(&headers, "/a#f?x").query(), "");
        assert!(QueryMatch { name: "y".into(), value: None }.matches(h.query()));
        assert!(!QueryMatch { name: "x".into(), value: Some(StringMatch::exact("2")) }.matches(h.query()));
    }

    #[test]
    fn case_is_ignored_only_where_asked() {
        let m = StringMatch { pattern: Pattern::Contains("Bc".into()), ignore_case: true };
        assert!(m.matches("aBCd"));
        assert!(!StringMatch::prefix("A").matches("a"));
        assert!(!StringMatch::suffix("long").matches("g"));
    }
}
