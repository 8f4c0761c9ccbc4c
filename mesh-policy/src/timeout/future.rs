//! The race of an answer against a budget.

use super::begin::RequestProgress;
use super::body::TimeoutBody;
use super::error::{Elapsed, Scope};
use super::metrics::TimeoutMetrics;
use crate::{BoxError, elapsing};
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
    /// Says whether the deadline still stands; `None` once that is certain.
    progress: Option<RequestProgress>,
}

impl Running {
    /// `None` without a budget, or with one that ends beyond what a clock can say.
    fn start(
        budget: Option<Duration>,
        metrics: &TimeoutMetrics,
        progress: Option<RequestProgress>,
    ) -> Option<Self> {
        let budget = budget?;
        let deadline = Instant::now().checked_add(budget)?;
        Some(Self { deadline, budget, metrics: metrics.clone(), progress })
    }

    /// Moves the deadline by what the request's body has done since; whether it lies ahead.
    ///
    /// Asked only when the deadline has come, so that a body's frames need not wake anybody.
    fn moved(&mut self) -> bool {
        let Some(progress) = &self.progress else { return false };
        let now = Instant::now();
        let since = progress.endpoint_since().unwrap_or(now);
        // A deadline beyond what a clock can say is put off by another look.
        let moved = since.checked_add(self.budget).unwrap_or(self.deadline).max(self.deadline);
        self.deadline = moved;
        moved > now
    }

    /// The response's head is here: the deadline moves no more.
    fn settled(mut self) -> Self {
        self.moved();
        self.progress = None;
        self
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
        // Gone once its time ran out.
        #[pin]
        inner: Option<F>,
        #[pin]
        sleep: Option<Sleep>,
        running: Option<Running>,
    }
}

impl<F> TimeoutFuture<F> {
    pub(super) fn new(
        inner: F,
        budget: Option<Duration>,
        metrics: &TimeoutMetrics,
        progress: Option<RequestProgress>,
    ) -> Self {
        Self { inner: Some(inner), sleep: None, running: Running::start(budget, metrics, progress) }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(answer) = inner.poll(cx) {
            let running = this.running.take().map(Running::settled);
            return Poll::Ready(match answer {
                Ok(response) => Ok(response.map(|body| TimeoutBody::new(body, running))),
                Err(error) => Err(error.into()),
            });
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running, cx));
        elapsing::elapse(|| this.inner.set(None));
        Poll::Ready(Err(running.elapsed(Scope::Request)))
    }
}

pin_project! {
    /// The response of an [`AttemptTimeout`](super::AttemptTimeout).
    #[must_use = "futures do nothing unless polled"]
    pub struct AttemptFuture<F> {
        // Gone once its time ran out.
        #[pin]
        inner: Option<F>,
        #[pin]
        sleep: Option<Sleep>,
        running: Option<Running>,
    }
}

impl<F> AttemptFuture<F> {
    pub(super) fn new(
        inner: F,
        budget: Option<Duration>,
        metrics: &TimeoutMetrics,
        progress: Option<RequestProgress>,
    ) -> Self {
        Self { inner: Some(inner), sleep: None, running: Running::start(budget, metrics, progress) }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else { return Poll::Pending };
        if let Poll::Ready(answer) = inner.poll(cx) {
            return Poll::Ready(answer.map_err(Into::into));
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running, cx));
        elapsing::elapse(|| this.inner.set(None));
        Poll::Ready(Err(running.elapsed(Scope::Attempt)))
    }
}

/// Waits for the budget's end; the timer is made by the first call.
fn poll_deadline(
    mut sleep: Pin<&mut Option<Sleep>>,
    running: &mut Running,
    cx: &mut Context<'_>,
) -> Poll<()> {
    if sleep.is_none() {
        sleep.set(Some(tokio::time::sleep_until(running.deadline)));
    }
    let Some(mut sleep) = sleep.as_pin_mut() else { return Poll::Pending };
    loop {
        ready!(sleep.as_mut().poll(cx));
        if !running.moved() {
            return Poll::Ready(());
        }
        sleep.as_mut().reset(running.deadline);
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
