//! What happens to one request: the configured faults, its headers, and the dice.

use super::body::Limiter;
use super::headers;
use super::layer::{Active, FaultLayer};
use crate::gauge::Held;
use http::HeaderMap;
use mesh_core::model::http::{AbortBy, AbortWith, DelayBy, RateBy};
use mesh_core::model::values::Fraction;
use std::num::NonZeroU64;
use std::time::Duration;

/// What happens, where anything does.
pub(super) enum Plan {
    /// It is not sent.
    Abort(AbortWith),
    /// It is sent now; its response is slow.
    Limit(Box<Limiter>),
    /// It waits first.
    Delay { duration: Duration, then: Then, held: Held<Active> },
}

/// What follows a delay.
pub(super) enum Then {
    Send,
    Abort(AbortWith),
    Limit(NonZeroU64),
}

impl FaultLayer {
    /// Drawn before anything waits, so that a seed gives one story.
    #[inline]
    pub(super) fn plan(&self, headers: &HeaderMap) -> Option<Plan> {
        let delay = self.delay_of(headers);
        let abort = self.abort_of(headers);
        // An answer of our own is not worth slowing down.
        let limit = if abort.is_some() { None } else { self.limit_of(headers) };
        if delay.is_none() && abort.is_none() && limit.is_none() {
            return None;
        }
        self.start(delay, abort, limit)
    }

    #[cold]
    fn start(
        &self,
        delay: Option<Duration>,
        abort: Option<AbortWith>,
        limit: Option<NonZeroU64>,
    ) -> Option<Plan> {
        let max_active = self.fault.max_active.unwrap_or(u32::MAX);
        let Some(held) = Held::try_open(&self.active, (), max_active) else {
            self.metrics.faults_overflow();
            return None;
        };
        if abort.is_some() {
            self.metrics.aborts_injected();
        }
        if limit.is_some() {
            self.metrics.response_rl_injected();
        }
        Some(match (delay, abort, limit) {
            (Some(duration), abort, limit) => {
                self.metrics.delays_injected();
                let then = match (abort, limit) {
                    (Some(with), _) => Then::Abort(with),
                    (None, Some(kbps)) => Then::Limit(kbps),
                    (None, None) => Then::Send,
                };
                Plan::Delay { duration, then, held }
            }
            (None, Some(with), _) => Plan::Abort(with),
            (None, None, Some(kbps)) => Plan::Limit(Box::new(Limiter::new(kbps, held))),
            (None, None, None) => return None,
        })
    }

    #[inline]
    fn delay_of(&self, headers: &HeaderMap) -> Option<Duration> {
        let delay = self.fault.delay.as_ref()?;
        let (duration, fraction) = match delay.by {
            DelayBy::Fixed(duration) => (duration, delay.fraction),
            DelayBy::Header(unit) => {
                let duration = self.trusted(headers).and_then(headers::delay)?;
                let share = headers::lowered(delay.fraction, unit, headers, &headers::DELAY_PERCENTAGE);
                (duration, share)
            }
        };
        (!duration.is_zero() && self.hits(fraction)).then_some(duration)
    }

    #[inline]
    fn abort_of(&self, headers: &HeaderMap) -> Option<AbortWith> {
        let abort = self.fault.abort.as_ref()?;
        let (with, fraction) = match abort.by {
            AbortBy::Fixed(with) => (with, abort.fraction),
            AbortBy::Header(unit) => {
                let with = self.trusted(headers).and_then(headers::abort)?;
                (with, headers::lowered(abort.fraction, unit, headers, &headers::ABORT_PERCENTAGE))
            }
        };
        self.hits(fraction).then_some(with)
    }

    #[inline]
    fn limit_of(&self, headers: &HeaderMap) -> Option<NonZeroU64> {
        let limit = self.fault.response_rate_limit.as_ref()?;
        let (kbps, fraction) = match limit.by {
            RateBy::Fixed(kbps) => (kbps, limit.fraction),
            RateBy::Header(unit) => {
                let kbps = self.trusted(headers).and_then(headers::kbps)?;
                (kbps, headers::lowered(limit.fraction, unit, headers, &headers::THROUGHPUT_PERCENTAGE))
            }
        };
        self.hits(fraction).then_some(kbps)
    }

    fn trusted<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderMap> {
        self.trust_headers.then_some(headers)
    }

    #[inline]
    fn hits(&self, fraction: Fraction) -> bool {
        match fraction {
            Fraction::ZERO => false,
            Fraction::ONE => true,
            some => some.hits(self.random.draw()),
        }
    }
}
