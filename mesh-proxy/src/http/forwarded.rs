//! What a request says of where it came from: `x-forwarded-for`, `-proto`, `-client-cert`, `x-request-id`.
//!
//! Envoy's rules. An edge (`use_remote_address`) trusts the connection and appends to what was said; a
//! sidecar believes what stands there. What only the mesh may say is removed from what comes from outside.

use super::connection::ConnectionFacts;
use http::{HeaderMap, HeaderName, HeaderValue};
use mesh_core::model::http::{ForwardClientCert, HttpManager};
use std::net::IpAddr;

pub(super) const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
pub(super) const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(super) const CLIENT_CERT: HeaderName = HeaderName::from_static("x-forwarded-client-cert");
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const EXTERNAL_ADDRESS: HeaderName = HeaderName::from_static("x-envoy-external-address");
const INTERNAL: HeaderName = HeaderName::from_static("x-envoy-internal");

/// What every header of metadata exchange begins with.
const PEER_METADATA: &str = "x-envoy-peer-metadata";

/// Headers by which a caller steers an Envoy, or that only an Envoy before it may say; an edge lets nobody
/// outside do that.
const STEERING: [HeaderName; 22] = [
    INTERNAL,
    HeaderName::from_static("x-envoy-decorator-operation"),
    HeaderName::from_static("x-envoy-downstream-service-cluster"),
    HeaderName::from_static("x-envoy-downstream-service-node"),
    HeaderName::from_static("x-envoy-expected-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-force-trace"),
    HeaderName::from_static("x-envoy-hedge-on-per-try-timeout"),
    HeaderName::from_static("x-envoy-ip-tags"),
    HeaderName::from_static("x-envoy-is-timeout-retry"),
    HeaderName::from_static("x-envoy-max-retries"),
    HeaderName::from_static("x-envoy-original-host"),
    HeaderName::from_static("x-envoy-original-path"),
    HeaderName::from_static("x-envoy-original-url"),
    HeaderName::from_static("x-envoy-retriable-header-names"),
    HeaderName::from_static("x-envoy-retriable-status-codes"),
    HeaderName::from_static("x-envoy-retry-on"),
    HeaderName::from_static("x-envoy-retry-grpc-on"),
    HeaderName::from_static("x-envoy-upstream-alt-stat-name"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-alt-response"),
    HeaderName::from_static("x-envoy-upstream-rq-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-rq-per-try-timeout-ms"),
    HeaderName::from_static("x-envoy-upstream-stream-duration-ms"),
];

/// Makes the headers say what the manager wants said, and returns the caller's address.
pub(super) fn apply(headers: &mut HeaderMap, manager: &HttpManager, facts: &ConnectionFacts) -> IpAddr {
    let direct = facts.remote.ip();
    let scheme = if facts.tls { "https" } else { "http" };
    let hops = usize::try_from(manager.trusted_hops).unwrap_or(usize::MAX);
    let caller = if manager.use_remote_address {
        let caller = hops.checked_sub(1).and_then(|n| from_the_right(headers, n)).unwrap_or(direct);
        append(headers, FORWARDED_FOR, &direct.to_string());
        if hops == 0 || !headers.contains_key(FORWARDED_PROTO) {
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
        for name in &STEERING {
            headers.remove(name);
        }
        // Metadata exchange is between proxies of the mesh; outsiders have none to tell.
        remove_all(headers, PEER_METADATA);
        if let Ok(value) = HeaderValue::try_from(caller.to_string()) {
            headers.insert(EXTERNAL_ADDRESS, value);
        }
        caller
    } else {
        if !headers.contains_key(FORWARDED_PROTO) {
            headers.insert(FORWARDED_PROTO, HeaderValue::from_static(scheme));
        }
        from_the_right(headers, hops).unwrap_or(direct)
    };
    client_cert(headers, manager.client_cert, facts);
    if manager.generate_request_id && !headers.contains_key(REQUEST_ID) {
        let mut text = uuid::Uuid::encode_buffer();
        let text = uuid::Uuid::new_v4().hyphenated().encode_lower(&mut text);
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.insert(REQUEST_ID, value);
        }
    }
    caller
}

/// The n-th address of `x-forwarded-for` from its end; `None` if there are fewer or it is no address.
fn from_the_right(headers: &HeaderMap, n: usize) -> Option<IpAddr> {
    let lines: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().map(|v| v.to_str()).collect::<Result<_, _>>().ok()?;
    let addresses = lines.iter().rev().flat_map(|line| line.rsplit(','));
    addresses.map(str::trim).nth(n)?.parse().ok()
}

/// Removes every header whose name begins so.
fn remove_all(headers: &mut HeaderMap, prefix: &str) {
    let found: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with(prefix)).cloned().collect();
    for name in &found {
        headers.remove(name);
    }
}

/// Adds to a comma-separated list, as Envoy does, on one line.
fn append(headers: &mut HeaderMap, name: HeaderName, text: &str) {
    let joined = match headers.get(&name).map(HeaderValue::as_bytes) {
        Some(before) if !before.is_empty() => [before, b",", text.as_bytes()].concat(),
        _ => text.as_bytes().to_vec(),
    };
    // The other lines of a list that came on several stand before ours, too.
    let several = headers.get_all(&name).iter().count() > 1;
    match HeaderValue::from_bytes(&joined) {
        Ok(value) if !several => {
            headers.insert(name, value);
        }
        _ => {
            if let Ok(value) = HeaderValue::from_str(text) {
                headers.append(name, value);
            }
        }
    }
}

fn client_cert(headers: &mut HeaderMap, policy: ForwardClientCert, facts: &ConnectionFacts) {
    if policy == ForwardClientCert::AlwaysForwardOnly {
        return;
    }
    let Some(element) = facts.client_cert_element.as_ref().filter(|_| policy != ForwardClientCert::Sanitize)
    else {
        headers.remove(CLIENT_CERT);
        return;
    };
    match policy {
        ForwardClientCert::SanitizeSet => {
            headers.insert(CLIENT_CERT, element.clone());
        }
        ForwardClientCert::AppendForward => {
            if let Ok(text) = element.to_str() {
                append(headers, CLIENT_CERT, text);
            }
        }
        ForwardClientCert::ForwardOnly
        | ForwardClientCert::Sanitize
        | ForwardClientCert::AlwaysForwardOnly => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trusted_hops_are_counted_from_the_right_over_all_lines() {
        let mut headers = HeaderMap::new();
        headers.append(FORWARDED_FOR, "1.1.1.1, 2.2.2.2".parse().unwrap());
        headers.append(FORWARDED_FOR, "3.3.3.3".parse().unwrap());
        let at = |n| from_the_right(&headers, n).map(|ip| ip.to_string());
        assert_eq!(at(0).as_deref(), Some("3.3.3.3"));
        assert_eq!(at(2).as_deref(), Some("1.1.1.1"));
        assert_eq!(at(3), None);
    }

    #[test]
    fn appending_keeps_what_stood_there() {
        let mut headers = HeaderMap::new();
        append(&mut headers, FORWARDED_FOR, "1.1.1.1");
        append(&mut headers, FORWARDED_FOR, "2.2.2.2");
        assert_eq!(headers[FORWARDED_FOR], "1.1.1.1,2.2.2.2");
    }
}
