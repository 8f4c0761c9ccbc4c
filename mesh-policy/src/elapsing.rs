//! Why a future is dropped: because its time ran out, or because nobody waits for it any more.
//!
//! A time-out ends what it bounds by dropping it, and so does a caller that goes away. Outlier detection
//! must tell the two apart, many layers further in and without knowing them. The layer that lets time run
//! out therefore drops its inner future itself, and says so for as long as that takes: a drop is one call
//! on one thread, so a flag of that thread is enough and costs requests that end well nothing.

use std::cell::Cell;

thread_local! {
    static ELAPSING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `end`, which drops a future whose time ran out.
#[cfg(any(feature = "timeout", feature = "retry"))]
pub(crate) fn elapse(end: impl FnOnce()) {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            ELAPSING.set(self.0);
        }
    }
    let _restore = Restore(ELAPSING.replace(true));
    end();
}

/// Whether what is being dropped ran out of time.
#[cfg(any(feature = "outlier", feature = "breaker", feature = "shed"))]
pub(crate) fn is_elapsing() -> bool {
    // A thread that is ending has no time-outs.
    ELAPSING.try_with(Cell::get).unwrap_or(false)
}
