//! The inner answer with its permit, or the refusal.

use super::error::Overflow;
use super::permit::Permit;
use crate::BoxError;
use crate::body::{End, Hold, HoldingBody};
use crate::refused::Refused;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body with a [`Permit`], which it gives back at its end, at an error, or when it is dropped.
pub type BreakerBody<B> = HoldingBody<B, Permit>;

impl Hold for Permit {
    fn end(self, _: End<'_>) {}
}

pin_project! {
    /// The response of a [`BreakerService`](super::BreakerService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct BreakerFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Sent { #[pin] inner: F, permit: Option<Permit> },
        Refused { error: Refused<Overflow> },
    }
}

impl<F> BreakerFuture<F> {
    pub(super) fn sent(inner: F, permit: Permit) -> Self {
        Self { state: State::Sent { inner, permit: Some(permit) } }
    }

    pub(super) fn refused(error: Overflow) -> Self {
        Self { state: State::Refused { error: Refused::new(error) } }
    }
}

impl<F, B, E> Future for BreakerFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<BreakerBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { inner, permit } => {
                match ready!(inner.poll(cx)) {
                    Ok(response) => {
                        let permit = permit.take();
                        Poll::Ready(Ok(response.map(|body| BreakerBody::new(body, permit))))
                    }
                    Err(error) => {
                        // A failed request holds no place.
                        permit.take();
                        Poll::Ready(Err(error.into()))
                    }
                }
            }
            StateProj::Refused { error } => error.poll(),
        }
    }
}
