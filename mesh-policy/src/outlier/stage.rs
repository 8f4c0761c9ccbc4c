//! Whether an endpoint is in or out, until when, and how long its next stay is.
//!
//! Requests take an endpoint out, checks bring it back and shorten its next stay, all on any thread. One word
//! holds it all, so that each of them changes what it looked at or nothing.

use crate::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The stage of one endpoint: from the lowest bits the place, the multiple, the millisecond of return.
#[derive(Debug)]
pub(super) struct Stage(AtomicU64);

/// The endpoint may be chosen.
const IN: u64 = 0;
/// One request is taking it out; whoever else finds a reason to, or checks, leaves it alone.
const LEAVING: u64 = 1;
/// It is ejected, until its time has come.
const OUT: u64 = 2;
const PLACE: u64 = 3;

const MULTIPLE_SHIFT: u32 = 2;
const MULTIPLE_MASK: u64 = 0xffff;
const TIME_SHIFT: u32 = 18;

/// A stay that was decided on.
pub(super) struct Stay {
    /// The multiple of the base that it is. Beyond 65,535 it stays that.
    pub(super) multiple: u32,
    /// The millisecond of its end. Beyond 2,000 years it is that.
    pub(super) returns_at: u64,
}

fn pack(place: u64, multiple: u64, time: u64) -> u64 {
    let time = time.min(u64::MAX >> TIME_SHIFT);
    time << TIME_SHIFT | multiple.min(MULTIPLE_MASK) << MULTIPLE_SHIFT | place
}

fn multiple_of(word: u64) -> u64 {
    word >> MULTIPLE_SHIFT & MULTIPLE_MASK
}

impl Stage {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(IN))
    }

    pub(super) fn is_out(&self) -> bool {
        self.0.load(Relaxed) & PLACE == OUT
    }

    /// Takes it out, if it is in and `decide` says so, which is told the multiple of the last stay. Nobody
    /// else decides at the same time.
    pub(super) fn leave(&self, decide: impl FnOnce(u32) -> Option<Stay>) -> bool {
        let mut word = self.0.load(Acquire);
        loop {
            if word & PLACE != IN {
                return false;
            }
            match self.0.compare_exchange_weak(word, word | LEAVING, AcqRel, Acquire) {
                Ok(_) => break,
                // Its next stay became shorter.
                Err(other) => word = other,
            }
        }
        let next = decide(u32::try_from(multiple_of(word)).unwrap_or(u32::MAX));
        let left = next.is_some();
        // Nobody changes what is leaving.
        self.0.store(next.map_or(word, |s| pack(OUT, s.multiple.into(), s.returns_at)), Release);
        left
    }

    /// Lets it return, if it is out and its time has come; `before` prepares it. Whether this call did.
    pub(super) fn come_back(&self, now: u64, before: impl FnOnce()) -> bool {
        let word = self.0.load(Acquire);
        if word & PLACE != OUT || now < word >> TIME_SHIFT {
            return false;
        }
        before();
        let back = pack(IN, multiple_of(word), 0);
        self.0.compare_exchange(word, back, AcqRel, Relaxed).is_ok()
    }

    /// The next stay is a step shorter, if it is in. An ejection at the same time comes before or after.
    pub(super) fn relax(&self) {
        let word = self.0.load(Acquire);
        if word & PLACE == IN
            && let Some(shorter) = multiple_of(word).checked_sub(1)
        {
            let _ = self.0.compare_exchange(word, pack(IN, shorter, 0), AcqRel, Relaxed);
        }
    }
}
