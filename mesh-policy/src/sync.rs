//! The atomics that this crate's own state machines are made of, and what they hold beside them; loom's, when loom
//! checks them.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;

#[cfg(all(not(loom), any(feature = "limits", feature = "retry", feature = "shed")))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(all(not(loom), feature = "retry"))]
pub(crate) use crossbeam_utils::atomic::AtomicCell;
#[cfg(all(not(loom), feature = "shed"))]
pub(crate) use parking_lot::Mutex;

#[cfg(all(loom, feature = "retry"))]
pub(crate) use model::AtomicCell;
#[cfg(all(loom, any(feature = "limits", feature = "retry", feature = "shed")))]
pub(crate) use model::AtomicWaker;
#[cfg(all(loom, feature = "shed"))]
pub(crate) use model::Mutex;

/// What those promise, in terms that loom knows.
#[cfg(all(loom, any(feature = "limits", feature = "retry", feature = "shed")))]
mod model {
    use std::sync::PoisonError;
    use std::task::Waker;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A value that is taken out and put back whole: each sees all that was done to it before.
    #[cfg(feature = "retry")]
    #[derive(Debug)]
    pub(crate) struct AtomicCell<T>(Mutex<T>);

    #[cfg(feature = "retry")]
    impl<T: Default> AtomicCell<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex(loom::sync::Mutex::new(value)))
        }

        pub(crate) fn take(&self) -> T {
            std::mem::take(&mut *self.0.lock())
        }

        pub(crate) fn store(&self, value: T) {
            // What was there is dropped when it is unlocked.
            let _before = std::mem::replace(&mut *self.0.lock(), value);
        }
    }

    #[derive(Debug, Default)]
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        #[cfg(any(feature = "retry", feature = "shed"))]
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
