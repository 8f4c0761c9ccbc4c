//! A request's head, made canonical before anything looks at it.
//!
//! Afterwards the authority is the one `host` header, the URI is path and query alone, normalised once:
//! authorization, the router and the upstream see the same bytes. What belongs to one hop is gone.

use super::rescue;
use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use mesh_core::decide;
use mesh_core::model::http::PathNormalization;
use mesh_policy::Rejection;
use std::borrow::Cow;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Makes a request canonical.
pub(super) fn canonical<B>(request: &mut Request<B>, level: PathNormalization) -> Result<(), Rejection> {
    framing(request)?;
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
    one_cookie(request.headers_mut());
    ignore_h2c(request.headers_mut());
    let keeps_upgrade = is_upgrade(request.headers()) && request.version() == Version::HTTP_11;
    hop_by_hop(request.headers_mut(), keeps_upgrade);
    // The codec answers it when the body is first asked for.
    request.headers_mut().remove(EXPECT);
    Ok(())
}

/// No coding of the transfer but `chunked`, once: the codec undoes no other, and what it passed on would no
/// longer say what it is. A length beside the coding does not get here: the codec drops it and reads chunks.
fn framing<B>(request: &Request<B>) -> Result<(), Rejection> {
    let mut codings = request.headers().get_all(TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Ok(()) };
    if request.headers().contains_key(CONTENT_LENGTH) {
        return Err(rescue::bad_framing(
            StatusCode::BAD_REQUEST,
            "http1.content_length_and_chunked_not_allowed",
        ));
    }
    if codings.next().is_some() || !coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") {
        return Err(rescue::bad_framing(StatusCode::NOT_IMPLEMENTED, "http1.invalid_transfer_encoding"));
    }
    Ok(())
}

/// HTTP/2 may cut a cookie into many fields; RFC 9113 §8.2.3 has them joined before anybody reads them.
fn one_cookie(headers: &mut HeaderMap) {
    let crumbs: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() < 2 {
        return;
    }
    // Legal values with a legal delimiter between them are a legal value.
    if let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, whole);
    }
}

/// An offer to go on in HTTP/2 may be passed over, and is, as Envoy does: the request is served as it came.
fn ignore_h2c(headers: &mut HeaderMap) {
    let offered = |v: &HeaderValue| v.as_bytes().trim_ascii().eq_ignore_ascii_case(b"h2c");
    if is_upgrade(headers) && headers.get_all(UPGRADE).iter().all(offered) {
        headers.remove(UPGRADE);
        headers.remove(HTTP2_SETTINGS);
    }
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
    if keeps_upgrade {
        // Other names in it would have the next hop drop what this one vouches for.
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else {
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
    let upgrades = response.status() == StatusCode::SWITCHING_PROTOCOLS;
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
    fn an_offer_of_h2c_is_passed_over_and_another_upgrade_is_kept() {
        let mut h2c = request("/", Some("a"));
        for (name, value) in
            [("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "AAMAAABk")]
        {
            h2c.headers_mut().insert(name, value.parse().unwrap());
        }
        let mut websocket = h2c.clone();
        websocket.headers_mut().insert("upgrade", "websocket".parse().unwrap());
        canonical(&mut h2c, PathNormalization::Base).unwrap();
        assert_eq!(h2c.headers().len(), 1, "{:?}", h2c.headers());
        canonical(&mut websocket, PathNormalization::Base).unwrap();
        assert!(is_upgrade(websocket.headers()));
    }

    #[test]
    fn a_cookie_in_pieces_is_made_whole() {
        let mut request = request("/", Some("a"));
        for crumb in ["a=b", "c=d", "e=f"] {
            request.headers_mut().append("cookie", crumb.parse().unwrap());
        }
        canonical(&mut request, PathNormalization::Base).unwrap();
        let cookies: Vec<_> = request.headers().get_all("cookie").iter().collect();
        assert_eq!(cookies, ["a=b; c=d; e=f"]);
    }

    #[test]
    fn a_transfer_coding_that_the_codec_does_not_undo_is_refused() {
        let refused = |codings: &[&str], length: Option<&str>| {
            let mut request = request("/", Some("a"));
            for coding in codings {
                request.headers_mut().append("transfer-encoding", coding.parse().unwrap());
            }
            if let Some(length) = length {
                request.headers_mut().insert("content-length", length.parse().unwrap());
            }
            canonical(&mut request, PathNormalization::Base).err().map(|r| r.status.as_u16())
        };
        assert_eq!(refused(&["Chunked"], None), None);
        assert_eq!(refused(&["chunked"], Some("3")), Some(400));
        assert_eq!(refused(&["gzip, chunked"], None), Some(501));
        assert_eq!(refused(&["gzip", "chunked"], None), Some(501));
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
