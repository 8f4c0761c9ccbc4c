//! The little of gRPC that policies need: its status codes and where they stand in HTTP.

use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, StatusCode};
use std::fmt::Write;

/// `grpc-status`.
pub const STATUS: HeaderName = HeaderName::from_static("grpc-status");
/// `grpc-message`.
pub const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// CANCELLED.
pub const CANCELLED: u32 = 1;
/// DEADLINE_EXCEEDED.
pub const DEADLINE_EXCEEDED: u32 = 4;
/// RESOURCE_EXHAUSTED.
pub const RESOURCE_EXHAUSTED: u32 = 8;
/// INTERNAL.
pub const INTERNAL: u32 = 13;
/// UNAVAILABLE.
pub const UNAVAILABLE: u32 = 14;

/// Whether these are the headers of a gRPC message: `application/grpc`, alone or with a `+` or `;` after it.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else { return false };
    match kind.as_bytes().split_at_checked(b"application/grpc".len()) {
        Some((head, rest)) => {
            head.eq_ignore_ascii_case(b"application/grpc") && matches!(rest.first(), None | Some(b'+' | b';'))
        }
        None => false,
    }
}

/// The gRPC status in a response's headers (trailers-only) or trailers.
pub fn status(headers: &HeaderMap) -> Option<u32> {
    headers.get(STATUS)?.to_str().ok()?.trim().parse().ok()
}

/// The HTTP status that gRPC's transcoding maps a gRPC status to.
pub fn to_http(status: u32) -> StatusCode {
    match status {
        0 => StatusCode::OK,
        // 499 has no name in the registry of HTTP.
        1 => StatusCode::from_u16(499).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
        3 | 9 | 11 => StatusCode::BAD_REQUEST,
        4 => StatusCode::GATEWAY_TIMEOUT,
        5 => StatusCode::NOT_FOUND,
        6 | 10 => StatusCode::CONFLICT,
        7 => StatusCode::FORBIDDEN,
        8 => StatusCode::TOO_MANY_REQUESTS,
        12 => StatusCode::NOT_IMPLEMENTED,
        14 => StatusCode::SERVICE_UNAVAILABLE,
        16 => StatusCode::UNAUTHORIZED,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// The gRPC status that gRPC's `http-grpc-status-mapping` gives an HTTP status.
pub fn from_http(status: StatusCode) -> u32 {
    match status.as_u16() {
        200 => 0,
        400 => INTERNAL,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => UNAVAILABLE,
        _ => 2,
    }
}

/// A text as a value of `grpc-message`: percent-encoded outside of printable ASCII.
pub fn encode_message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if (0x20..=0x7e).contains(&byte) && byte != b'%' {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grpc_message_is_known_by_its_content_type() {
        let with = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_grpc(&headers)
        };
        assert!(with("application/grpc") && with("application/grpc+proto") && with("Application/gRPC;x"));
        assert!(!with("application/grpc-web") && !with("application/json") && !is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_message_survives_as_a_header() {
        assert_eq!(encode_message("a 50% ü\n"), "a 50%25 %C3%BC%0A");
    }
}
