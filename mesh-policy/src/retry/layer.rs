//! The layer and its service.

use super::attempt::Attempt;
use super::body::{Replay, ReplayBody};
use super::future::{Plan, RetryFuture};
use super::hedge::Hedge;
use super::metrics::RetryMetrics;
use super::rules::{Repeat, Rules};
use crate::budget::RetryBudget;
use crate::failure::classify;
use crate::{BoxError, Classify, Random};
use http::{HeaderName, HeaderValue, Request, Response};
use http_body::Body;
use mesh_core::model::route::RetryPolicy;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower_layer::Layer;
use tower_service::Service;

/// `x-envoy-attempt-count`.
pub(super) const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");

/// Sends failed requests again, by a policy and within a budget.
///
/// ```
/// use mesh_policy::retry::{RetryCondition, RetryLayer};
/// use std::time::Duration;
///
/// let layer = RetryLayer::on([RetryCondition::ConnectFailure, RetryCondition::GatewayError])
///     .retries(2)
///     .backoff(Duration::from_millis(25), Duration::from_millis(250));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct RetryLayer(pub(super) Settings);

/// What the requests of one service share.
#[derive(Clone)]
pub(super) struct Settings {
    pub(super) rules: Rules,
    pub(super) budget: RetryBudget,
    pub(super) metrics: RetryMetrics,
    pub(super) random: Random,
    pub(super) classify: Classify,
    pub(super) clock: fn() -> SystemTime,
    pub(super) buffer_limit: usize,
    pub(super) count_attempts: bool,
    pub(super) hedge: Option<Hedge>,
}

/// One request in flight: counted as long as this lives, with the one hold on what it needs as well.
pub(super) struct InFlight(Arc<Settings>);

impl InFlight {
    fn begin(settings: &Arc<Settings>) -> Self {
        settings.budget.begin();
        Self(Arc::clone(settings))
    }
}

impl Deref for InFlight {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.budget.end();
    }
}

impl RetryLayer {
    /// By a policy; `None` never retries: it only counts the request as in flight. [`RetryLayer::on`] needs no policy.
    ///
    /// With a budget of its own, 20% of its requests in flight but at least 3 retries; bodies are kept up to
    /// 64 KiB. The policy's `per_try_timeout` is for an
    /// [`AttemptTimeoutLayer`](crate::timeout::AttemptTimeoutLayer) below.
    pub fn new(policy: impl Into<Option<RetryPolicy>>) -> Self {
        Self(Settings {
            rules: Rules { policy: policy.into().unwrap_or_default(), repeat: Repeat::default() },
            budget: RetryBudget::default(),
            metrics: RetryMetrics::default(),
            random: Random::default(),
            classify,
            clock: SystemTime::now,
            buffer_limit: 64 << 10,
            count_attempts: false,
            hedge: None,
        })
    }

    /// Within this budget, which others may share.
    #[must_use]
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.0.budget = budget;
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: RetryMetrics) -> Self {
        self.0.metrics = metrics;
        self
    }

    /// Draws the back-off's jitter from there.
    #[must_use]
    pub fn random(mut self, random: Random) -> Self {
        self.0.random = random;
        self
    }

    /// Reads errors like this.
    #[must_use]
    pub fn classify(mut self, classify: Classify) -> Self {
        self.0.classify = classify;
        self
    }

    /// Asks there what time it is, for answers that say at which moment to come back.
    #[must_use]
    pub fn clock(mut self, clock: fn() -> SystemTime) -> Self {
        self.0.clock = clock;
        self
    }

    /// When a request that may have been executed is repeated.
    #[must_use]
    pub fn repeat(mut self, repeat: Repeat) -> Self {
        self.0.rules.repeat = repeat;
        self
    }

    /// How many bytes of a body are kept for further attempts: Envoy's `per_request_buffer_limit_bytes`.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.0.buffer_limit = bytes;
        self
    }

    /// Sends a request that stays unanswered once more beside the first: Envoy's `hedge_policy`. See [`Hedge`].
    #[must_use]
    pub fn hedge(mut self, hedge: impl Into<Option<Hedge>>) -> Self {
        self.0.hedge = hedge.into();
        self
    }

    /// Tells the upstream the attempt's number as `x-envoy-attempt-count`: Envoy's
    /// `include_request_attempt_count`.
    #[must_use]
    pub fn count_attempts(mut self, count: bool) -> Self {
        self.0.count_attempts = count;
        self
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        Retry { inner, settings: Arc::new(self.0.clone()) }
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("rules", &self.0.rules)
            .field("budget", &self.0.budget)
            .finish_non_exhaustive()
    }
}

/// Sends failed requests again.
#[derive(Clone)]
pub struct Retry<S> {
    inner: S,
    settings: Arc<Settings>,
}

impl<S, B, R> Service<Request<B>> for Retry<S>
where
    S: Service<Request<ReplayBody<B>>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    B: Body + Unpin,
    B::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = RetryFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let settings = &self.settings;
        if settings.count_attempts {
            req.headers_mut().insert(ATTEMPT_COUNT, HeaderValue::from(1u32));
        }
        let in_flight = InFlight::begin(settings);
        if settings.rules.never() {
            return RetryFuture::once(self.inner.call(req.map(ReplayBody::pass)), in_flight);
        }
        let (mut head, body) = req.into_parts();
        if !settings.rules.covers(&head) {
            let request = Request::from_parts(head, ReplayBody::pass(body));
            return RetryFuture::once(self.inner.call(request), in_flight);
        }
        let avoid = settings.rules.policy.avoid_previous_hosts;
        let attempt = Attempt::first(avoid);
        let replay = Replay::new(body, settings.buffer_limit);
        if avoid > 0 {
            head.extensions.insert(attempt.clone());
        }
        let body = replay.body(attempt.number());
        let plan = Plan {
            // Not ready yet; made ready before it is used.
            service: self.inner.clone(),
            head: head.clone(),
            replay,
            attempt,
            permit: None,
            settings: in_flight,
        };
        let first = Request::from_parts(head, body);
        RetryFuture::planned(self.inner.call(first), plan)
    }
}

impl<S: fmt::Debug> fmt::Debug for Retry<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retry")
            .field("inner", &self.inner)
            .field("rules", &self.settings.rules)
            .finish_non_exhaustive()
    }
}
