//! The inner answer, reported on its way, or the refusal.

use super::circuit::Pass;
use super::error::CircuitOpen;
use super::layer::Judge;
use crate::failure::blames_nobody;
use crate::refused::Refused;
use crate::{BoxError, Classify, FailureKind, elapsing};
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of a [`CircuitService`](super::CircuitService).
    #[must_use = "futures do nothing unless polled"]
    pub struct CircuitFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Sent { #[pin] inner: F, report: Report },
        Refused { error: Refused<CircuitOpen> },
    }
}

/// A pass, until it has reported.
struct Report {
    pass: Option<Pass>,
    judge: Judge,
    classify: Classify,
}

impl Drop for Report {
    fn drop(&mut self) {
        // A time-out further out ends a silent request like this. A caller that goes away does, too, but
        // that says nothing of the dependency.
        if let Some(pass) = self.pass.take()
            && elapsing::is_elapsing()
        {
            pass.failed();
        }
    }
}

impl<F> CircuitFuture<F> {
    pub(super) fn sent(inner: F, pass: Pass, judge: Judge, classify: Classify) -> Self {
        Self { state: State::Sent { inner, report: Report { pass: Some(pass), judge, classify } } }
    }

    pub(super) fn refused(error: CircuitOpen) -> Self {
        Self { state: State::Refused { error: Refused::new(error) } }
    }
}

impl<F, B, E> Future for CircuitFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { inner, report } => {
                // Each arm returns what it has: a response is large, and each step on its way would copy it.
                match ready!(inner.poll(cx)) {
                    Ok(response) => {
                        if let Some(pass) = report.pass.take() {
                            match (report.judge)(response.status(), response.headers()) {
                                true => pass.failed(),
                                false => pass.succeeded(),
                            }
                        }
                        Poll::Ready(Ok(response))
                    }
                    Err(error) => {
                        let error = error.into();
                        if let Some(pass) = report.pass.take() {
                            match (report.classify)(&*error) {
                                // It was never asked.
                                FailureKind::Overflow | FailureKind::Final => drop(pass),
                                _ if blames_nobody(&*error) => drop(pass),
                                _ => pass.failed(),
                            }
                        }
                        Poll::Ready(Err(error))
                    }
                }
            }
            StateProj::Refused { error } => error.poll(),
        }
    }
}

impl<F> fmt::Debug for CircuitFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Sent { .. } => "CircuitFuture::Sent",
            State::Refused { .. } => "CircuitFuture::Refused",
        })
    }
}
