//! How an attempt failed when there was no response at all.
//!
//! Retry asks whether the request can have been executed, outlier detection whether the endpoint is to
//! blame. Only the code that wrote (or did not write) the bytes knows, so it says so: either by wrapping
//! its error in a [`Failure`], or by handing a [`Classify`] function to the layers.

use crate::BoxError;
use std::error::Error;
use std::fmt;

/// What happened to an attempt that ended without a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// No connection: nothing was sent.
    ConnectFailure,
    /// The peer refused the stream unseen: HTTP/2's REFUSED_STREAM, or a GOAWAY below this stream.
    RefusedStream,
    /// The connection ended before the request's head was written.
    ResetBeforeRequest,
    /// The connection or stream ended after something was written: the peer may have executed it.
    Reset,
    /// No response within the attempt's budget: the peer may still be executing it.
    Timeout,
    /// A local limit kept it from being sent. Never tried again, as in Envoy.
    Overflow,
    /// Nothing that another attempt could mend, such as a broken request body.
    Final,
}

impl FailureKind {
    /// Whether the peer may have acted on the request.
    pub fn may_have_executed(self) -> bool {
        matches!(self, Self::Reset | Self::Timeout | Self::Final)
    }

    /// Envoy's reset reason, as its local replies print it.
    pub fn reset_reason(self) -> &'static str {
        match self {
            Self::ConnectFailure => "remote connection failure",
            Self::RefusedStream => "remote refused stream reset",
            Self::ResetBeforeRequest | Self::Reset => "connection termination",
            Self::Timeout | Self::Final => "local reset",
            Self::Overflow => "overflow",
        }
    }
}

/// Reads the kind of failure off an error and its causes.
///
/// A function rather than a trait, so that layers that hold one stay free of type parameters.
pub type Classify = fn(&(dyn Error + 'static)) -> FailureKind;

/// An error with its [`FailureKind`], for connectors that have no error type of their own.
///
/// ```
/// use mesh_policy::{Failure, FailureKind};
///
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let error = Failure::new(FailureKind::ConnectFailure, refused);
/// assert_eq!(mesh_policy::failure::classify(&error), FailureKind::ConnectFailure);
/// ```
#[derive(Debug)]
pub struct Failure {
    kind: FailureKind,
    source: BoxError,
}

impl Failure {
    /// An error of a kind.
    pub fn new(kind: FailureKind, source: impl Into<BoxError>) -> Self {
        Self { kind, source: source.into() }
    }

    /// The kind.
    pub fn kind(&self) -> FailureKind {
        self.kind
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.reset_reason())
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The [`Classify`] that layers use unless told otherwise.
///
/// Knows [`Failure`] and this crate's own errors anywhere among the causes. Anything else is a
/// [`FailureKind::Reset`]: what is not known to be unsent may have been executed.
pub fn classify(error: &(dyn Error + 'static)) -> FailureKind {
    // Before what the service failed of: that was not this request.
    #[cfg(feature = "ratelimit")]
    if crate::find::<crate::ratelimit::RateLimitServiceFailed>(error).is_some() {
        return FailureKind::Final;
    }
    if let Some(failure) = crate::find::<Failure>(error) {
        return failure.kind;
    }
    #[cfg(feature = "timeout")]
    if let Some(elapsed) = crate::find::<crate::timeout::Elapsed>(error) {
        return elapsed.kind();
    }
    #[cfg(feature = "breaker")]
    if crate::find::<crate::breaker::Overflow>(error).is_some()
        || crate::find::<crate::breaker::classic::CircuitOpen>(error).is_some()
    {
        return FailureKind::Overflow;
    }
    #[cfg(feature = "fault")]
    if crate::find::<crate::fault::Aborted>(error).is_some() {
        return FailureKind::Final;
    }
    #[cfg(feature = "authz")]
    if crate::find::<crate::authz::Denied>(error).is_some() {
        return FailureKind::Final;
    }
    #[cfg(feature = "ratelimit")]
    if crate::find::<crate::ratelimit::RateLimited>(error).is_some() {
        return FailureKind::Final;
    }
    #[cfg(feature = "limits")]
    if crate::find::<crate::limits::TooLarge>(error).is_some() {
        return FailureKind::Final;
    }
    #[cfg(feature = "shed")]
    if crate::find::<crate::shed::Shed>(error).is_some() {
        return FailureKind::Overflow;
    }
    FailureKind::Reset
}
