//! The limit, what is open under it, and what moves it.
//!
//! Nothing runs in the background: whoever ends (or begins) a request after a window's end closes the window, and
//! nobody waits for that. Admission reads one clock, two words, and changes a third.

use super::gradient::{gradient, next_limit};
use super::histogram::Histogram;
use super::permit::Permit;
use crate::Random;
use crate::gauge::Gauge;
use crate::shed::priority::{Criticality, Priority};
use crate::shed::queue::{Queue, Refusal, Waiter, Waiting};
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use crate::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, fence};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Settings of Envoy's gradient controller; [`Default`] has Envoy's defaults, and for the two intervals, which have
/// none there, those of its examples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Gradient {
    /// The share of a window's latencies, from 0 to 1, that the one which counts does not exceed. 0.5: the median.
    pub sample_aggregate_percentile: f64,
    /// How often the limit moves: 100 ms.
    pub concurrency_update_interval: Duration,
    /// Never more than these at once: 1000.
    pub max_concurrency_limit: u32,
    /// How often the latency of an idle service is measured anew: 60 s.
    pub min_rtt_interval: Duration,
    /// How many answers measure it: 50.
    pub request_count: u32,
    /// How much later that may be, by chance, as a share of the interval: 0.15. It keeps many from measuring at once.
    pub jitter: f64,
    /// How many at once while it is measured, and never fewer: 3.
    pub min_concurrency: u32,
    /// How much longer than that latency an answer may take, as a share of it, without being slow: 0.25.
    pub buffer: f64,
    /// Takes this for the latency of an idle service and never measures it. Envoy's `fixed_value`.
    pub fixed_min_rtt: Option<Duration>,
}

impl Default for Gradient {
    fn default() -> Self {
        Self {
            sample_aggregate_percentile: 0.5,
            concurrency_update_interval: Duration::from_millis(100),
            max_concurrency_limit: 1000,
            min_rtt_interval: Duration::from_secs(60),
            request_count: 50,
            jitter: 0.15,
            min_concurrency: 3,
            buffer: 0.25,
            fixed_min_rtt: None,
        }
    }
}

/// A limit that follows a service's latency; clones share it.
#[derive(Clone, Debug)]
pub struct AdaptiveConcurrency(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Gradient,
    /// Of the limit, in percent, by class.
    shares: [u32; 4],
    random: Random,
    start: Instant,
    limit: AtomicU32,
    open: Gauge,
    samples: Histogram,
    /// When a window ends next, in microseconds since the start.
    next: AtomicU64,
    /// When the idle latency is measured next.
    measure_at: AtomicU64,
    /// What began before this was sent while more were open, so it does not count.
    since: AtomicU64,
    /// The limit to go back to after measuring; zero while nothing is measured.
    deferred: AtomicU32,
    at_least: AtomicU32,
    min_rtt: AtomicU64,
    sample_rtt: AtomicU64,
    /// Bits of a float.
    gradient: AtomicU64,
    blocked: AtomicU64,
    queued: AtomicU64,
    /// Held by whoever closes a window; nobody waits for it.
    closing: AtomicBool,
    waiting: Option<Waiting>,
}

/// What is known of an [`AdaptiveConcurrency`] at one moment, under Envoy's names below
/// `http.PREFIX.adaptive_concurrency.gradient_controller`.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveConcurrencyCounts {
    /// How many may be open.
    pub concurrency_limit: u32,
    /// How many are.
    pub open: u32,
    /// How many wait.
    pub waiting: usize,
    /// Refused, or dropped from the queue.
    pub rq_blocked: u64,
    /// Had to wait, however that ended.
    pub rq_queued: u64,
    /// Of the last window.
    pub gradient: f64,
    /// The latency of an idle service.
    pub min_rtt: Duration,
    /// The latency of the last window.
    pub sample_rtt: Duration,
    /// Whether the idle latency is being measured.
    pub min_rtt_calculation_active: bool,
}

impl AdaptiveConcurrency {
    /// Begins by measuring, with as few at once as there may be. Numbers out of range are brought into it.
    pub fn new(settings: Gradient) -> Self {
        let finite = |share: f64, most: f64| if share.is_nan() { 0.0 } else { share.clamp(0.0, most) };
        let settings = Gradient {
            sample_aggregate_percentile: finite(settings.sample_aggregate_percentile, 1.0),
            jitter: finite(settings.jitter, 1.0),
            buffer: finite(settings.buffer, 100.0),
            min_concurrency: settings.min_concurrency.max(1),
            request_count: settings.request_count.max(1),
            ..settings
        };
        let fixed = settings.fixed_min_rtt;
        Self(Arc::new(Shared {
            shares: [50, 80, 100, 100],
            random: Random::default(),
            start: Instant::now(),
            limit: AtomicU32::new(settings.min_concurrency),
            open: Gauge::default(),
            samples: Histogram::default(),
            next: AtomicU64::new(micros(settings.concurrency_update_interval)),
            measure_at: AtomicU64::new(u64::MAX),
            since: AtomicU64::new(0),
            deferred: AtomicU32::new(if fixed.is_some() { 0 } else { settings.min_concurrency }),
            at_least: AtomicU32::new(0),
            min_rtt: AtomicU64::new(fixed.map_or(0, micros)),
            sample_rtt: AtomicU64::new(0),
            gradient: AtomicU64::new(1.0_f64.to_bits()),
            blocked: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            closing: AtomicBool::new(false),
            waiting: None,
            settings,
        }))
    }

    fn change(self, change: impl FnOnce(&mut Shared)) -> Self {
        match Arc::try_unwrap(self.0) {
            Ok(mut shared) => {
                change(&mut shared);
                Self(Arc::new(shared))
            }
            // It is in use: what others rely on stays as it is, and this is a new one.
            Err(shared) => {
                let Self(mut fresh) = Self::new(shared.settings);
                if let Some(fresh) = Arc::get_mut(&mut fresh) {
                    fresh.shares = shared.shares;
                    fresh.random = shared.random.clone();
                    fresh.waiting = shared.waiting.as_ref().map(|w| Waiting::new(w.settings()));
                    change(fresh);
                }
                Self(fresh)
            }
        }
    }

    /// Lets requests wait for a place; by default none does. To be called before it is cloned.
    ///
    /// A place is taken until its response's end, so a task that keeps one response unread while it waits for another
    /// may wait for the place that it holds itself, as long as the queue lets it.
    #[must_use]
    pub fn queue(self, queue: Queue) -> Self {
        self.change(|shared| shared.waiting = (queue.most > 0).then(|| Waiting::new(queue)))
    }

    /// How much of the limit each class may fill, in percent, least important first; 50, 80, 100 and 100 by default.
    /// None less than a class below it: that would let the less important in first. To be called before it is
    /// cloned.
    #[must_use]
    pub fn shares(self, percent: [u32; 4]) -> Self {
        let mut least = 0;
        let shares = percent.map(|share| {
            least = share.min(100).max(least);
            least
        });
        self.change(|shared| shared.shares = shares)
    }

    /// Draws the jitter from there.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        self.change(|shared| shared.random = random)
    }

    /// What is known now.
    pub fn snapshot(&self) -> AdaptiveConcurrencyCounts {
        let s = &*self.0;
        AdaptiveConcurrencyCounts {
            concurrency_limit: s.limit.load(Relaxed),
            open: s.open.open(),
            waiting: s.waiting.as_ref().map_or(0, Waiting::len),
            rq_blocked: s.blocked.load(Relaxed),
            rq_queued: s.queued.load(Relaxed),
            gradient: f64::from_bits(s.gradient.load(Relaxed)),
            min_rtt: Duration::from_micros(s.min_rtt.load(Relaxed)),
            sample_rtt: Duration::from_micros(s.sample_rtt.load(Relaxed)),
            min_rtt_calculation_active: s.deferred.load(Relaxed) > 0,
        }
    }

    /// A place for a request, if there is one for its class and nobody more important waits for one.
    pub(super) fn try_acquire(&self, criticality: Criticality, now: Instant) -> Option<Permit> {
        self.0.close_windows(now);
        if self.0.waiting.as_ref().is_some_and(|waiting| waiting.any_above(criticality)) {
            return None;
        }
        self.0.open(criticality).then(|| Permit::new(self.clone(), now))
    }

    pub(super) fn blocked(&self) {
        self.0.blocked.fetch_add(1, Relaxed);
    }

    /// Waits for a place.
    ///
    /// # Errors
    /// `None` if there is no queue.
    pub(super) fn wait(&self, priority: Priority, now: Instant) -> Result<Arc<Waiter>, Option<Refusal>> {
        let waiting = self.0.waiting.as_ref().ok_or(None)?;
        let expected =
            Duration::from_micros(self.0.sample_rtt.load(Relaxed).max(self.0.min_rtt.load(Relaxed)));
        let waiter = waiting.enter(priority, expected, now)?;
        self.0.queued.fetch_add(1, Relaxed);
        // A place may have come free between being refused and waiting; `release` saw nobody then.
        fence(SeqCst);
        self.0.grant(now);
        Ok(waiter)
    }

    /// The place that a waiter was given.
    pub(super) fn granted(&self, now: Instant) -> Permit {
        Permit::new(self.clone(), now)
    }

    /// A waiter waits no longer.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) {
        if self.0.waiting.as_ref().is_some_and(|waiting| waiting.leave(waiter)) {
            self.release(Instant::now());
        }
    }

    /// Gives a place to who waits, or back.
    pub(super) fn release(&self, now: Instant) {
        let Some(waiting) = &self.0.waiting else { return self.0.open.close() };
        // From hand to hand: nobody who comes just now finds it free.
        if waiting.len() > 0 && waiting.hand_over(now, |class| self.0.has_room_at(class)) {
            return;
        }
        self.0.open.close();
        // Pairs with the one in `wait`: either this sees who waits, or they see the place.
        fence(SeqCst);
        if waiting.len() > 0 {
            self.0.grant(now);
        }
    }

    /// Measures an answered request.
    pub(super) fn sample(&self, started: Instant, now: Instant) {
        let s = &*self.0;
        if s.since(started) < s.since.load(Relaxed) {
            return;
        }
        let seen = s.samples.add(now.saturating_duration_since(started));
        if s.deferred.load(Relaxed) > 0 && seen >= s.settings.request_count {
            s.exclusively(now, || s.end_measuring(now));
        } else {
            s.close_windows(now);
        }
    }
}

impl Default for AdaptiveConcurrency {
    fn default() -> Self {
        Self::new(Gradient::default())
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

impl Shared {
    fn since(&self, at: Instant) -> u64 {
        micros(at.saturating_duration_since(self.start))
    }

    /// How many may be open for one of a class to be among them.
    fn most(&self, criticality: Criticality) -> u32 {
        let limit = self.limit.load(Relaxed);
        let share = self.shares.get(criticality as usize).copied().unwrap_or(100);
        let most = u64::from(limit) * u64::from(share) / 100;
        // Nobody is shut out from an idle service.
        u32::try_from(most).unwrap_or(limit).max(1)
    }

    /// Opens a place for a class, if its share of the limit has one.
    fn open(&self, criticality: Criticality) -> bool {
        self.open.try_open(self.most(criticality))
    }

    /// Whether a place that is given back could be opened for a class at once.
    fn has_room_at(&self, criticality: Criticality) -> bool {
        self.open.open() <= self.most(criticality)
    }

    fn grant(&self, now: Instant) {
        if let Some(waiting) = &self.waiting {
            waiting.grant(now, |class| self.open(class), || self.open.close());
        }
    }

    /// Runs what closes a window, unless somebody else is at it; if that moved the limit, who waits may go on.
    fn exclusively(&self, now: Instant, close: impl FnOnce() -> bool) {
        struct Closing<'a>(&'a AtomicBool);
        impl Drop for Closing<'_> {
            fn drop(&mut self) {
                self.0.store(false, Release);
            }
        }
        if self.closing.compare_exchange(false, true, AcqRel, Relaxed).is_err() {
            return;
        }
        let closing = Closing(&self.closing);
        let moved = close();
        drop(closing);
        if moved {
            self.grant(now);
        }
    }

    /// Closes the windows that have ended.
    fn close_windows(&self, now: Instant) {
        let at = self.since(now);
        // While the idle latency is measured, only answers end that.
        if at < self.next.load(Relaxed) || self.deferred.load(Relaxed) > 0 {
            return;
        }
        self.exclusively(now, || {
            if at < self.next.load(Acquire) || self.deferred.load(Acquire) > 0 {
                return false;
            }
            if at >= self.measure_at.load(Relaxed) {
                self.begin_measuring(at);
                return false;
            }
            let sample = self.samples.take(self.settings.sample_aggregate_percentile);
            if let Some(sample) = sample {
                let min_rtt = Duration::from_micros(self.min_rtt.load(Relaxed));
                let gradient = gradient(min_rtt, self.settings.buffer, sample);
                self.sample_rtt.store(micros(sample), Relaxed);
                self.gradient.store(gradient.to_bits(), Relaxed);
                let Gradient { min_concurrency, max_concurrency_limit, .. } = self.settings;
                let next =
                    next_limit(self.limit.load(Relaxed), gradient, min_concurrency, max_concurrency_limit);
                self.set_limit(next, at);
            }
            self.next_window(at);
            sample.is_some()
        });
    }

    fn next_window(&self, at: u64) {
        let end = at.saturating_add(micros(self.settings.concurrency_update_interval));
        self.next.store(end.min(self.measure_at.load(Relaxed)), Relaxed);
    }

    fn set_limit(&self, next: u32, at: u64) {
        let least = self.settings.min_concurrency;
        let before = self.limit.swap(next, Relaxed);
        let low =
            if before == least && next == least { self.at_least.load(Relaxed).saturating_add(1) } else { 0 };
        self.at_least.store(low, Relaxed);
        // As low as it gets for the fifth time: perhaps the idle latency has changed. The limit is where it must be
        // to measure that, so it costs nothing.
        if low >= 5 && self.settings.fixed_min_rtt.is_none() {
            self.at_least.store(0, Relaxed);
            self.measure_at.store(at, Relaxed);
        }
    }

    fn begin_measuring(&self, at: u64) {
        self.since.store(at, Relaxed);
        self.samples.clear();
        let before = self.limit.swap(self.settings.min_concurrency, Relaxed);
        self.deferred.store(before.max(1), Relaxed);
    }

    /// Whether the limit moved.
    fn end_measuring(&self, now: Instant) -> bool {
        let at = self.since(now);
        let deferred = self.deferred.load(Relaxed);
        if deferred == 0 || self.samples.len() < self.settings.request_count {
            return false;
        }
        // One that was added while the samples were cleared may be counted without being among them.
        let Some(idle) = self.samples.take(self.settings.sample_aggregate_percentile) else { return false };
        self.min_rtt.store(micros(idle), Relaxed);
        let interval = micros(self.settings.min_rtt_interval);
        let jitter = Duration::from_micros(interval).mul_f64(self.settings.jitter);
        let jitter = match micros(jitter) {
            0 => 0,
            range => self.random.draw() % range,
        };
        self.measure_at.store(at.saturating_add(interval).saturating_add(jitter), Relaxed);
        self.set_limit(deferred, at);
        self.next_window(at);
        self.deferred.store(0, Release);
        true
    }
}
