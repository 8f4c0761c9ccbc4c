//! The layer that bounds requests in flight.

use super::body::BreakerBody;
use super::future::BreakerFuture;
use super::permit::Breaker;
use crate::BoxError;
use http::Response;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Bounds the requests in flight, until the end of each response's body.
#[derive(Clone, Debug, Default)]
pub struct BreakerLayer {
    breaker: Breaker,
}

impl BreakerLayer {
    /// Under a breaker, which others may share.
    pub fn new(breaker: Breaker) -> Self {
        Self { breaker }
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = BreakerService<S>;

    fn layer(&self, inner: S) -> BreakerService<S> {
        BreakerService { inner, breaker: self.breaker.clone() }
    }
}

/// Bounds the requests in flight.
#[derive(Clone, Debug)]
pub struct BreakerService<S> {
    inner: S,
    breaker: Breaker,
}

impl<S, Req, B> Service<Req> for BreakerService<S>
where
    S: Service<Req, Response = Response<B>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<BreakerBody<B>>;
    type Error = BoxError;
    type Future = BreakerFuture<S::Future>;

    /// Never waits for a place: what is over a bound fails at once, so that callers can act on it.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        match self.breaker.try_acquire_request() {
            Ok(permit) => BreakerFuture::sent(self.inner.call(req), permit),
            Err(overflow) => BreakerFuture::refused(overflow),
        }
    }
}
