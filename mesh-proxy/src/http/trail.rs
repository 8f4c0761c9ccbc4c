//! What the stack learns of a request on its way: attempts, endpoint, connection.
//!
//! It travels in the request's extensions, so that layers between need not know of it, and it outlives an
//! attempt that a time-out cuts off. Only the request's own task touches it, so its lock is never waited
//! for.

use crate::cluster::Host;
use crate::pool::ConnectionInfo;
use bytes::Bytes;
use http::Request;
use http_body::Frame;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The trail of one request.
#[derive(Debug)]
pub(crate) struct Trail {
    started: Instant,
    steps: Mutex<Steps>,
    received: AtomicU64,
    /// Microseconds from the start to the end of the request's body, plus one; 0 while it lasts.
    complete: AtomicU64,
}

/// What is known so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    /// How often the request was sent, or tried to be.
    pub(crate) attempts: u32,
    /// Endpoint of the last attempt.
    pub(crate) host: Option<Arc<Host>>,
    /// Connection of the last attempt that got an answer.
    pub(crate) connection: Option<Arc<ConnectionInfo>>,
    /// Why there was no connection.
    pub(crate) transport_failure: Option<String>,
    /// When the last attempt was sent.
    pub(crate) sent: Option<Instant>,
    /// From there to its response's head.
    pub(crate) service_time: Option<Duration>,
}

impl Trail {
    pub(crate) fn new(started: Instant) -> Self {
        Self { started, steps: Mutex::default(), received: AtomicU64::new(0), complete: AtomicU64::new(0) }
    }

    /// A frame of the request's body came, or its end.
    pub(crate) fn received(&self, frame: Option<&Frame<Bytes>>) {
        match frame.map(|f| f.data_ref().map_or(0, Bytes::len)) {
            Some(bytes) => {
                self.received.fetch_add(u64::try_from(bytes).unwrap_or(0), Ordering::Relaxed);
            }
            None => self.complete(),
        }
    }

    /// The request's body has ended.
    pub(crate) fn complete(&self) {
        let micros = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX - 1);
        self.complete.store(micros + 1, Ordering::Relaxed);
    }

    /// Bytes of the request's body so far, and how long it took if it has ended.
    pub(crate) fn request_body(&self) -> (u64, Option<Duration>) {
        let complete = self.complete.load(Ordering::Relaxed).checked_sub(1);
        (self.received.load(Ordering::Relaxed), complete.map(Duration::from_micros))
    }

    /// The trail of a request, where it has one.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Arc<Self>> {
        request.extensions().get::<Arc<Self>>().cloned()
    }

    /// Reads or writes it.
    pub(crate) fn with<T>(&self, f: impl FnOnce(&mut Steps) -> T) -> T {
        f(&mut self.steps.lock())
    }

    /// An attempt goes to this host.
    pub(crate) fn attempt(&self, host: &Arc<Host>) {
        self.with(|steps| {
            steps.attempts = steps.attempts.saturating_add(1);
            steps.host = Some(host.clone());
            steps.sent = Some(Instant::now());
            steps.connection = None;
            steps.transport_failure = None;
        });
    }

    /// The last attempt got a response.
    pub(crate) fn answered(&self, connection: Arc<ConnectionInfo>) {
        self.with(|steps| {
            steps.service_time = steps.sent.map(|sent| sent.elapsed());
            steps.connection = Some(connection);
        });
    }
}
