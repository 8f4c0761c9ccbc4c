//! The inner answer, or the denial.

use super::error::Denied;
use crate::BoxError;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// The response of an [`Authz`](super::Authz).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AuthzFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Allowed { #[pin] inner: F },
        Denied { error: Option<Denied> },
    }
}

impl<F> AuthzFuture<F> {
    pub(super) fn allowed(inner: F) -> Self {
        Self { state: State::Allowed { inner } }
    }

    pub(super) fn denied(error: Denied) -> Self {
        Self { state: State::Denied { error: Some(error) } }
    }
}

impl<F, R, E> Future for AuthzFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Allowed { inner } => inner.poll(cx).map_err(Into::into),
            StateProj::Denied { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                // Only if polled after it was ready, which no caller may do.
                None => Poll::Pending,
            },
        }
    }
}
