//! More than one attempt at a time: whichever answers first.
//!
//! A slow endpoint holds up what another would answer at once. Envoy's `hedge_policy`: an attempt that stays
//! unanswered is not given up, another one runs beside it. The first good answer is passed on and the others
//! are cancelled; a bad one is thrown away as long as another may still answer, and where no other was sent in its
//! place by then, one is after the back-off, as for any retry. An attempt that stayed unanswered
//! for so long that another was due is held against its endpoint when it is cancelled, as one that timed out.

use super::body::ReplayBody;
use super::future::Plan;
use super::rules::Verdict;
use crate::budget::RetryPermit;
use crate::{BoxError, elapsing};
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
///
/// On axum, a proxy in front of a service that is slow now and then:
///
/// ```
/// use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
/// use mesh_policy::rescue::RescueLayer;
/// use mesh_policy::retry::{Hedge, ReplayBody, RetryCondition, RetryLayer};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mesh_policy::BoxError> {
/// static ASKED: AtomicU32 = AtomicU32::new(0);
/// async fn handler() -> StatusCode {
///     match ASKED.fetch_add(1, Ordering::Relaxed) {
///         0 => std::future::pending().await,
///         _ => StatusCode::OK,
///     }
/// }
/// let retry = RetryLayer::on([RetryCondition::GatewayError])
///     .hedge(Hedge::on_per_try_timeout(Duration::from_millis(10)));
/// let app = Router::new().route("/", get(handler)).layer(
///     ServiceBuilder::new()
///         .layer(RescueLayer::new())
///         .layer(retry)
///         .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new)),
/// );
/// let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
/// assert_eq!((response.status(), ASKED.load(Ordering::Relaxed)), (StatusCode::OK, 2));
/// # Ok(()) }
/// ```
///
/// On tonic, in a client. Calls are POSTs, so that they may run twice at a time must be said:
///
/// ```
/// use mesh_policy::retry::{Hedge, Repeat, ReplayBody, RetryCondition, RetryLayer};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// use std::time::Duration;
/// use tonic::body::Body;
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), mesh_policy::BoxError> {
/// static ASKED: AtomicU32 = AtomicU32::new(0);
/// let (_reporter, health) = tonic_health::server::health_reporter();
/// // Stands for a channel whose first endpoint hangs once it has the call.
/// let server = tower::service_fn(move |call: http::Request<Body>| {
///     let health = health.clone();
///     async move {
///         if ASKED.fetch_add(1, Ordering::Relaxed) == 0 {
///             http_body_util::BodyExt::collect(call.into_body()).await.ok();
///             return std::future::pending().await;
///         }
///         health.oneshot(call).await
///     }
/// });
/// let retry = RetryLayer::on([RetryCondition::Unavailable])
///     .repeat(Repeat::AnyMethod)
///     .hedge(Hedge::on_per_try_timeout(Duration::from_millis(10)));
/// let mut client = HealthClient::new(
///     ServiceBuilder::new()
///         .layer(retry)
///         .map_request(|call: http::Request<ReplayBody<Body>>| call.map(Body::new))
///         .service(server),
/// );
/// client.check(HealthCheckRequest::default()).await?;
/// assert_eq!(ASKED.load(Ordering::Relaxed), 2);
/// # Ok(()) }
/// ```
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
    /// The next of them, which waits for the service to become ready.
    next: Option<Next>,
    /// What is sent in place of one that failed, and when.
    backoff: Option<(RetryPermit, Pin<Box<Sleep>>)>,
}

/// An attempt that has its place and is to be sent.
enum Next {
    /// Beside others that stay unanswered.
    Hedge(RetryPermit),
    /// In place of one that failed; it is counted already.
    Retry(RetryPermit),
}

/// How a race goes on.
pub(super) enum Raced<R> {
    /// The first good answer, or the last bad one.
    Answer(Result<Response<R>, BoxError>),
    /// All have failed, and the next attempt has its place: it waits for its back-off, or for the service alone.
    Retry(Option<Pin<Box<Sleep>>>),
}

struct Runner<F> {
    attempt: Pin<Box<F>>,
    permit: Option<RetryPermit>,
    /// From when on it is slow.
    slow: Option<Instant>,
    /// When another attempt is due beside it: once it is slow, and later as long as none may be sent.
    tick: Option<Instant>,
    /// Whether another was sent because it was slow. It gets no second one when it fails.
    followed: bool,
}

impl<F> Runner<F> {
    fn new(attempt: F, permit: Option<RetryPermit>, after: Option<Duration>) -> Self {
        let slow = after.and_then(|after| Instant::now().checked_add(after));
        Self { attempt: Box::pin(attempt), permit, slow, tick: slow, followed: false }
    }

    /// Gives the attempt up, since another was answered.
    fn cancel(self, now: Instant) {
        match self.slow {
            // Envoy records a time-out, too: to hedge around an endpoint must not hide that it is slow.
            Some(slow) if slow <= now => elapsing::elapse(|| drop(self)),
            _ => drop(self),
        }
    }
}

impl<F> Race<F> {
    /// Of a request's first attempt.
    pub(super) fn new(hedge: Hedge, first: F) -> Self {
        Self { due: hedge.initial.saturating_sub(1), ..Self::again(hedge, first, None) }
    }

    /// Of an attempt after all others have failed.
    pub(super) fn again(hedge: Hedge, attempt: F, permit: Option<RetryPermit>) -> Self {
        let runners = vec![Runner::new(attempt, permit, hedge.after)];
        Self { runners, after: hedge.after, timer: None, due: 0, next: None, backoff: None }
    }

    /// The first good answer, or what follows from the last bad one.
    pub(super) fn poll<S, B, R>(&mut self, plan: &mut Plan<S, B>, cx: &mut Context<'_>) -> Poll<Raced<R>>
    where
        F: Future<Output = Result<S::Response, S::Error>>,
        S: Service<Request<ReplayBody<B>>, Response = Response<R>, Future = F>,
        S::Error: Into<BoxError>,
        B: Body,
    {
        // An attempt that was sent just now must be polled once before this waits.
        loop {
            if let Poll::Ready(raced) = self.poll_runners(plan, cx) {
                return Poll::Ready(raced);
            }
            self.poll_timers(plan, cx);
            if !self.poll_due(plan, cx) {
                return Poll::Pending;
            }
        }
    }

    fn poll_runners<S, B, R>(&mut self, plan: &mut Plan<S, B>, cx: &mut Context<'_>) -> Poll<Raced<R>>
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
            if plan.verdict(&answer) == Verdict::Answer {
                plan.permit = ended.permit;
                // The others are given up with the answer, not when this is dropped.
                if !self.runners.is_empty() {
                    let now = Instant::now();
                    self.runners.drain(..).for_each(|slower| slower.cancel(now));
                }
                self.stop();
                return Poll::Ready(Raced::Answer(answer));
            }
            if self.runners.is_empty() {
                return Poll::Ready(self.last(plan, ended.permit, answer));
            }
            // Thrown away: another one may do better, and if none was sent since, one is now.
            drop(ended.permit);
            let awaited = self.due > 0 || self.next.is_some() || self.backoff.is_some();
            if !ended.followed && !awaited {
                self.backoff = plan
                    .another_for(&answer)
                    .map(|(permit, wait)| (permit, Box::pin(tokio::time::sleep(wait))));
            }
        }
        Poll::Pending
    }

    /// No attempt is under way any more, and this was the answer to the last.
    fn last<S, B, R>(
        &mut self,
        plan: &mut Plan<S, B>,
        permit: Option<RetryPermit>,
        answer: Result<Response<R>, BoxError>,
    ) -> Raced<R>
    where
        S: Service<Request<ReplayBody<B>>>,
    {
        let (permit, raced) = match (self.backoff.take(), self.next.take()) {
            (Some((permit, sleep)), _) => (Some(permit), Raced::Retry(Some(sleep))),
            (None, Some(Next::Retry(permit))) => (Some(permit), Raced::Retry(None)),
            // It is judged like any.
            (None, _) => (permit, Raced::Answer(answer)),
        };
        plan.permit = permit;
        self.stop();
        raced
    }

    fn stop(&mut self) {
        (self.timer, self.next, self.backoff, self.due) = (None, None, None, 0);
    }

    /// Counts down to the next attempt, as long as there may be one.
    fn poll_timers<S, B>(&mut self, plan: &Plan<S, B>, cx: &mut Context<'_>)
    where
        S: Service<Request<ReplayBody<B>>>,
        B: Body,
    {
        if let Some((permit, mut sleep)) = self.backoff.take() {
            if sleep.as_mut().poll(cx).is_pending() {
                // One at a time: it is the successor of whoever becomes slow meanwhile.
                self.backoff = Some((permit, sleep));
                return;
            }
            (self.next, self.due) = (Some(Next::Retry(permit)), 1);
        }
        let Some(after) = self.after else { return };
        loop {
            let ticks =
                self.runners.iter().filter(|runner| !runner.followed).filter_map(|runner| runner.tick);
            let Some(next) = ticks.min().filter(|_| plan.may_race()) else {
                self.timer = None;
                return;
            };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(next)));
            if timer.deadline() != next {
                timer.as_mut().reset(next);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return;
            }
            self.due = self.due.max(1);
            let now = Instant::now();
            // If it may not be sent now, perhaps it may be then.
            for runner in self.runners.iter_mut().filter(|r| r.tick.is_some_and(|tick| tick <= now)) {
                runner.tick = now.checked_add(after);
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
            // Its place first: a service that is ready for nothing would hold back others' requests.
            let Some(next) = self.next.take().or_else(|| plan.another().map(Next::Hedge)) else {
                self.due = 0;
                break;
            };
            match plan.service.poll_ready(cx) {
                // It stays due.
                Poll::Pending => {
                    self.next = Some(next);
                    break;
                }
                // Those under way decide.
                Poll::Ready(Err(_)) => self.due = 0,
                Poll::Ready(Ok(())) => {
                    self.due -= 1;
                    let permit = match next {
                        Next::Retry(permit) => permit,
                        Next::Hedge(permit) => {
                            plan.settings.metrics.upstream_rq_retry();
                            plan.settings.metrics.hedged();
                            permit
                        }
                    };
                    self.follow();
                    self.runners.push(Runner::new(plan.send(), Some(permit), self.after));
                }
            }
        }
        self.runners.len() > before
    }

    /// Those that are slow by now have their successor.
    fn follow(&mut self) {
        let now = Instant::now();
        for runner in self.runners.iter_mut().filter(|r| r.slow.is_some_and(|slow| slow <= now)) {
            runner.followed = true;
        }
    }
}
