//! The two layers and their services.

use super::begin::{AtDispatch, Begin};
use super::body::TimeoutBody;
use super::future::{AttemptFuture, TimeoutFuture};
use super::metrics::TimeoutMetrics;
use crate::BoxError;
use http::Response;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Bounds a request to the end of its response; from dispatch, unless [`Begin`] says otherwise.
#[derive(Clone, Debug, Default)]
pub struct TimeoutLayer<K = AtDispatch> {
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
    begin: K,
}

impl TimeoutLayer {
    /// With a budget; `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self {
            budget: budget.into().filter(|b| !b.is_zero()),
            metrics: TimeoutMetrics::default(),
            begin: AtDispatch,
        }
    }
}

impl<K> TimeoutLayer<K> {
    /// The budget begins to run when this says so.
    #[must_use]
    pub fn begin<N>(self, begin: N) -> TimeoutLayer<N> {
        TimeoutLayer { budget: self.budget, metrics: self.metrics, begin }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: TimeoutMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S, K: Clone> Layer<S> for TimeoutLayer<K> {
    type Service = Timeout<S, K>;

    fn layer(&self, inner: S) -> Timeout<S, K> {
        let Self { budget, metrics, begin } = self.clone();
        Timeout { inner, budget, metrics, begin }
    }
}

/// Bounds a request to the end of its response; from dispatch, unless [`Begin`] says otherwise.
#[derive(Clone, Debug)]
pub struct Timeout<S, K = AtDispatch> {
    inner: S,
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
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
        TimeoutFuture::new(self.inner.call(req), self.budget, &self.metrics, progress)
    }
}

/// Bounds one attempt to the response's head; from dispatch, unless [`Begin`] says otherwise.
#[derive(Clone, Debug, Default)]
pub struct AttemptTimeoutLayer<K = AtDispatch> {
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
    begin: K,
}

impl AttemptTimeoutLayer {
    /// With a budget; `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self {
            budget: budget.into().filter(|b| !b.is_zero()),
            metrics: TimeoutMetrics::default(),
            begin: AtDispatch,
        }
    }
}

impl<K> AttemptTimeoutLayer<K> {
    /// The budget begins to run when this says so.
    #[must_use]
    pub fn begin<N>(self, begin: N) -> AttemptTimeoutLayer<N> {
        AttemptTimeoutLayer { budget: self.budget, metrics: self.metrics, begin }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: TimeoutMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S, K: Clone> Layer<S> for AttemptTimeoutLayer<K> {
    type Service = AttemptTimeout<S, K>;

    fn layer(&self, inner: S) -> AttemptTimeout<S, K> {
        let Self { budget, metrics, begin } = self.clone();
        AttemptTimeout { inner, budget, metrics, begin }
    }
}

/// Bounds one attempt to the response's head; from dispatch, unless [`Begin`] says otherwise.
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S, K = AtDispatch> {
    inner: S,
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
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
        AttemptFuture::new(self.inner.call(req), self.budget, &self.metrics, progress)
    }
}
