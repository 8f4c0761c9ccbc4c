//! Whether an endpoint is in or out, until when, and how long its next stay is.
//!
//! Requests take an endpoint out, checks bring it back, both on any thread. One word holds the stage and the
//! time of return, so that a check which brings back brings back the stay that it looked at.

use crate::sync::atomic::{
    AtomicU32, AtomicU64,
    Ordering::{AcqRel, Acquire, Relaxed, Release},
};

/// The stage of one endpoint.
#[derive(Debug)]
pub(super) struct Stage {
    /// [`IN`], [`LEAVING`], or the millisecond of return with [`OUT`].
    word: AtomicU64,
    /// The multiple of the base that the last stay was; shrinks with each check that finds it in.
    multiple: AtomicU32,
}

/// The endpoint may be chosen.
const IN: u64 = 0;
/// One request is taking it out; whoever else finds a reason to, or checks, leaves it alone.
const LEAVING: u64 = 1;
/// It is ejected, until the milliseconds above these two bits.
const OUT: u64 = 2;

/// How a stay was decided.
pub(super) struct Stay {
    /// The multiple of the base that it is.
    pub(super) multiple: u32,
    /// The millisecond of its end.
    pub(super) returns_at: u64,
}

impl Stage {
    pub(super) fn new() -> Self {
        Self { word: AtomicU64::new(IN), multiple: AtomicU32::new(0) }
    }

    pub(super) fn is_out(&self) -> bool {
        self.word.load(Relaxed) & OUT != 0
    }

    /// Takes it out, if it is in and `decide` says so, which is told the multiple of the last stay. Nobody
    /// else decides at the same time.
    pub(super) fn leave(&self, decide: impl FnOnce(u32) -> Option<Stay>) -> bool {
        if self.word.compare_exchange(IN, LEAVING, AcqRel, Relaxed).is_err() {
            return false;
        }
        match decide(self.multiple.load(Relaxed)) {
            Some(stay) => {
                self.multiple.store(stay.multiple, Release);
                self.word.store(stay.returns_at << 2 | OUT, Release);
                true
            }
            None => {
                self.word.store(IN, Release);
                false
            }
        }
    }

    /// Lets it return, if it is out and its time is over; `before` prepares it. Whether this call did.
    pub(super) fn come_back(&self, now: u64, before: impl FnOnce()) -> bool {
        let word = self.word.load(Acquire);
        if word & OUT == 0 || now < word >> 2 {
            return false;
        }
        before();
        self.word.compare_exchange(word, IN, AcqRel, Relaxed).is_ok()
    }

    /// The next stay is a step shorter, if it is in.
    pub(super) fn relax(&self) {
        // Before the stage: whoever sees what an ejection made of it sees that it is no longer in.
        let multiple = self.multiple.load(Acquire);
        if self.word.load(Acquire) != IN {
            return;
        }
        // Fails if an ejection has made it longer since: that one counts. One that found it at its longest
        // leaves it as it was, and may see it shrink by this check, as if it came after.
        if let Some(shorter) = multiple.checked_sub(1) {
            let _ = self.multiple.compare_exchange(multiple, shorter, Relaxed, Relaxed);
        }
    }
}
