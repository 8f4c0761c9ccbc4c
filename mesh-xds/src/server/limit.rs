//! How many streams may begin: a herd of proxies that comes back at once is let in at a pace.

use parking_lot::Mutex;
use std::time::Instant;

/// A bucket of permits that fills at a rate, up to a second's worth.
#[derive(Debug)]
pub(super) struct Pace {
    rate: f64,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    permits: f64,
    filled: Instant,
}

impl Pace {
    /// A full bucket.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let rate = f64::from(per_second);
        Self { rate, state: Mutex::new(State { permits: rate, filled: now }) }
    }

    /// Takes a permit if there is one.
    pub(super) fn take(&self, now: Instant) -> bool {
        let mut state = self.state.lock();
        let elapsed = now.saturating_duration_since(state.filled).as_secs_f64();
        state.permits = (state.permits + elapsed * self.rate).min(self.rate);
        state.filled = now;
        let free = state.permits >= 1.0;
        if free {
            state.permits -= 1.0;
        }
        free
    }
}

/// What istiod allows: 15 and 5 per core, at most 100 a second.
pub(super) fn istiods_rate() -> u32 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    rate_for(u32::try_from(cores).unwrap_or(u32::MAX))
}

fn rate_for(cores: u32) -> u32 {
    cores.saturating_mul(5).saturating_add(15).min(100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_brings_a_seconds_worth_and_no_more_is_saved() {
        let start = Instant::now();
        let pace = Pace::new(3, start);
        let taken = |now| (0..10).filter(|_| pace.take(now)).count();
        assert_eq!(taken(start), 3);
        assert_eq!(taken(start + Duration::from_millis(350)), 1);
        assert_eq!(taken(start + Duration::from_secs(60)), 3);
    }

    #[test]
    fn the_rate_grows_with_the_cores_up_to_a_hundred() {
        assert_eq!([1, 2, 17, 64].map(rate_for), [20, 25, 100, 100]);
    }
}
