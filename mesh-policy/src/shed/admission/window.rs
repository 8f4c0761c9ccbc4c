//! How many answers of the last seconds were successes, without a lock.

use crate::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A window of more seconds than this is kept in slots of more than one second.
const SLOTS: usize = if cfg!(loom) { 2 } else { 32 };

/// A sliding window of counts. Each slot's words hold which slot of time they count in their upper half.
#[derive(Debug)]
pub(super) struct Window {
    slot: Duration,
    slots: u64,
    requests: [AtomicU64; SLOTS],
    successes: [AtomicU64; SLOTS],
}

/// What a window holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) requests: u64,
    pub(super) successes: u64,
    /// Requests a second, on average since the oldest that is still counted.
    pub(super) rps: u64,
}

impl Window {
    /// Rounded to seconds, at least one.
    pub(super) fn new(length: Duration) -> Self {
        let seconds = length.saturating_add(Duration::from_millis(500)).as_secs().max(1);
        let slot = seconds.div_ceil(SLOTS as u64);
        Self {
            slot: Duration::from_secs(slot),
            slots: seconds.div_ceil(slot),
            requests: Default::default(),
            successes: Default::default(),
        }
    }

    /// The number of the slot that a moment is in, from 1, since zero is a word that was never written.
    fn number(&self, since_start: Duration) -> u64 {
        (since_start.as_secs() / self.slot.as_secs()).saturating_add(1) & u64::from(u32::MAX)
    }

    pub(super) fn add(&self, since_start: Duration, success: bool) {
        let number = self.number(since_start);
        let at = usize::try_from(number % SLOTS as u64).unwrap_or_default();
        if let Some(word) = self.requests.get(at) {
            count(word, number);
        }
        if success && let Some(word) = self.successes.get(at) {
            count(word, number);
        }
    }

    pub(super) fn counts(&self, since_start: Duration) -> Counts {
        let now = self.number(since_start);
        let within = |word: &AtomicU64| {
            let word = word.load(Relaxed);
            let (number, count) = (word >> 32, word & u64::from(u32::MAX));
            let age = now.wrapping_sub(number);
            (number > 0 && age < self.slots).then_some((count, age))
        };
        let (mut requests, mut oldest) = (0, 0);
        for (count, age) in self.requests.iter().filter_map(within) {
            requests += count;
            oldest = oldest.max(age);
        }
        let successes = self.successes.iter().filter_map(within).map(|(count, _)| count).sum();
        let seconds = oldest.saturating_mul(self.slot.as_secs()).max(1);
        Counts { requests, successes, rps: requests / seconds }
    }
}

/// Adds one to a slot of time; forgets an older one that was counted in the same word.
fn count(word: &AtomicU64, number: u64) {
    let more = |old: u64| match old >> 32 {
        of if of == number && old & u64::from(u32::MAX) == u64::from(u32::MAX) => None,
        of if of == number => Some(old + 1),
        // Another thread reads its clock a little later: its slot is not to be lost.
        of if of > number => None,
        _ => Some(number << 32 | 1),
    };
    let _ = word.fetch_update(Relaxed, Relaxed, more);
}

#[cfg(test)]
#[cfg(loom)]
mod loom {
    use super::{Counts, Window};
    use loom::thread;
    use std::sync::Arc;
    use std::time::Duration;

    /// What a window of one second has counted when two threads have added at these seconds.
    fn added(seconds: [u64; 2], successes: [bool; 2], then: u64) -> Counts {
        let window = Arc::new(Window::new(Duration::from_secs(1)));
        let other = Arc::clone(&window);
        let adds = thread::spawn(move || other.add(Duration::from_secs(seconds[0]), successes[0]));
        window.add(Duration::from_secs(seconds[1]), successes[1]);
        adds.join().unwrap();
        window.counts(Duration::from_secs(then))
    }

    #[test]
    fn no_answer_of_a_second_is_lost() {
        loom::model(|| {
            let counts = added([0, 0], [true, false], 0);
            assert_eq!((counts.requests, counts.successes), (2, 1));
        });
    }

    #[test]
    fn who_comes_late_from_an_earlier_second_takes_nothing_from_a_later_one() {
        loom::model(|| {
            // Both are kept in the same word.
            let counts = added([0, 2], [true, true], 2);
            assert_eq!((counts.requests, counts.successes), (1, 1));
        });
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// A window counts what lies in it, to a slot.
        #[test]
        fn a_window_counts_its_last_seconds(
            length in 1_u64..100, steps in proptest::collection::vec((0_u64..3000, any::<bool>()), 1..300),
        ) {
            let window = Window::new(Duration::from_secs(length));
            let slot = length.div_ceil(SLOTS as u64);
            let mut now = 0;
            let mut all = Vec::new();
            for (step, success) in steps {
                now += step;
                let at = Duration::from_millis(now);
                window.add(at, success);
                all.push((at.as_secs() / slot, success));
                let newest = at.as_secs() / slot;
                let slots = length.div_ceil(slot);
                let within: Vec<_> = all.iter().filter(|(of, _)| newest - of < slots).collect();
                let counts = window.counts(at);
                prop_assert_eq!(counts.requests, within.len() as u64);
                prop_assert_eq!(counts.successes, within.iter().filter(|(_, success)| *success).count() as u64);
            }
        }
    }

    #[test]
    fn the_rate_is_that_since_the_oldest_request() {
        let window = Window::new(Duration::from_secs(30));
        (0..100).for_each(|i| window.add(Duration::from_millis(i * 100), true));
        assert_eq!(window.counts(Duration::from_secs(10)).rps, 10);
        assert_eq!(window.counts(Duration::from_secs(100)), Counts::default());
    }
}
