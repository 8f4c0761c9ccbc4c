//! What a body of unknown length shares with the future that waits for its answer.

use super::error::{Limit, TooLarge};
use crate::sync::AtomicWaker;
use crate::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::task::Waker;

/// Whether a body broke its limit, told to whoever waits for the answer.
#[derive(Debug, Default)]
pub(super) struct Broken {
    broken: AtomicBool,
    /// Of the limit: `UnpackedRatio` if set, else the one that the future knows.
    by_ratio: AtomicBool,
    waker: AtomicWaker,
}

impl Broken {
    pub(super) fn tell(&self, error: &TooLarge) {
        self.by_ratio.store(error.limit() == Limit::UnpackedRatio, Ordering::Relaxed);
        self.broken.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether it broke; if not, wakes this one when it does.
    pub(super) fn poll(&self, waker: &Waker) -> bool {
        self.waker.register(waker);
        self.broken.load(Ordering::Acquire)
    }

    pub(super) fn by_ratio(&self) -> bool {
        self.by_ratio.load(Ordering::Relaxed)
    }
}

/// How many bytes of a packed body have come; in the request's extensions, for those who unpack it.
///
/// Only for bodies with a `content-encoding`.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed(Arc<AtomicU64>);

impl Packed {
    pub(super) fn add(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
#[cfg(loom)]
mod loom {
    use super::{Broken, Limit, Packed, TooLarge};
    use loom::sync::atomic::{AtomicUsize, Ordering};
    use loom::thread;
    use std::sync::Arc;
    use std::task::{Wake, Waker};

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[test]
    fn whoever_waits_for_an_answer_learns_that_the_body_broke_and_by_what() {
        loom::model(|| {
            let broken = Arc::new(Broken::default());
            let count = Arc::new(Count::default());
            let body = Arc::clone(&broken);
            let breaks = thread::spawn(move || body.tell(&TooLarge::new(Limit::UnpackedRatio, 100)));
            let seen = broken.poll(&Waker::from(Arc::clone(&count)));
            assert!(!seen || broken.by_ratio());
            breaks.join().unwrap();
            assert!(seen || count.0.load(Ordering::SeqCst) == 1, "it would sleep for ever");
            assert!(broken.poll(Waker::noop()) && broken.by_ratio());
        });
    }

    #[test]
    fn bytes_that_come_while_others_are_unpacked_are_all_counted() {
        loom::model(|| {
            let packed = Packed::default();
            let other = packed.clone();
            let reads = thread::spawn(move || other.add(1));
            packed.add(2);
            assert!(packed.bytes() >= 2);
            reads.join().unwrap();
            assert_eq!(packed.bytes(), 3);
        });
    }
}
