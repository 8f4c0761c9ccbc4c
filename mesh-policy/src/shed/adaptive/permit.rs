//! A place for one request.

use super::controller::AdaptiveConcurrency;
use crate::body::{End, Hold};
use crate::elapsing;
use std::fmt;
use tokio::time::Instant;

/// A place under the limit; dropping it gives it back, [`finish`](Self::finish) measures the request as well.
#[must_use = "dropping it gives the place back"]
pub struct Permit {
    of: Option<AdaptiveConcurrency>,
    started: Instant,
}

impl Permit {
    pub(super) fn new(of: AdaptiveConcurrency, started: Instant) -> Self {
        Self { of: Some(of), started }
    }

    /// The request was answered to its end.
    pub(super) fn finish(mut self) {
        self.give_back(true);
    }

    fn give_back(&mut self, measured: bool) {
        if let Some(of) = self.of.take() {
            let now = Instant::now();
            // First, so that no place is lost if a waker panics.
            of.release(now);
            if measured {
                of.sample(self.started, now);
            }
        }
    }
}

impl Hold for Permit {
    /// A body that breaks off took its time as well as any other.
    fn end(self, _: End<'_>) {
        self.finish();
    }
}

impl Drop for Permit {
    /// An answer that did not come in time would have taken that long at least: if it were no sample, a service that
    /// is so slow that nothing is answered in time would look like one that nobody asks. A request that was given up
    /// for another reason says nothing.
    fn drop(&mut self) {
        self.give_back(elapsing::is_elapsing());
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
