//! The layer and its service.

use super::admit::{Admission, Engine};
use super::cache::TokenCache;
use super::clock::Clock;
use super::future::JwtFuture;
use super::issuer::Issuer;
use super::metrics::JwtMetrics;
use crate::BoxError;
use http::Request;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Refuses requests with bad tokens, and tells what good ones say.
#[derive(Clone, Debug)]
pub struct JwtLayer {
    pub(super) engine: Arc<Engine>,
}

impl JwtLayer {
    /// Believes these issuers. Of several good tokens in one request the first issuer's is the request's.
    pub fn new(issuers: impl IntoIterator<Item = Issuer>) -> Self {
        Self { engine: Arc::new(Engine::new(issuers.into_iter().collect())) }
    }

    /// Takes clocks to differ by so much. One minute by default, as in Envoy.
    #[must_use]
    pub fn clock_skew(self, skew: Duration) -> Self {
        self.with(|engine| engine.skew = skew)
    }

    /// Remembers so many tokens that were verified; 1,024 by default, 0 for none, 1,048,576 at most.
    #[must_use]
    pub fn remember(self, tokens: usize) -> Self {
        self.with(|engine| engine.cache = TokenCache::new(tokens))
    }

    /// Lets requests pass by which a browser asks, without credentials, what it may do. On by default, as in Istio.
    #[must_use]
    pub fn bypass_cors_preflight(self, bypass: bool) -> Self {
        self.with(|engine| engine.bypass_cors_preflight = bypass)
    }

    /// Tells the time by this clock.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        self.with(|engine| engine.clock = clock)
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: JwtMetrics) -> Self {
        self.with(|engine| engine.metrics = metrics)
    }

    /// While a layer is built nobody shares it; one that is in use already stays as it is, and what is built from it
    /// begins anew.
    fn with(self, change: impl FnOnce(&mut Engine)) -> Self {
        let mut engine = match Arc::try_unwrap(self.engine) {
            Ok(engine) => engine,
            Err(shared) => Engine {
                clock: shared.clock.clone(),
                skew: shared.skew,
                bypass_cors_preflight: shared.bypass_cors_preflight,
                metrics: shared.metrics.clone(),
                cache: shared.cache.emptied(),
                ..Engine::new(shared.issuers.clone())
            },
        };
        change(&mut engine);
        Self { engine: Arc::new(engine) }
    }
}

impl<S> Layer<S> for JwtLayer {
    type Service = Jwt<S>;

    fn layer(&self, inner: S) -> Jwt<S> {
        Jwt { inner, engine: self.engine.clone() }
    }
}

/// Refuses requests with bad tokens, and tells what good ones say.
#[derive(Clone, Debug)]
pub struct Jwt<S> {
    inner: S,
    engine: Arc<Engine>,
}

impl<S, B> Service<Request<B>> for Jwt<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = JwtFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        match self.engine.admit(&mut req, &[]) {
            Admission::Pass => JwtFuture::sent(self.inner.call(req)),
            Admission::Refuse(error) => JwtFuture::refused(error),
            Admission::Fetch(issuer, keys) => {
                JwtFuture::fetching(issuer, &keys, self.engine.clone(), &mut self.inner, req)
            }
        }
    }
}
