//! Bounded counts of what is open: the atomics behind the breaker, the retry budget and active faults.

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault"))]
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

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

    /// Closes one.
    pub(crate) fn close(&self) {
        // Every close pairs with an open, so this cannot wrap; saturating keeps a bug from becoming an outage.
        let _ =
            self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| Some(open.saturating_sub(1)));
    }

    /// How many are open.
    pub(crate) fn open(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault"))]
/// Something that holds gauges of several kinds.
pub(crate) trait Gauges {
    /// The names of its gauges.
    type Kind: Copy;

    /// The gauge of a kind.
    fn gauge(&self, kind: Self::Kind) -> &Gauge;
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault"))]
/// One open thing; closes its gauge when dropped.
pub(crate) struct Held<T: Gauges> {
    of: Arc<T>,
    kind: T::Kind,
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault"))]
impl<T: Gauges> Held<T> {
    /// Opens one of a kind unless `limit` are open.
    pub(crate) fn try_open(of: &Arc<T>, kind: T::Kind, limit: u32) -> Option<Self> {
        of.gauge(kind).try_open(limit).then(|| Self { of: Arc::clone(of), kind })
    }
}

#[cfg(any(feature = "retry", feature = "breaker", feature = "fault"))]
impl<T: Gauges> Drop for Held<T> {
    fn drop(&mut self) {
        self.of.gauge(self.kind).close();
    }
}
