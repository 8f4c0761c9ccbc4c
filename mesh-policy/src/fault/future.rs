//! A request that passes, is refused, or waits first.

use super::error::{Aborted, Delayed};
use super::layer::Active;
use crate::gauge::Held;
use crate::{BoxError, add_flag};
use http::{Request, Response};
use mesh_core::model::http::AbortWith;
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
        /// No fault: the inner future and nothing else.
        Pass { #[pin] inner: F },
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
        abort: Option<AbortWith>,
        held: Option<Held<Active>>,
        #[pin]
        sleep: Sleep,
        #[pin]
        inner: Option<F>,
        done_waiting: bool,
    }
}

impl<S, B, F> Delay<S, B, F> {
    pub(super) fn new(
        service: S,
        request: Request<B>,
        duration: Duration,
        abort: Option<AbortWith>,
        held: Held<Active>,
    ) -> Self {
        Self {
            service,
            request: Some(request),
            abort,
            held: Some(held),
            sleep: tokio::time::sleep(duration),
            inner: None,
            done_waiting: false,
        }
    }
}

impl<S, B> FaultFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn pass(inner: S::Future) -> Self {
        Self { state: State::Pass { inner } }
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
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass { inner } => inner.poll(cx).map_err(Into::into),
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
    fn poll_late(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Response<R>, BoxError>> {
        let mut this = self.project();
        if !*this.done_waiting {
            ready!(this.sleep.poll(cx));
            *this.done_waiting = true;
            this.held.take();
            if let Some(with) = this.abort.take() {
                this.request.take();
                return Poll::Ready(Err(Aborted::new(with).into()));
            }
        }
        if this.request.is_some() {
            ready!(this.service.poll_ready(cx)).map_err(Into::into)?;
            if let Some(request) = this.request.take() {
                this.inner.set(Some(this.service.call(request)));
            }
        }
        match this.inner.as_pin_mut() {
            Some(inner) => inner.poll(cx).map_err(Into::into),
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
