//! The budget is used up.

use crate::Reject;
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// A request or an attempt took longer than its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elapsed {
    scope: Scope,
    budget: Duration,
}

/// Whose budget it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The request's, with all its attempts and the whole response.
    Request,
    /// One attempt's, up to the response's head.
    Attempt,
}

impl Elapsed {
    pub(super) fn new(scope: Scope, budget: Duration) -> Self {
        Self { scope, budget }
    }

    /// Whose budget it was.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// How long it was.
    pub fn budget(&self) -> Duration {
        self.budget
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.scope {
            Scope::Request => "request",
            Scope::Attempt => "attempt",
        };
        write!(f, "the {what} took longer than {:?}", self.budget)
    }
}

impl Error for Elapsed {}

impl Reject for Elapsed {
    fn status(&self) -> StatusCode {
        StatusCode::GATEWAY_TIMEOUT
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::UpstreamRequestTimeout)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.scope {
            Scope::Request => "upstream_response_timeout",
            Scope::Attempt => "upstream_per_try_timeout",
        })
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed("upstream request timeout")
    }

    fn grpc_status(&self) -> u32 {
        crate::grpc::DEADLINE_EXCEEDED
    }
}
