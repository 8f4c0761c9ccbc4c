//! What a fault leaves behind: an abort, or the mark that a request was late.

use crate::{BoxError, Reject, grpc};
use http::StatusCode;
use mesh_core::model::http::AbortWith;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A request was answered with an error on purpose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aborted {
    with: AbortWith,
}

impl Aborted {
    pub(super) fn new(with: AbortWith) -> Self {
        Self { with }
    }

    /// The error that was configured.
    pub fn with(&self) -> AbortWith {
        self.with
    }
}

impl fmt::Display for Aborted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.with {
            AbortWith::Http(status) => write!(f, "aborted on purpose with HTTP status {}", status.as_u16()),
            AbortWith::Grpc(status) => write!(f, "aborted on purpose with gRPC status {status}"),
        }
    }
}

impl Error for Aborted {}

impl Reject for Aborted {
    fn status(&self) -> StatusCode {
        match self.with {
            AbortWith::Http(status) => status,
            AbortWith::Grpc(status) => grpc::to_http(status),
        }
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::FaultInjected)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed("fault_filter_abort")
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("fault filter abort")
    }

    fn grpc_status(&self) -> u32 {
        match self.with {
            AbortWith::Http(status) => grpc::from_http(status),
            AbortWith::Grpc(status) => status,
        }
    }
}

/// A request failed that had been delayed on purpose; why is its source.
#[derive(Debug)]
pub struct Delayed {
    source: BoxError,
}

impl Delayed {
    pub(super) fn new(source: BoxError) -> Self {
        Self { source }
    }
}

impl fmt::Display for Delayed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed after an injected delay")
    }
}

impl Error for Delayed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
