//! A place for one request.

use super::controller::AdaptiveConcurrency;
use std::fmt;
use tokio::time::Instant;

/// A place under the limit; dropping it gives it back, [`finish`](Self::finish) measures the request as well.
#[must_use = "dropping it gives the place back"]
pub(in crate::shed) struct Permit {
    of: Option<AdaptiveConcurrency>,
    started: Instant,
}

impl Permit {
    pub(super) fn new(of: AdaptiveConcurrency, started: Instant) -> Self {
        Self { of: Some(of), started }
    }

    /// The request was answered to its end.
    pub(in crate::shed) fn finish(mut self) {
        if let Some(of) = self.of.take() {
            let now = Instant::now();
            of.sample(self.started, now);
            of.release(now);
        }
    }
}

impl Drop for Permit {
    /// A request that was given up says nothing of how long an answer takes.
    fn drop(&mut self) {
        if let Some(of) = self.of.take() {
            of.release(Instant::now());
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
