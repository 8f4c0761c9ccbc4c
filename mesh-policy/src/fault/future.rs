//! A request that passes, is refused, or waits first.

use super::body::{FaultBody, Limiter};
use super::error::{Aborted, Delayed};
use super::layer::Active;
use super::plan::Then;
use crate::gauge::Held;
use crate::{BoxError, add_flag};
use http::{Request, Response};
use mesh_core::response_flag::ResponseFlag;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tower_service::Service;

pin_project! {
    /// The response of a [`FaultService`](super::FaultService).
    #[must_use = "futures do nothing unless polled"]
    pub struct FaultFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B, F> {
        /// No fault but to the response, if any.
        Pass { #[pin] inner: F, limiter: Option<Box<Limiter>> },
        /// Refused at once.
        Abort { error: Option<Aborted> },
        /// Boxed, since it is rare and would make every future as large as the wait.
        Delay { delay: Pin<Box<Delay<S, B, F>>> },
    }
}

pin_project! {
    /// A request that waits, then is refused or sent.
    pub(super) struct Delay<S, B, F> {
        service: S,
        request: Option<Request<B>>,
        // Both until the wait is over.
        then: Option<(Then, Held<Active>)>,
        limiter: Option<Box<Limiter>>,
        #[pin]
        sleep: Sleep,
        #[pin]
        inner: Option<F>,
    }
}

impl<S, B, F> Delay<S, B, F> {
    pub(super) fn new(
        service: S,
        request: Request<B>,
        duration: Duration,
        then: Then,
        held: Held<Active>,
    ) -> Self {
        Self {
            service,
            request: Some(request),
            then: Some((then, held)),
            limiter: None,
            sleep: tokio::time::sleep(duration),
            inner: None,
        }
    }
}

impl<S, B> FaultFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn pass(inner: S::Future, limiter: Option<Box<Limiter>>) -> Self {
        Self { state: State::Pass { inner, limiter } }
    }

    pub(super) fn abort(error: Aborted) -> Self {
        Self { state: State::Abort { error: Some(error) } }
    }

    pub(super) fn delay(delay: Delay<S, B, S::Future>) -> Self {
        Self { state: State::Delay { delay: Box::pin(delay) } }
    }
}

impl<S, B, R> Future for FaultFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<Response<FaultBody<R>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass { inner, limiter } => match ready!(inner.poll(cx)) {
                Ok(response) => Poll::Ready(Ok(response.map(|body| FaultBody::new(body, limiter.take())))),
                Err(error) => Poll::Ready(Err(error.into())),
            },
            StateProj::Abort { error } => match error.take() {
                Some(error) => Poll::Ready(Err(error.into())),
                // Only if polled after it was ready, which no caller may do.
                None => Poll::Pending,
            },
            StateProj::Delay { delay } => delay.as_mut().poll_late(cx).map(|answer| match answer {
                Ok(mut response) => {
                    add_flag(&mut response, ResponseFlag::DelayInjected);
                    Ok(response)
                }
                Err(error) => Err(Delayed::new(error).into()),
            }),
        }
    }
}

impl<S, B, R> Delay<S, B, S::Future>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    fn poll_late(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<FaultBody<R>>, BoxError>> {
        let mut this = self.project();
        if this.then.is_some() {
            ready!(this.sleep.poll(cx));
            match this.then.take() {
                Some((Then::Abort(with), _)) => {
                    this.request.take();
                    return Poll::Ready(Err(Aborted::new(with).into()));
                }
                Some((Then::Limit(kbps), held)) => *this.limiter = Some(Box::new(Limiter::new(kbps, held))),
                // No longer active.
                Some((Then::Send, _)) | None => {}
            }
        }
        if this.request.is_some() {
            ready!(this.service.poll_ready(cx)).map_err(Into::into)?;
            if let Some(request) = this.request.take() {
                this.inner.set(Some(this.service.call(request)));
            }
        }
        match this.inner.as_pin_mut() {
            Some(inner) => {
                let response = ready!(inner.poll(cx)).map_err(Into::into)?;
                Poll::Ready(Ok(response.map(|body| FaultBody::new(body, this.limiter.take()))))
            }
            None => Poll::Pending,
        }
    }
}

impl<S, B> fmt::Debug for FaultFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Pass { .. } => "FaultFuture::Pass",
            State::Abort { .. } => "FaultFuture::Abort",
            State::Delay { .. } => "FaultFuture::Delay",
        })
    }
}
