//! Too many requests.

use crate::{Reject, grpc};
use http::{HeaderMap, StatusCode};
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A request is over its limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimited {
    pub(super) status: StatusCode,
    pub(super) grpc_status: Option<u32>,
    pub(super) details: &'static str,
    pub(super) body: Cow<'static, str>,
    /// Those of the limit, those that were configured, those that the service asked for.
    pub(super) headers: Box<HeaderMap>,
    pub(super) retry_after: Option<Duration>,
}

impl RateLimited {
    /// How long until there is room for one request; `None` if nobody said.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for RateLimited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retry_after {
            Some(wait) => write!(f, "over the rate limit for another {wait:?}"),
            None => f.write_str("over the rate limit"),
        }
    }
}

impl Error for RateLimited {}

impl Reject for RateLimited {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::RateLimited)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(self.details)
    }

    fn body(&self) -> Cow<'static, str> {
        self.body.clone()
    }

    fn grpc_status(&self) -> u32 {
        self.grpc_status.unwrap_or_else(|| grpc::from_http(self.status))
    }

    fn headers(&self) -> HeaderMap {
        (*self.headers).clone()
    }
}
