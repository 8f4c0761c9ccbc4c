//! The responses that the services give.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;

pub(super) type Reply = Response<Full<Bytes>>;

pub(super) fn with(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

pub(super) fn json(status: StatusCode, body: &serde_json::Value) -> Reply {
    with(status, "application/json", body.to_string())
}

pub(super) fn html(status: StatusCode, body: String) -> Reply {
    with(status, "text/html; charset=utf-8", body)
}

pub(super) fn not_found() -> Reply {
    with(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not found\n")
}

/// A text as it may stand in HTML, inside of quotes as well.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
