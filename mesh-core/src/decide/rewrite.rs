//! What a request's path and authority become on the way.
//!
//! Envoy's `prefix_rewrite`, `regex_rewrite` and `host_rewrite_literal`. The query is never part of what is
//! replaced. Where a rewrite gives nothing that could be a path, the request stays as it was, as in Envoy.

use crate::model::route::{PathMatch, PathRewrite};
use http::header::HOST;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderName, HeaderValue, Uri};

/// Where a rewrite leaves the path, with its query, as the caller sent it.
pub const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// The longest path, with its query, that a rewrite makes; `http`'s own bound.
const LONGEST: usize = 65_534;

/// A rewrite of paths, compiled.
#[derive(Clone, Debug)]
pub struct PathRewriter(Kind);

#[derive(Clone, Debug)]
enum Kind {
    /// So many bytes at the start become the text; `None` is the whole path.
    Prefix {
        matched: Option<usize>,
        text: String,
    },
    /// So many bytes, which are whole segments, become the text, with one slash before the rest.
    Segments {
        matched: usize,
        text: String,
    },
    Regex {
        pattern: regex::Regex,
        text: Vec<Piece>,
    },
}

/// A part of a substitution.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Group(usize),
}

/// Why a rewrite cannot be compiled.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRewrite {
    /// A substitution names a group that its pattern does not have.
    #[error("`\\{group}` is a group that the pattern does not have; it has {has}")]
    Group {
        /// The group.
        group: usize,
        /// How many there are.
        has: usize,
    },
    /// A backslash stands before something else than a digit or a backslash.
    #[error("a backslash is followed by neither a digit nor a backslash")]
    Backslash,
    /// The pattern compiles to too much.
    #[error("not a regular expression: {0}")]
    Pattern(String),
}

/// A rewrite came to nothing that could be a path; the request is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a rewrite does not give a path")]
pub struct NoPath;

impl PathRewriter {
    /// Compiles the rewrite of a route. `matches` is what the route's paths look like: a prefix that matched
    /// is what becomes something else, else the whole path.
    ///
    /// # Errors
    /// If a substitution names what is not there.
    pub fn new(rewrite: &PathRewrite, matches: &PathMatch) -> Result<Self, InvalidRewrite> {
        Ok(Self(match rewrite {
            PathRewrite::Prefix(text) => {
                Kind::Prefix { matched: matched_prefix(matches), text: text.clone() }
            }
            PathRewrite::Regex { pattern, substitution } => {
                let text = pieces(substitution, pattern.groups())?;
                // The model's pattern compiled once already, within the same bound.
                let pattern = regex::RegexBuilder::new(pattern.translated()).size_limit(1 << 20).build();
                Kind::Regex { pattern: pattern.map_err(|e| InvalidRewrite::Pattern(e.to_string()))?, text }
            }
        }))
    }

    /// Whole segments become others: Gateway API's `ReplacePrefixMatch`.
    ///
    /// As if neither ended in a slash: `/a` replaced by `/` makes `/b` of `/a/b`, and `/` of `/a`, where bytes
    /// alone would make `//b`.
    pub fn segments(matched: &str, text: &str) -> Self {
        let matched = matched.trim_end_matches('/').len();
        Self(Kind::Segments { matched, text: text.trim_end_matches('/').to_owned() })
    }

    /// A path, without a query, rewritten; `None` if it comes to nothing that could be a path.
    ///
    /// That the path matches is the caller's to know.
    pub fn path(&self, path: &str) -> Option<String> {
        let new = match &self.0 {
            Kind::Prefix { matched, text } => {
                let rest = matched.map_or(Some(""), |n| path.get(n..))?;
                [text.as_str(), rest].concat()
            }
            Kind::Segments { matched, text } => match (text.as_str(), path.get(*matched..)?) {
                ("", "") => "/".to_owned(),
                (text, "") => text.to_owned(),
                (text, rest) => [text, "/", rest.strip_prefix('/').unwrap_or(rest)].concat(),
            },
            Kind::Regex { pattern, text } => replace_all(pattern, text, path)?,
        };
        (new.starts_with('/') && new.len() <= LONGEST).then_some(new)
    }

    /// Rewrites a request's path and says in `x-envoy-original-path` what it was.
    ///
    /// # Errors
    /// If that gives no path; nothing has changed then.
    pub fn apply(&self, uri: &mut Uri, headers: &mut HeaderMap) -> Result<(), NoPath> {
        let old = uri.path_and_query().ok_or(NoPath)?;
        let mut new = self.path(old.path()).ok_or(NoPath)?;
        if let Some(query) = old.query() {
            new.push('?');
            new.push_str(query);
        }
        let original = HeaderValue::from_str(old.as_str()).map_err(|_| NoPath)?;
        let mut parts = uri.clone().into_parts();
        parts.path_and_query = Some(PathAndQuery::try_from(new).map_err(|_| NoPath)?);
        *uri = Uri::from_parts(parts).map_err(|_| NoPath)?;
        headers.insert(ORIGINAL_PATH, original);
        Ok(())
    }
}

/// How much of a path a match stands for; `None` is all of it.
pub fn matched_prefix(path: &PathMatch) -> Option<usize> {
    match path {
        PathMatch::Prefix(prefix) | PathMatch::Segments(prefix) => Some(prefix.len()),
        PathMatch::Exact(_) | PathMatch::Regex(_) => None,
    }
}

/// RE2's `GlobalReplace`, within [`LONGEST`].
fn replace_all(pattern: &regex::Regex, text: &[Piece], path: &str) -> Option<String> {
    let mut out = String::with_capacity(path.len());
    let mut from = 0;
    for found in pattern.captures_iter(path) {
        let whole = found.get(0)?;
        out.push_str(path.get(from..whole.start())?);
        for piece in text {
            match piece {
                Piece::Literal(literal) => out.push_str(literal),
                Piece::Group(group) => out.push_str(found.get(*group).map_or("", |g| g.as_str())),
            }
        }
        from = whole.end();
        if out.len() > LONGEST {
            return None;
        }
    }
    out.push_str(path.get(from..)?);
    Some(out)
}

/// RE2's substitutions: `\1` is a group, `\0` all of the match, `\\` a backslash.
fn pieces(substitution: &str, has: usize) -> Result<Vec<Piece>, InvalidRewrite> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut chars = substitution.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            literal.push(c);
            continue;
        }
        let escaped = chars.next().ok_or(InvalidRewrite::Backslash)?;
        match escaped.to_digit(10).and_then(|digit| usize::try_from(digit).ok()) {
            _ if escaped == '\\' => literal.push('\\'),
            Some(group) if group > has => return Err(InvalidRewrite::Group { group, has }),
            Some(group) => {
                if !literal.is_empty() {
                    out.push(Piece::Literal(std::mem::take(&mut literal)));
                }
                out.push(Piece::Group(group));
            }
            None => return Err(InvalidRewrite::Backslash),
        }
    }
    if !literal.is_empty() {
        out.push(Piece::Literal(literal));
    }
    Ok(out)
}

/// An authority that requests are sent with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAuthority {
    authority: Authority,
    host: HeaderValue,
}

impl NewAuthority {
    /// A host, with a port where it needs one; `None` if it is neither.
    pub fn new(text: &str) -> Option<Self> {
        let authority: Authority = text.parse().ok()?;
        if authority.as_str().contains('@') {
            return None;
        }
        Some(Self { host: HeaderValue::from_str(text).ok()?, authority })
    }

    /// The authority, as it was written.
    pub fn as_str(&self) -> &str {
        self.authority.as_str()
    }

    /// Replaces a request's authority: in its URI where it stands there, as in HTTP/2, and in `host` where it
    /// stands there, or nowhere.
    pub fn apply(&self, uri: &mut Uri, headers: &mut HeaderMap) {
        let in_uri = uri.authority().is_some();
        if in_uri {
            let mut parts = uri.clone().into_parts();
            parts.authority = Some(self.authority.clone());
            // An authority in place of another always fits.
            if let Ok(changed) = Uri::from_parts(parts) {
                *uri = changed;
            }
        }
        if !in_uri || headers.contains_key(HOST) {
            headers.insert(HOST, self.host.clone());
        }
    }
}

/// A request's authority: its URI's, else its `host`.
pub fn authority<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => headers.get(HOST).and_then(|host| host.to_str().ok()),
    }
}

/// As Envoy marks the authority of a copy of a request: `reviews:9080` becomes `reviews-shadow:9080`.
pub fn shadow_authority(authority: &str) -> String {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => {
            format!("{host}-shadow:{port}")
        }
        _ => format!("{authority}-shadow"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::matcher::Regex;
    use proptest::prelude::*;

    fn regex(pattern: &str, substitution: &str) -> PathRewrite {
        PathRewrite::Regex { pattern: Regex::new(pattern).unwrap(), substitution: substitution.to_owned() }
    }

    fn rewritten(rewrite: &PathRewrite, matches: PathMatch, uri: &str) -> (String, String) {
        let (mut uri, mut headers) = (uri.parse::<Uri>().unwrap(), HeaderMap::new());
        PathRewriter::new(rewrite, &matches).unwrap().apply(&mut uri, &mut headers).unwrap();
        (uri.to_string(), headers[ORIGINAL_PATH].to_str().unwrap().to_owned())
    }

    #[test]
    fn a_prefix_is_replaced_and_the_rest_stays() {
        let new = PathRewrite::Prefix("/new".into());
        let (path, original) = rewritten(&new, PathMatch::Prefix("/old".into()), "/old/a?b=c");
        assert_eq!((path.as_str(), original.as_str()), ("/new/a?b=c", "/old/a?b=c"));
        assert_eq!(rewritten(&new, PathMatch::Exact("/old".into()), "/old?x").0, "/new?x");
        let (absolute, _) = rewritten(&new, PathMatch::Prefix("/old".into()), "http://a.example:8080/old/a");
        assert_eq!(absolute, "http://a.example:8080/new/a");
    }

    #[test]
    fn bytes_are_replaced_as_in_envoy_and_segments_as_in_gateway_api() {
        let root = PathRewrite::Prefix("/".into());
        assert_eq!(rewritten(&root, PathMatch::Prefix("/a".into()), "/a/b").0, "//b");
        let table = [
            ("/a", "/", "/a/b", "/b"),
            ("/a", "/", "/a", "/"),
            ("/a/", "/x/", "/a/b/", "/x/b/"),
            ("/a", "/x", "/a/", "/x/"),
            ("/a", "/x", "/a", "/x"),
            ("/", "/x", "/b", "/x/b"),
        ];
        for (matched, text, path, want) in table {
            assert_eq!(PathRewriter::segments(matched, text).path(path).as_deref(), Some(want), "{path}");
        }
    }

    #[test]
    fn a_pattern_is_replaced_wherever_it_is_found() {
        let any = || PathMatch::Prefix("/".into());
        assert_eq!(rewritten(&regex("/v([0-9]+)/", r"/$v\1/"), any(), "/v2/x?/v3/").0, "/$v2/x?/v3/");
        assert_eq!(
            rewritten(&regex("^/service/([^/]+)(/.*)$", r"\2/instance/\1"), any(), "/service/a/b").0,
            "/b/instance/a"
        );
        // What is not found stays, and the header says so all the same, so that no caller can make it up.
        assert_eq!(
            rewritten(&regex("one", "two"), any(), "/three"),
            ("/three".to_owned(), "/three".to_owned())
        );
    }

    #[test]
    fn what_is_no_path_leaves_the_request_as_it_was() {
        let (mut uri, mut headers) = ("/a?b".parse::<Uri>().unwrap(), HeaderMap::new());
        for (pattern, text) in [("/.*", ""), ("^/", "no"), ("", &*"x/".repeat(40_000))] {
            let rewriter = PathRewriter::new(&regex(pattern, text), &PathMatch::Prefix("/".into())).unwrap();
            assert_eq!(rewriter.apply(&mut uri, &mut headers), Err(NoPath));
            assert!(uri == "/a?b" && headers.is_empty());
        }
    }

    #[test]
    fn a_substitution_names_groups_that_are_there() {
        let refused =
            |text| PathRewriter::new(&regex("(a)", text), &PathMatch::Exact("/".into())).unwrap_err();
        assert_eq!(refused(r"\2"), InvalidRewrite::Group { group: 2, has: 1 });
        assert_eq!(refused(r"\x"), InvalidRewrite::Backslash);
        assert_eq!(refused(r"\"), InvalidRewrite::Backslash);
        assert_eq!(pieces(r"\\\1", 1), Ok(vec![Piece::Literal("\\".into()), Piece::Group(1)]));
    }

    #[test]
    fn an_authority_is_replaced_wherever_it_stands() {
        let new = NewAuthority::new("b.example:81").unwrap();
        let of = |uri: &str, host: Option<&'static str>| {
            let (mut uri, mut headers) = (uri.parse::<Uri>().unwrap(), HeaderMap::new());
            headers.extend(host.map(|h| (HOST, HeaderValue::from_static(h))));
            new.apply(&mut uri, &mut headers);
            (uri.to_string(), headers.get(HOST).map(|h| h.to_str().unwrap().to_owned()))
        };
        let host = || Some("b.example:81".to_owned());
        assert_eq!(of("/x", Some("a")), ("/x".to_owned(), host()));
        assert_eq!(of("/x", None), ("/x".to_owned(), host()));
        assert_eq!(of("http://a/x", None), ("http://b.example:81/x".to_owned(), None));
        assert_eq!(of("http://a/x", Some("a")), ("http://b.example:81/x".to_owned(), host()));
        for wrong in ["", "a b", "user@host", "a/b"] {
            assert_eq!(NewAuthority::new(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_copys_authority_is_marked_before_its_port() {
        assert_eq!(shadow_authority("reviews:9080"), "reviews-shadow:9080");
        assert_eq!(shadow_authority("reviews"), "reviews-shadow");
        assert_eq!(shadow_authority("[::1]"), "[::1]-shadow");
    }

    proptest! {
        #[test]
        fn a_rewrite_never_loses_the_query(
            path in "/[a-c/]{0,12}", query in "[a-c=&/?]{0,12}", text in "/?[a-c/]{0,6}", which in 0usize..4,
        ) {
            let rewriter = match which {
                0 => PathRewriter::new(&PathRewrite::Prefix(text), &PathMatch::Prefix("/".into())).unwrap(),
                1 => PathRewriter::new(&PathRewrite::Prefix(text), &PathMatch::Exact(path.clone())).unwrap(),
                2 => PathRewriter::new(&regex("a|^/", &text), &PathMatch::Prefix("/".into())).unwrap(),
                _ => PathRewriter::segments("/", &text),
            };
            let before = format!("{path}?{query}");
            let (mut uri, mut headers) = (before.parse::<Uri>().unwrap(), HeaderMap::new());
            match rewriter.apply(&mut uri, &mut headers) {
                Ok(()) => prop_assert_eq!(headers[ORIGINAL_PATH].to_str().unwrap(), before.as_str()),
                Err(NoPath) => prop_assert_eq!(uri.to_string(), before),
            }
            prop_assert_eq!(uri.query(), Some(query.as_str()));
            prop_assert!(uri.path().starts_with('/'));
        }
    }
}
