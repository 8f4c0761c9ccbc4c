//! A response that says who may read it, or the answer to a preflight.

use super::layer::Answers;
use http::Response;
use mesh_core::decide::cors::Allowed;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of a [`Cors`](super::Cors).
    #[must_use = "futures do nothing unless polled"]
    pub struct CorsFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        // No page of another origin asks.
        Pass { #[pin] inner: F },
        Tell { #[pin] inner: F, answers: Arc<Answers>, allowed: Option<Allowed> },
        // Gone once it was given.
        Answer { response: Option<Response<R>> },
    }
}

impl<F, R> CorsFuture<F, R> {
    pub(super) fn pass(inner: F) -> Self {
        Self { state: State::Pass { inner } }
    }

    pub(super) fn tell(inner: F, answers: Arc<Answers>, allowed: Option<Allowed>) -> Self {
        Self { state: State::Tell { inner, answers, allowed } }
    }

    pub(super) fn answer(response: Response<R>) -> Self {
        Self { state: State::Answer { response: Some(response) } }
    }
}

impl<F, R, E> Future for CorsFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass { inner } => inner.poll(cx),
            StateProj::Tell { inner, answers, allowed } => {
                let mut response = ready!(inner.poll(cx))?;
                answers.tell(allowed.as_ref(), response.headers_mut());
                Poll::Ready(Ok(response))
            }
            StateProj::Answer { response } => match response.take() {
                Some(response) => Poll::Ready(Ok(response)),
                // Only if polled after it was ready, which no caller may do.
                None => Poll::Pending,
            },
        }
    }
}

impl<F, R> fmt::Debug for CorsFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Pass { .. } => "CorsFuture::Pass",
            State::Tell { .. } => "CorsFuture::Tell",
            State::Answer { .. } => "CorsFuture::Answer",
        })
    }
}
