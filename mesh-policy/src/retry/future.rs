//! One request through its attempts.

use super::attempt::Attempt;
use super::body::{Replay, ReplayBody, Replayable};
use super::error::{GaveUp, RetryReport, Stop};
use super::hedge::{Race, Raced};
use super::layer::{ATTEMPT_COUNT, InFlight, Settings};
use super::rules::Verdict;
use crate::budget::RetryPermit;
use crate::{BoxError, add_flag};
use http::{HeaderValue, Request, Response, request};
use http_body::Body;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Sleep;
use tower_service::Service;

pin_project! {
    /// The response of a [`Retry`](super::Retry).
    #[must_use = "futures do nothing unless polled"]
    pub struct RetryFuture<S, B>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        #[pin]
        state: State<S::Future, S::Response>,
        // None where there is no retry.
        plan: Option<Plan<S, B>>,
        // None where the plan has it.
        once: Option<InFlight>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, A> {
        /// An attempt is under way. An answer that needs no retry ends it.
        Sent { #[pin] inner: F },
        /// Several may be under way.
        Racing { race: Box<Race<F>> },
        /// It failed while its body was just being read on another thread, which decides whether there may be
        /// another.
        Answered { answer: Option<Box<Result<A, BoxError>>> },
        /// It failed; the back-off runs. The failed attempt is dropped, its retry permit taken.
        Waiting { sleep: Pin<Box<Sleep>> },
        /// The back-off is over; the service is made ready for the next attempt.
        Readying,
    }
}

/// What further attempts are made of.
pub(super) struct Plan<S, B> {
    pub(super) service: S,
    pub(super) head: request::Parts,
    pub(super) replay: Replay<B>,
    pub(super) attempt: Attempt,
    /// Held while a retry is due or under way.
    pub(super) permit: Option<RetryPermit>,
    pub(super) settings: InFlight,
}

/// What comes after an attempt.
enum Next {
    Answer(Option<Stop>),
    Wait(Duration),
}

impl<S, B> RetryFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    /// Sent as it is, and never again.
    pub(super) fn once(inner: S::Future, in_flight: InFlight) -> Self {
        Self { state: State::Sent { inner }, plan: None, once: Some(in_flight) }
    }

    /// Sent by a plan.
    pub(super) fn planned(inner: S::Future, plan: Plan<S, B>) -> Self {
        let state = match plan.settings.hedge {
            None => State::Sent { inner },
            Some(hedge) => State::Racing { race: Box::new(Race::new(hedge, inner)) },
        };
        Self { state, plan: Some(plan), once: None }
    }
}

impl<S, B, R> Future for RetryFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Output = Result<Response<R>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let answer = match this.state.as_mut().project() {
                StateProj::Sent { inner } => {
                    let answer = ready!(inner.poll(cx)).map_err(Into::into);
                    // The common case returns what it has: each step on its way would copy the response.
                    if this.plan.as_ref().is_none_or(|plan| plan.passes(&answer)) {
                        // Where they are: taken out they would be copied first.
                        *this.plan = None;
                        *this.once = None;
                        return Poll::Ready(answer);
                    }
                    answer
                }
                StateProj::Racing { race } => {
                    // Only a plan makes a race.
                    let Some(plan) = this.plan.as_mut() else { return Poll::Pending };
                    match ready!(race.poll(plan, cx)) {
                        Raced::Answer(answer) => answer,
                        Raced::Retry(sleep) => {
                            this.state.set(sleep.map_or(State::Readying, |sleep| State::Waiting { sleep }));
                            continue;
                        }
                    }
                }
                StateProj::Answered { answer } => match answer.take() {
                    Some(answer) => *answer,
                    // It was returned.
                    None => return Poll::Pending,
                },
                StateProj::Waiting { sleep } => {
                    ready!(sleep.as_mut().poll(cx));
                    this.state.set(State::Readying);
                    continue;
                }
                StateProj::Readying => {
                    // Readying follows a plan's verdict, so there is a plan.
                    let Some(plan) = this.plan.as_mut() else { return Poll::Pending };
                    if let Err(error) = ready!(plan.service.poll_ready(cx)) {
                        let report = RetryReport { attempts: plan.attempt.number(), stop: None };
                        *this.plan = None;
                        return Poll::Ready(report.onto(Err(error.into())));
                    }
                    let inner = plan.send();
                    this.state.set(match plan.settings.hedge {
                        None => State::Sent { inner },
                        Some(hedge) => {
                            State::Racing { race: Box::new(Race::again(hedge, inner, plan.permit.take())) }
                        }
                    });
                    continue;
                }
            };
            // An answer that is still to be judged follows a plan's attempt, so there is a plan.
            let Some(plan) = this.plan.as_mut() else { return Poll::Ready(answer) };
            match plan.judge(&answer) {
                None => {
                    cx.waker().wake_by_ref();
                    this.state.set(State::Answered { answer: Some(Box::new(answer)) });
                    return Poll::Pending;
                }
                Some(Next::Answer(stop)) => {
                    plan.replay.commit();
                    let report = RetryReport { attempts: plan.attempt.number(), stop };
                    // Permits end with the answer, not when this future is dropped.
                    *this.plan = None;
                    return Poll::Ready(report.onto(answer));
                }
                Some(Next::Wait(backoff)) => {
                    // The failed response, body and all, goes before the wait.
                    drop(answer);
                    let next = if backoff.is_zero() {
                        State::Readying
                    } else {
                        State::Waiting { sleep: Box::pin(tokio::time::sleep(backoff)) }
                    };
                    this.state.set(next);
                }
            }
        }
    }
}

impl<S, B> Plan<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
    B: Body,
{
    pub(super) fn send(&mut self) -> S::Future {
        self.attempt = self.attempt.next();
        let mut head = self.head.clone();
        head.extensions.insert(self.attempt.clone());
        if self.settings.count_attempts {
            head.headers.insert(ATTEMPT_COUNT, HeaderValue::from(self.attempt.number()));
        }
        let body = self.replay.body(self.attempt.number());
        self.service.call(Request::from_parts(head, body))
    }

    /// Whether it is an answer to the first attempt that ends the request; nothing is kept for another one then.
    fn passes<R>(&self, answer: &Result<Response<R>, BoxError>) -> bool {
        let passes = self.attempt.number() == 1 && self.verdict(answer) == Verdict::Answer;
        if passes {
            self.replay.commit();
        }
        passes
    }

    /// What comes next; `None` as long as that depends on a read that is going on.
    fn judge<R>(&mut self, answer: &Result<Response<R>, BoxError>) -> Option<Next> {
        let metrics = &self.settings.metrics;
        match self.verdict(answer) {
            Verdict::Answer => {
                if self.permit.take().is_some() && answer.is_ok() {
                    metrics.upstream_rq_retry_success();
                }
                return Some(Next::Answer(None));
            }
            Verdict::MustNotRepeat => {
                self.permit = None;
                metrics.not_idempotent();
                return Some(Next::Answer(Some(Stop::NotIdempotent)));
            }
            Verdict::Retry => {}
        }
        // Where no retry follows, this attempt reads on.
        let body = self.replay.at_rest()?;
        self.permit = None;
        if let Some(end) = self.unrepeatable() {
            return Some(end);
        }
        let sent = self.attempt.number();
        if sent > self.settings.rules.policy.retries {
            metrics.upstream_rq_retry_limit_exceeded();
            return Some(Next::Answer(Some(Stop::Limit)));
        }
        let Some(permit) = self.settings.budget.try_retry() else {
            metrics.upstream_rq_retry_overflow();
            return Some(Next::Answer(Some(Stop::Budget)));
        };
        body.supersede(self.attempt.next().number());
        self.permit = Some(permit);
        metrics.upstream_rq_retry();
        Some(Next::Wait(self.backoff(answer)))
    }

    /// The wait after an answer until the next attempt.
    fn backoff<R>(&self, answer: &Result<Response<R>, BoxError>) -> Duration {
        let Settings { rules, metrics, clock, random, .. } = &*self.settings;
        let random = random.draw();
        let asked =
            answer.as_ref().ok().and_then(|answer| rules.asked_backoff(answer.headers(), clock(), random));
        match asked {
            Some(wait) => {
                metrics.upstream_rq_retry_backoff_ratelimited();
                wait
            }
            None => {
                metrics.upstream_rq_retry_backoff_exponential();
                rules.backoff(self.attempt.number(), random)
            }
        }
    }

    /// What the policy says to an answer.
    pub(super) fn verdict<R>(&self, answer: &Result<Response<R>, BoxError>) -> Verdict {
        let Settings { rules, classify, .. } = &*self.settings;
        let method = &self.head.method;
        match answer {
            Ok(response) => rules.on_response(method, response.status(), response.headers()),
            Err(error) => rules.on_failure(method, classify(&**error)),
        }
    }

    /// The place of one more attempt beside those under way, if there may be one now.
    pub(super) fn another(&self) -> Option<RetryPermit> {
        let sent = self.attempt.number();
        let may = self.may_race() && self.replay.sent_by(sent) && self.replay.replayable() == Replayable::Yes;
        may.then(|| self.settings.budget.try_retry())?
    }

    /// The place of an attempt instead of one that failed while others are under way, and the wait before it. They
    /// have sent the body to its end, so nothing that the failed one may still read is lost to it.
    pub(super) fn another_for<R>(
        &self,
        failed: &Result<Response<R>, BoxError>,
    ) -> Option<(RetryPermit, Duration)> {
        let may = self.may_race() && self.replay.replayable() == Replayable::Yes;
        let permit = may.then(|| self.settings.budget.try_retry())??;
        self.settings.metrics.upstream_rq_retry();
        Some((permit, self.backoff(failed)))
    }

    /// Whether there may ever be one more attempt beside those under way.
    pub(super) fn may_race(&self) -> bool {
        let rules = &self.settings.rules;
        let more = self.attempt.number() <= rules.policy.retries && rules.may_run_twice(&self.head.method);
        more && self.replay.replayable() != Replayable::TooLarge
    }
}

impl<S, B: Body> Plan<S, B> {
    /// What ends the request where its body cannot be sent once more.
    fn unrepeatable(&self) -> Option<Next> {
        match self.replay.replayable() {
            Replayable::Yes => None,
            Replayable::Broken => Some(Next::Answer(None)),
            Replayable::TooLarge => {
                self.settings.metrics.retry_or_shadow_abandoned();
                Some(Next::Answer(Some(Stop::TooLarge)))
            }
        }
    }
}

impl RetryReport {
    /// Notes how it went; an answer at the first attempt passes as it is.
    fn onto<R>(self, answer: Result<Response<R>, BoxError>) -> Result<Response<R>, BoxError> {
        if self.attempts == 1 && self.stop.is_none() {
            return answer;
        }
        match answer {
            Ok(mut response) => {
                response.extensions_mut().insert(self);
                if let Some(flag) = self.stop.and_then(Stop::flag) {
                    add_flag(&mut response, flag);
                }
                Ok(response)
            }
            Err(error) => Err(GaveUp::new(self, error).into()),
        }
    }
}

impl<S, B> fmt::Debug for RetryFuture<S, B>
where
    S: Service<Request<ReplayBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let attempt = self.plan.as_ref().map_or(1, |plan| plan.attempt.number());
        f.debug_struct("RetryFuture").field("attempt", &attempt).finish_non_exhaustive()
    }
}
