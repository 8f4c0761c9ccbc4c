//! A request's head, made canonical before anything looks at it.
//!
//! Afterwards the authority is the one `host` header, the URI is path and query alone, normalised once:
//! authorization, the router and the upstream see the same bytes. What belongs to one hop is gone.

use super::rescue;
use http::header::{CONNECTION, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use mesh_core::decide;
use mesh_core::model::http::PathNormalization;
use mesh_policy::Rejection;
use std::borrow::Cow;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes a request canonical.
pub(super) fn canonical<B>(request: &mut Request<B>, level: PathNormalization) -> Result<(), Rejection> {
    authority(request)?;
    if request.method() == Method::CONNECT {
        // No route of ours takes CONNECT.
        return Err(rescue::no_route());
    }
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let normal = match decide::normalize(path, level) {
        Ok(normal) => normal,
        Err(_) => return Err(rescue::bad_request("path_normalization_failed")),
    };
    let changed = match normal {
        Cow::Borrowed(same) if same.len() == path.len() => None,
        Cow::Borrowed(cut) => Some(cut.to_owned()),
        Cow::Owned(new) => Some(new),
    };
    if let Some(path) = changed {
        let path =
            PathAndQuery::try_from(path).map_err(|_| rescue::bad_request("path_normalization_failed"))?;
        *request.uri_mut() = Uri::from(path);
    } else if request.uri().authority().is_some() {
        let path = request.uri().path_and_query().cloned();
        *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    }
    let keeps_upgrade = is_upgrade(request.headers()) && request.version() == Version::HTTP_11;
    hop_by_hop(request.headers_mut(), keeps_upgrade);
    // The codec answers it when the body is first asked for.
    request.headers_mut().remove(EXPECT);
    Ok(())
}

/// One `host` header, from the URI where it names one: RFC 9112 says that it replaces the header.
fn authority<B>(request: &mut Request<B>) -> Result<(), Rejection> {
    if let Some(authority) = request.uri().authority() {
        if authority.as_str().contains('@') {
            return Err(rescue::bad_request("invalid_authority"));
        }
        let value = HeaderValue::from_str(authority.as_str())
            .map_err(|_| rescue::bad_request("invalid_authority"))?;
        request.headers_mut().insert(HOST, value);
        return Ok(());
    }
    let mut hosts = request.headers().get_all(HOST).iter();
    let Some(host) = hosts.next().filter(|h| !h.is_empty()) else {
        return Err(rescue::bad_request("missing_host_header"));
    };
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=:[]".contains(b);
    if hosts.next().is_some() || !host.as_bytes().iter().all(legal) {
        return Err(rescue::bad_request("invalid_authority"));
    }
    Ok(())
}

/// Whether the headers ask for an upgrade of the connection.
pub(super) fn is_upgrade(headers: &HeaderMap) -> bool {
    headers.contains_key(UPGRADE)
        && headers.get_all(CONNECTION).iter().any(|value| {
            value.to_str().is_ok_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case("upgrade")))
        })
}

fn hop_by_hop(headers: &mut HeaderMap, keeps_upgrade: bool) {
    if !keeps_upgrade {
        headers.remove(CONNECTION);
        headers.remove(UPGRADE);
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let trailers = headers
        .get(TE)
        .map(|te| te.to_str().is_ok_and(|v| v.split(',').any(|t| t.trim().eq_ignore_ascii_case("trailers"))));
    match trailers {
        Some(true) => {
            headers.insert(TE, HeaderValue::from_static("trailers"));
        }
        Some(false) => {
            headers.remove(TE);
        }
        None => {}
    }
}

/// Removes from a response what belongs to the hop that it came on.
pub(super) fn clean_response<B>(response: &mut Response<B>) {
    let upgrades = response.status() == http::StatusCode::SWITCHING_PROTOCOLS;
    hop_by_hop(response.headers_mut(), upgrades);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str, host: Option<&str>) -> Request<()> {
        let mut builder = Request::builder().uri(uri);
        if let Some(host) = host {
            builder = builder.header("host", host);
        }
        builder.body(()).unwrap()
    }

    #[test]
    fn an_absolute_target_names_the_authority_and_is_cut_to_its_path() {
        let mut request = request("http://reviews:9080/a//b?x", Some("other"));
        canonical(&mut request, PathNormalization::MergeSlashes).unwrap();
        assert_eq!(request.headers()["host"], "reviews:9080");
        assert_eq!(request.uri(), "/a/b?x");
    }

    #[test]
    fn a_request_without_one_plain_host_is_refused() {
        let refused = |host: Option<&str>| {
            canonical(&mut request("/", host), PathNormalization::Base).unwrap_err().details
        };
        assert_eq!(refused(None), "missing_host_header");
        assert_eq!(refused(Some("a b")), "invalid_authority");
        assert_eq!(refused(Some("user@a")), "invalid_authority");
        let mut two = request("/", Some("a"));
        two.headers_mut().append("host", "b".parse().unwrap());
        assert!(canonical(&mut two, PathNormalization::Base).is_err());
    }

    #[test]
    fn what_belongs_to_one_hop_does_not_go_on() {
        let mut request = request("/", Some("a"));
        for (name, value) in
            [("connection", "keep-alive"), ("keep-alive", "5"), ("te", "gzip, trailers"), ("upgrade", "x")]
        {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        canonical(&mut request, PathNormalization::Base).unwrap();
        assert_eq!(request.headers().len(), 2, "{:?}", request.headers());
        assert_eq!(request.headers()["te"], "trailers");
    }
}
