//! A response's body under what is left of the request's budget.

use super::future::{Running, poll_running};
use crate::BoxError;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep, sleep_until};

pin_project! {
    /// A body that ends with [`Elapsed`](super::Elapsed) when the budget is used up.
    ///
    /// A body is read only as fast as its reader wants it, and the budget is checked whenever it reads. A
    /// reader that stops is for its owner to find, who knows the [`deadline`](Self::deadline).
    /// What runs out of time is dropped at once, with whatever it holds.
    pub struct TimeoutBody<B> {
        // Gone once its time ran out.
        #[pin]
        inner: Option<B>,
        // Boxed when first needed: it keeps bodies small and `Unpin`, and most never wait.
        sleep: Option<Pin<Box<Sleep>>>,
        running: Option<Running>,
    }
}

impl<B> TimeoutBody<B> {
    pub(super) fn new(inner: B, running: Option<Running>) -> Self {
        Self { inner: Some(inner), sleep: None, running }
    }

    /// When the budget ends, as far as is known now. `None` without one.
    ///
    /// For whoever must let go of a body that its reader has stopped to read.
    pub fn deadline(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.deadline)
    }

    /// The error of a budget that has ended, for whoever ends the body instead; counts as one that did.
    ///
    /// `None` without a budget, or if that is not over.
    pub fn elapse(&mut self) -> Option<BoxError> {
        let running = self.running.as_mut().filter(|_| self.inner.is_some())?;
        if running.moved() {
            return None;
        }
        Some(running.elapse(|| self.inner = None))
    }
}

impl<B> Body for TimeoutBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let mut this = self.project();
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let frame = inner.poll_frame(cx);
        let Some(running) = this.running else { return frame.map_err(Into::into) };
        match &frame {
            Poll::Pending => {
                let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(running.deadline)));
                ready!(poll_running(sleep.as_mut(), running, cx));
            }
            Poll::Ready(Some(Ok(_))) if running.alive() => return frame.map_err(Into::into),
            // A body that is always ready never waits for the timer, so the clock is asked.
            Poll::Ready(Some(Ok(_))) if Instant::now() >= running.deadline => {}
            Poll::Ready(_) => return frame.map_err(Into::into),
        }
        Poll::Ready(Some(Err(running.elapse(|| this.inner.set(None)))))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}

impl<B: std::fmt::Debug> std::fmt::Debug for TimeoutBody<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeoutBody").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<B: Default> Default for TimeoutBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}
