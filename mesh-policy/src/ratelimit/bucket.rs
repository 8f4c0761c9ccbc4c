//! A token bucket in one atomic word.
//!
//! A bucket that fills steadily and GCRA are the same thing seen from two sides: instead of the tokens it holds,
//! the word says when the bucket will be full again. A token moves that moment on by the time that one takes to
//! fill; a bucket is empty when the moment lies further ahead than all its tokens take. So there is nothing to
//! fill in the background, and taking a token is one compare-and-swap. Envoy's local rate limit does the same.
//!
//! Times are ticks of 1/16 ns, so that rates of many millions a second are still kept to a thousandth; an interval
//! that does not divide is rounded up, so that rounding never lets more through.

use crate::SpecError;
use crate::ratelimit::table::Words;
use crate::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::Instant;

const TICKS_A_NANO: u64 = 16;
const NANOS_A_SECOND: u64 = 1_000_000_000;

/// What a bucket lets through: so many at once, and then as many as time refills.
///
/// ```
/// use mesh_policy::ratelimit::Rate;
/// use std::time::Duration;
///
/// // As many as 20 at once, and 5 a second in the long run.
/// let rate = Rate::per_second(5).burst(20);
/// assert_eq!(rate, Rate::token_bucket(20, 5, Duration::from_secs(1))?);
/// # Ok::<(), mesh_policy::SpecError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Ticks that one token takes to fill.
    interval: u64,
    /// Ticks that an empty bucket takes to fill.
    depth: u64,
    /// Tokens of a full bucket.
    max_tokens: u32,
}

impl Rate {
    /// Envoy's `type.v3.TokenBucket`: holds `max_tokens`, and gains `tokens_per_fill` every `fill_interval`, evenly
    /// spread over it.
    ///
    /// # Errors
    /// With the field's name in Envoy's terms, if one is zero, if a token would fill in less than 1/16 ns, or an
    /// empty bucket in more than 18 years.
    pub fn token_bucket(
        max_tokens: u32,
        tokens_per_fill: u32,
        fill_interval: Duration,
    ) -> Result<Self, SpecError> {
        if max_tokens == 0 {
            return Err(SpecError::new("maxTokens", "must be at least 1"));
        }
        if tokens_per_fill == 0 {
            return Err(SpecError::new("tokensPerFill", "must be at least 1"));
        }
        let fill = fill_interval.as_nanos().saturating_mul(u128::from(TICKS_A_NANO));
        if fill < u128::from(tokens_per_fill) {
            return Err(SpecError::new("fillInterval", "must be at least 1/16 ns a token"));
        }
        let interval = fill.div_ceil(u128::from(tokens_per_fill));
        match u64::try_from(interval.saturating_mul(u128::from(max_tokens))) {
            // Half the range, so that neither now nor the moment of being full can overflow.
            Ok(depth) if depth <= u64::MAX / 2 => {
                Ok(Self { interval: depth / u64::from(max_tokens), depth, max_tokens })
            }
            _ => Err(SpecError::new("fillInterval", "must fill the bucket within 18 years")),
        }
    }

    /// As many a second, and as many at once. Zero counts as one.
    pub fn per_second(requests: u32) -> Self {
        let requests = requests.max(1);
        let interval = (NANOS_A_SECOND * TICKS_A_NANO).div_ceil(u64::from(requests));
        Self { interval, depth: interval.saturating_mul(u64::from(requests)), max_tokens: requests }
    }

    /// The same rate with another number at once. Zero counts as one; what would take more than 18 years to fill is
    /// cut to that.
    #[must_use]
    pub fn burst(self, requests: u32) -> Self {
        let most = u32::try_from((u64::MAX / 2 / self.interval).max(1)).unwrap_or(u32::MAX);
        let max_tokens = requests.clamp(1, most);
        Self { depth: self.interval.saturating_mul(u64::from(max_tokens)), max_tokens, ..self }
    }

    /// Tokens of a full bucket.
    pub fn max_tokens(&self) -> u32 {
        self.max_tokens
    }

    /// How long one token takes to fill: the strictest rate has the longest.
    pub(super) fn interval(&self) -> u64 {
        self.interval
    }

    fn tokens(&self, ticks: u64) -> u32 {
        u32::try_from(ticks / self.interval).unwrap_or(u32::MAX).min(self.max_tokens)
    }
}

/// Turns instants into ticks since its making.
#[derive(Clone, Copy, Debug)]
pub(super) struct Epoch(Instant);

impl Epoch {
    pub(super) fn new(start: Instant) -> Self {
        Self(start)
    }

    /// Ticks; zero for what was before. 18 years fit below the depth of the deepest bucket.
    pub(super) fn ticks(self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.0);
        let nanos =
            since.as_secs().saturating_mul(NANOS_A_SECOND).saturating_add(u64::from(since.subsec_nanos()));
        nanos.saturating_mul(TICKS_A_NANO).min(u64::MAX / 2)
    }
}

/// How a bucket stands after it was asked for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Tokens of a full bucket: `x-ratelimit-limit`.
    pub limit: u32,
    /// Tokens that are left: `x-ratelimit-remaining`.
    pub remaining: u32,
    /// How long until there is a token; zero if there is one. In whole seconds, rounded up, `x-ratelimit-reset`.
    pub reset: Duration,
}

/// How far a bucket is from full after it was asked: a [`Standing`] before it is worked out, which takes two divisions
/// that nobody needs whose callers are not told.
#[derive(Clone, Copy, Debug)]
pub(super) struct Level<'r> {
    rate: &'r Rate,
    lacks: u64,
}

/// The moment at which a bucket will be full, in ticks; a moment that has passed is a full bucket.
pub(super) type FullAt = AtomicU64;

/// The buckets of a table at a moment, in ticks: one that is full can be forgotten.
pub(super) struct At(pub(super) u64);

impl Words for At {
    fn debt(&self, full_at: u64) -> u64 {
        full_at.saturating_sub(self.0)
    }

    fn both(&self, one: u64, other: u64) -> u64 {
        one.max(self.0).saturating_add(self.debt(other))
    }
}

/// Takes a token.
///
/// # Errors
/// The level of a bucket that has none; nothing was taken.
pub(super) fn take<'r>(full_at: &FullAt, rate: &'r Rate, now: u64) -> Result<Level<'r>, Level<'r>> {
    let mut seen = full_at.load(SeqCst);
    loop {
        // Time that other threads read a little later may be in there already; that is no debt of theirs.
        let after = seen.max(now).saturating_add(rate.interval);
        if after - now > rate.depth {
            return Err(Level { rate, lacks: seen.max(now) - now });
        }
        // In one order with what a table looks at next: whether the word is the caller's still.
        match full_at.compare_exchange_weak(seen, after, SeqCst, SeqCst) {
            Ok(_) => return Ok(Level { rate, lacks: after - now }),
            Err(other) => seen = other,
        }
    }
}

/// Gives back a token that was taken for a request that another bucket refused.
pub(super) fn give_back(full_at: &FullAt, rate: &Rate) {
    // It was added before, and nothing ever takes more away; saturating keeps a bug from making a limit endless.
    let _ = full_at.fetch_update(SeqCst, SeqCst, |at| Some(at.saturating_sub(rate.interval)));
}

impl Level<'_> {
    /// What callers are told.
    pub(super) fn standing(self) -> Standing {
        let Self { rate, lacks } = self;
        let held = rate.depth.saturating_sub(lacks);
        // A word that came from two may owe more than the bucket holds.
        let missing = lacks.saturating_add(rate.interval).saturating_sub(rate.depth);
        Standing {
            limit: rate.max_tokens,
            remaining: rate.tokens(held),
            reset: Duration::from_nanos(missing.div_ceil(TICKS_A_NANO)),
        }
    }
}

/// One bucket, for those who limit something other than requests; clones are not made, share it by reference.
///
/// ```
/// use mesh_policy::ratelimit::{Bucket, Rate};
/// use std::time::Duration;
/// use tokio::time::Instant;
///
/// let start = Instant::now();
/// let bucket = Bucket::new(Rate::per_second(1), start);
/// assert!(bucket.try_take(start).is_ok());
/// let empty = bucket.try_take(start).unwrap_err();
/// assert_eq!((empty.remaining, empty.reset), (0, Duration::from_secs(1)));
/// assert!(bucket.try_take(start + empty.reset).is_ok());
/// ```
#[derive(Debug)]
pub struct Bucket {
    rate: Rate,
    epoch: Epoch,
    full_at: FullAt,
}

impl Bucket {
    /// A full bucket.
    pub fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, epoch: Epoch::new(now), full_at: FullAt::new(0) }
    }

    /// Takes a token.
    ///
    /// # Errors
    /// How the bucket stands if it has none; nothing was taken.
    pub fn try_take(&self, now: Instant) -> Result<Standing, Standing> {
        let level = take(&self.full_at, &self.rate, self.epoch.ticks(now));
        level.map(Level::standing).map_err(Level::standing)
    }

    /// Gives back a token that was not used after all.
    pub fn give_back(&self) {
        give_back(&self.full_at, &self.rate);
    }
}

#[cfg(test)]
mod tests;

#[cfg(all(test, loom))]
mod loom {
    use super::{FullAt, Rate, give_back, take};
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn two_threads_never_take_more_than_there_is() {
        loom::model(|| {
            let rate = Rate::per_second(1);
            let full_at = Arc::new(FullAt::new(0));
            let threads = [(); 2].map(|()| {
                let full_at = Arc::clone(&full_at);
                thread::spawn(move || take(&full_at, &rate, 0).is_ok())
            });
            let taken = threads.map(|thread| thread.join().unwrap());
            assert_eq!(taken.iter().filter(|taken| **taken).count(), 1);
        });
    }

    #[test]
    fn a_token_given_back_is_there_again_and_no_other() {
        loom::model(|| {
            let rate = Rate::per_second(2);
            let full_at = Arc::new(FullAt::new(0));
            let other = {
                let full_at = Arc::clone(&full_at);
                thread::spawn(move || {
                    if take(&full_at, &rate, 0).is_ok() {
                        give_back(&full_at, &rate);
                    }
                })
            };
            assert!(take(&full_at, &rate, 0).is_ok());
            other.join().unwrap();
            assert_eq!(take(&full_at, &rate, 0).unwrap().standing().remaining, 0);
            assert!(take(&full_at, &rate, 0).is_err());
        });
    }
}
