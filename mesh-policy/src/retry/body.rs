//! A request's body that is sent on while it arrives, and can be sent once more from the start.
//!
//! The attempts of a request take turns on one source: what it gave so far is kept, up to a bound, for the
//! next. An attempt that was given up reads nothing more, however long its connection holds on to it.
//!
//! Whoever reads takes the source out of its place and puts it back, so nobody waits for a lock: on a thread
//! of its own a request always finds it there, and where an attempt that was given up is just reading on
//! another thread, the next one is polled again. Whether there is another attempt is decided with the source
//! out of its place, too: nobody reads meanwhile, so what is known of it stays true.

use super::error::{BrokenOff, Superseded};
use super::kept::Kept;
use crate::BoxError;
use crate::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use crate::sync::{AtomicCell, AtomicWaker};
use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// The body that attempts send.
pub struct ReplayBody<B> {
    kind: Kind<B>,
}

enum Kind<B> {
    /// Never sent again: the original, untouched.
    Pass(B),
    /// Nothing to send, so nothing to keep.
    Empty,
    Replay(Reader<B>),
}

/// One attempt's hold on the source.
struct Reader<B> {
    source: Arc<Source<B>>,
    attempt: u32,
    cursor: Cursor,
}

/// One attempt's place in the source.
#[derive(Default)]
struct Cursor {
    /// How many kept frames were sent.
    at: usize,
    sent: u64,
    trailers_sent: bool,
    ended: bool,
}

/// What the attempts share.
pub(super) struct Source<B> {
    hint: SizeHint,
    limit: usize,
    /// The attempt that may read.
    attempt: AtomicU32,
    /// There may be another attempt: keep what is read.
    keep: AtomicBool,
    /// What was read is more than is kept.
    too_large: AtomicBool,
    /// The caller's own body failed.
    broken: AtomicBool,
    /// The newest attempt that sent it to its end.
    sent_by: AtomicU32,
    /// Whoever waits for the original.
    waiting: AtomicWaker,
    /// Away while somebody reads.
    state: AtomicCell<Option<Box<State<B>>>>,
}

struct State<B> {
    inner: B,
    kept: Kept,
    trailers: Option<HeaderMap>,
    /// Nothing is kept any more since this attempt read more than may be: only it can read on.
    only: Option<u32>,
    /// The original ended, well or not.
    ended: bool,
}

/// The source out of its place, to which it goes back whatever happens.
struct Held<'s, B> {
    source: &'s Source<B>,
    /// Gone only when this is dropped.
    state: Option<Box<State<B>>>,
}

/// A source that nobody reads as long as this lives.
pub(super) struct AtRest<'s, B>(Option<Held<'s, B>>);

/// What makes the bodies of one request's attempts.
pub(super) enum Replay<B> {
    Empty,
    Source(Arc<Source<B>>),
}

/// Whether and why not the body can be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replayable {
    Yes,
    TooLarge,
    /// The caller's own body failed: there is nothing to send.
    Broken,
}

impl<B> ReplayBody<B> {
    pub(super) fn pass(inner: B) -> Self {
        Self { kind: Kind::Pass(inner) }
    }
}

impl<B: Body> Replay<B> {
    /// Takes over a body, keeping at most `limit` bytes of it.
    pub(super) fn new(inner: B, limit: usize) -> Self {
        if inner.is_end_stream() {
            return Self::Empty;
        }
        let hint = inner.size_hint();
        // Known to be too large: nothing is kept from the start.
        let too_large = usize::try_from(hint.lower()).map_or(true, |lower| lower > limit);
        let state = State {
            inner,
            kept: Kept::default(),
            trailers: None,
            only: too_large.then_some(1),
            ended: false,
        };
        Self::Source(Arc::new(Source {
            hint,
            limit,
            attempt: AtomicU32::new(1),
            keep: AtomicBool::new(!too_large),
            too_large: AtomicBool::new(too_large),
            broken: AtomicBool::new(false),
            sent_by: AtomicU32::new(0),
            waiting: AtomicWaker::new(),
            state: AtomicCell::new(Some(Box::new(state))),
        }))
    }

    /// The body of an attempt; those of earlier ones end with [`Superseded`].
    pub(super) fn body(&self, attempt: u32) -> ReplayBody<B> {
        let kind = match self {
            Self::Empty => Kind::Empty,
            Self::Source(source) => {
                source.hand_over(attempt);
                Kind::Replay(Reader { source: Arc::clone(source), attempt, cursor: Cursor::default() })
            }
        };
        ReplayBody { kind }
    }

    pub(super) fn replayable(&self) -> Replayable {
        match self {
            Self::Empty => Replayable::Yes,
            Self::Source(source) if source.broken.load(Ordering::Acquire) => Replayable::Broken,
            Self::Source(source) if source.too_large.load(Ordering::Acquire) => Replayable::TooLarge,
            Self::Source(_) => Replayable::Yes,
        }
    }

    /// Whether an attempt has sent the whole, so that another may read without taking anything from it.
    pub(super) fn sent_by(&self, attempt: u32) -> bool {
        match self {
            Self::Empty => true,
            Self::Source(source) => source.sent_by.load(Ordering::Acquire) == attempt,
        }
    }

    /// Keeps attempts from reading, so that [`Self::replayable`] stays as it is while it is decided what comes
    /// next. `None` while one reads on another thread, which is soon over.
    pub(super) fn at_rest(&self) -> Option<AtRest<'_, B>> {
        match self {
            Self::Empty => Some(AtRest(None)),
            Self::Source(source) => source.hold().map(|held| AtRest(Some(held))),
        }
    }

    /// There will be no further attempt: the last one reads on, and nothing is kept for another.
    pub(super) fn commit(&self) {
        if let Self::Source(source) = self {
            source.keep.store(false, Ordering::Release);
        }
    }
}

impl<B> AtRest<'_, B> {
    /// There will be this attempt, maybe after a while: from now on no earlier one reads. What it could have
    /// read until then might be more than is kept.
    pub(super) fn supersede(self, next: u32) {
        if let Self(Some(held)) = self {
            held.source.hand_over(next);
        }
    }
}

impl<B> Drop for Held<'_, B> {
    fn drop(&mut self) {
        let Some(mut state) = self.state.take() else { return };
        if std::thread::panicking() {
            // A body that panicked gives nothing more; whoever asks learns that it broke off.
            state.ended = true;
            self.source.broken.store(true, Ordering::Release);
        }
        self.source.state.store(Some(state));
    }
}

impl<B> Source<B> {
    fn hold(&self) -> Option<Held<'_, B>> {
        let state = self.state.take()?;
        Some(Held { source: self, state: Some(state) })
    }

    fn hand_over(&self, attempt: u32) {
        self.attempt.store(attempt, Ordering::Release);
        self.waiting.wake();
    }

    fn is_read_by(&self, attempt: u32) -> bool {
        self.attempt.load(Ordering::Acquire) == attempt
    }
}

impl<B> Reader<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let Self { source, attempt, cursor } = self;
        if cursor.ended {
            return Poll::Ready(None);
        }
        if source.is_read_by(*attempt) {
            let Some(mut held) = source.hold() else {
                // Somebody has it on another thread, and is about to put it back.
                cx.waker().wake_by_ref();
                return Poll::Pending;
            };
            // Asked again now that nobody else reads: the next attempt may have read and put it back since,
            // and its waker must stay where it is.
            if let Some(state) = held.state.as_deref_mut()
                && source.is_read_by(*attempt)
            {
                let polled = cursor.poll(state, source, *attempt, cx);
                drop(held);
                // Who handed over meanwhile may have found no waker to wake.
                if polled.is_ready() || source.is_read_by(*attempt) {
                    return polled;
                }
            }
        }
        cursor.ended = true;
        Poll::Ready(Some(Err(Superseded::new().into())))
    }
}

impl Cursor {
    fn poll<B>(
        &mut self,
        state: &mut State<B>,
        source: &Source<B>,
        attempt: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        if state.only.is_some_and(|only| only != attempt) {
            self.ended = true;
            return Poll::Ready(Some(Err(Superseded::new().into())));
        }
        let Poll::Ready(frame) = self.next(state, source, attempt, cx) else {
            return Poll::Pending;
        };
        let caught_up = self.at >= state.kept.len();
        if caught_up && !state.kept.is_empty() && !source.keep.load(Ordering::Acquire) {
            state.kept.forget();
            self.at = 0;
            state.only = Some(attempt);
        }
        state.ended = state.ended || state.inner.is_end_stream();
        let trailers_left = state.trailers.is_some() && !self.trailers_sent;
        self.ended = !matches!(frame, Some(Ok(_))) || caught_up && state.ended && !trailers_left;
        if self.ended && !matches!(frame, Some(Err(_))) {
            source.sent_by.store(attempt, Ordering::Release);
        }
        Poll::Ready(frame)
    }

    /// The next frame: a kept one, or a new one from the original.
    fn next<B>(
        &mut self,
        state: &mut State<B>,
        source: &Source<B>,
        attempt: u32,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
    where
        B: Body + Unpin,
        B::Error: Into<BoxError>,
    {
        if let Some(kept) = state.kept.frame(self.at, attempt) {
            let keep = source.keep.load(Ordering::Acquire);
            let data = if keep { kept.clone() } else { std::mem::take(kept) };
            if !keep {
                state.only = Some(attempt);
            }
            self.at += 1;
            return Poll::Ready(Some(Ok(self.count(data))));
        }
        if state.ended {
            if source.broken.load(Ordering::Acquire) {
                // To end here as if it were complete would pass off a part as the whole.
                return Poll::Ready(Some(Err(BrokenOff.into())));
            }
            let trailers = if self.trailers_sent { None } else { state.trailers.clone() };
            self.trailers_sent = true;
            return Poll::Ready(trailers.map(|t| Ok(Frame::trailers(t))));
        }
        // Before the original can wake it.
        source.waiting.register(cx.waker());
        let Poll::Ready(frame) = Pin::new(&mut state.inner).poll_frame(cx) else { return Poll::Pending };
        Poll::Ready(match frame {
            None => {
                state.ended = true;
                None
            }
            Some(Err(error)) => {
                state.ended = true;
                source.broken.store(true, Ordering::Release);
                Some(Err(error.into()))
            }
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(mut data) => {
                    let data = data.copy_to_bytes(data.remaining());
                    self.keep(state, source, attempt, &data);
                    self.count(data)
                }
                Err(frame) => {
                    // A frame that is neither data nor trailers does not exist today.
                    let trailers = frame.into_trailers().unwrap_or_default();
                    state.trailers = source.keep.load(Ordering::Acquire).then(|| trailers.clone());
                    state.ended = true;
                    self.trailers_sent = true;
                    Frame::trailers(trailers)
                }
            })),
        })
    }

    fn keep<B>(&mut self, state: &mut State<B>, source: &Source<B>, attempt: u32, data: &Bytes) {
        if !source.keep.load(Ordering::Acquire) {
            state.only = Some(attempt);
            return;
        }
        state.kept.add(data, attempt);
        self.at = state.kept.len();
        if state.kept.bytes() > source.limit {
            source.keep.store(false, Ordering::Release);
            source.too_large.store(true, Ordering::Release);
            state.only = Some(attempt);
            state.kept.forget();
            self.at = 0;
        }
    }

    fn count(&mut self, data: Bytes) -> Frame<Bytes> {
        self.sent = self.sent.saturating_add(u64::try_from(data.len()).unwrap_or(u64::MAX));
        Frame::data(data)
    }
}

impl<B> Body for ReplayBody<B>
where
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().kind {
            Kind::Empty => Poll::Ready(None),
            Kind::Replay(reader) => reader.poll_frame(cx),
            Kind::Pass(inner) => {
                let whole = |mut data: B::Data| data.copy_to_bytes(data.remaining());
                Pin::new(inner).poll_frame(cx).map_ok(|frame| frame.map_data(whole)).map_err(Into::into)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Replay(reader) => reader.cursor.ended,
            Kind::Pass(inner) => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Pass(inner) => inner.size_hint(),
            Kind::Replay(reader) => {
                let mut hint = SizeHint::new();
                let whole = &reader.source.hint;
                if let Some(upper) = whole.upper() {
                    hint.set_upper(upper.saturating_sub(reader.cursor.sent));
                }
                hint.set_lower(whole.lower().saturating_sub(reader.cursor.sent));
                hint
            }
        }
    }
}

impl<B> fmt::Debug for ReplayBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Pass(_) => f.write_str("ReplayBody::Pass"),
            Kind::Empty => f.write_str("ReplayBody::Empty"),
            Kind::Replay(reader) => {
                f.debug_struct("ReplayBody").field("attempt", &reader.attempt).finish_non_exhaustive()
            }
        }
    }
}
