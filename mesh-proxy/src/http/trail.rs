//! What the stack learns of a request on its way: attempts, endpoint, connection.
//!
//! It travels in the request's extensions, so that layers between need not know of it, and it outlives an
//! attempt that a time-out cuts off. Each fact is a word of its own that is written as a whole: the attempts
//! write one after the other, and what was written last is read when the answer is there.

use crate::cluster::Host;
use crate::pool::{ConnectError, ConnectionInfo};
use bytes::Bytes;
use crossbeam_utils::atomic::AtomicCell;
use http::Request;
use http_body::Frame;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// The trail of one request.
pub(crate) struct Trail {
    started: Instant,
    attempts: AtomicU32,
    host: AtomicCell<Option<Arc<Host>>>,
    connection: AtomicCell<Option<Arc<ConnectionInfo>>>,
    transport_failure: AtomicCell<Option<Box<ConnectError>>>,
    /// When the last attempt was sent.
    sent: Moment,
    /// When the last attempt's response began.
    answered: Moment,
    received: AtomicU64,
    /// When the request's body had ended.
    complete: Moment,
}

/// What was found on the way.
#[derive(Debug)]
pub(crate) struct Steps {
    /// How often the request was sent, or tried to be.
    pub(crate) attempts: u32,
    /// Endpoint of the last attempt.
    pub(crate) host: Option<Arc<Host>>,
    /// Connection of the last attempt, if it got an answer.
    pub(crate) connection: Option<Arc<ConnectionInfo>>,
    /// Why there was no connection.
    pub(crate) transport_failure: Option<String>,
    /// From the last attempt to its response's head.
    pub(crate) service_time: Option<Duration>,
}

/// A time since the start, in nanoseconds plus one; 0 if it did not come yet.
#[derive(Debug, Default)]
struct Moment(AtomicU64);

impl Moment {
    fn set(&self, since_start: Duration) {
        let nanos = u64::try_from(since_start.as_nanos()).unwrap_or(u64::MAX);
        self.0.store(nanos.saturating_add(1), Ordering::Relaxed);
    }

    fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    fn get(&self) -> Option<Duration> {
        self.0.load(Ordering::Relaxed).checked_sub(1).map(Duration::from_nanos)
    }
}

impl Trail {
    pub(crate) fn new(started: Instant) -> Self {
        Self {
            started,
            attempts: AtomicU32::new(0),
            host: AtomicCell::new(None),
            connection: AtomicCell::new(None),
            transport_failure: AtomicCell::new(None),
            sent: Moment::default(),
            answered: Moment::default(),
            received: AtomicU64::new(0),
            complete: Moment::default(),
        }
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
        self.complete.set(self.started.elapsed());
    }

    /// Bytes of the request's body so far, and how long it took if it has ended.
    pub(crate) fn request_body(&self) -> (u64, Option<Duration>) {
        (self.received.load(Ordering::Relaxed), self.complete.get())
    }

    /// The trail of a request, where it has one.
    pub(crate) fn of<B>(request: &Request<B>) -> Option<Arc<Self>> {
        request.extensions().get::<Arc<Self>>().cloned()
    }

    /// An attempt goes to this host.
    pub(crate) fn attempt(&self, host: &Arc<Host>) {
        self.attempts.fetch_add(1, Ordering::Relaxed);
        self.host.store(Some(host.clone()));
        self.sent.set(self.started.elapsed());
        self.answered.clear();
        self.connection.store(None);
        self.transport_failure.store(None);
    }

    /// The last attempt got a response.
    pub(crate) fn answered(&self, connection: Arc<ConnectionInfo>) {
        self.answered.set(self.started.elapsed());
        self.connection.store(Some(connection));
    }

    /// The last attempt got no connection.
    pub(crate) fn unconnected(&self, why: ConnectError) {
        self.transport_failure.store(Some(Box::new(why)));
    }

    /// Takes what was found.
    pub(crate) fn steps(&self) -> Steps {
        Steps {
            attempts: self.attempts.load(Ordering::Relaxed),
            host: self.host.take(),
            connection: self.connection.take(),
            transport_failure: self.transport_failure.take().map(|why| why.to_string()),
            service_time: self
                .answered
                .get()
                .zip(self.sent.get())
                .map(|(end, begin)| end.saturating_sub(begin)),
        }
    }
}
