//! The circuit is open.

use crate::{FailureKind, Reject};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// The dependency has failed too often and is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CircuitOpen {
    retry_after: Duration,
}

impl CircuitOpen {
    pub(super) fn new(retry_after: Duration) -> Self {
        Self { retry_after }
    }

    /// When a probe may pass; zero while probes are under way.
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for CircuitOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Duration::ZERO => f.write_str("the circuit breaker waits for its probes"),
            left => write!(f, "the circuit breaker is open for {left:?} more"),
        }
    }
}

impl Error for CircuitOpen {}

impl Reject for CircuitOpen {
    fn status(&self) -> StatusCode {
        StatusCode::SERVICE_UNAVAILABLE
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::UpstreamOverflow)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed("circuit_breaker_open")
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("circuit breaker open")
    }

    fn overloaded(&self) -> bool {
        true
    }

    fn kind(&self) -> FailureKind {
        FailureKind::Overflow
    }
}
