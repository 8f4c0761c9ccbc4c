//! One endpoint's record.

use super::detector::Shared;
use crate::FailureKind;
use http::StatusCode;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{
    AtomicU8, AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};
use std::time::{Duration, Instant};

/// What an endpoint did with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It answered with this status. For gRPC, the HTTP status that the gRPC status maps to.
    Status(StatusCode),
    /// A connection to it was made.
    Connected,
    /// It did not answer: no connection, a reset, or silence past the attempt's budget.
    LocalOrigin(FailureKind),
}

/// Why an endpoint was ejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EjectionKind {
    /// So many 5xx in a row.
    Consecutive5xx,
    /// So many 502, 503 or 504 in a row.
    ConsecutiveGatewayFailure,
    /// So many failures without an answer in a row.
    ConsecutiveLocalOriginFailure,
}

/// An endpoint was taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ejection {
    /// Why.
    pub kind: EjectionKind,
    /// For how long, until the check after that.
    pub stay: Duration,
}

/// One endpoint's record; clones share it.
///
/// The endpoint belongs to the cluster until the last clone is dropped.
#[derive(Clone)]
pub struct Host(pub(super) Arc<Record>);

pub(super) struct Record {
    pub(super) of: Arc<Shared>,
    consecutive_5xx: AtomicU32,
    consecutive_gateway: AtomicU32,
    consecutive_local: AtomicU32,
    /// [`IN`], [`LEAVING`] or [`OUT`].
    stage: AtomicU8,
    /// Milliseconds since the detector began.
    returns_at: AtomicU64,
    /// The multiple of the base that the last stay was; shrinks with each check that finds it in.
    multiple: AtomicU32,
}

/// The endpoint may be chosen.
const IN: u8 = 0;
/// One request is taking it out; whoever else finds a reason to, or checks, leaves it alone.
const LEAVING: u8 = 1;
/// It is ejected: `returns_at` says until when.
const OUT: u8 = 2;

impl Record {
    pub(super) fn new(of: Arc<Shared>) -> Self {
        Self {
            of,
            consecutive_5xx: AtomicU32::new(0),
            consecutive_gateway: AtomicU32::new(0),
            consecutive_local: AtomicU32::new(0),
            stage: AtomicU8::new(IN),
            returns_at: AtomicU64::new(0),
            multiple: AtomicU32::new(0),
        }
    }

    /// Looks at the record once an interval. Whether the host returns now.
    pub(super) fn check(&self, now_ms: u64) -> bool {
        // Before the stage: whoever sees what an ejection made of it sees that it is no longer in.
        let multiple = self.multiple.load(Acquire);
        match self.stage.load(Acquire) {
            OUT => {}
            LEAVING => return false,
            _ => {
                // Fails if an ejection has made it longer since: that one counts. One that found it at its
                // longest leaves it as it was, and may see it shrink by this check, as if it came after.
                if let Some(shorter) = multiple.checked_sub(1) {
                    let _ = self.multiple.compare_exchange(multiple, shorter, Relaxed, Relaxed);
                }
                return false;
            }
        }
        if now_ms < self.returns_at.load(Relaxed) {
            return false;
        }
        // As in Envoy: a host that returns begins anew, or its first new error could eject it again.
        self.consecutive_5xx.store(0, Relaxed);
        self.consecutive_gateway.store(0, Relaxed);
        self.consecutive_local.store(0, Relaxed);
        self.bring_back();
        true
    }

    fn bring_back(&self) {
        if self.stage.compare_exchange(OUT, IN, AcqRel, Relaxed).is_ok() {
            self.of.active.close();
        }
    }

    fn eject(&self, kind: EjectionKind, now: Instant) -> Option<Ejection> {
        self.stage.compare_exchange(IN, LEAVING, AcqRel, Relaxed).ok()?;
        let config = self.of.config.load();
        if !self.of.admit(&config) {
            self.stage.store(IN, Release);
            return None;
        }
        let base = config.base_ejection_time;
        let longest = config.max_ejection_time.max(base);
        let last = self.multiple.load(Relaxed);
        let multiple = if base.saturating_mul(last) < longest { last.saturating_add(1) } else { last };
        let stay = base.saturating_mul(multiple).min(longest);
        self.multiple.store(multiple, Release);
        self.returns_at.store(self.of.millis(now).saturating_add(millis(stay)), Relaxed);
        // Last, so that a check which sees it out sees until when.
        self.stage.store(OUT, Release);
        self.of.count(kind);
        Some(Ejection { kind, stay })
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        self.bring_back();
        self.of.hosts.close();
    }
}

pub(super) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl Host {
    /// Whether the endpoint is out of the choice. One atomic load.
    pub fn is_ejected(&self) -> bool {
        self.0.stage.load(Relaxed) == OUT
    }

    /// Counts an outcome; ejects the endpoint if it completes a row of failures and not too many are out.
    ///
    /// `now` is asked only when that happens.
    pub fn record(&self, outcome: Outcome, now: impl FnOnce() -> Instant) -> Option<Ejection> {
        let kind = self.count(outcome)?;
        self.0.eject(kind, now())
    }

    /// Counts, and says whether a row is complete. A complete row begins anew, whatever comes of it.
    fn count(&self, outcome: Outcome) -> Option<EjectionKind> {
        let limits = &self.0.of.limits;
        match outcome {
            Outcome::LocalOrigin(FailureKind::Overflow | FailureKind::Final) => None,
            Outcome::Connected => {
                reset(&self.0.consecutive_local);
                None
            }
            Outcome::LocalOrigin(_) if limits.split() => {
                let limit = limits.local.load(Relaxed);
                completes(&self.0.consecutive_local, limit)
                    .then_some(EjectionKind::ConsecutiveLocalOriginFailure)
            }
            Outcome::LocalOrigin(_) => self.count_5xx(true),
            Outcome::Status(status) if status.is_server_error() => {
                self.count_5xx(matches!(status.as_u16(), 502..=504))
            }
            Outcome::Status(_) => {
                reset(&self.0.consecutive_5xx);
                reset(&self.0.consecutive_gateway);
                None
            }
        }
    }

    fn count_5xx(&self, gateway: bool) -> Option<EjectionKind> {
        let limits = &self.0.of.limits;
        let by_gateway = if gateway {
            completes(&self.0.consecutive_gateway, limits.gateway.load(Relaxed))
        } else {
            reset(&self.0.consecutive_gateway);
            false
        };
        let by_5xx = completes(&self.0.consecutive_5xx, limits.any.load(Relaxed));
        // Envoy asks for the gateway row first.
        match (by_gateway, by_5xx) {
            (true, _) => Some(EjectionKind::ConsecutiveGatewayFailure),
            (false, true) => Some(EjectionKind::Consecutive5xx),
            (false, false) => None,
        }
    }
}

/// Counts one more in a row; whether that makes it complete, in which case it begins anew.
fn completes(row: &AtomicU32, limit: u32) -> bool {
    if limit == 0 {
        return false;
    }
    let count = row.fetch_add(1, Relaxed).saturating_add(1);
    let complete = count >= limit;
    if complete {
        row.store(0, Relaxed);
    }
    complete
}

/// Writes only what changes: the common case, success after success, keeps the cache line shared.
fn reset(row: &AtomicU32) {
    if row.load(Relaxed) != 0 {
        row.store(0, Relaxed);
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host")
            .field("ejected", &self.is_ejected())
            .field("consecutive_5xx", &self.0.consecutive_5xx)
            .field("consecutive_gateway", &self.0.consecutive_gateway)
            .field("consecutive_local", &self.0.consecutive_local)
            .finish_non_exhaustive()
    }
}
