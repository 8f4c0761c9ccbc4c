//! A body that is read once and heard twice.
//!
//! ```text
//! caller ─▶ [TeeBody] ─▶ the service
//!              └ queue, bounded in bytes ─▶ [CopyBody] ─▶ the copy's service
//! ```
//!
//! The tee never waits: what the copy has not read stands in a queue, and when that grows over its bound the
//! copy is broken off.

use super::metrics::MirrorMetrics;
use crate::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::mpsc;

/// What a frame costs beside its bytes, so that empty ones are bounded, too.
const FRAME: usize = 64;

pin_project! {
    /// A request's body that a copy may listen to.
    #[derive(Debug)]
    pub struct TeeBody<B> {
        #[pin]
        inner: B,
        tee: Option<Tee>,
    }
}

/// The queue's end of those who write.
#[derive(Debug)]
struct Tee {
    queue: mpsc::UnboundedSender<Frame<Bytes>>,
    shared: Arc<Shared>,
    limit: usize,
    /// All that was announced has been read, so that whoever stops here has missed nothing.
    whole: bool,
    metrics: MirrorMetrics,
}

#[derive(Debug, Default)]
struct Shared {
    /// Bytes in the queue, and [`FRAME`] for each frame.
    queued: AtomicUsize,
    /// How it ended, once nobody writes any more.
    end: AtomicU8,
}

/// The body was not read to its end.
const BROKEN_OFF: u8 = 0;
const COMPLETE: u8 = 1;
const LAGGED: u8 = 2;

/// A copy's body.
#[derive(Debug)]
pub struct CopyBody {
    /// `None` is the end.
    queue: Option<mpsc::UnboundedReceiver<Frame<Bytes>>>,
    shared: Arc<Shared>,
    hint: SizeHint,
}

/// A copy was broken off: it fell behind, or the request that it copies was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    behind: bool,
}

impl Lagged {
    /// Whether the copy fell behind, rather than its original being broken off.
    pub fn fell_behind(self) -> bool {
        self.behind
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.behind {
            true => "the copy of a request fell behind and was broken off",
            false => "a request was broken off, and its copy with it",
        })
    }
}

impl std::error::Error for Lagged {}

impl<B> TeeBody<B> {
    /// Nobody listens.
    pub(super) fn alone(inner: B) -> Self {
        Self { inner, tee: None }
    }

    /// Whether a copy is listening.
    pub fn is_heard(&self) -> bool {
        self.tee.is_some()
    }
}

impl<B: Body<Data = Bytes>> TeeBody<B> {
    /// With a copy that may be so many bytes behind.
    pub(super) fn with_copy(inner: B, limit: usize, metrics: MirrorMetrics) -> (Self, CopyBody) {
        let shared = Arc::<Shared>::default();
        if inner.is_end_stream() {
            return (Self::alone(inner), CopyBody { queue: None, shared, hint: SizeHint::with_exact(0) });
        }
        let (queue, frames) = mpsc::unbounded_channel();
        let hint = inner.size_hint();
        let tee = Tee { queue, shared: Arc::clone(&shared), limit, whole: false, metrics };
        (Self { inner, tee: Some(tee) }, CopyBody { queue: Some(frames), shared, hint })
    }
}

impl Tee {
    /// Passes a frame on; `false` if nobody is to hear more.
    fn tell(&self, frame: &Frame<Bytes>) -> bool {
        let frame = match (frame.data_ref(), frame.trailers_ref()) {
            (Some(data), _) => Frame::data(data.clone()),
            (None, Some(trailers)) => Frame::trailers(trailers.clone()),
            (None, None) => return true,
        };
        let cost = cost(&frame);
        let before = self.shared.queued.fetch_add(cost, Ordering::Relaxed);
        if before.saturating_add(cost) > self.limit.saturating_add(FRAME) {
            self.shared.end.store(LAGGED, Ordering::Release);
            self.metrics.lagged();
            return false;
        }
        self.queue.send(frame).is_ok()
    }

    fn complete(&self) {
        self.shared.end.store(COMPLETE, Ordering::Release);
    }
}

impl Drop for Tee {
    /// Whoever knows a body's length may stop at its last byte, without asking for the end.
    fn drop(&mut self) {
        if self.whole && self.shared.end.load(Ordering::Relaxed) == BROKEN_OFF {
            self.complete();
        }
    }
}

fn cost(frame: &Frame<Bytes>) -> usize {
    frame.data_ref().map_or(0, Bytes::len).saturating_add(FRAME)
}

impl<B: Body<Data = Bytes>> Body for TeeBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let polled = ready!(this.inner.as_mut().poll_frame(cx));
        if let Some(tee) = this.tee {
            let listens = match &polled {
                Some(Ok(frame)) if tee.tell(frame) => {
                    tee.whole = this.inner.size_hint().exact() == Some(0);
                    let ended = this.inner.is_end_stream();
                    if ended {
                        tee.complete();
                    }
                    !ended
                }
                Some(Ok(_)) => {
                    tee.whole = false;
                    false
                }
                Some(Err(_)) => {
                    tee.whole = false;
                    false
                }
                None => {
                    tee.complete();
                    false
                }
            };
            if !listens {
                *this.tee = None;
            }
        }
        Poll::Ready(polled)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Body for CopyBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Some(queue) = &mut self.queue else { return Poll::Ready(None) };
        if let Some(frame) = ready!(queue.poll_recv(cx)) {
            self.shared.queued.fetch_sub(cost(&frame), Ordering::Relaxed);
            let read = u64::try_from(frame.data_ref().map_or(0, Bytes::len)).unwrap_or(u64::MAX);
            self.hint = match self.hint.exact() {
                Some(all) => SizeHint::with_exact(all.saturating_sub(read)),
                None => SizeHint::default(),
            };
            return Poll::Ready(Some(Ok(frame)));
        }
        self.queue = None;
        match self.shared.end.load(Ordering::Acquire) {
            COMPLETE => Poll::Ready(None),
            end => Poll::Ready(Some(Err(Lagged { behind: end == LAGGED }.into()))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.queue.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
