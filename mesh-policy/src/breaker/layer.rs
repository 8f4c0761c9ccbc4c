//! The layer that bounds requests in flight, those of each priority apart.

use super::future::{BreakerBody, BreakerFuture};
use super::permit::Breaker;
use crate::BoxError;
use http::{Request, Response};
use http_body::Body;
use mesh_core::model::values::Priority;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Bounds the requests in flight, until the end of each response's body.
#[derive(Clone, Debug, Default)]
pub struct BreakerLayer {
    breaker: Breaker,
    high: Option<Breaker>,
}

impl BreakerLayer {
    /// Under a breaker, which others may share.
    pub fn new(breaker: Breaker) -> Self {
        Self { breaker, high: None }
    }

    /// Counts requests that have [`Priority::High`] in their extensions under a breaker of their own, so that
    /// what matters most is not refused because of the rest. Without this, all priorities are one.
    #[must_use]
    pub fn high(self, breaker: Breaker) -> Self {
        Self { high: Some(breaker), ..self }
    }

    /// The breaker of a priority.
    pub fn breaker(&self, priority: Priority) -> &Breaker {
        match priority {
            Priority::Default => &self.breaker,
            Priority::High => self.high.as_ref().unwrap_or(&self.breaker),
        }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> BreakerService<S> {
        BreakerService { inner, layer: self.clone() }
    }
}

/// Bounds the requests in flight.
#[derive(Clone, Debug)]
pub struct BreakerService<S> {
    inner: S,
    layer: BreakerLayer,
}

impl<S, ReqBody, B> Service<Request<ReqBody>> for BreakerService<S>
where
    S: Service<Request<ReqBody>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    B: Body,
{
    type Response = Response<BreakerBody<B>>;
    type Error = BoxError;
    type Future = BreakerFuture<S::Future>;

    /// Never waits for a place: what is over a bound fails at once, so that callers can act on it.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<ReqBody>) -> Self::Future {
        let breaker = match &self.layer.high {
            Some(high) if req.extensions().get() == Some(&Priority::High) => high,
            _ => &self.layer.breaker,
        };
        match breaker.try_acquire_request() {
            Ok(permit) => BreakerFuture::sent(self.inner.call(req), permit),
            Err(overflow) => BreakerFuture::refused(overflow),
        }
    }
}
