//! The budget is used up.

use crate::{FailureKind, Reject, grpc};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Something took longer than its budget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elapsed {
    scope: Scope,
    budget: Duration,
    turn: Turn,
}

/// Who was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nobody tells how far the request's body is.
    Unknown,
    Caller,
    Endpoint,
}

/// Whose budget it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The request's, with all its attempts and the whole response.
    Request,
    /// One attempt's, up to the response's head.
    Attempt,
    /// One attempt's between two signs of life of the endpoint.
    AttemptIdle,
    /// The stream's between two signs of life of either side.
    StreamIdle,
    /// The stream's, whatever is going on.
    StreamDuration,
    /// The caller's own: what it sent as `grpc-timeout`.
    Deadline,
    /// A new connection's.
    Connect,
}

impl Scope {
    /// Whether the budget begins anew with each sign of life.
    pub(super) fn is_idle(self) -> bool {
        matches!(self, Self::AttemptIdle | Self::StreamIdle)
    }
}

impl Elapsed {
    pub(super) fn new(scope: Scope, budget: Duration) -> Self {
        Self { scope, budget, turn: Turn::Unknown }
    }

    /// Says who was waited for.
    pub(super) fn waited_for(self, turn: Turn) -> Self {
        Self { turn, ..self }
    }

    /// Whose budget it was.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// How long it was.
    pub fn budget(&self) -> Duration {
        self.budget
    }

    /// What it means for another attempt: without a connection nothing was sent, and once the caller's own
    /// deadline is over, none is of use.
    pub fn kind(&self) -> FailureKind {
        match self.scope {
            Scope::Connect => FailureKind::ConnectFailure,
            Scope::Deadline => FailureKind::Final,
            _ => FailureKind::Timeout,
        }
    }

    /// Whether it is held against the endpoint: outlier detection, a circuit and admission control count it.
    ///
    /// Not where the caller's own deadline ended it, or any one caller could have an endpoint taken out; nor
    /// where a stream had lasted long enough, whatever was going on. Of an idle stream only where a
    /// [`Begin`](super::Begin) knows that it was the endpoint that was waited for.
    pub fn blames_endpoint(&self) -> bool {
        match self.scope {
            Scope::Deadline | Scope::StreamDuration => false,
            Scope::StreamIdle => self.turn == Turn::Endpoint,
            Scope::Request | Scope::Attempt | Scope::AttemptIdle | Scope::Connect => {
                self.turn != Turn::Caller
            }
        }
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.scope {
            Scope::Request => "the request took longer than",
            Scope::Attempt => "the attempt took longer than",
            Scope::AttemptIdle => "the endpoint was silent for",
            Scope::StreamIdle => "the stream was silent for",
            Scope::StreamDuration => "the stream lasted longer than",
            Scope::Deadline => "the request took longer than its caller's",
            Scope::Connect => "connecting took longer than",
        };
        write!(f, "{what} {:?}", self.budget)
    }
}

impl Error for Elapsed {}

impl Reject for Elapsed {
    fn status(&self) -> StatusCode {
        match self.scope {
            Scope::Connect => StatusCode::SERVICE_UNAVAILABLE,
            _ if self.turn == Turn::Caller => StatusCode::REQUEST_TIMEOUT,
            _ => StatusCode::GATEWAY_TIMEOUT,
        }
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(match self.scope {
            Scope::Request | Scope::Attempt | Scope::AttemptIdle | Scope::Deadline => {
                ResponseFlag::UpstreamRequestTimeout
            }
            Scope::StreamIdle => ResponseFlag::StreamIdleTimeout,
            Scope::StreamDuration => ResponseFlag::UpstreamMaxStreamDurationReached,
            Scope::Connect => ResponseFlag::UpstreamConnectionFailure,
        })
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.scope {
            Scope::Request => "response_timeout",
            Scope::Attempt => "upstream_per_try_timeout",
            Scope::AttemptIdle => "upstream_per_try_idle_timeout",
            Scope::StreamIdle => "stream_idle_timeout",
            Scope::StreamDuration => "upstream_max_stream_duration_reached",
            Scope::Deadline => "max_duration_timeout",
            Scope::Connect => "upstream_reset_before_response_started{connection_timeout}",
        })
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.scope {
            Scope::Request | Scope::Attempt | Scope::AttemptIdle => "upstream request timeout",
            Scope::StreamIdle => "stream timeout",
            Scope::StreamDuration => "upstream max stream duration reached",
            Scope::Deadline => "downstream duration timeout",
            Scope::Connect => {
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout"
            }
        })
    }

    fn grpc_status(&self) -> u32 {
        match self.scope {
            Scope::Connect => grpc::UNAVAILABLE,
            _ => grpc::DEADLINE_EXCEEDED,
        }
    }

    fn kind(&self) -> FailureKind {
        self.kind()
    }
}
