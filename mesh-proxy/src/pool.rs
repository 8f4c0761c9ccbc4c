//! Connections to one endpoint, kept for the next request.
//!
//! ```text
//! balance → endpoint: outlier → [pool] → mTLS → the endpoint
//! ```
//!
//! A pool belongs to one worker, or to an embedder whose runtime may have several threads: nobody waits for a
//! lock in either, as idle connections stand on a shelf, and the list of HTTP/2 connections is replaced as a
//! whole when one comes or goes. HTTP/1.1 connections carry one request at a time and are kept newest first, so that
//! what is not needed falls idle and is closed; an HTTP/2 connection carries as many as the endpoint takes
//! on it, and another is opened only when none has room.
//!
//! A request that meets a kept connection which the endpoint has just closed is sent on another, but only
//! if hyper hands it back: then no byte of it was written. That is what makes the keep-alive race harmless.

mod connect;
mod failure;
mod gate;
mod h1;
mod h2;

pub(crate) use connect::{ConnectError, Connected, ConnectionInfo, Connector};
pub(crate) use failure::{Failure, Reset, classify};
pub(crate) use gate::{Gate, Slot};

use crate::body::{Body, Outgoing};
use crate::shelf::Shelf;
use arc_swap::ArcSwap;
use http::{Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// How a pool's connections are used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    /// HTTP/2 rather than HTTP/1.1.
    pub(crate) http2: bool,
    /// Close what was idle for so long.
    pub(crate) idle_timeout: Duration,
    /// Close what carried so many requests; 0 never.
    pub(crate) max_requests: u32,
}

/// Counters of an endpoint, shared by all workers. Envoy's host statistics.
#[derive(Debug, Default)]
pub(crate) struct PoolStats {
    pub(crate) connects: AtomicU64,
    pub(crate) connect_failures: AtomicU64,
    pub(crate) open: AtomicU32,
}

/// The connections of one worker to one endpoint.
pub(crate) struct Pool {
    connector: Connector,
    settings: Settings,
    gate: Arc<Gate>,
    stats: Arc<PoolStats>,
    /// Connections of this pool that are open or being opened.
    open: Arc<AtomicU32>,
    idle: Shelf<h1::Kept>,
    lines: ArcSwap<h2::Lines>,
}

/// A response, with what is known of the connection that it came on.
pub(crate) struct Answer {
    pub(crate) response: Response<Body>,
    pub(crate) connection: Arc<ConnectionInfo>,
}

impl Pool {
    pub(crate) fn new(
        connector: Connector,
        settings: Settings,
        gate: Arc<Gate>,
        stats: Arc<PoolStats>,
    ) -> Arc<Self> {
        Arc::new(Self {
            connector,
            settings,
            gate,
            stats,
            open: Arc::default(),
            idle: Shelf::new(),
            lines: ArcSwap::default(),
        })
    }

    /// Sends a request on a kept or a new connection.
    pub(crate) async fn send(self: &Arc<Self>, request: Request<Outgoing>) -> Result<Answer, Failure> {
        if self.settings.http2 { self.send_h2(request).await } else { self.send_h1(request).await }
    }

    /// Opens a connection that is the caller's alone: TCP, or an upgrade.
    pub(crate) async fn connect(&self) -> Result<(Connected, Slot), Failure> {
        let slot = self.gate.connection(&self.open, &self.stats).await?;
        let connected = self.dial().await.map_err(Failure::Connect)?;
        Ok((connected, slot))
    }

    async fn dial(&self) -> Result<Connected, ConnectError> {
        self.stats.connects.fetch_add(1, Ordering::Relaxed);
        let done = self.connector.connect().await;
        if done.is_err() {
            self.stats.connect_failures.fetch_add(1, Ordering::Relaxed);
        }
        done
    }

    /// Closes what has been idle for too long or has ended. Called every second or so.
    pub(crate) fn sweep(&self, now: Instant) {
        let timeout = self.settings.idle_timeout;
        if self.idle.retain(|kept| !kept.is_spent(now, timeout)) {
            // Whoever looked just now may have missed one.
            self.gate.wake();
        }
        // What is closed here wakes by itself.
        self.sweep_h2(now, timeout);
    }
}

/// A connection that carries a response; given back when the response has been read.
pub(crate) enum Lease {
    /// HTTP/1.1: the connection is this request's alone.
    Own {
        /// Where it goes back to.
        pool: Arc<Pool>,
        /// The connection.
        kept: Box<h1::Kept>,
    },
    /// HTTP/2: the request has its place on the connection as long as this lives.
    Shared {
        /// The place.
        _stream: Arc<h2::Stream>,
    },
}

impl Lease {
    /// Keeps the connection for the next request.
    pub(crate) fn give_back(self) {
        if let Self::Own { pool, mut kept } = self
            && kept.touch()
        {
            pool.idle.push(kept);
            pool.gate.wake();
        }
    }
}

#[cfg(test)]
mod tests;
