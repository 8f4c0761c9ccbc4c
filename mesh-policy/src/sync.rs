//! The atomics that this crate's own state machines are made of, and what they hold beside them; loom's, when loom
//! checks them.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(all(not(loom), any(feature = "limits", feature = "shed")))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(all(not(loom), feature = "shed"))]
pub(crate) use parking_lot::Mutex;

#[cfg(all(loom, any(feature = "limits", feature = "shed")))]
pub(crate) use model::{AtomicWaker, Mutex};

/// What those two promise, in terms that loom knows.
#[cfg(all(loom, any(feature = "limits", feature = "shed")))]
mod model {
    #![allow(dead_code, reason = "each feature uses its own part")]

    use std::sync::PoisonError;
    use std::task::Waker;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn register(&self, waker: &Waker) {
            *self.0.lock() = Some(waker.clone());
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
