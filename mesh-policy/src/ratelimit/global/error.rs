//! Nobody knows whether a request is within its limits.

use crate::{BoxError, Reject};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The rate-limit service failed, and without its word nothing passes.
#[derive(Debug)]
pub struct RateLimitServiceFailed {
    pub(super) source: BoxError,
    pub(super) status: StatusCode,
}

impl fmt::Display for RateLimitServiceFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the rate-limit service gave no verdict")
    }
}

impl Error for RateLimitServiceFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

impl Reject for RateLimitServiceFailed {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::RateLimitServiceError)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed("rate_limiter_error")
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("")
    }
}

/// The service answered without a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoVerdict;

impl fmt::Display for NoVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its answer has no overall code")
    }
}

impl Error for NoVerdict {}
