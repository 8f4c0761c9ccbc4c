//! The race of an answer against a budget.

use super::begin::RequestProgress;
use super::body::TimeoutBody;
use super::error::{Elapsed, Scope, Turn};
use super::metrics::TimeoutMetrics;
use crate::{BoxError, elapsing};
use http::Response;
use pin_project_lite::pin_project;
use std::future::Future;
use std::marker::PhantomData;
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

    /// Ends what was bounded, which `end` drops, and says so to whom it concerns.
    pub(super) fn elapse(&self, end: impl FnOnce()) -> BoxError {
        match self.scope {
            Scope::Request => self.metrics.upstream_rq_timeout(),
            Scope::Attempt => self.metrics.upstream_rq_per_try_timeout(),
            Scope::AttemptIdle => self.metrics.upstream_rq_per_try_idle_timeout(),
            Scope::StreamIdle => self.metrics.downstream_rq_idle_timeout(),
            Scope::StreamDuration => self.metrics.upstream_rq_max_duration_reached(),
            Scope::Deadline => self.metrics.downstream_rq_max_duration_reached(),
            Scope::Connect => self.metrics.upstream_cx_connect_timeout(),
        }
        // Before the request's body is dropped, which ends the caller's turn.
        let turn = match self.progress.as_ref().map(RequestProgress::endpoint_since) {
            None => Turn::Unknown,
            Some(None) => Turn::Caller,
            Some(Some(_)) => Turn::Endpoint,
        };
        let error = Elapsed::new(self.scope, self.budget).waited_for(turn);
        match error.blames_endpoint() {
            true => elapsing::elapse(end),
            false => end(),
        }
        error.into()
    }
}

/// A budget bounds the whole response.
#[derive(Debug)]
pub enum ToEnd {}

/// A budget bounds the response's head.
#[derive(Debug)]
pub enum ToHead {}

pin_project! {
    /// The response of a [`Timeout`](super::Timeout), or as an [`AttemptFuture`], of a layer that looks after
    /// the response's head alone.
    #[must_use = "futures do nothing unless polled"]
    pub struct TimeoutFuture<F, U = ToEnd> {
        // Gone once its time ran out.
        #[pin]
        inner: Option<F>,
        #[pin]
        sleep: Option<Sleep>,
        running: Option<Running>,
        until: PhantomData<fn() -> U>,
    }
}

/// The response of an [`AttemptTimeout`](super::AttemptTimeout).
pub type AttemptFuture<F> = TimeoutFuture<F, ToHead>;

impl<F, U> TimeoutFuture<F, U> {
    pub(super) fn new(inner: F, running: Option<Running>) -> Self {
        Self { inner: Some(inner), sleep: None, running, until: PhantomData }
    }

    /// Of a budget that was used up before anything was sent.
    pub(super) fn late(running: Option<Running>) -> Self {
        Self { inner: None, sleep: None, running, until: PhantomData }
    }

    /// Races the answer, which `settle` hands on, against the budget.
    #[inline]
    fn poll_answer<R, A, E>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        settle: impl FnOnce(R, &mut Option<Running>) -> A,
    ) -> Poll<Result<A, BoxError>>
    where
        F: Future<Output = Result<R, E>>,
        E: Into<BoxError>,
    {
        let mut this = self.project();
        // The answer first: one that is there at once registers no timer.
        let Some(inner) = this.inner.as_mut().as_pin_mut() else {
            let late = this.running.take();
            return late.map_or(Poll::Pending, |late| Poll::Ready(Err(late.elapse(|| {}))));
        };
        match inner.poll(cx) {
            Poll::Pending => {}
            // Each arm returns what it has: a response is large, and each step on its way would copy it.
            Poll::Ready(Ok(response)) => return Poll::Ready(Ok(settle(response, this.running))),
            Poll::Ready(Err(error)) => return Poll::Ready(Err(error.into())),
        }
        let Some(running) = this.running else { return Poll::Pending };
        ready!(poll_deadline(this.sleep.as_mut(), running, cx));
        let error = running.elapse(|| this.inner.set(None));
        *this.running = None;
        Poll::Ready(Err(error))
    }
}

impl<F, B, E> Future for TimeoutFuture<F, ToEnd>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<TimeoutBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_answer(cx, |response, running| {
            if let Some(running) = running {
                running.settle();
            }
            response.map(|body| TimeoutBody::new(body, running.take()))
        })
    }
}

impl<F, R, E> Future for TimeoutFuture<F, ToHead>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_answer(cx, |response, _| response)
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

impl<F: std::fmt::Debug, U> std::fmt::Debug for TimeoutFuture<F, U> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TimeoutFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
