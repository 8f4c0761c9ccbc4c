//! A gRPC response's body, whose trailers say whether the call was a success.

use super::controller::Outcome;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// A body that is judged by its trailers, if its head could not be.
    #[derive(Debug)]
    pub struct AdmissionBody<B> {
        #[pin]
        inner: B,
        outcome: Option<Outcome>,
    }
}

impl<B> AdmissionBody<B> {
    pub(super) fn new(inner: B, outcome: Option<Outcome>) -> Self {
        Self { inner, outcome }
    }
}

impl<B: Body> Body for AdmissionBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        let frame = ready!(this.inner.poll_frame(cx));
        let success = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().map(Some),
            // A call without a status has failed, and so has one that breaks off.
            Some(Err(_)) | None => Some(None),
        };
        if let Some(trailers) = success
            && let Some(outcome) = this.outcome.take()
        {
            let success = outcome.of().zip(trailers).and_then(|(of, trailers)| of.is_grpc_success(trailers));
            outcome.record(success.unwrap_or(false));
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

impl<B: Default> Default for AdmissionBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}
