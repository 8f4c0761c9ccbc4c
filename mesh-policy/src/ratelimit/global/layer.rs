//! The layer and its service.

use super::error::{NoVerdict, RateLimitServiceFailed};
use super::future::RateLimitFuture;
use super::message::{Code, RateLimitDescriptor, RateLimitRequest, RateLimitResponse, RateLimitService};
use super::metrics::RateLimitMetrics;
use crate::ratelimit::entry::{Entry, Found, View};
use crate::ratelimit::error::RateLimited;
use crate::ratelimit::headers;
use crate::{BoxError, grpc};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

const ENVOY_RATE_LIMITED: HeaderName = HeaderName::from_static("x-envoy-ratelimited");

/// Asks a service whether each request is within its limits.
#[doc = include_str!("../docs/global.md")]
#[derive(Clone)]
pub struct RateLimitLayer<R> {
    service: R,
    pub(super) settings: Arc<Settings>,
    metrics: RateLimitMetrics,
}

#[derive(Clone, Debug)]
pub(super) struct Settings {
    domain: String,
    pub(super) descriptors: Vec<Box<[Entry]>>,
    pub(super) timeout: Duration,
    pub(super) deny: bool,
    pub(super) x_ratelimit: bool,
    pub(super) x_envoy_ratelimited: bool,
    pub(super) status: StatusCode,
    pub(super) status_on_error: StatusCode,
    pub(super) resource_exhausted: bool,
    pub(super) add: HeaderMap,
}

/// What follows from a service's answer.
#[derive(Debug)]
pub(super) enum Verdict {
    Pass { request: Vec<(HeaderName, HeaderValue)>, response: HeaderMap },
    Refuse(BoxError),
}

impl<R> RateLimitLayer<R> {
    /// Asking this service, about its limits of a domain. Requests without a descriptor pass unasked.
    pub fn new(service: R, domain: impl Into<String>) -> Self {
        Self {
            service,
            settings: Arc::new(Settings {
                domain: domain.into(),
                descriptors: Vec::new(),
                timeout: Duration::from_millis(20),
                deny: false,
                x_ratelimit: false,
                x_envoy_ratelimited: true,
                status: StatusCode::TOO_MANY_REQUESTS,
                status_on_error: StatusCode::INTERNAL_SERVER_ERROR,
                resource_exhausted: false,
                add: HeaderMap::new(),
            }),
            metrics: RateLimitMetrics::default(),
        }
    }

    pub(super) fn set(mut self, set: impl FnOnce(&mut Settings)) -> Self {
        set(Arc::make_mut(&mut self.settings));
        self
    }

    /// A descriptor of the requests that have all these entries.
    #[must_use]
    pub fn descriptor(self, entries: impl Into<Box<[Entry]>>) -> Self {
        self.set(|settings| settings.descriptors.push(entries.into()))
    }

    /// How long to wait for the service's word; 20 ms by default, as in Envoy.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        self.set(|settings| settings.timeout = timeout)
    }

    /// Without the service's word nothing passes (fail closed). By default everything does (fail open), as in Envoy:
    /// a limit that is not kept for a while mostly costs less than a service that answers nobody.
    #[must_use]
    pub fn failure_mode_deny(self) -> Self {
        self.set(|settings| settings.deny = true)
    }

    /// The status of a refusal that the service's failure is the cause of; 500 by default.
    #[must_use]
    pub fn status_on_error(self, status: StatusCode) -> Self {
        self.set(|settings| settings.status_on_error = status)
    }

    /// The status of what is over its limit; 429 by default. Envoy's `rate_limited_status`.
    #[must_use]
    pub fn rate_limited_status(self, status: StatusCode) -> Self {
        self.set(|settings| settings.status = status)
    }

    /// Refuses gRPC calls with `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`, which clients try again.
    #[must_use]
    pub fn rate_limited_as_resource_exhausted(self) -> Self {
        self.set(|settings| settings.resource_exhausted = true)
    }

    /// Tells callers how the descriptor stands that has the least left.
    #[must_use]
    pub fn x_ratelimit_headers(self) -> Self {
        self.set(|settings| settings.x_ratelimit = true)
    }

    /// Leaves `x-envoy-ratelimited: true` out of refusals.
    #[must_use]
    pub fn disable_x_envoy_ratelimited_header(self) -> Self {
        self.set(|settings| settings.x_envoy_ratelimited = false)
    }

    /// A header for refusals.
    #[must_use]
    pub fn response_header(self, name: HeaderName, value: HeaderValue) -> Self {
        self.set(|settings| {
            settings.add.append(name, value);
        })
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: RateLimitMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// What to ask about a request; `None` if there is nothing to ask.
    fn question<B>(&self, request: &Request<B>) -> Option<RateLimitRequest> {
        let view = View::of(request);
        let made = self.settings.descriptors.iter().filter_map(|entries| descriptor(entries, &view));
        let descriptors: Vec<_> = made.collect();
        (!descriptors.is_empty()).then(|| RateLimitRequest {
            domain: self.settings.domain.clone(),
            descriptors,
            hits_addend: 1,
        })
    }
}

fn descriptor(entries: &[Entry], view: &View<'_>) -> Option<RateLimitDescriptor> {
    let mut made = Vec::with_capacity(entries.len());
    for entry in entries {
        match entry.value(view) {
            Found::Value(value) if entry.takes(&value) => {
                made.push((entry.name().to_string(), value.to_string()))
            }
            Found::Skip => {}
            Found::Value(_) | Found::Absent => return None,
        }
    }
    (!made.is_empty()).then_some(RateLimitDescriptor { entries: made })
}

/// What follows from the answers of one layer's service.
#[derive(Clone, Debug)]
pub(super) struct Policy {
    settings: Arc<Settings>,
    metrics: RateLimitMetrics,
}

impl Policy {
    pub(super) fn timeout(&self) -> Duration {
        self.settings.timeout
    }

    pub(super) fn judge(&self, answer: Result<RateLimitResponse, BoxError>) -> Verdict {
        let settings = &*self.settings;
        let response = match answer {
            Ok(response) if response.overall_code != Code::Unknown => response,
            Ok(_) => return self.failed(NoVerdict.into()),
            Err(error) => return self.failed(error),
        };
        let mut add = HeaderMap::new();
        let over = response.overall_code == Code::OverLimit;
        if over {
            add = settings.add.clone();
            if settings.x_envoy_ratelimited {
                add.insert(ENVOY_RATE_LIMITED, HeaderValue::from_static("true"));
            }
        }
        for (name, value) in response.response_headers_to_add {
            add.append(name, value);
        }
        if settings.x_ratelimit {
            headers::add_least(&mut add, &response.statuses);
        }
        if !over {
            self.metrics.ok();
            return Verdict::Pass { request: response.request_headers_to_add, response: add };
        }
        self.metrics.over_limit();
        let resets = response.statuses.iter().filter(|status| status.code == Code::OverLimit);
        Verdict::Refuse(
            RateLimited {
                status: settings.status,
                grpc_status: settings.resource_exhausted.then_some(grpc::RESOURCE_EXHAUSTED),
                details: "request_rate_limited",
                body: String::from_utf8_lossy(&response.raw_body).into_owned().into(),
                headers: Box::new(add),
                retry_after: resets.filter_map(|status| status.duration_until_reset).max(),
            }
            .into(),
        )
    }

    fn failed(&self, source: BoxError) -> Verdict {
        self.metrics.error();
        if self.settings.deny {
            return Verdict::Refuse(
                RateLimitServiceFailed { source, status: self.settings.status_on_error }.into(),
            );
        }
        self.metrics.failure_mode_allowed();
        Verdict::Pass { request: Vec::new(), response: HeaderMap::new() }
    }
}

impl<R> fmt::Debug for RateLimitLayer<R> {
    /// Without the service, which is a closure as often as not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimitLayer").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<S, R: Clone> Layer<S> for RateLimitLayer<R> {
    type Service = RateLimiter<S, R>;

    fn layer(&self, inner: S) -> RateLimiter<S, R> {
        RateLimiter { inner, layer: self.clone() }
    }
}

/// Asks a service whether each request is within its limits.
#[derive(Clone)]
pub struct RateLimiter<S, R> {
    inner: S,
    layer: RateLimitLayer<R>,
}

impl<S: fmt::Debug, R> fmt::Debug for RateLimiter<S, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimiter").field("inner", &self.inner).field("layer", &self.layer).finish()
    }
}

impl<S, R, B, C> Service<Request<B>> for RateLimiter<S, R>
where
    S: Service<Request<B>, Response = Response<C>> + Clone,
    S::Error: Into<BoxError>,
    R: RateLimitService,
{
    type Response = Response<C>;
    type Error = BoxError;
    type Future = RateLimitFuture<S, R::Future, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let Some(question) = self.layer.question(&req) else {
            return RateLimitFuture::sent(self.inner.call(req));
        };
        let policy =
            Policy { settings: Arc::clone(&self.layer.settings), metrics: self.layer.metrics.clone() };
        let word = self.layer.service.should_rate_limit(question);
        RateLimitFuture::asking(word, policy, &mut self.inner, req)
    }
}
