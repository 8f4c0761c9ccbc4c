//! How many connections a cluster may have, and how many requests may wait for one.
//!
//! Envoy's `max_connections` and `max_pending_requests`, counted over all workers by mesh-policy's breaker.
//! An endpoint's pool may always have one connection, whatever the limit says, or a busy neighbour would
//! starve it for ever.

use super::{Failure, PoolStats};
use mesh_policy::breaker::{Breaker, Permit};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use tokio::sync::Notify;

/// A cluster's way to connections.
#[derive(Debug)]
pub(crate) struct Gate {
    breaker: Breaker,
    waiting: AtomicU32,
    freed: Notify,
}

/// One open connection; dropping it makes room for another.
#[derive(Debug)]
pub(crate) struct Slot {
    gate: Arc<Gate>,
    open: Arc<AtomicU32>,
    stats: Arc<PoolStats>,
    permit: Option<Permit>,
}

/// One waiting request.
struct Waiting<'g> {
    gate: &'g Gate,
    _permit: Permit,
}

impl Gate {
    pub(crate) fn new(breaker: Breaker) -> Self {
        Self { breaker, waiting: AtomicU32::new(0), freed: Notify::new() }
    }

    /// A connection became free; whoever waits looks again.
    pub(crate) fn wake(&self) {
        // Either this sees who waits, or who waits sees what became free: the fences order the two.
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Acquire) > 0 {
            self.freed.notify_waiters();
        }
    }

    /// Room for one connection, waiting for it if need be.
    pub(crate) async fn connection(
        self: &Arc<Self>,
        open: &Arc<AtomicU32>,
        stats: &Arc<PoolStats>,
    ) -> Result<Slot, Failure> {
        self.wait(|| self.try_connection(open, stats)).await
    }

    /// The first thing that `find` finds; waits for a connection to become free if it finds none.
    pub(crate) async fn wait<T>(&self, mut find: impl FnMut() -> Option<T>) -> Result<T, Failure> {
        if let Some(found) = find() {
            return Ok(found);
        }
        let permit = self.breaker.try_acquire_pending().map_err(Failure::Overflow)?;
        self.waiting.fetch_add(1, Ordering::AcqRel);
        fence(Ordering::SeqCst);
        let _waiting = Waiting { gate: self, _permit: permit };
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before the look, so that what is freed in between is not missed.
            freed.as_mut().enable();
            if let Some(found) = find() {
                return Ok(found);
            }
            freed.await;
        }
    }

    /// Room for one connection, if there is any now.
    pub(crate) fn try_connection(
        self: &Arc<Self>,
        open: &Arc<AtomicU32>,
        stats: &Arc<PoolStats>,
    ) -> Option<Slot> {
        let permit = self.breaker.try_acquire_connection().ok();
        if permit.is_none() && open.load(Ordering::Relaxed) > 0 {
            return None;
        }
        open.fetch_add(1, Ordering::Relaxed);
        stats.open.fetch_add(1, Ordering::Relaxed);
        Some(Slot { gate: self.clone(), open: open.clone(), stats: stats.clone(), permit })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.stats.open.fetch_sub(1, Ordering::Relaxed);
        self.permit = None;
        self.gate.wake();
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.gate.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}
