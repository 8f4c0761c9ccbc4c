//! A response's body that holds its request's place, and measures it at its end.

use super::permit::Permit;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A body with a permit, which it gives back at its end, at an error, or when it is dropped. Only the first two
    /// are measured: who goes away early says nothing of how long an answer takes.
    #[derive(Debug)]
    pub struct ShedBody<B> {
        #[pin]
        inner: B,
        permit: Option<Permit>,
    }
}

impl<B> ShedBody<B> {
    pub(super) fn new(inner: B, permit: Option<Permit>) -> Self {
        Self { inner, permit }
    }
}

impl<B: Body> Body for ShedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let ended = !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream();
        if ended && let Some(permit) = this.permit.take() {
            permit.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for ShedBody<B> {
    fn default() -> Self {
        Self { inner: B::default(), permit: None }
    }
}
