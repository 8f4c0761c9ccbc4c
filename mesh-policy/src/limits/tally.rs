//! What a body of unknown length shares with the future that waits for its answer.

use super::error::{Limit, TooLarge};
use atomic_waker::AtomicWaker;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
