//! How an attempt failed when there was no response at all.
//!
//! Retry asks whether the request can have been executed, outlier detection whether the endpoint is to
//! blame. Only the code that wrote (or did not write) the bytes knows, so it says so: either by wrapping
//! its error in a [`Failure`], or by handing a [`Classify`] function to the layers.

use crate::{BoxError, Reject, rejection};
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
/// The outermost [`Failure`] or error of this crate among the causes says it ([`Reject::kind`]); what such an
/// error was itself caused by happened to somebody else's request, such as that to an authorizer. Anything else
/// is a [`FailureKind::Reset`]: what is not known to be unsent may have been executed.
pub fn classify(error: &(dyn Error + 'static)) -> FailureKind {
    let of = |cause: &(dyn Error + 'static)| {
        let failure = cause.downcast_ref().map(Failure::kind);
        failure.or_else(|| rejection::own(cause).map(Reject::kind))
    };
    rejection::causes(error).find_map(of).unwrap_or(FailureKind::Reset)
}

/// Whether an error is a time-out that says nothing of who was to answer: the caller's own deadline, or a caller that
/// stopped. The outermost error of this crate tells; what an authorizer's request met is not this one's.
#[cfg(any(feature = "breaker", feature = "outlier", feature = "shed"))]
pub(crate) fn blames_nobody(error: &(dyn Error + 'static)) -> bool {
    #[cfg(feature = "timeout")]
    if let Some(own) = rejection::causes(error).find(|cause| rejection::own(*cause).is_some()) {
        return own
            .downcast_ref()
            .is_some_and(|elapsed: &crate::timeout::Elapsed| !elapsed.blames_endpoint());
    }
    let _ = error;
    false
}

#[cfg(test)]
mod tests;
