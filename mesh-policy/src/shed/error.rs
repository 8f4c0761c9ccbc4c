//! A request was refused so that others can be answered.

use super::priority::Criticality;
use crate::{FailureKind, Reject};
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// As many are open as may be, and there is no place to wait.
    ConcurrencyLimit,
    /// It waited for a place, until its answer would have come too late.
    QueueDeadline,
    /// It waited for a place, and had to make room for one that is more important or newer.
    QueueFull,
    /// Too few of the last answers were successes.
    AdmissionControl,
}

/// A request was refused unsent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shed {
    reason: Reason,
    criticality: Criticality,
    status: StatusCode,
}

impl Shed {
    pub(super) fn new(reason: Reason, criticality: Criticality, status: StatusCode) -> Self {
        Self { reason, criticality, status }
    }

    /// Why.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// How important it was.
    pub fn criticality(&self) -> Criticality {
        self.criticality
    }
}

impl fmt::Display for Shed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.reason {
            Reason::ConcurrencyLimit => "as many requests are open as the service can answer in good time",
            Reason::QueueDeadline => "no place came free in time for an answer",
            Reason::QueueFull => "other requests were to be answered first",
            Reason::AdmissionControl => "too few of the last answers were successes",
        })
    }
}

impl Error for Shed {}

impl Reject for Shed {
    fn status(&self) -> StatusCode {
        self.status
    }

    /// None, as in Envoy: the details say it.
    fn flag(&self) -> Option<ResponseFlag> {
        None
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.reason {
            Reason::ConcurrencyLimit => "reached_concurrency_limit",
            Reason::QueueDeadline => "reached_concurrency_limit{queue_deadline}",
            Reason::QueueFull => "reached_concurrency_limit{queue_full}",
            Reason::AdmissionControl => "denied_by_admission_control",
        })
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.reason {
            Reason::AdmissionControl => "",
            _ => "reached concurrency limit",
        })
    }

    fn kind(&self) -> FailureKind {
        FailureKind::Overflow
    }
}
