//! Changes of the path on the way, and the target of a redirect.

use http::Request;
use mesh_core::decide::rewrite::{PathRewriter, matched_prefix};
use mesh_core::model::matcher::RequestHead;
use mesh_core::model::route::{PathRewrite, Redirect, RedirectPath, RouteMatch};

/// A route's change of the path, compiled; `None` changes nothing.
pub(super) struct Rewrite(Option<PathRewriter>);

impl Rewrite {
    pub(super) fn new(spec: Option<&PathRewrite>, matches: &RouteMatch) -> Self {
        Self(spec.and_then(|spec| match PathRewriter::new(spec, &matches.path) {
            Ok(rewriter) => Some(rewriter),
            Err(error) => {
                tracing::error!(%error, "a path rewrite cannot be compiled");
                None
            }
        }))
    }

    pub(super) fn apply<B>(&self, request: &mut Request<B>) {
        let Some(rewriter) = &self.0 else { return };
        let mut uri = std::mem::take(request.uri_mut());
        if let Err(error) = rewriter.apply(&mut uri, request.headers_mut()) {
            tracing::debug!(%error, "a path stays as it was");
        }
        *request.uri_mut() = uri;
    }
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
    use mesh_core::model::route::PathMatch;

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
