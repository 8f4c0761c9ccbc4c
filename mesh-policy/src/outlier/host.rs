//! One endpoint's record.

use super::detector::{Refused, Shared};
use super::event::Event;
use super::rates::Tally;
use super::stage::{Stage, Stay};
use crate::FailureKind;
use crate::sync::atomic::{AtomicU32, Ordering::Relaxed};
use http::StatusCode;
use std::fmt;
use std::sync::Arc;
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
#[non_exhaustive]
pub enum EjectionKind {
    /// So many 5xx in a row.
    Consecutive5xx,
    /// So many 502, 503 or 504 in a row.
    ConsecutiveGatewayFailure,
    /// So many failures without an answer in a row.
    ConsecutiveLocalOriginFailure,
    /// It succeeded less often than the others.
    SuccessRate,
    /// It was reached less often than the others.
    SuccessRateLocalOrigin,
    /// It failed more often than the bound.
    FailurePercentage,
    /// It was unreachable more often than the bound.
    FailurePercentageLocalOrigin,
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
    pub(super) endpoint: Arc<str>,
    consecutive_5xx: AtomicU32,
    consecutive_gateway: AtomicU32,
    consecutive_local: AtomicU32,
    /// Answers; and failures without one, unless those are apart.
    pub(super) answers: Tally,
    /// Whether it was reached, where that is counted apart.
    pub(super) reached: Tally,
    pub(super) stage: Stage,
    ejections: AtomicU32,
}

impl Record {
    pub(super) fn new(of: Arc<Shared>, endpoint: Arc<str>) -> Self {
        Self {
            of,
            endpoint,
            consecutive_5xx: AtomicU32::new(0),
            consecutive_gateway: AtomicU32::new(0),
            consecutive_local: AtomicU32::new(0),
            answers: Tally::new(),
            reached: Tally::new(),
            stage: Stage::new(),
            ejections: AtomicU32::new(0),
        }
    }

    /// Whether the host returns now, its time being over.
    pub(super) fn come_back(&self, now_ms: u64) -> bool {
        let back = self.stage.come_back(now_ms, || {
            // As in Envoy: a host that returns begins anew, or its first new error could eject it again.
            self.consecutive_5xx.store(0, Relaxed);
            self.consecutive_gateway.store(0, Relaxed);
            self.consecutive_local.store(0, Relaxed);
        });
        if back {
            self.of.active.close();
            self.of.metrics.returns_total();
            self.of.tell(|| Event::Unejected { endpoint: Arc::clone(&self.endpoint) });
        }
        back
    }

    pub(super) fn eject(&self, kind: EjectionKind, now: Instant) -> Option<Ejection> {
        let mut stay = Duration::ZERO;
        let mut refused = None;
        let left = self.stage.leave(|last| {
            let config = self.of.config.load();
            if let Err(why) = self.of.admit(kind, &config) {
                refused = Some(why);
                return None;
            }
            let base = config.base_ejection_time;
            let longest = config.max_ejection_time.max(base);
            let multiple = if base.saturating_mul(last) < longest { last.saturating_add(1) } else { last };
            stay = base.saturating_mul(multiple).min(longest);
            stay = stay.saturating_add(self.of.jitter(config.max_ejection_time_jitter));
            Some(Stay { multiple, returns_at: self.of.millis(now).saturating_add(millis(stay)) })
        });
        let endpoint = || Arc::clone(&self.endpoint);
        if left {
            let ejections = self.ejections.fetch_add(1, Relaxed).saturating_add(1);
            self.of.metrics.enforced(kind);
            self.of.tell(|| Event::Ejected { endpoint: endpoint(), kind, stay, ejections });
            return Some(Ejection { kind, stay });
        }
        match refused {
            Some(Refused::Overflow) => self.of.tell(|| Event::Overflow { endpoint: endpoint(), kind }),
            Some(Refused::NotEnforced) => self.of.tell(|| Event::NotEnforced { endpoint: endpoint(), kind }),
            // It is out already, or on its way.
            None => {}
        }
        None
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if self.stage.is_out() {
            self.of.active.close();
        }
        self.of.hosts.close();
    }
}

pub(super) fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

impl Host {
    /// The name that it was asked for by.
    pub fn endpoint(&self) -> &str {
        &self.0.endpoint
    }

    /// Whether the endpoint is out of the choice. One atomic load.
    pub fn is_ejected(&self) -> bool {
        self.0.stage.is_out()
    }

    /// How often it has been ejected.
    pub fn ejections(&self) -> u32 {
        self.0.ejections.load(Relaxed)
    }

    /// Counts an outcome; ejects the endpoint if it completes a row of failures and not too many are out.
    ///
    /// `now` is asked only when that happens.
    pub fn record(&self, outcome: Outcome, now: impl FnOnce() -> Instant) -> Option<Ejection> {
        match self.count(outcome) {
            (None, None) => None,
            (first, second) => {
                let now = now();
                // If the first is not enforced, the second may be.
                let mut complete = first.into_iter().chain(second);
                complete.find_map(|kind| self.0.eject(kind, now))
            }
        }
    }

    /// Counts, and says which rows are complete. A complete row begins anew, whatever comes of it.
    #[inline]
    fn count(&self, outcome: Outcome) -> (Option<EjectionKind>, Option<EjectionKind>) {
        let limits = &self.0.of.limits;
        match outcome {
            Outcome::LocalOrigin(FailureKind::Overflow | FailureKind::Final) => (None, None),
            Outcome::Connected => {
                if limits.split() {
                    self.tally(&self.0.reached, true);
                }
                reset(&self.0.consecutive_local);
                (None, None)
            }
            Outcome::LocalOrigin(_) if limits.split() => {
                self.tally(&self.0.reached, false);
                let limit = limits.local.load(Relaxed);
                let row = completes(&self.0.consecutive_local, limit);
                (row.then_some(EjectionKind::ConsecutiveLocalOriginFailure), None)
            }
            Outcome::LocalOrigin(_) => self.count_5xx(true),
            Outcome::Status(status) if status.is_server_error() => {
                self.count_5xx(matches!(status.as_u16(), 502..=504))
            }
            Outcome::Status(_) => {
                self.tally(&self.0.answers, true);
                reset(&self.0.consecutive_5xx);
                reset(&self.0.consecutive_gateway);
                (None, None)
            }
        }
    }

    fn count_5xx(&self, gateway: bool) -> (Option<EjectionKind>, Option<EjectionKind>) {
        self.tally(&self.0.answers, false);
        let limits = &self.0.of.limits;
        let by_gateway = if gateway {
            completes(&self.0.consecutive_gateway, limits.gateway.load(Relaxed))
        } else {
            reset(&self.0.consecutive_gateway);
            false
        };
        let by_5xx = completes(&self.0.consecutive_5xx, limits.any.load(Relaxed));
        // Envoy asks for the gateway row first.
        (
            by_gateway.then_some(EjectionKind::ConsecutiveGatewayFailure),
            by_5xx.then_some(EjectionKind::Consecutive5xx),
        )
    }

    /// Counts for the rates, where anybody compares them.
    fn tally(&self, tally: &Tally, success: bool) {
        if self.0.of.limits.rates() {
            tally.add(success);
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
            .field("endpoint", &self.0.endpoint)
            .field("ejected", &self.is_ejected())
            .field("consecutive_5xx", &self.0.consecutive_5xx)
            .field("consecutive_gateway", &self.0.consecutive_gateway)
            .field("consecutive_local", &self.0.consecutive_local)
            .finish_non_exhaustive()
    }
}
