//! What local replies count.

use crate::{Rejection, find};
use mesh_core::response_flag::ResponseFlag;
use std::array;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

const FLAGS: usize = ResponseFlag::ALL.len();

/// Local replies, by Envoy's response flags.
///
/// Clones share their values; `Default` works unregistered.
#[derive(Clone, Debug)]
pub struct RescueMetrics(Arc<Atomics>);

#[derive(Debug)]
struct Atomics {
    local_replies: AtomicU64,
    unknown_errors: AtomicU64,
    by_flag: [AtomicU64; FLAGS],
}

/// The values of [`RescueMetrics`] at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RescueCounts {
    /// Errors that were answered.
    pub local_replies: u64,
    /// Those of them that neither this crate nor a [`Failure`](crate::Failure) explains: bugs, mostly.
    pub unknown_errors: u64,
    by_flag: [u64; FLAGS],
}

impl Default for RescueMetrics {
    fn default() -> Self {
        Self(Arc::new(Atomics {
            local_replies: AtomicU64::new(0),
            unknown_errors: AtomicU64::new(0),
            by_flag: array::from_fn(|_| AtomicU64::new(0)),
        }))
    }
}

impl RescueMetrics {
    /// The values now.
    pub fn snapshot(&self) -> RescueCounts {
        RescueCounts {
            local_replies: self.0.local_replies.load(Relaxed),
            unknown_errors: self.0.unknown_errors.load(Relaxed),
            by_flag: self.0.by_flag.each_ref().map(|count| count.load(Relaxed)),
        }
    }

    pub(super) fn replied(&self, reply: &Rejection, error: &(dyn Error + 'static)) {
        self.0.local_replies.fetch_add(1, Relaxed);
        if Rejection::of(error).is_none() && find::<crate::Failure>(error).is_none() {
            self.0.unknown_errors.fetch_add(1, Relaxed);
        }
        for (flag, count) in ResponseFlag::ALL.iter().zip(&self.0.by_flag) {
            if reply.flags.contains(*flag) {
                count.fetch_add(1, Relaxed);
            }
        }
    }
}

impl RescueCounts {
    /// How many local replies had a flag; one that has two counts for both.
    pub fn flag(&self, flag: ResponseFlag) -> u64 {
        self.flags().find(|(known, _)| *known == flag).map_or(0, |(_, count)| count)
    }

    /// The flags that were seen, in Envoy's order, and how often.
    pub fn flags(&self) -> impl Iterator<Item = (ResponseFlag, u64)> + '_ {
        let all = ResponseFlag::ALL.iter().copied().zip(self.by_flag);
        all.filter(|(_, count)| *count > 0)
    }
}
