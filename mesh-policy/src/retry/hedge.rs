//! More than one attempt at a time: whichever answers first.
//!
//! A slow endpoint holds up what another would answer at once. Envoy's `hedge_policy`: an attempt that stays
//! unanswered is not given up, another one runs beside it. The first good answer is passed on and the others
//! are cancelled; a bad one is thrown away as long as another may still answer.

use super::body::ReplayBody;
use super::future::Plan;
use super::rules::Verdict;
use crate::BoxError;
use crate::budget::RetryPermit;
use http::{Request, Response};
use http_body::Body;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tower_service::Service;

/// When a request is sent once more beside an attempt that is still under way.
///
/// Each is one of the policy's retries and takes its place in the budget. A request whose method is not
/// idempotent runs once at a time ([`Repeat::AnyMethod`](super::Repeat::AnyMethod) says otherwise), and so does
/// one whose body is not sent to its end, or is larger than what is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hedge {
    after: Option<Duration>,
    initial: u32,
}

impl Hedge {
    /// Once an attempt stays unanswered for so long: Envoy's `hedge_on_per_try_timeout`, with this as the
    /// `per_try_timeout`. It ends no attempt, so leave out the layer that does.
    pub fn on_per_try_timeout(after: Duration) -> Self {
        Self { after: Some(after).filter(|a| !a.is_zero()), initial: 1 }
    }

    /// So many at once from the start, of requests without a body: Envoy's `initial_requests`.
    #[must_use]
    pub fn initial_requests(self, initial: u32) -> Self {
        Self { initial, ..self }
    }
}

/// The attempts under way.
pub(super) struct Race<F> {
    runners: Vec<Runner<F>>,
    after: Option<Duration>,
    timer: Option<Pin<Box<Sleep>>>,
    /// How many more are to be sent now.
    due: u32,
}

struct Runner<F> {
    attempt: Pin<Box<F>>,
    permit: Option<RetryPermit>,
}

impl<F> Race<F> {
    /// Of a request's first attempt.
    pub(super) fn new(hedge: Hedge, first: F) -> Self {
        Self { due: hedge.initial.saturating_sub(1), ..Self::again(hedge, first, None) }
    }

    /// Of an attempt after all others have failed.
    pub(super) fn again(hedge: Hedge, attempt: F, permit: Option<RetryPermit>) -> Self {
        let runners = vec![Runner { attempt: Box::pin(attempt), permit }];
        Self { runners, after: hedge.after, timer: None, due: 0 }
    }

    /// The first good answer, or the last bad one.
    pub(super) fn poll<S, B, R>(
        &mut self,
        plan: &mut Plan<S, B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>>
    where
        F: Future<Output = Result<S::Response, S::Error>>,
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Future = F>,
        S::Error: Into<BoxError>,
        B: Body,
    {
        // An attempt that was sent just now must be polled once before this waits.
        loop {
            if let Poll::Ready(answer) = self.poll_runners(plan, cx) {
                return Poll::Ready(answer);
            }
            self.poll_timer(plan, cx);
            if !self.poll_due(plan, cx) {
                return Poll::Pending;
            }
        }
    }

    fn poll_runners<S, B, R>(
        &mut self,
        plan: &mut Plan<S, B>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, BoxError>>
    where
        F: Future<Output = Result<S::Response, S::Error>>,
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Future = F>,
        S::Error: Into<BoxError>,
        B: Body,
    {
        let mut at = 0;
        while let Some(runner) = self.runners.get_mut(at) {
            let Poll::Ready(answer) = runner.attempt.as_mut().poll(cx) else {
                at += 1;
                continue;
            };
            let answer = answer.map_err(Into::into);
            let ended = self.runners.swap_remove(at);
            if self.runners.is_empty() || plan.verdict(&answer) == Verdict::Answer {
                plan.permit = ended.permit;
                // The others are given up with the answer, not when this is dropped.
                self.runners.clear();
                self.timer = None;
                return Poll::Ready(answer);
            }
            // Thrown away: another one may do better.
        }
        Poll::Pending
    }

    /// Counts down to the next attempt, as long as there may be one.
    fn poll_timer<S, B>(&mut self, plan: &Plan<S, B>, cx: &mut Context<'_>)
    where
        S: Service<Request<ReplayBody<B>>>,
        B: Body,
    {
        let Some(after) = self.after else { return };
        if self.timer.is_none() && plan.may_race() {
            self.timer = Some(Box::pin(tokio::time::sleep(after)));
        }
        while let Some(timer) = &mut self.timer
            && timer.as_mut().poll(cx).is_ready()
        {
            self.due = self.due.max(1);
            match Instant::now().checked_add(after).filter(|_| plan.may_race()) {
                Some(next) => timer.as_mut().reset(next),
                None => self.timer = None,
            }
        }
    }

    /// Sends what is due, where it may be; whether it sent something.
    fn poll_due<S, B>(&mut self, plan: &mut Plan<S, B>, cx: &mut Context<'_>) -> bool
    where
        S: Service<Request<ReplayBody<B>>, Future = F>,
        S::Error: Into<BoxError>,
        B: Body,
    {
        let before = self.runners.len();
        while self.due > 0 {
            match plan.service.poll_ready(cx) {
                // It stays due.
                Poll::Pending => break,
                // Those under way decide.
                Poll::Ready(Err(_)) => self.due = 0,
                Poll::Ready(Ok(())) => {
                    let Some(permit) = plan.another() else {
                        self.due = 0;
                        break;
                    };
                    self.due -= 1;
                    let attempt = Box::pin(plan.send());
                    self.runners.push(Runner { attempt, permit: Some(permit) });
                }
            }
        }
        self.runners.len() > before
    }
}
