//! The race of an answer against a budget.

use super::body::TimeoutBody;
use super::error::{Elapsed, Scope};
use super::metrics::TimeoutMetrics;
use crate::BoxError;
use http::Response;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A budget that runs, with what to count when it ends.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) deadline: Instant,
    pub(super) budget: Duration,
    pub(super) metrics: TimeoutMetrics,
}

impl Running {
    /// `None` without a budget, or with one that ends beyond what a clock can say.
    fn start(budget: Option<Duration>, metrics: &TimeoutMetrics) -> Option<Self> {
        let budget = budget?;
        let deadline = Instant::now().checked_add(budget)?;
        Some(Self { deadline, budget, metrics: metrics.clone() })
    }

    pub(super) fn elapsed(&self, scope: Scope) -> BoxError {
        match scope {
            Scope::Request => self.metrics.upstream_rq_timeout(),
            Scope::Attempt => self.metrics.upstream_rq_per_try_timeout(),
        }
        Elapsed::new(scope, self.budget).into()
    }
}

pin_project! {
    /// The response of a [`Timeout`](super::Timeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct TimeoutFuture<F> {
        #[pin]
        inner: F,
        #[pin]
        sleep: Option<Sleep>,
        running: Option<Running>,
    }
}

impl<F> TimeoutFuture<F> {
    pub(super) fn new(inner: F, budget: Option<Duration>, metrics: &TimeoutMetrics) -> Self {
        Self { inner, sleep: None, running: Running::start(budget, metrics) }
    }
}

impl<F, B, E> Future for TimeoutFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // The answer first: one that is there at once registers no timer.
        if let Poll::Ready(answer) = this.inner.poll(cx) {
            let running = this.running.take();
            return Poll::Ready(match answer {
                Ok(response) => Ok(response.map(|body| TimeoutBody::new(body, running))),
                Err(error) => Err(error.into()),
            });
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running.deadline, cx));
        Poll::Ready(Err(running.elapsed(Scope::Request)))
    }
}

pin_project! {
    /// The response of an [`AttemptTimeout`](super::AttemptTimeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct AttemptFuture<F> {
        #[pin]
        inner: F,
        #[pin]
        sleep: Option<Sleep>,
        running: Option<Running>,
    }
}

impl<F> AttemptFuture<F> {
    pub(super) fn new(inner: F, budget: Option<Duration>, metrics: &TimeoutMetrics) -> Self {
        Self { inner, sleep: None, running: Running::start(budget, metrics) }
    }
}

impl<F, R, E> Future for AttemptFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.inner.poll(cx) {
            return Poll::Ready(answer.map_err(Into::into));
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running.deadline, cx));
        Poll::Ready(Err(running.elapsed(Scope::Attempt)))
    }
}

/// Waits for a deadline; the timer is made by the first call.
fn poll_deadline(mut sleep: Pin<&mut Option<Sleep>>, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
    if sleep.is_none() {
        sleep.set(Some(tokio::time::sleep_until(deadline)));
    }
    match sleep.as_pin_mut() {
        Some(sleep) => sleep.poll(cx),
        None => Poll::Pending,
    }
}

impl<F: std::fmt::Debug> std::fmt::Debug for TimeoutFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeoutFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<F: std::fmt::Debug> std::fmt::Debug for AttemptFuture<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AttemptFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
