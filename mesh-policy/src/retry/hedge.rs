//! More than one attempt at a time: whichever answers first.
//!
//! A slow endpoint holds up what another would answer at once. Envoy's `hedge_policy`: an attempt that stays
//! unanswered is not given up, another one runs beside it. The first good answer is passed on and the others
//! are cancelled; a bad one is thrown away as long as another may still answer. An attempt that stayed unanswered
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
    /// Of the next of them, which waits for the service to become ready.
    next: Option<RetryPermit>,
}

struct Runner<F> {
    attempt: Pin<Box<F>>,
    permit: Option<RetryPermit>,
    /// From when on it is slow: another attempt is due then.
    slow: Option<Instant>,
}

impl<F> Runner<F> {
    fn new(attempt: F, permit: Option<RetryPermit>, after: Option<Duration>) -> Self {
        let slow = after.and_then(|after| Instant::now().checked_add(after));
        Self { attempt: Box::pin(attempt), permit, slow }
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
        Self { runners, after: hedge.after, timer: None, due: 0, next: None }
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
                if !self.runners.is_empty() {
                    let now = Instant::now();
                    self.runners.drain(..).for_each(|slower| slower.cancel(now));
                }
                (self.timer, self.next, self.due) = (None, None, 0);
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
            // Its place first: a service that is ready for nothing would hold back others' requests.
            let Some(permit) = self.next.take().or_else(|| plan.another()) else {
                self.due = 0;
                break;
            };
            match plan.service.poll_ready(cx) {
                // It stays due.
                Poll::Pending => {
                    self.next = Some(permit);
                    break;
                }
                // Those under way decide.
                Poll::Ready(Err(_)) => self.due = 0,
                Poll::Ready(Ok(())) => {
                    self.due -= 1;
                    plan.settings.metrics.upstream_rq_retry();
                    plan.settings.metrics.hedged();
                    self.runners.push(Runner::new(plan.send(), Some(permit), self.after));
                }
            }
        }
        self.runners.len() > before
    }
}
