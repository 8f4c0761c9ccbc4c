//! The layers that a plain budget is enough for, and their services.

use super::begin::{AtDispatch, Begin, RequestProgress};
use super::body::TimeoutBody;
use super::error::Scope;
use super::future::{AttemptFuture, Running, TimeoutFuture};
use super::metrics::TimeoutMetrics;
use crate::BoxError;
use http::Response;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Bounds a request to the end of its response; from dispatch, unless [`Begin`] says otherwise.
///
/// What is bounded is what the constructor says; all of them look after the response's body, too.
#[derive(Clone, Debug)]
pub struct TimeoutLayer<K = AtDispatch> {
    limit: Limit,
    begin: K,
}

/// A budget, and what it is for.
#[derive(Clone, Debug)]
struct Limit {
    scope: Scope,
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl Limit {
    fn new(scope: Scope, budget: impl Into<Option<Duration>>) -> Self {
        let budget = budget.into().filter(|b| !b.is_zero());
        Self { scope, budget, metrics: TimeoutMetrics::default() }
    }

    fn start(&self, progress: Option<RequestProgress>) -> Option<Running> {
        Running::start(self.scope, self.budget, &self.metrics, progress)
    }
}

impl TimeoutLayer {
    /// The whole request, with all its attempts: Envoy's `route.timeout`.
    ///
    /// `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self::of(Scope::Request, budget)
    }

    /// Silence of both sides: Envoy's `route.idle_timeout` and `stream_idle_timeout`.
    ///
    /// Every frame of the response begins the budget anew, and so does every frame of the request where a
    /// [`Begin`] tells of them: without one, an upload without an answer counts as silence.
    pub fn idle(budget: impl Into<Option<Duration>>) -> Self {
        Self::of(Scope::StreamIdle, budget)
    }

    /// Silence of the endpoint within one attempt: Envoy's `retry_policy.per_try_idle_timeout`. Inside retry.
    pub fn per_try_idle(budget: impl Into<Option<Duration>>) -> Self {
        Self::of(Scope::AttemptIdle, budget)
    }

    /// The stream's whole life, from dispatch and whatever is going on: Envoy's `max_stream_duration` of an
    /// upstream.
    pub fn max_stream_duration(budget: impl Into<Option<Duration>>) -> Self {
        Self::of(Scope::StreamDuration, budget)
    }

    fn of(scope: Scope, budget: impl Into<Option<Duration>>) -> Self {
        Self { limit: Limit::new(scope, budget), begin: AtDispatch }
    }
}

impl Default for TimeoutLayer {
    /// Without a budget.
    fn default() -> Self {
        Self::new(None)
    }
}

impl<K> TimeoutLayer<K> {
    /// The budget begins to run when this says so.
    #[must_use]
    pub fn begin<N>(self, begin: N) -> TimeoutLayer<N> {
        TimeoutLayer { limit: self.limit, begin }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: TimeoutMetrics) -> Self {
        self.limit.metrics = metrics;
        self
    }
}

impl<S, K: Clone> Layer<S> for TimeoutLayer<K> {
    type Service = Timeout<S, K>;

    fn layer(&self, inner: S) -> Timeout<S, K> {
        Timeout { inner, limit: self.limit.clone(), begin: self.begin.clone() }
    }
}

/// Bounds a request to the end of its response; see [`TimeoutLayer`].
#[derive(Clone, Debug)]
pub struct Timeout<S, K = AtDispatch> {
    inner: S,
    limit: Limit,
    begin: K,
}

impl<S, K, Req, B> Service<Req> for Timeout<S, K>
where
    K: Begin<Req>,
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<TimeoutBody<B>>;
    type Error = BoxError;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let (req, progress) = self.begin.begin(req);
        TimeoutFuture::new(self.inner.call(req), self.limit.start(progress))
    }
}

/// Bounds one attempt to the response's head: Envoy's `retry_policy.per_try_timeout`.
///
/// From dispatch, unless [`Begin`] says otherwise. Takes any service, whatever it answers.
#[derive(Clone, Debug)]
pub struct AttemptTimeoutLayer<K = AtDispatch> {
    limit: Limit,
    begin: K,
}

impl AttemptTimeoutLayer {
    /// With a budget; `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self { limit: Limit::new(Scope::Attempt, budget), begin: AtDispatch }
    }
}

impl Default for AttemptTimeoutLayer {
    /// Without a budget.
    fn default() -> Self {
        Self::new(None)
    }
}

impl<K> AttemptTimeoutLayer<K> {
    /// The budget begins to run when this says so.
    #[must_use]
    pub fn begin<N>(self, begin: N) -> AttemptTimeoutLayer<N> {
        AttemptTimeoutLayer { limit: self.limit, begin }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: TimeoutMetrics) -> Self {
        self.limit.metrics = metrics;
        self
    }
}

impl<S, K: Clone> Layer<S> for AttemptTimeoutLayer<K> {
    type Service = AttemptTimeout<S, K>;

    fn layer(&self, inner: S) -> AttemptTimeout<S, K> {
        AttemptTimeout { inner, limit: self.limit.clone(), begin: self.begin.clone() }
    }
}

/// Bounds one attempt to the response's head; see [`AttemptTimeoutLayer`].
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S, K = AtDispatch> {
    inner: S,
    limit: Limit,
    begin: K,
}

impl<S, K, Req> Service<Req> for AttemptTimeout<S, K>
where
    K: Begin<Req>,
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AttemptFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let (req, progress) = self.begin.begin(req);
        AttemptFuture::new(self.inner.call(req), self.limit.start(progress))
    }
}

/// Bounds a connector: Envoy's `cluster.connect_timeout`.
///
/// A connector is a service of targets. Its time runs out as a failure to connect, after which nothing was
/// sent: `connect-failure` in a retry policy covers it whatever the method, and outlier detection counts it.
///
/// ```
/// use mesh_policy::timeout::ConnectTimeoutLayer;
/// use std::time::Duration;
/// use tokio::net::TcpStream;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let connect = ServiceBuilder::new()
///     .layer(ConnectTimeoutLayer::new(Duration::from_secs(1)))
///     .service_fn(TcpStream::connect::<std::net::SocketAddr>);
/// let stream = connect.oneshot(listener.local_addr()?).await?;
/// # drop(stream);
/// # Ok::<(), mesh_policy::BoxError>(())
/// # })?;
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ConnectTimeoutLayer {
    limit: Limit,
}

impl ConnectTimeoutLayer {
    /// With a budget; `None` or zero has no bound and no cost.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self { limit: Limit::new(Scope::Connect, budget) }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: TimeoutMetrics) -> Self {
        self.limit.metrics = metrics;
        self
    }
}

impl<S> Layer<S> for ConnectTimeoutLayer {
    type Service = ConnectTimeout<S>;

    fn layer(&self, inner: S) -> ConnectTimeout<S> {
        ConnectTimeout { inner, limit: self.limit.clone() }
    }
}

/// Bounds a connector; see [`ConnectTimeoutLayer`].
#[derive(Clone, Debug)]
pub struct ConnectTimeout<S> {
    inner: S,
    limit: Limit,
}

impl<S, Target> Service<Target> for ConnectTimeout<S>
where
    S: Service<Target>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AttemptFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: Target) -> Self::Future {
        AttemptFuture::new(self.inner.call(target), self.limit.start(None))
    }
}
