//! An answer, whatever happens.

use super::body::RescueBody;
use super::layer::Replies;
use crate::BoxError;
use http::Response;
use pin_project_lite::pin_project;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of a [`Rescue`](super::Rescue).
    #[must_use = "futures do nothing unless polled"]
    pub struct RescueFuture<F> {
        #[pin]
        outcome: Outcome<F>,
        grpc: bool,
        replies: Replies,
    }
}

pin_project! {
    #[project = OutcomeProj]
    enum Outcome<F> {
        Call { #[pin] inner: F },
        // The service could not be made ready. Gone once it was said.
        Failed { error: Option<BoxError> },
    }
}

impl<F> RescueFuture<F> {
    pub(super) fn call(inner: F, grpc: bool, replies: Replies) -> Self {
        Self { outcome: Outcome::Call { inner }, grpc, replies }
    }

    pub(super) fn failed(error: BoxError, grpc: bool, replies: Replies) -> Self {
        Self { outcome: Outcome::Failed { error: Some(error) }, grpc, replies }
    }
}

impl<F, B, E> Future for RescueFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<RescueBody<B>>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let error = match this.outcome.project() {
            OutcomeProj::Call { inner } => match ready!(inner.poll(cx)) {
                Ok(response) => return Poll::Ready(Ok(response.map(RescueBody::inner))),
                Err(error) => error.into(),
            },
            OutcomeProj::Failed { error } => match error.take() {
                Some(error) => error,
                None => return Poll::Pending,
            },
        };
        Poll::Ready(Ok(this.replies.to(&*error).into_response(*this.grpc)))
    }
}

impl<F: fmt::Debug> fmt::Debug for RescueFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("RescueFuture");
        match &self.outcome {
            Outcome::Call { inner } => out.field("inner", inner),
            Outcome::Failed { error } => out.field("error", error),
        };
        out.finish_non_exhaustive()
    }
}
