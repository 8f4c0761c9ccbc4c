//! The wait for a place, and the inner answer with it.

use super::controller::AdaptiveConcurrency;
use super::permit::Permit;
use crate::BoxError;
use crate::body::HoldingBody;
use crate::refused::Refused;
use crate::shed::error::{Reason, Shed};
use crate::shed::queue::Waiter;
use http::{Response, StatusCode};
use http_body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::{Instant, Sleep};
use tower_service::Service;

/// A body with a place under the limit, which it gives back at its end, at an error, or when it is dropped.
///
/// Measured at its end, at an error, and when its time ran out; not when its caller went away, which says nothing of
/// how long an answer takes.
pub type ShedBody<B> = HoldingBody<B, Permit>;

pin_project! {
    /// The response of an [`AdaptiveConcurrencyService`](super::super::AdaptiveConcurrencyService).
    #[must_use = "futures do nothing unless polled"]
    pub struct AdaptiveConcurrencyFuture<S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<S, Req, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, Req, F> {
        Sent { #[pin] inner: F, permit: Option<Permit> },
        // Boxed, since it has a timer and a request: those that need not wait stay small.
        Waiting { waiting: Option<Box<Waiting<S, Req>>> },
        Refused { error: Refused<Shed> },
    }
}

/// A request in the queue.
struct Waiting<S, Req> {
    service: S,
    request: Req,
    place: Place,
    timer: Pin<Box<Sleep>>,
    status: StatusCode,
}

/// A place in the queue, or by now one to be answered; dropped, it gives back whichever it is.
struct Place {
    limit: AdaptiveConcurrency,
    waiter: Option<Arc<Waiter>>,
}

impl Place {
    /// The permit, once it was granted; an error that says why it will not be.
    fn poll(&mut self, timer: Pin<&mut Sleep>, cx: &mut Context<'_>) -> Poll<Result<Permit, Reason>> {
        let Some(waiter) = &self.waiter else { return Poll::Pending };
        match waiter.poll(cx) {
            Poll::Ready(true) => {
                self.waiter = None;
                Poll::Ready(Ok(self.limit.granted(Instant::now())))
            }
            Poll::Ready(false) => Poll::Ready(Err(Reason::QueueFull)),
            Poll::Pending => {
                ready!(timer.poll(cx));
                Poll::Ready(Err(Reason::QueueDeadline))
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.limit.leave(&waiter);
        }
    }
}

impl<S: Service<Req>, Req> AdaptiveConcurrencyFuture<S, Req> {
    pub(super) fn sent(inner: S::Future, permit: Permit) -> Self {
        Self { state: State::Sent { inner, permit: Some(permit) } }
    }

    pub(super) fn waiting(
        service: S,
        request: Req,
        limit: AdaptiveConcurrency,
        waiter: Arc<Waiter>,
        status: StatusCode,
    ) -> Self {
        let timer = Box::pin(tokio::time::sleep_until(waiter.until));
        let place = Place { limit, waiter: Some(waiter) };
        let waiting = Box::new(Waiting { service, request, place, timer, status });
        Self { state: State::Waiting { waiting: Some(waiting) } }
    }

    pub(super) fn refused(error: Shed) -> Self {
        Self { state: State::Refused { error: Refused::new(error) } }
    }
}

impl<S, Req, B> Future for AdaptiveConcurrencyFuture<S, Req>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<ShedBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Sent { inner, permit } => {
                    let answer = ready!(inner.poll(cx));
                    // Out of the future in any case: a failed request holds no place.
                    let permit = permit.take();
                    return Poll::Ready(match answer {
                        Ok(response) => Ok(response.map(|body| ShedBody::new(body, permit))),
                        Err(error) => {
                            // An error took its time as well as any answer.
                            if let Some(permit) = permit {
                                permit.finish();
                            }
                            Err(error.into())
                        }
                    });
                }
                StateProj::Waiting { waiting } => {
                    let Some(held) = waiting else { return Poll::Pending };
                    let outcome = ready!(held.place.poll(held.timer.as_mut(), cx));
                    let Some(held) = waiting.take() else { return Poll::Pending };
                    let Waiting { mut service, request, place, timer: _, status } = *held;
                    match outcome {
                        Ok(permit) => State::Sent { inner: service.call(request), permit: Some(permit) },
                        Err(reason) => {
                            place.limit.blocked();
                            let class =
                                place.waiter.as_ref().map_or_else(Default::default, |w| w.criticality);
                            State::Refused { error: Refused::new(Shed::new(reason, class, status)) }
                        }
                    }
                }
                StateProj::Refused { error } => return error.poll(),
            };
            state.set(next);
        }
    }
}

impl<S: Service<Req>, Req> fmt::Debug for AdaptiveConcurrencyFuture<S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Sent { .. } => "AdaptiveConcurrencyFuture(sent)",
            State::Waiting { .. } => "AdaptiveConcurrencyFuture(waiting)",
            State::Refused { .. } => "AdaptiveConcurrencyFuture(refused)",
        })
    }
}
