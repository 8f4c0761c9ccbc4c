//! Why an attempt brought no response: who failed, and whether the endpoint may have seen the request.

use super::ConnectError;
use crate::body::BoxError;
use mesh_core::response_flag::ResponseFlag;
use mesh_policy::FailureKind;
use mesh_policy::breaker::Overflow;
use std::error::Error as StdError;

/// An attempt that brought no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// No connection came to be.
    #[error("upstream connect error: {0}")]
    Connect(#[source] ConnectError),
    /// A limit of the cluster is reached.
    #[error("a circuit breaker of the cluster is full")]
    Overflow(#[source] Overflow),
    /// The route's cluster is not configured.
    #[error("the route's cluster is not configured")]
    NoClusterFound,
    /// No endpoint can be chosen.
    #[error("no healthy upstream")]
    NoHealthyUpstream,
    /// The connection ended under the request.
    #[error("upstream reset: {reset:?}")]
    Reset {
        /// How.
        reset: Reset,
        /// Whether a byte of the request may have been sent.
        sent: bool,
        /// What the codec says.
        #[source]
        source: BoxError,
    },
    /// The caller's own body failed, so the request could not be completed.
    #[error("the caller's request body failed")]
    Caller(#[source] BoxError),
}

/// How a connection ended under a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reset {
    /// It was closed.
    ConnectionClosed,
    /// The endpoint reset the stream.
    Remote,
    /// The endpoint says that it did not look at the request.
    Refused,
    /// What the endpoint sent is not HTTP.
    Protocol,
}

impl Failure {
    /// What hyper's error means.
    pub(crate) fn from_hyper(error: hyper::Error, sent: bool) -> Self {
        if error.is_user() {
            return Self::Caller(error.into());
        }
        let h2 = StdError::source(&error).and_then(|e| e.downcast_ref::<::h2::Error>());
        let reset = match h2 {
            Some(e) if e.reason() == Some(::h2::Reason::REFUSED_STREAM) => Reset::Refused,
            Some(e) if e.is_io() => Reset::ConnectionClosed,
            Some(e) if e.is_go_away() && e.is_remote() => Reset::ConnectionClosed,
            Some(e) if e.is_remote() => Reset::Remote,
            Some(_) => Reset::Protocol,
            None if error.is_parse() => Reset::Protocol,
            None => Reset::ConnectionClosed,
        };
        Self::Reset { reset, sent, source: error.into() }
    }

    /// Envoy's flag.
    pub(crate) fn flag(&self) -> ResponseFlag {
        match self {
            Self::Connect(_) => ResponseFlag::UpstreamConnectionFailure,
            Self::Overflow(_) => ResponseFlag::UpstreamOverflow,
            Self::NoClusterFound => ResponseFlag::NoClusterFound,
            Self::NoHealthyUpstream => ResponseFlag::NoHealthyUpstream,
            Self::Reset { reset: Reset::ConnectionClosed, .. } => ResponseFlag::UpstreamConnectionTermination,
            Self::Reset { reset: Reset::Remote | Reset::Refused, .. } => ResponseFlag::UpstreamRemoteReset,
            Self::Reset { reset: Reset::Protocol, .. } => ResponseFlag::UpstreamProtocolError,
            Self::Caller(_) => ResponseFlag::DownstreamConnectionTermination,
        }
    }
}

/// What mesh-policy's layers need to know of an error: whether another attempt may mend it.
pub(crate) fn classify(error: &(dyn StdError + 'static)) -> FailureKind {
    let Some(failure) = mesh_policy::find::<Failure>(error) else {
        return mesh_policy::failure::classify(error);
    };
    match failure {
        Failure::Connect(_) => FailureKind::ConnectFailure,
        Failure::Overflow(_) => FailureKind::Overflow,
        Failure::NoClusterFound | Failure::NoHealthyUpstream | Failure::Caller(_) => FailureKind::Final,
        Failure::Reset { reset: Reset::Refused, .. } => FailureKind::RefusedStream,
        Failure::Reset { sent: false, .. } => FailureKind::ResetBeforeRequest,
        Failure::Reset { .. } => FailureKind::Reset,
    }
}
