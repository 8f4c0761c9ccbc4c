//! The two layers and their services.

use super::body::TimeoutBody;
use super::future::{AttemptFuture, TimeoutFuture};
use super::metrics::TimeoutMetrics;
use crate::BoxError;
use http::Response;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Bounds a request from dispatch to the end of its response.
#[derive(Clone, Debug, Default)]
pub struct TimeoutLayer {
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl TimeoutLayer {
    /// With a budget; `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self { budget: budget.into().filter(|b| !b.is_zero()), metrics: TimeoutMetrics::default() }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: TimeoutMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S> Layer<S> for TimeoutLayer {
    type Service = Timeout<S>;

    fn layer(&self, inner: S) -> Timeout<S> {
        Timeout { inner, budget: self.budget, metrics: self.metrics.clone() }
    }
}

/// Bounds a request from dispatch to the end of its response.
#[derive(Clone, Debug)]
pub struct Timeout<S> {
    inner: S,
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl<S, Req, B> Service<Req> for Timeout<S>
where
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
        TimeoutFuture::new(self.inner.call(req), self.budget, &self.metrics)
    }
}

/// Bounds one attempt from dispatch to the response's head.
#[derive(Clone, Debug, Default)]
pub struct AttemptTimeoutLayer {
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl AttemptTimeoutLayer {
    /// With a budget; `None` has no bound and no cost. Zero means none, as in Envoy.
    pub fn new(budget: impl Into<Option<Duration>>) -> Self {
        Self { budget: budget.into().filter(|b| !b.is_zero()), metrics: TimeoutMetrics::default() }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: TimeoutMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S> Layer<S> for AttemptTimeoutLayer {
    type Service = AttemptTimeout<S>;

    fn layer(&self, inner: S) -> AttemptTimeout<S> {
        AttemptTimeout { inner, budget: self.budget, metrics: self.metrics.clone() }
    }
}

/// Bounds one attempt from dispatch to the response's head.
#[derive(Clone, Debug)]
pub struct AttemptTimeout<S> {
    inner: S,
    budget: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl<S, Req> Service<Req> for AttemptTimeout<S>
where
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
        AttemptFuture::new(self.inner.call(req), self.budget, &self.metrics)
    }
}
