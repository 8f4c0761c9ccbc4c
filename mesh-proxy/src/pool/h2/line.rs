//! One HTTP/2 connection: how many requests are on it, and how many more the endpoint takes.
//!
//! The endpoint says so in its SETTINGS, and may say something else later. A stream too many would wait
//! inside the codec, behind streams that may never end, so the pool never puts one there: hyper is asked
//! for the limit each time, and until the first SETTINGS are here, a connection carries one request.

use crate::body::{BoxError, Outgoing};
use crate::io::Conn;
use crate::pool::{ConnectionInfo, Gate, Slot};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::client::conn::http2::{Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use tokio::sync::Notify;
use tokio::time::Instant;

type Codec = Connection<TokioIo<Conn>, Upload, TokioExecutor>;

/// A connection that may have room for more requests.
pub(super) struct Line {
    sender: SendRequest<Upload>,
    info: Arc<ConnectionInfo>,
    state: Arc<LineState>,
    /// Held by the connection and its streams: it is open until the last of them ends.
    slot: Weak<Slot>,
    /// How many more requests it may carry.
    left: u32,
    used: Instant,
}

/// What a line, its driver and its streams share.
pub(super) struct LineState {
    /// Locked to be driven, which waits for nothing; whoever else looks does not wait for the lock.
    codec: Mutex<Option<Codec>>,
    open: AtomicUsize,
    /// As it was when somebody last looked.
    limit: AtomicUsize,
    /// Whether the endpoint's SETTINGS are here.
    settled: AtomicBool,
    carried: AtomicBool,
    ended: AtomicBool,
    news: Notify,
    gate: Arc<Gate>,
}

/// One request on a line, until both its bodies are done with.
pub(crate) struct Stream {
    state: Arc<LineState>,
    _slot: Arc<Slot>,
}

/// A place on a line.
pub(super) struct Taken {
    pub(super) sender: SendRequest<Upload>,
    pub(super) info: Arc<ConnectionInfo>,
    pub(super) stream: Arc<Stream>,
}

/// Whether a line takes one more request.
pub(super) enum Room {
    Taken(Taken),
    /// That is known when the endpoint has sent its SETTINGS.
    Unsettled(Arc<LineState>),
    None,
}

/// Drives a connection to its end.
pub(super) struct Driver {
    state: Arc<LineState>,
    _slot: Arc<Slot>,
}

impl Line {
    pub(super) fn new(
        sender: SendRequest<Upload>,
        codec: Codec,
        info: Arc<ConnectionInfo>,
        slot: Slot,
        gate: Arc<Gate>,
        max_requests: u32,
    ) -> (Self, Driver) {
        let state = Arc::new(LineState {
            codec: Mutex::new(Some(codec)),
            open: AtomicUsize::new(0),
            limit: AtomicUsize::new(0),
            settled: AtomicBool::new(false),
            carried: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            news: Notify::new(),
            gate,
        });
        let slot = Arc::new(slot);
        let line = Self {
            sender,
            info,
            state: state.clone(),
            slot: Arc::downgrade(&slot),
            left: if max_requests == 0 { u32::MAX } else { max_requests },
            used: Instant::now(),
        };
        (line, Driver { state, _slot: slot })
    }

    pub(super) fn state(&self) -> &Arc<LineState> {
        &self.state
    }

    /// Whether it may carry another request, now or later.
    pub(super) fn is_usable(&self) -> bool {
        self.left > 0 && !self.sender.is_closed()
    }

    /// Whether it is of no use, or has been idle for too long.
    pub(super) fn is_spent(&mut self, now: Instant, idle_timeout: std::time::Duration) -> bool {
        if self.state.open.load(Ordering::Acquire) > 0 {
            self.used = now;
        }
        !self.is_usable() || now.duration_since(self.used) >= idle_timeout
    }

    /// Takes a place. Called under the pool's lock, so that nobody else takes the same.
    pub(super) fn take(&mut self) -> Room {
        let open = self.state.open.load(Ordering::Acquire);
        let limit = self.state.look();
        if self.state.settled.load(Ordering::Acquire) {
            if open >= limit {
                return Room::None;
            }
        } else if open > 0 {
            return Room::Unsettled(self.state.clone());
        }
        let Some(slot) = self.slot.upgrade() else { return Room::None };
        self.left = self.left.saturating_sub(1);
        self.used = Instant::now();
        self.state.open.fetch_add(1, Ordering::AcqRel);
        self.state.carried.store(true, Ordering::Release);
        let stream = Arc::new(Stream { state: self.state.clone(), _slot: slot });
        Room::Taken(Taken { sender: self.sender.clone(), info: self.info.clone(), stream })
    }
}

impl LineState {
    /// The endpoint's limit, 0 before it has sent any.
    fn look(&self) -> usize {
        // If it is just being driven, what the driver learns is known at once; to wait for it could be to
        // wait for oneself, where a body that it reads sends a request.
        if let Some(codec) = self.codec.try_lock()
            && let Some(codec) = &*codec
        {
            let now = codec.current_max_send_streams();
            self.learn(now);
            return now;
        }
        self.limit.load(Ordering::Acquire)
    }

    fn learn(&self, limit: usize) {
        let before = self.limit.swap(limit, Ordering::AcqRel);
        if limit > before {
            self.settled.store(true, Ordering::Release);
            self.news.notify_waiters();
            self.gate.wake();
        }
    }

    /// Waits until the line takes more requests, or will not.
    pub(super) async fn settle(&self) {
        let news = self.news.notified();
        tokio::pin!(news);
        // Registered before the look, so that what happens in between is not missed.
        news.as_mut().enable();
        let unknown = !self.settled.load(Ordering::Acquire) && !self.ended.load(Ordering::Acquire);
        if unknown && self.open.load(Ordering::Acquire) > 0 {
            news.await;
        }
    }

    /// Whether it ended before it was of any use.
    pub(super) fn is_stillborn(&self) -> bool {
        self.ended.load(Ordering::Acquire) && !self.carried.load(Ordering::Acquire)
    }
}

impl Stream {
    pub(super) fn is_on(&self, state: &Arc<LineState>) -> bool {
        Arc::ptr_eq(&self.state, state)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.state.open.fetch_sub(1, Ordering::AcqRel);
        self.state.news.notify_waiters();
        self.state.gate.wake();
    }
}

impl Future for Driver {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let mut codec = self.state.codec.lock();
        let Some(connection) = &mut *codec else { return Poll::Ready(Ok(())) };
        let polled = Pin::new(&mut *connection).poll(cx);
        let limit = connection.current_max_send_streams();
        drop(codec);
        self.state.learn(limit);
        polled
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        // Also where the runtime ends first: what the codec holds refers to it.
        let codec = self.state.codec.lock().take();
        drop(codec);
        self.state.news.notify_waiters();
        self.state.gate.wake();
    }
}

pin_project! {
    /// A request's body, which holds its place until it is sent or given up: the endpoint may answer long
    /// before, and still counts the stream.
    pub(super) struct Upload {
        #[pin]
        body: Outgoing,
        stream: Arc<Stream>,
    }
}

impl Upload {
    pub(super) fn new(body: Outgoing, stream: Arc<Stream>) -> Self {
        Self { body, stream }
    }

    pub(super) fn into_inner(self) -> Outgoing {
        self.body
    }
}

impl HttpBody for Upload {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().body.poll_frame(cx).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
