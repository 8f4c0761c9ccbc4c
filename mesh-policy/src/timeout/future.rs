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
    budget: Duration,
    scope: Scope,
    metrics: TimeoutMetrics,
    /// Says whether the deadline still stands; `None` once that is certain.
    progress: Option<RequestProgress>,
}

impl Running {
    /// `None` without a budget, or with one that ends beyond what a clock can say.
    #[inline]
    pub(super) fn start(
        scope: Scope,
        budget: Option<Duration>,
        metrics: &TimeoutMetrics,
        progress: Option<RequestProgress>,
    ) -> Option<Self> {
        let budget = budget?;
        let deadline = Instant::now().checked_add(budget)?;
        // How long a stream may last has nothing to do with whose turn it is.
        let progress = progress.filter(|_| !matches!(scope, Scope::StreamDuration | Scope::Deadline));
        Some(Self { deadline, budget, scope, metrics: metrics.clone(), progress })
    }

    /// Moves the deadline by what the request's body has done since; whether it lies ahead.
    ///
    /// Asked only when the deadline has come, so that a body's frames need not wake anybody.
    pub(super) fn moved(&mut self) -> bool {
        let Some(progress) = &self.progress else { return self.deadline > Instant::now() };
        let now = Instant::now();
        let since = match self.scope {
            Scope::StreamIdle => progress.caller_active(),
            _ => progress.endpoint_since(),
        };
        let since = since.unwrap_or(now);
        // A deadline beyond what a clock can say is put off by another look.
        let moved = since.checked_add(self.budget).unwrap_or(self.deadline).max(self.deadline);
        self.deadline = moved;
        moved > now
    }

    /// The response's head is here: the deadline moves no more, unless it moves with every sign of life.
    #[inline]
    fn settle(&mut self) {
        // The clock is read only where it matters: it is most of what a timeout costs.
        if self.scope.is_idle() {
            self.alive();
        } else if self.progress.is_some() {
            self.moved();
        }
        if self.scope != Scope::StreamIdle {
            self.progress = None;
        }
    }

    /// The endpoint gave a sign of life; whether the budget begins anew with it.
    pub(super) fn alive(&mut self) -> bool {
        if self.scope.is_idle() {
            self.deadline = Instant::now().checked_add(self.budget).unwrap_or(self.deadline);
        }
        self.scope.is_idle()
    }

    pub(super) fn elapsed(&self) -> BoxError {
        match self.scope {
            Scope::Request => self.metrics.upstream_rq_timeout(),
            Scope::Attempt => self.metrics.upstream_rq_per_try_timeout(),
            Scope::AttemptIdle => self.metrics.upstream_rq_per_try_idle_timeout(),
            Scope::StreamIdle => self.metrics.downstream_rq_idle_timeout(),
            Scope::StreamDuration => self.metrics.upstream_rq_max_duration_reached(),
            Scope::Deadline => self.metrics.downstream_rq_max_duration_reached(),
            Scope::Connect => self.metrics.upstream_cx_connect_timeout(),
        }
        let callers_turn = self.progress.as_ref().is_some_and(|p| p.endpoint_since().is_none());
        Elapsed::new(self.scope, self.budget).by_caller(callers_turn).into()
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
    pub(super) fn new(inner: F, running: Option<Running>) -> Self {
        Self { inner: Some(inner), sleep: None, running }
    }

    /// Of a budget that was used up before anything was sent.
    pub(super) fn late(running: Option<Running>) -> Self {
        Self { inner: None, sleep: None, running }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return this.running.take().map_or(Poll::Pending, |late| Poll::Ready(Err(late.elapsed())));
        };
        match inner.poll(cx) {
            Poll::Pending => {}
            // Each arm returns what it has: a response is large, and each step on its way would copy it.
            Poll::Ready(Ok(response)) => {
                if let Some(running) = this.running {
                    running.settle();
                }
                return Poll::Ready(Ok(response.map(|body| TimeoutBody::new(body, this.running.take()))));
            }
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running, cx));
        let error = running.elapsed();
        *this.running = None;
        elapsing::elapse(|| this.inner.set(None));
        Poll::Ready(Err(error))
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
    pub(super) fn new(inner: F, running: Option<Running>) -> Self {
        Self { inner: Some(inner), sleep: None, running }
    }

    /// Of a budget that was used up before anything was sent.
    pub(super) fn late(running: Option<Running>) -> Self {
        Self { inner: None, sleep: None, running }
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
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            return this.running.take().map_or(Poll::Pending, |late| Poll::Ready(Err(late.elapsed())));
        };
        match inner.poll(cx) {
            Poll::Pending => {}
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(response)),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running, cx));
        let error = running.elapsed();
        *this.running = None;
        elapsing::elapse(|| this.inner.set(None));
        Poll::Ready(Err(error))
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
    let Some(sleep) = sleep.as_pin_mut() else { return Poll::Pending };
    poll_running(sleep, running, cx)
}

/// Waits for the budget's end, which may move meanwhile.
pub(super) fn poll_running(
    mut sleep: Pin<&mut Sleep>,
    running: &mut Running,
    cx: &mut Context<'_>,
) -> Poll<()> {
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
