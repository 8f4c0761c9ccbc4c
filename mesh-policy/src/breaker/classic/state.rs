//! The circuit's state as one word, so that every change of it is one compare-and-swap.

/// What the circuit does with the next request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    /// Counts the changes of phase, modulo [`EPOCHS`]: a request that began in another one has no say.
    pub(super) epoch: u16,
    /// How often it opened since it was last closed; at most [`MAX_OPENINGS`].
    pub(super) openings: u8,
    pub(super) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// All requests pass; so many have failed in a row.
    Closed { row: u32 },
    /// None passes until this millisecond.
    Open { until: u64 },
    /// So many passed as probes, and so many of them succeeded.
    HalfOpen { admitted: u32, succeeded: u32 },
}

pub(super) const EPOCHS: u16 = 1 << 14;
pub(super) const MAX_OPENINGS: u8 = (1 << 6) - 1;
/// As many probes as may be asked for.
pub(super) const MAX_PROBES: u32 = (1 << 21) - 1;
/// Milliseconds beyond this are that: 139 years.
pub(super) const MAX_TIME: u64 = (1 << TIME_BITS) - 1;
pub(super) const TIME_BITS: u32 = 42;

/// The bits of the word, from the lowest: payload, epoch, openings, phase.
const EPOCH: u32 = TIME_BITS;
const OPENINGS: u32 = EPOCH + 14;
const PHASE: u32 = OPENINGS + 6;
const HALF: u32 = 21;

impl State {
    pub(super) const CLOSED: Self = Self { epoch: 0, openings: 0, phase: Phase::Closed { row: 0 } };

    pub(super) fn pack(self) -> u64 {
        let (phase, payload) = match self.phase {
            Phase::Closed { row } => (0, u64::from(row)),
            Phase::Open { until } => (1, until.min(MAX_TIME)),
            Phase::HalfOpen { admitted, succeeded } => {
                let half = |n: u32| u64::from(n.min(MAX_PROBES));
                (2, half(admitted) << HALF | half(succeeded))
            }
        };
        phase << PHASE
            | u64::from(self.openings.min(MAX_OPENINGS)) << OPENINGS
            | u64::from(self.epoch % EPOCHS) << EPOCH
            | payload
    }

    pub(super) fn unpack(word: u64) -> Self {
        // Each mask leaves what the type holds; `min` says so to the compiler.
        let bits = |shift: u32, count: u32| word >> shift & ((1 << count) - 1);
        let small = |shift, count| u32::try_from(bits(shift, count)).unwrap_or(u32::MAX);
        Self {
            epoch: u16::try_from(bits(EPOCH, 14)).unwrap_or(0),
            openings: u8::try_from(bits(OPENINGS, 6)).unwrap_or(0),
            phase: match bits(PHASE, 2) {
                0 => Phase::Closed { row: small(0, 32) },
                1 => Phase::Open { until: bits(0, EPOCH) },
                _ => Phase::HalfOpen { admitted: small(HALF, HALF), succeeded: small(0, HALF) },
            },
        }
    }

    /// The epoch, if it is closed and no failure is counted: what a word says most of the time, at a glance.
    pub(super) fn is_calm(word: u64) -> Option<u16> {
        let payload = word & ((1 << EPOCH) - 1);
        let calm = word >> PHASE == 0 && payload == 0;
        calm.then(|| u16::try_from(word >> EPOCH & u64::from(EPOCHS - 1)).unwrap_or(0))
    }

    /// The next epoch, in another phase.
    pub(super) fn becomes(self, openings: u8, phase: Phase) -> Self {
        Self { epoch: self.epoch.wrapping_add(1) % EPOCHS, openings, phase }
    }

    /// The same epoch, with other numbers.
    pub(super) fn counts(self, phase: Phase) -> Self {
        Self { phase, ..self }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phase() -> impl Strategy<Value = Phase> {
        prop_oneof![
            any::<u32>().prop_map(|row| Phase::Closed { row }),
            (0..=MAX_TIME).prop_map(|until| Phase::Open { until }),
            (0..=MAX_PROBES, 0..=MAX_PROBES)
                .prop_map(|(admitted, succeeded)| Phase::HalfOpen { admitted, succeeded }),
        ]
    }

    proptest! {
        #[test]
        fn every_state_is_one_word(epoch in 0..EPOCHS, openings in 0..=MAX_OPENINGS, phase in phase()) {
            let state = State { epoch, openings, phase };
            prop_assert_eq!(State::unpack(state.pack()), state);
            let calm = (phase == Phase::Closed { row: 0 }).then_some(epoch);
            prop_assert_eq!(State::is_calm(state.pack()), calm);
            let next = state.becomes(openings, Phase::Closed { row: 0 });
            prop_assert_ne!(next.pack(), state.pack());
        }
    }
}
