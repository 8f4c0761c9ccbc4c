//! The layer and its service.

use super::future::LocalRateLimitFuture;
use super::limiter::Limiter;
use crate::ratelimit::bucket::{Level, Rate, Standing};
use crate::ratelimit::entry::{Entry, View};
use crate::ratelimit::error::RateLimited;
use crate::ratelimit::headers;
use crate::ratelimit::metrics::LocalRateLimitMetrics;
use crate::{BoxError, Random, grpc};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use mesh_core::model::values::Fraction;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Refuses what is over a limit of this process. Clones, and all services that one makes, share its buckets.
#[doc = include_str!("../docs/local.md")]
#[derive(Clone, Debug)]
pub struct LocalRateLimitLayer {
    limiter: Arc<Limiter>,
    settings: Arc<Settings>,
    metrics: LocalRateLimitMetrics,
    random: Random,
}

#[derive(Clone, Debug)]
struct Settings {
    enabled: Fraction,
    enforced: Fraction,
    headers: bool,
    status: StatusCode,
    resource_exhausted: bool,
    add: HeaderMap,
}

impl LocalRateLimitLayer {
    /// With one bucket for all requests; `None` has only the buckets of the [limits](Self::limit).
    pub fn new(all: impl Into<Option<Rate>>) -> Self {
        Self {
            limiter: Arc::new(Limiter::new(all.into())),
            settings: Arc::new(Settings {
                enabled: Fraction::ONE,
                enforced: Fraction::ONE,
                headers: false,
                status: StatusCode::TOO_MANY_REQUESTS,
                resource_exhausted: false,
                add: HeaderMap::new(),
            }),
            metrics: LocalRateLimitMetrics::default(),
            random: Random::default(),
        }
    }

    /// A limit for the requests that have all these entries: a bucket for each combination of their values.
    ///
    /// A request must be within each limit that holds for it, and takes nothing from any if one refuses it. As the
    /// other settings, to be called before the layer is cloned: a clone that is changed has buckets of its own.
    #[must_use]
    pub fn limit(mut self, entries: impl Into<Box<[Entry]>>, rate: Rate) -> Self {
        Arc::make_mut(&mut self.limiter).limit(entries.into(), rate);
        self
    }

    /// How many callers each limit that is added next keeps apart; 16,384 unless said, 16,777,216 at most. With more
    /// at once, some share a bucket until that is full again. A caller takes 16 bytes. Envoy's
    /// `max_dynamic_descriptors`, whose default is 20.
    #[must_use]
    pub fn max_dynamic_descriptors(mut self, callers: usize) -> Self {
        Arc::make_mut(&mut self.limiter).keys = callers;
        self
    }

    /// Whether a request that one of the limits holds for takes from the bucket of all, too; so by default.
    #[must_use]
    pub fn always_consume_default_token_bucket(mut self, always: bool) -> Self {
        Arc::make_mut(&mut self.limiter).always_all = always;
        self
    }

    /// The share of requests that are looked at; all by default, where Envoy's default is none.
    #[must_use]
    pub fn filter_enabled(mut self, share: Fraction) -> Self {
        Arc::make_mut(&mut self.settings).enabled = share;
        self
    }

    /// The share of requests over a limit that are refused; all by default. The others pass and are counted.
    #[must_use]
    pub fn filter_enforced(mut self, share: Fraction) -> Self {
        Arc::make_mut(&mut self.settings).enforced = share;
        self
    }

    /// Tells callers how they stand, by `x-ratelimit-limit`, `x-ratelimit-remaining` and `x-ratelimit-reset`.
    #[must_use]
    pub fn x_ratelimit_headers(mut self) -> Self {
        Arc::make_mut(&mut self.settings).headers = true;
        self
    }

    /// The status of a refusal; 429 by default.
    #[must_use]
    pub fn status(mut self, status: StatusCode) -> Self {
        Arc::make_mut(&mut self.settings).status = status;
        self
    }

    /// Refuses gRPC calls with `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`, which clients try again.
    #[must_use]
    pub fn rate_limited_as_resource_exhausted(mut self) -> Self {
        Arc::make_mut(&mut self.settings).resource_exhausted = true;
        self
    }

    /// A header for refusals. Envoy's `response_headers_to_add`.
    #[must_use]
    pub fn response_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        Arc::make_mut(&mut self.settings).add.append(name, value);
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: LocalRateLimitMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// Draws the shares of requests from there.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    fn draws(&self, share: Fraction) -> bool {
        share == Fraction::ONE || (share != Fraction::ZERO && share.hits(self.random.draw()))
    }

    /// Takes a request's tokens; how its strictest bucket stands, if callers are to be told.
    ///
    /// # Errors
    /// [`RateLimited`] if a bucket is empty; then nothing was taken from any.
    pub fn check<B>(&self, request: &Request<B>, now: Instant) -> Result<Option<Standing>, RateLimited> {
        if !self.draws(self.settings.enabled) {
            return Ok(None);
        }
        let verdict = self.limiter.charge(&View::of(request), now);
        if verdict.shared {
            self.metrics.shared();
        }
        match verdict.level {
            Ok(level) => {
                self.metrics.ok();
                Ok(level.filter(|_| self.settings.headers).map(Level::standing))
            }
            Err(level) => self.over(level.standing()),
        }
    }

    #[cold]
    fn over(&self, standing: Standing) -> Result<Option<Standing>, RateLimited> {
        let settings = &*self.settings;
        self.metrics.rate_limited();
        if !self.draws(settings.enforced) {
            return Ok(settings.headers.then_some(standing));
        }
        self.metrics.enforced();
        let mut add = settings.add.clone();
        if settings.headers {
            headers::add(&mut add, &standing);
        }
        Err(RateLimited {
            status: settings.status,
            grpc_status: settings.resource_exhausted.then_some(grpc::RESOURCE_EXHAUSTED),
            details: "local_rate_limited",
            body: "local_rate_limited".into(),
            headers: Box::new(add),
            retry_after: Some(standing.reset),
        })
    }
}

impl<S> Layer<S> for LocalRateLimitLayer {
    type Service = LocalRateLimit<S>;

    fn layer(&self, inner: S) -> LocalRateLimit<S> {
        LocalRateLimit { inner, layer: self.clone() }
    }
}

/// Refuses what is over a limit of this process.
#[derive(Clone, Debug)]
pub struct LocalRateLimit<S> {
    inner: S,
    layer: LocalRateLimitLayer,
}

impl<S, B, C> Service<Request<B>> for LocalRateLimit<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<C>;
    type Error = BoxError;
    type Future = LocalRateLimitFuture<S::Future>;

    /// Never waits for a token: a caller that is over its limit is told so at once.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.layer.check(&req, Instant::now()) {
            Ok(standing) => LocalRateLimitFuture::allowed(self.inner.call(req), standing),
            Err(limited) => LocalRateLimitFuture::refused(limited),
        }
    }
}
