//! How retrying ended.

use crate::BoxError;
use mesh_core::response_flag::ResponseFlag;
use std::error::Error;
use std::fmt;

/// Why a failed request was not sent again, although the policy covers its failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Stop {
    /// The policy's attempts are used up.
    Limit,
    /// The budget is used up.
    Budget,
    /// The body is too large to be kept.
    TooLarge,
    /// It may have been executed, and its method is not idempotent.
    NotIdempotent,
}

impl Stop {
    /// Envoy's response flag for it.
    pub fn flag(self) -> Option<ResponseFlag> {
        match self {
            Self::Limit => Some(ResponseFlag::UpstreamRetryLimitExceeded),
            Self::Budget => Some(ResponseFlag::UpstreamOverflow),
            Self::TooLarge | Self::NotIdempotent => None,
        }
    }
}

/// In the extensions of a response that was retried, or that would have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryReport {
    /// How often the request was sent.
    pub attempts: u32,
    /// Why not more often; `None` if the last answer needed no retry.
    pub stop: Option<Stop>,
}

/// The last attempt failed without a response; how is its source.
#[derive(Debug)]
pub struct GaveUp {
    report: RetryReport,
    source: BoxError,
}

impl GaveUp {
    pub(super) fn new(report: RetryReport, source: BoxError) -> Self {
        Self { report, source }
    }

    /// How it went.
    pub fn report(&self) -> RetryReport {
        self.report
    }

    /// Envoy's response flag, beside that of the source.
    pub fn flag(&self) -> Option<ResponseFlag> {
        self.report.stop.and_then(Stop::flag)
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempts = self.report.attempts;
        write!(f, "failed after {attempts} attempt{}", if attempts == 1 { "" } else { "s" })?;
        f.write_str(match self.report.stop {
            None => "",
            Some(Stop::Limit) => ", all that the policy allows",
            Some(Stop::Budget) => ", and the retry budget is used up",
            Some(Stop::TooLarge) => ", and the body is too large to be sent again",
            Some(Stop::NotIdempotent) => ", and may have been executed",
        })
    }
}

impl Error for GaveUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// The body of an attempt that was given up, since a newer attempt reads the original now.
#[derive(Debug)]
pub struct Superseded(());

impl Superseded {
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl fmt::Display for Superseded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("this attempt was given up for a newer one")
    }
}

impl Error for Superseded {}

/// The caller's own body failed or panicked at an earlier read.
#[derive(Debug)]
pub(super) struct BrokenOff;

impl fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the request's body broke off")
    }
}

impl Error for BrokenOff {}
