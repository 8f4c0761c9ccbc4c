//! The state machine, and the passes that report to it.

use super::error::CircuitOpen;
use super::metrics::CircuitMetrics;
use super::state::{MAX_PROBES, MAX_TIME, Phase, State, TIME_BITS};
use super::window::Window;
use crate::Random;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Release},
};
use mesh_core::model::values::Fraction;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A circuit to one dependency; clones share it.
#[derive(Clone)]
pub struct Circuit(Arc<Shared>);

struct Shared {
    state: AtomicU64,
    /// An epoch, and since when its probes are under way. Of another epoch than the state's, nothing is known.
    probing: AtomicU64,
    began: Instant,
    config: CircuitBuilder,
    window: Option<Window>,
    random: Random,
    metrics: CircuitMetrics,
}

/// When a [`Circuit`] opens and closes.
#[derive(Clone, Debug)]
#[must_use = "build() makes the circuit"]
pub struct CircuitBuilder {
    consecutive_failures: u32,
    failure_rate: Option<FailureRate>,
    open_time: Duration,
    max_open_time: Duration,
    max_half_open_time: Duration,
    jitter: Fraction,
    probes: u32,
    random: Option<Random>,
    clock: fn() -> Instant,
}

#[derive(Clone, Copy, Debug)]
struct FailureRate {
    share: Fraction,
    window: Duration,
    minimum_requests: u32,
}

/// What a circuit does with requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CircuitState {
    /// They pass.
    Closed,
    /// They fail at once.
    Open {
        /// For so long; zero if the next one is a probe.
        left: Duration,
    },
    /// Some have passed as probes; until they are answered, or have failed by not being answered for too long, the
    /// others fail at once.
    HalfOpen,
}

impl Default for CircuitBuilder {
    fn default() -> Self {
        Self {
            consecutive_failures: 5,
            failure_rate: None,
            open_time: Duration::from_secs(5),
            max_open_time: Duration::from_secs(60),
            max_half_open_time: Duration::from_secs(60),
            jitter: Fraction::millionths(100_000),
            probes: 1,
            random: None,
            clock: Instant::now,
        }
    }
}

impl CircuitBuilder {
    /// Opens after so many failures in a row; 5 unless said, 0 never.
    pub fn consecutive_failures(self, consecutive_failures: u32) -> Self {
        Self { consecutive_failures, ..self }
    }

    /// Opens as well when this share of the requests in a sliding window failed, if there were as many as
    /// the minimum. Looked at when one fails. Costs a look at the clock for each request.
    pub fn failure_rate(self, share: Fraction, window: Duration, minimum_requests: u32) -> Self {
        Self { failure_rate: Some(FailureRate { share, window, minimum_requests }), ..self }
    }

    /// Stays open for so long the first time, and twice as long each time a probe fails; 5 s unless said.
    pub fn open_time(self, open_time: Duration) -> Self {
        Self { open_time, ..self }
    }

    pub(super) fn first_open_time(&self) -> Duration {
        self.open_time
    }

    /// But not longer than that, less jitter; 60 s unless said.
    pub fn max_open_time(self, max_open_time: Duration) -> Self {
        Self { max_open_time, ..self }
    }

    /// Stays half-open no longer than that: probes that are not answered by then have failed, whatever they are
    /// answered later. 60 s unless said.
    pub fn max_half_open_time(self, max_half_open_time: Duration) -> Self {
        Self { max_half_open_time, ..self }
    }

    /// And at random up to this share of it longer, so that callers do not all probe at once; 10% unless said.
    pub fn jitter(self, jitter: Fraction) -> Self {
        Self { jitter, ..self }
    }

    /// Closes when so many probes succeeded, which may be under way at once; 1 unless said, and at least 1.
    pub fn probes(self, probes: u32) -> Self {
        Self { probes: probes.clamp(1, MAX_PROBES), ..self }
    }

    /// Draws the jitter from there.
    pub fn random(self, random: Random) -> Self {
        Self { random: Some(random), ..self }
    }

    /// Asks this clock.
    pub fn clock(self, clock: fn() -> Instant) -> Self {
        Self { clock, ..self }
    }

    /// The circuit, closed.
    pub fn build(self) -> Circuit {
        Circuit(Arc::new(Shared {
            state: AtomicU64::new(State::CLOSED.pack()),
            probing: AtomicU64::new(0),
            began: (self.clock)(),
            window: self.failure_rate.map(|rate| Window::new(rate.window)),
            random: self.random.clone().unwrap_or_default(),
            metrics: CircuitMetrics::default(),
            config: self,
        }))
    }
}

impl Circuit {
    /// A circuit with Envoy's row of 5 failures, until it is told otherwise.
    pub fn builder() -> CircuitBuilder {
        CircuitBuilder::default()
    }

    /// Lets one request pass, which reports by the [`Pass`] how it went.
    ///
    /// # Errors
    /// [`CircuitOpen`] while it is open, or half-open with all its probes under way.
    pub fn try_pass(&self) -> Result<Pass, CircuitOpen> {
        let shared = &*self.0;
        let mut word = shared.state.load(Acquire);
        if let Some(epoch) = State::is_calm(word) {
            return Ok(self.pass(epoch, false));
        }
        loop {
            let state = State::unpack(word);
            let (next, opened) = match state.phase {
                Phase::Closed { .. } => return Ok(self.pass(state.epoch, false)),
                Phase::Open { until } => {
                    let now = shared.now();
                    if now < until {
                        return Err(shared.refuse(Duration::from_millis(until - now)));
                    }
                    let first = Phase::HalfOpen { admitted: 1, succeeded: 0 };
                    (state.becomes(state.openings, first), true)
                }
                Phase::HalfOpen { admitted, .. } if admitted >= shared.config.probes => {
                    if !shared.probes_are_late(state.epoch) {
                        return Err(shared.refuse(Duration::ZERO));
                    }
                    shared.failed(state.epoch);
                    word = shared.state.load(Acquire);
                    continue;
                }
                Phase::HalfOpen { admitted, succeeded } => {
                    (state.counts(Phase::HalfOpen { admitted: admitted + 1, succeeded }), false)
                }
            };
            match shared.state.compare_exchange_weak(word, next.pack(), AcqRel, Acquire) {
                Ok(_) => {
                    if opened {
                        shared.probing.store(probing(next.epoch, shared.now()), Release);
                        shared.metrics.half_opened_total();
                    }
                    return Ok(self.pass(next.epoch, true));
                }
                Err(other) => word = other,
            }
        }
    }

    fn pass(&self, epoch: u16, probe: bool) -> Pass {
        Pass { circuit: self.clone(), epoch, probe, reported: false }
    }

    /// What it does with requests now.
    pub fn state(&self) -> CircuitState {
        match State::unpack(self.0.state.load(Acquire)).phase {
            Phase::Closed { .. } => CircuitState::Closed,
            Phase::Open { until } => {
                CircuitState::Open { left: Duration::from_millis(until.saturating_sub(self.0.now())) }
            }
            Phase::HalfOpen { .. } => CircuitState::HalfOpen,
        }
    }

    /// The counters.
    pub fn metrics(&self) -> &CircuitMetrics {
        &self.0.metrics
    }
}

impl Shared {
    fn now(&self) -> u64 {
        millis((self.config.clock)().saturating_duration_since(self.began))
    }

    #[cold]
    fn refuse(&self, left: Duration) -> CircuitOpen {
        self.metrics.refused_total();
        CircuitOpen::new(left)
    }

    /// The state after a change that `change` makes of an epoch's; nothing if that epoch is over.
    fn change(&self, epoch: u16, change: impl Fn(State) -> Option<State>) -> Option<State> {
        let mut word = self.state.load(Acquire);
        loop {
            let state = State::unpack(word);
            let next = if state.epoch == epoch { change(state)? } else { return None };
            match self.state.compare_exchange_weak(word, next.pack(), AcqRel, Acquire) {
                Ok(_) => return Some(next),
                Err(other) => word = other,
            }
        }
    }

    fn succeeded(&self, epoch: u16) {
        let calm = State::is_calm(self.state.load(Acquire)) == Some(epoch);
        if calm && self.window.is_none() {
            return;
        }
        if let Some(window) = &self.window
            && State::unpack(self.state.load(Acquire)).epoch == epoch
        {
            window.add(self.now(), false);
        }
        let changed = self.change(epoch, |state| match state.phase {
            Phase::Closed { row: 0 } | Phase::Open { .. } => None,
            Phase::Closed { .. } => Some(state.counts(Phase::Closed { row: 0 })),
            Phase::HalfOpen { admitted, succeeded } => {
                let succeeded = succeeded + 1;
                Some(if succeeded < self.config.probes {
                    state.counts(Phase::HalfOpen { admitted, succeeded })
                } else {
                    state.becomes(0, Phase::Closed { row: 0 })
                })
            }
        });
        if changed.is_some_and(|state| state.epoch != epoch) {
            if let Some(window) = &self.window {
                window.clear();
            }
            self.metrics.closed_total();
        }
    }

    fn failed(&self, epoch: u16) {
        if State::unpack(self.state.load(Acquire)).epoch != epoch {
            return;
        }
        let now = self.now();
        let too_many = self.window.as_ref().is_some_and(|window| {
            window.add(now, true);
            self.exceeds(window.sums(now))
        });
        // Drawn once: a word that somebody else changed meanwhile must not change how long it stays open.
        let draw = self.random.draw();
        let changed = self.change(epoch, |state| {
            let open = |openings: u8| {
                let until = now.saturating_add(self.open_time(openings, draw));
                Some(state.becomes(openings.saturating_add(1), Phase::Open { until }))
            };
            match state.phase {
                Phase::Closed { row } => {
                    let row = row.saturating_add(1);
                    let most = self.config.consecutive_failures;
                    if too_many || (most > 0 && row >= most) {
                        open(0)
                    } else {
                        Some(state.counts(Phase::Closed { row }))
                    }
                }
                Phase::HalfOpen { .. } => open(state.openings),
                Phase::Open { .. } => None,
            }
        });
        if changed.is_some_and(|state| state.epoch != epoch) {
            self.metrics.opened_total();
        }
    }

    /// Whether an epoch's probes have been under way for longer than they may.
    #[cold]
    fn probes_are_late(&self, epoch: u16) -> bool {
        let (now, word) = (self.now(), self.probing.load(Acquire));
        if word >> TIME_BITS == u64::from(epoch) {
            let since = word & MAX_TIME;
            return now.saturating_sub(since) >= millis(self.config.max_half_open_time);
        }
        // Whoever opened it to probes has not said when, or somebody who was slower has said it of an earlier
        // epoch: it begins now.
        let _ = self.probing.compare_exchange(word, probing(epoch, now), AcqRel, Acquire);
        false
    }

    /// A probe that says nothing leaves its place to another.
    fn left(&self, epoch: u16) {
        self.change(epoch, |state| match state.phase {
            Phase::HalfOpen { admitted, succeeded } => {
                Some(state.counts(Phase::HalfOpen { admitted: admitted.saturating_sub(1), succeeded }))
            }
            Phase::Closed { .. } | Phase::Open { .. } => None,
        });
    }

    fn exceeds(&self, (total, failed): (u64, u64)) -> bool {
        self.config.failure_rate.is_some_and(|rate| {
            let bound = u128::from(total) * u128::from(rate.share.as_millionths());
            total >= u64::from(rate.minimum_requests) && u128::from(failed) * 1_000_000 >= bound
        })
    }

    /// Milliseconds to stay open after so many openings in a row.
    fn open_time(&self, openings: u8, draw: u64) -> u64 {
        let growth = 1_u64.checked_shl(u32::from(openings)).unwrap_or(u64::MAX);
        let longest = self.config.max_open_time.max(self.config.open_time);
        let time = millis(self.config.open_time).saturating_mul(growth).min(millis(longest));
        let most = u128::from(time) * u128::from(self.config.jitter.as_millionths()) / 1_000_000;
        let jitter = u64::try_from((u128::from(draw) * (most + 1)) >> 64).unwrap_or(0);
        time.saturating_add(jitter)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(MAX_TIME).min(MAX_TIME)
}

/// Since when an epoch's probes are under way, as a word.
fn probing(epoch: u16, since: u64) -> u64 {
    u64::from(epoch) << TIME_BITS | since.min(MAX_TIME)
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("state", &self.state()).finish_non_exhaustive()
    }
}

/// One request on its way through a [`Circuit`]. Dropped without a report, it says nothing: a probe's place is
/// free again.
#[must_use = "it reports how the request went"]
pub struct Pass {
    circuit: Circuit,
    epoch: u16,
    probe: bool,
    reported: bool,
}

impl Pass {
    /// Whether the circuit depends on this one to close.
    pub fn is_probe(&self) -> bool {
        self.probe
    }

    /// It went well.
    pub fn succeeded(mut self) {
        self.reported = true;
        self.circuit.0.succeeded(self.epoch);
    }

    /// It failed.
    pub fn failed(mut self) {
        self.reported = true;
        self.circuit.0.failed(self.epoch);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        if self.probe && !self.reported {
            self.circuit.0.left(self.epoch);
        }
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass").field("probe", &self.probe).finish_non_exhaustive()
    }
}
