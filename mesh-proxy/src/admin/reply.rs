//! What a page answers: a status, a type and a body that is whole.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, SERVER};
use http::{Response, StatusCode};
use http_body_util::Full;
use serde::Serialize as _;
use serde_json::Value;

const TEXT: &str = "text/plain; charset=UTF-8";
const JSON: &str = "application/json";
const NOSNIFF: HeaderName = HeaderName::from_static("x-content-type-options");

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
}

impl Reply {
    pub(super) fn text(body: impl Into<String>) -> Self {
        Self { status: StatusCode::OK, content_type: TEXT, body: body.into() }
    }

    /// Something was done.
    pub(super) fn done() -> Self {
        Self::text("OK\n")
    }

    pub(super) fn typed(content_type: &'static str, body: String) -> Self {
        Self { status: StatusCode::OK, content_type, body }
    }

    /// Indented by one blank, as Envoy does.
    pub(super) fn json(value: &Value) -> Self {
        let mut out = Vec::new();
        let indent = serde_json::ser::PrettyFormatter::with_indent(b" ");
        let written = value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, indent));
        match written
            .map_err(|e| e.to_string())
            .and_then(|()| String::from_utf8(out).map_err(|e| e.to_string()))
        {
            Ok(mut body) => {
                body.push('\n');
                Self::typed(JSON, body)
            }
            Err(error) => Self::error(StatusCode::INTERNAL_SERVER_ERROR, error),
        }
    }

    /// On one line, for pages with many small parts.
    pub(super) fn compact_json(value: &Value) -> Self {
        Self::typed(JSON, value.to_string())
    }

    pub(super) fn error(status: StatusCode, body: impl Into<String>) -> Self {
        Self { status, content_type: TEXT, body: body.into() }
    }

    pub(super) fn bad_request(body: impl Into<String>) -> Self {
        Self::error(StatusCode::BAD_REQUEST, body)
    }

    pub(super) fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0"));
        headers.insert(NOSNIFF, HeaderValue::from_static("nosniff"));
        headers.insert(SERVER, HeaderValue::from_static("mesh-proxy"));
        response
    }
}
