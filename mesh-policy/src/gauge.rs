//! Bounded counts of what is open: the atomics behind the breaker, the retry budget and active faults.

use crate::sync::atomic::{AtomicU32, Ordering};
#[cfg(any(feature = "retry", feature = "breaker", feature = "fault", feature = "mirror"))]
use std::sync::Arc;

/// How many are open. Never above the limit given at the moment one opens.
#[derive(Debug, Default)]
pub(crate) struct Gauge(AtomicU32);

impl Gauge {
    /// Opens one more unless `limit` are open.
    ///
    /// Relaxed is enough: the count guards nothing but itself.
    pub(crate) fn try_open(&self, limit: u32) -> bool {
        let more = |open: u32| (open < limit).then(|| open.saturating_add(1));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok()
    }

    /// Opens one more, whatever is open: more than four billion are no machine's.
    #[cfg(feature = "retry")]
    pub(crate) fn open_one(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Closes one.
    pub(crate) fn close(&self) {
        // Every close pairs with an open, so this cannot wrap.
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many are open.
    pub(crate) fn open(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault", feature = "mirror"))]
/// Something that holds gauges of several kinds.
pub(crate) trait Gauges {
    /// The names of its gauges.
    type Kind: Copy;

    /// The gauge of a kind.
    fn gauge(&self, kind: Self::Kind) -> &Gauge;
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault", feature = "mirror"))]
/// One open thing; closes its gauge when dropped.
pub(crate) struct Held<T: Gauges> {
    of: Arc<T>,
    kind: T::Kind,
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault", feature = "mirror"))]
impl<T: Gauges> Held<T> {
    /// Opens one of a kind unless `limit` are open.
    pub(crate) fn try_open(of: &Arc<T>, kind: T::Kind, limit: u32) -> Option<Self> {
        of.gauge(kind).try_open(limit).then(|| Self { of: Arc::clone(of), kind })
    }
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault", feature = "mirror"))]
impl<T: Gauges> Drop for Held<T> {
    fn drop(&mut self) {
        self.of.gauge(self.kind).close();
    }
}

#[cfg(test)]
#[cfg(loom)]
mod loom {
    use super::Gauge;
    use loom::sync::Arc;
    use loom::thread;

    #[test]
    fn no_more_are_open_than_may_be_and_none_at_the_end() {
        loom::model(|| {
            let gauge = Arc::new(Gauge::default());
            let threads = [(); 2].map(|()| {
                let gauge = Arc::clone(&gauge);
                thread::spawn(move || {
                    if gauge.try_open(1) {
                        assert_eq!(gauge.open(), 1);
                        gauge.close();
                    }
                })
            });
            for thread in threads {
                thread.join().unwrap();
            }
            assert_eq!(gauge.open(), 0);
            assert!(gauge.try_open(1) && !gauge.try_open(1));
        });
    }
}
