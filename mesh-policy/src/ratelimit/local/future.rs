//! The inner answer with the limit's headers, or the refusal.

use crate::BoxError;
use crate::ratelimit::bucket::Standing;
use crate::ratelimit::error::RateLimited;
use crate::ratelimit::headers;
use http::Response;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of a [`LocalRateLimit`](super::super::LocalRateLimit).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct LocalRateLimitFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Allowed { #[pin] inner: F, standing: Option<Standing> },
        // Boxed as it will be returned: the future of a request that passes carries no headers.
        Refused { error: Option<BoxError> },
    }
}

impl<F> LocalRateLimitFuture<F> {
    pub(super) fn allowed(inner: F, standing: Option<Standing>) -> Self {
        Self { state: State::Allowed { inner, standing } }
    }

    pub(super) fn refused(error: RateLimited) -> Self {
        Self { state: State::Refused { error: Some(error.into()) } }
    }
}

impl<F, B, E> Future for LocalRateLimitFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Allowed { inner, standing } => {
                // Each arm returns what it has: a response is large, and each step on its way would copy it.
                match ready!(inner.poll(cx)) {
                    Ok(mut response) => {
                        if let Some(standing) = standing {
                            headers::add(response.headers_mut(), standing);
                        }
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => Poll::Ready(Err(error.into())),
                }
            }
            StateProj::Refused { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error)),
                // Only if polled after it was ready, which no caller may do.
                None => Poll::Pending,
            },
        }
    }
}
