//! A request's head as matchers see it: one reading for all layers, so that no two disagree about the authority.

#[cfg(any(feature = "authz", feature = "jwt", feature = "ratelimit"))]
use http::Request;
use http::header;
use mesh_core::model::matcher::RequestHead;

/// The head of a request. Its authority is the URI's, else its `host`; the scheme is `http` where none is said.
#[cfg(any(feature = "authz", feature = "jwt", feature = "ratelimit"))]
pub(crate) fn head_of<B>(request: &Request<B>) -> RequestHead<'_> {
    of(request.method(), request.uri(), request.headers())
}

/// The head that these parts of a request make.
pub(crate) fn of<'a>(
    method: &'a http::Method,
    uri: &'a http::Uri,
    headers: &'a http::HeaderMap,
) -> RequestHead<'a> {
    let host = || headers.get(header::HOST).and_then(|host| host.to_str().ok());
    RequestHead {
        method,
        scheme: uri.scheme_str().unwrap_or("http"),
        authority: uri.authority().map(http::uri::Authority::as_str).or_else(host).unwrap_or_default(),
        path: uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str),
        headers,
    }
}
