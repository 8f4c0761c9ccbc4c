//! A request is too large.

use crate::{Reject, grpc};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// What is bounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The number of header lines.
    HeaderCount,
    /// The bytes of all header lines.
    HeaderBytes,
    /// The bytes of the body, as they came.
    BodyBytes,
    /// The bytes of the body, unpacked.
    UnpackedBytes,
    /// How many times larger the body is unpacked.
    UnpackedRatio,
}

/// A request exceeds a limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooLarge {
    limit: Limit,
    most: u64,
}

impl TooLarge {
    pub(super) fn new(limit: Limit, most: u64) -> Self {
        Self { limit, most }
    }

    /// Which limit.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// What it allows: lines, bytes, or times.
    pub fn most(&self) -> u64 {
        self.most
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.most;
        match self.limit {
            Limit::HeaderCount => write!(f, "the request has more than {most} headers"),
            Limit::HeaderBytes => write!(f, "the request's headers have more than {most} bytes"),
            Limit::BodyBytes => write!(f, "the request's body has more than {most} bytes"),
            Limit::UnpackedBytes => write!(f, "the request's body unpacks to more than {most} bytes"),
            Limit::UnpackedRatio => {
                write!(f, "the request's body unpacks to more than {most} times its size")
            }
        }
    }
}

impl Error for TooLarge {}

impl Reject for TooLarge {
    fn status(&self) -> StatusCode {
        match self.limit {
            Limit::HeaderCount | Limit::HeaderBytes => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            _ => StatusCode::PAYLOAD_TOO_LARGE,
        }
    }

    /// None: Envoy says it by the details alone.
    fn flag(&self) -> Option<ResponseFlag> {
        None
    }

    /// Envoy's of HTTP/1.1 for headers, where the codec checks them; those of its buffer filter for bodies.
    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.limit {
            Limit::HeaderCount => "http1.too_many_headers",
            Limit::HeaderBytes => "http1.headers_too_large",
            _ => "request_payload_too_large",
        })
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.status() {
            StatusCode::PAYLOAD_TOO_LARGE => "Payload Too Large",
            _ => "Request Header Fields Too Large",
        })
    }

    /// As gRPC's own servers answer a message that is too long.
    fn grpc_status(&self) -> u32 {
        grpc::RESOURCE_EXHAUSTED
    }
}
