//! One HTTP/2 connection: how many requests are on it, and how many more the endpoint takes.
//!
//! The endpoint says so in its SETTINGS, and may say something else later. A stream too many would wait
//! inside the codec, behind streams that may never end, so the pool never puts one there: hyper is asked
//! for the limit each time, and until the first SETTINGS are here, a connection carries one request.

use crate::body::{BoxError, Outgoing};
use crate::io::Conn;
use crate::pool::{ConnectionInfo, Gate, Slot};
use bytes::Bytes;
use crossbeam_utils::atomic::AtomicCell;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::client::conn::http2::{Connection, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// hyper's connection. Behind a pointer of its own kind, or whether a pool is `Send` would be a question about
/// every type down to the socket, more than the compiler follows in a program that embeds the mesh.
type Codec = Pin<Box<dyn Drive + Send>>;

/// What is asked of a connection.
trait Drive: Future<Output = hyper::Result<()>> {
    /// How many streams the endpoint takes, 0 before it has said so.
    fn limit(&self) -> usize;
}

impl Drive for Connection<TokioIo<Conn>, Upload, TokioExecutor> {
    fn limit(&self) -> usize {
        self.current_max_send_streams()
    }
}

/// A connection that may have room for more requests.
pub(super) struct Line {
    sender: SendRequest<Upload>,
    info: Arc<ConnectionInfo>,
    state: Arc<LineState>,
    /// Held by the connection and its streams: it is open until the last of them ends.
    slot: Weak<Slot>,
    /// How many more requests it may carry.
    left: AtomicU32,
    opened: Instant,
    /// When it was last used, in milliseconds since it was opened.
    used: AtomicU64,
}

/// What a line, its driver and its streams share.
pub(super) struct LineState {
    /// Away while it is driven or looked at; nobody waits for it.
    codec: AtomicCell<Option<Box<Codec>>>,
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
        codec: Connection<TokioIo<Conn>, Upload, TokioExecutor>,
        info: Arc<ConnectionInfo>,
        slot: Slot,
        gate: Arc<Gate>,
        max_requests: u32,
    ) -> (Self, Driver) {
        let state = Arc::new(LineState {
            codec: AtomicCell::new(Some(Box::new(Box::pin(codec)))),
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
            left: AtomicU32::new(if max_requests == 0 { u32::MAX } else { max_requests }),
            opened: Instant::now(),
            used: AtomicU64::new(0),
        };
        (line, Driver { state, _slot: slot })
    }

    pub(super) fn state(&self) -> &Arc<LineState> {
        &self.state
    }

    /// Whether it may carry another request, now or later.
    pub(super) fn is_usable(&self) -> bool {
        self.left.load(Ordering::Relaxed) > 0 && !self.sender.is_closed()
    }

    /// Whether it is of no use, or has been idle for too long.
    pub(super) fn is_spent(&self, now: Instant, idle_timeout: Duration) -> bool {
        if self.state.open.load(Ordering::Acquire) > 0 {
            self.touch(now);
        }
        let used = self.opened + Duration::from_millis(self.used.load(Ordering::Relaxed));
        !self.is_usable() || now.duration_since(used) >= idle_timeout
    }

    fn touch(&self, now: Instant) {
        let millis = now.duration_since(self.opened).as_millis();
        self.used.store(u64::try_from(millis).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Takes a place, if there is one.
    pub(super) fn take(&self) -> Room {
        let Some(slot) = self.slot.upgrade() else { return Room::None };
        let mut open = self.state.open.load(Ordering::Acquire);
        loop {
            let limit = self.state.look();
            if self.state.settled.load(Ordering::Acquire) {
                if open >= limit {
                    return Room::None;
                }
            } else if open > 0 {
                return Room::Unsettled(self.state.clone());
            }
            // On another thread somebody may have taken the same place.
            match self.state.open.compare_exchange(open, open + 1, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => break,
                Err(changed) => open = changed,
            }
        }
        let stream = Arc::new(Stream { state: self.state.clone(), _slot: slot });
        let one_less = |left: u32| left.checked_sub(1);
        if self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_err() {
            return Room::None;
        }
        self.touch(Instant::now());
        self.state.carried.store(true, Ordering::Release);
        Room::Taken(Taken { sender: self.sender.clone(), info: self.info.clone(), stream })
    }
}

impl LineState {
    /// The endpoint's limit, 0 before it has sent any.
    fn look(&self) -> usize {
        // While it is being driven it is not here: what the driver learns is known at once.
        let Some(codec) = self.codec.take() else { return self.limit.load(Ordering::Acquire) };
        let now = codec.limit();
        self.learn(now);
        self.put_back(codec);
        now
    }

    fn put_back(&self, codec: Box<Codec>) {
        self.codec.store(Some(codec));
        if self.ended.load(Ordering::Acquire) {
            // The driver went while the codec was away, and could not take it along.
            drop(self.codec.take());
        }
    }

    /// Called by whoever has the codec, before it is put back: who takes it next may learn something newer,
    /// and must not be overtaken.
    fn learn(&self, limit: usize) {
        let before = self.limit.load(Ordering::Acquire);
        if limit != before {
            self.limit.store(limit, Ordering::Release);
        }
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
        // Later nobody waits for that.
        if !self.state.settled.load(Ordering::Acquire) {
            self.state.news.notify_waiters();
        }
        self.state.gate.wake();
    }
}

impl Future for Driver {
    type Output = hyper::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        let Some(mut codec) = self.state.codec.take() else {
            // Somebody on another thread is just looking at it.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        let polled = Pin::as_mut(&mut codec).poll(cx);
        self.state.learn(codec.limit());
        self.state.put_back(codec);
        polled
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Release);
        // Also where the runtime ends first: what the codec holds refers to it.
        drop(self.state.codec.take());
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
