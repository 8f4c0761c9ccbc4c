//! A bound is reached.

use super::permit::Resource;
use crate::{FailureKind, Reject};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// As much is open as may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overflow {
    resource: Resource,
}

impl Overflow {
    pub(super) fn new(resource: Resource) -> Self {
        Self { resource }
    }

    /// Of what.
    pub fn resource(&self) -> Resource {
        self.resource
    }
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.resource {
            Resource::Connection => "as many connections are open as the circuit breaker allows",
            Resource::Pending => "as many requests wait for a connection as the circuit breaker allows",
            Resource::Request => "as many requests are in flight as the circuit breaker allows",
            Resource::Retry => "as many retries are in flight as the circuit breaker allows",
        })
    }
}

impl Error for Overflow {}

impl Reject for Overflow {
    fn status(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::UpstreamOverflow)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed("upstream_reset_before_response_started{overflow}")
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("upstream connect error or disconnect/reset before headers. reset reason: overflow")
    }

    fn overloaded(&self) -> bool {
        true
    }

    fn kind(&self) -> FailureKind {
        FailureKind::Overflow
    }
}
