//! The authority's answer, then the inner one's; or the denial.

use super::error::CustomDenied;
use super::{CheckFuture, CustomAuthzLayer};
use crate::BoxError;
use http::Request;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

pin_project! {
    /// The response of a [`CustomAuthz`](super::CustomAuthz).
    #[must_use = "futures do nothing unless polled"]
    pub struct CustomAuthzFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Checking { check: CheckFuture, held: Option<Box<Held<S, B>>> },
        Calling { #[pin] inner: F },
        Denied { error: Option<CustomDenied> },
    }
}

/// What waits for the answer.
struct Held<S, B> {
    service: S,
    request: Request<B>,
    layer: CustomAuthzLayer,
}

impl<S: Service<Request<B>>, B> CustomAuthzFuture<S, B> {
    pub(super) fn calling(inner: S::Future) -> Self {
        Self { state: State::Calling { inner } }
    }

    pub(super) fn denied(error: CustomDenied) -> Self {
        Self { state: State::Denied { error: Some(error) } }
    }

    pub(super) fn checking(
        check: CheckFuture,
        service: S,
        request: Request<B>,
        layer: CustomAuthzLayer,
    ) -> Self {
        let held = Some(Box::new(Held { service, request, layer }));
        Self { state: State::Checking { check, held } }
    }
}

impl<S, B> Future for CustomAuthzFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Checking { check, held } => {
                    let answer = ready!(check.as_mut().poll(cx));
                    // Taken once: the state changes with it.
                    let Some(mut held) = held.take() else { return Poll::Pending };
                    match held.layer.apply(answer, &mut held.request) {
                        Ok(()) => State::Calling { inner: held.service.call(held.request) },
                        Err(denied) => State::Denied { error: Some(denied) },
                    }
                }
                StateProj::Calling { inner } => return inner.poll(cx).map_err(Into::into),
                StateProj::Denied { error } => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error.into())),
                        // Only if polled after it was ready, which no caller may do.
                        None => Poll::Pending,
                    };
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for CustomAuthzFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Checking { .. } => "checking",
            State::Calling { .. } => "calling",
            State::Denied { .. } => "denied",
        };
        f.debug_struct("CustomAuthzFuture").field("state", &state).finish_non_exhaustive()
    }
}
