//! Changes of the path on the way, and the target of a redirect.

use http::uri::PathAndQuery;
use http::{HeaderName, HeaderValue, Request, Uri};
use mesh_core::model::matcher::RequestHead;
use mesh_core::model::route::{PathMatch, PathRewrite, Redirect, RedirectPath, RouteMatch};

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");

/// A route's change of the path, compiled.
pub(super) enum Rewrite {
    None,
    /// So many bytes at the start become this text; `None` is the whole path.
    Prefix {
        matched: Option<usize>,
        text: String,
    },
    Regex {
        pattern: regex::Regex,
        text: String,
    },
}

impl Rewrite {
    pub(super) fn new(spec: Option<&PathRewrite>, matches: &RouteMatch) -> Self {
        match spec {
            None => Self::None,
            Some(PathRewrite::Prefix(text)) => {
                Self::Prefix { matched: matched_prefix(&matches.path), text: text.clone() }
            }
            Some(PathRewrite::Regex { pattern, substitution }) => {
                // The model's pattern compiled once already, within the same bounds.
                match regex::RegexBuilder::new(pattern.translated()).size_limit(1 << 20).build() {
                    Ok(pattern) => Self::Regex { pattern, text: groups(substitution) },
                    Err(error) => {
                        tracing::error!(%error, "a path rewrite cannot be compiled");
                        Self::None
                    }
                }
            }
        }
    }

    pub(super) fn apply<B>(&self, request: &mut Request<B>) {
        let Some(old) = request.uri().path_and_query() else { return };
        let path = old.path();
        let new = match self {
            Self::None => return,
            Self::Prefix { matched, text } => {
                let rest = matched.and_then(|n| path.get(n..)).unwrap_or_default();
                format!("{text}{rest}")
            }
            Self::Regex { pattern, text } => pattern.replace_all(path, text.as_str()).into_owned(),
        };
        let full = match old.query() {
            Some(query) => format!("{new}?{query}"),
            None => new,
        };
        let original = HeaderValue::from_str(old.as_str());
        let Ok(changed) = PathAndQuery::try_from(full) else { return };
        if let Ok(original) = original {
            request.headers_mut().insert(ORIGINAL_PATH, original);
        }
        *request.uri_mut() = Uri::from(changed);
    }
}

/// How much of a path a match stands for; `None` is all of it.
fn matched_prefix(path: &PathMatch) -> Option<usize> {
    match path {
        PathMatch::Prefix(prefix) | PathMatch::Segments(prefix) => Some(prefix.len()),
        PathMatch::Exact(_) | PathMatch::Regex(_) => None,
    }
}

/// RE2's `\1` in the words of the regex crate, where `$` is the special character.
fn groups(substitution: &str) -> String {
    let mut out = String::with_capacity(substitution.len() + 4);
    let mut chars = substitution.chars();
    while let Some(c) = chars.next() {
        match c {
            '$' => out.push_str("$$"),
            '\\' => match chars.next() {
                Some(digit) if digit.is_ascii_digit() => {
                    out.push_str("${");
                    out.push(digit);
                    out.push('}');
                }
                Some(other) => out.push(other),
                None => {}
            },
            other => out.push(other),
        }
    }
    out
}

/// Where a redirect leads. Envoy's rules: what is not replaced stays, but a port that belongs to the old
/// scheme goes with it.
pub(crate) fn redirect_location(redirect: &Redirect, matches: &RouteMatch, head: &RequestHead<'_>) -> String {
    let scheme = redirect.scheme.as_deref().unwrap_or(head.scheme);
    let (host, port) = split_port(head.authority);
    let mut location = String::with_capacity(64);
    location.push_str(scheme);
    location.push_str("://");
    location.push_str(redirect.host.as_deref().unwrap_or(host));
    let port = match redirect.port {
        Some(port) => Some(port),
        None if redirect.host.is_some() => None,
        // As Envoy: a scheme redirect drops the port that the old scheme implies.
        None => port.filter(|p| !(redirect.scheme.is_some() && matches!(p, 80 | 443))),
    };
    let implied = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    if let Some(port) = port.filter(|p| redirect.port.is_none() || Some(*p) != implied) {
        location.push(':');
        location.push_str(&port.to_string());
    }
    let path = head.path_only();
    match &redirect.path {
        None => location.push_str(path),
        Some(RedirectPath::Full(full)) => location.push_str(full),
        Some(RedirectPath::Prefix(prefix)) => {
            location.push_str(prefix);
            let rest = matched_prefix(&matches.path).and_then(|n| path.get(n..)).unwrap_or_default();
            location.push_str(rest);
        }
    }
    let query = head.query();
    if !redirect.strip_query && !query.is_empty() && !location.contains('?') {
        location.push('?');
        location.push_str(query);
    }
    location
}

fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (authority, None),
        },
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method, StatusCode};
    use mesh_core::model::matcher::Regex;

    fn rewritten(spec: PathRewrite, path: PathMatch, uri: &str) -> (String, String) {
        let matches = RouteMatch { path, ..RouteMatch::default() };
        let mut request = Request::builder().uri(uri).body(()).unwrap();
        Rewrite::new(Some(&spec), &matches).apply(&mut request);
        let original = request.headers()["x-envoy-original-path"].to_str().unwrap().to_owned();
        (request.uri().to_string(), original)
    }

    #[test]
    fn a_prefix_is_replaced_and_the_query_stays() {
        let spec = PathRewrite::Prefix("/new".into());
        let (path, original) = rewritten(spec.clone(), PathMatch::Prefix("/old".into()), "/old/a?b=c");
        assert_eq!((path.as_str(), original.as_str()), ("/new/a?b=c", "/old/a?b=c"));
        assert_eq!(rewritten(spec, PathMatch::Exact("/old".into()), "/old").0, "/new");
    }

    #[test]
    fn a_pattern_is_replaced_wherever_it_is_found() {
        let spec = PathRewrite::Regex {
            pattern: Regex::new("/v([0-9]+)/").unwrap(),
            substitution: r"/$v\1/".into(),
        };
        assert_eq!(rewritten(spec, PathMatch::Prefix("/".into()), "/v2/x").0, "/$v2/x");
    }

    #[test]
    fn a_redirect_keeps_what_it_does_not_replace() {
        let headers = HeaderMap::new();
        let head = RequestHead {
            method: &Method::GET,
            scheme: "http",
            authority: "a.example:80",
            path: "/old/x?q=1",
            headers: &headers,
        };
        let redirect = Redirect {
            scheme: Some("https".into()),
            host: None,
            port: None,
            path: Some(RedirectPath::Prefix("/new".into())),
            status: StatusCode::MOVED_PERMANENTLY,
            strip_query: false,
        };
        let matches = RouteMatch { path: PathMatch::Prefix("/old".into()), ..RouteMatch::default() };
        assert_eq!(redirect_location(&redirect, &matches, &head), "https://a.example/new/x?q=1");
    }
}
