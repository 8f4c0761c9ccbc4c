//! The layer and its service.

use super::controller::AdaptiveConcurrency;
use super::future::AdaptiveConcurrencyFuture;
use crate::BoxError;
use crate::shed::ShedBody;
use crate::shed::error::{Reason, Shed};
use crate::shed::priority::{AllCritical, Prioritize};
use crate::shed::queue::Refusal;
use http::{Response, StatusCode};
use http_body::Body;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Bounds how many requests are open at once by how long they take.
#[doc = include_str!("../docs/adaptive.md")]
#[derive(Clone, Debug)]
pub struct AdaptiveConcurrencyLayer<P = AllCritical> {
    limit: AdaptiveConcurrency,
    prioritize: P,
    status: StatusCode,
}

impl AdaptiveConcurrencyLayer {
    /// Under a limit, which others may share.
    pub fn new(limit: AdaptiveConcurrency) -> Self {
        Self { limit, prioritize: AllCritical, status: StatusCode::SERVICE_UNAVAILABLE }
    }
}

impl<P> AdaptiveConcurrencyLayer<P> {
    /// Asks this for the priority of each request.
    #[must_use]
    pub fn prioritize<N>(self, prioritize: N) -> AdaptiveConcurrencyLayer<N> {
        AdaptiveConcurrencyLayer { limit: self.limit, prioritize, status: self.status }
    }

    /// The status of a refusal; 503 by default. Envoy's `concurrency_limit_exceeded_status`.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl<S, P: Clone> Layer<S> for AdaptiveConcurrencyLayer<P> {
    type Service = AdaptiveConcurrencyService<S, P>;

    fn layer(&self, inner: S) -> AdaptiveConcurrencyService<S, P> {
        AdaptiveConcurrencyService { inner, layer: self.clone() }
    }
}

/// Bounds how many requests are open at once by how long they take.
#[derive(Clone, Debug)]
pub struct AdaptiveConcurrencyService<S, P = AllCritical> {
    inner: S,
    layer: AdaptiveConcurrencyLayer<P>,
}

impl<S, P, Req, B> Service<Req> for AdaptiveConcurrencyService<S, P>
where
    S: Service<Req, Response = Response<B>> + Clone,
    S::Error: Into<BoxError>,
    P: Prioritize<Req>,
    B: Body,
{
    type Response = Response<ShedBody<B>>;
    type Error = BoxError;
    type Future = AdaptiveConcurrencyFuture<S, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let AdaptiveConcurrencyLayer { limit, prioritize, status } = &self.layer;
        let (priority, now) = (prioritize.prioritize(&req), Instant::now());
        if let Some(permit) = limit.try_acquire(priority.criticality, now) {
            return AdaptiveConcurrencyFuture::sent(self.inner.call(req), permit);
        }
        let shed = |reason| Shed::new(reason, priority.criticality, *status);
        match limit.wait(priority, now) {
            Ok(waiter) => {
                // The service that was made ready is the one to call; a clone takes its place here.
                let fresh = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, fresh);
                AdaptiveConcurrencyFuture::waiting(ready, req, limit.clone(), waiter, *status)
            }
            Err(refusal) => {
                limit.blocked();
                AdaptiveConcurrencyFuture::refused(shed(match refusal {
                    Some(Refusal::TooLate) => Reason::QueueDeadline,
                    Some(Refusal::Full) => Reason::QueueFull,
                    None => Reason::ConcurrencyLimit,
                }))
            }
        }
    }
}
