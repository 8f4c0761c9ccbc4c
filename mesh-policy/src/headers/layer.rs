//! The layer and its service.

use super::NewAuthority;
use super::builder::HeadersBuilder;
use super::edit::Edit;
use super::find::{Seen, Side, Wanted};
use super::future::HeadersFuture;
use super::metrics::HeadersMetrics;
use crate::SpecError;
use http::{Request, Response};
use mesh_core::model::route::HeaderChanges;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;
use tower_layer::Layer;
use tower_service::Service;

/// Sets, adds and removes headers.
///
/// ```
/// use mesh_policy::headers::HeadersLayer;
///
/// let layer = HeadersLayer::builder()
///     .set_request("x-caller", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%")
///     .remove_response("server")
///     .build()?;
/// # let _ = layer;
/// let wrong = HeadersLayer::builder().add_response("x-left", "90%").build().unwrap_err();
/// assert_eq!(wrong.path(), "response.add.x-left");
/// # Ok::<(), mesh_policy::SpecError>(())
/// ```
#[derive(Clone, Debug)]
pub struct HeadersLayer(Arc<Changes>);

#[derive(Clone, Debug)]
pub(super) struct Changes {
    request: Edit,
    authority: Option<NewAuthority>,
    pub(super) response: Edit,
    /// Of the request, for the response.
    wanted: Wanted,
    /// Whether a format of either side can ask what time it is.
    formats: bool,
    clock: fn() -> SystemTime,
    pub(super) metrics: HeadersMetrics,
}

impl HeadersLayer {
    /// Makes the changes that it is told one by one.
    pub fn builder() -> HeadersBuilder {
        HeadersBuilder::default()
    }

    /// Makes these changes, whose values are Envoy's format strings.
    ///
    /// # Errors
    /// The first value that is no format string, or wants to know what is not known there, by its path.
    pub fn new(changes: &HeaderChanges) -> Result<Self, SpecError> {
        let request = Edit::new(Side::Request, &changes.request).map_err(|e| e.under("request"))?;
        let response = Edit::new(Side::Response, &changes.response).map_err(|e| e.under("response"))?;
        let wanted = Wanted::of(response.operators());
        let formats = request.operators().chain(response.operators()).next().is_some();
        Ok(Self(Arc::new(Changes {
            request,
            authority: None,
            response,
            wanted,
            formats,
            clock: SystemTime::now,
            metrics: HeadersMetrics::default(),
        })))
    }

    /// Sends requests with this authority: what Istio calls setting `host` or `:authority`.
    #[must_use]
    pub fn authority(self, authority: NewAuthority) -> Self {
        self.with(|changes| changes.authority = Some(authority))
    }

    /// Asks there what time it is, for `%START_TIME%`.
    #[must_use]
    pub fn clock(self, clock: fn() -> SystemTime) -> Self {
        self.with(|changes| changes.clock = clock)
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: HeadersMetrics) -> Self {
        self.with(|changes| changes.metrics = metrics)
    }

    fn with(mut self, change: impl FnOnce(&mut Changes)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }
}

impl Changes {
    /// Changes a request; `start` is when it began, where anything asks.
    fn apply<B>(&self, request: Request<B>, start: SystemTime) -> Request<B> {
        if self.request.is_empty() && self.authority.is_none() {
            return request;
        }
        let (mut parts, body) = request.into_parts();
        self.request.remove(&mut parts.headers);
        let seen = Seen::of(&parts, start);
        let values = self.request.evaluate(&self.metrics, |operator| seen.find(operator));
        self.request.write(&mut parts.headers, values);
        // Last, as in Envoy, so that formats see the authority that the caller asked for.
        if let Some(authority) = &self.authority {
            authority.apply(&mut parts.uri, &mut parts.headers);
        }
        Request::from_parts(parts, body)
    }
}

impl<S> Layer<S> for HeadersLayer {
    type Service = Headers<S>;

    fn layer(&self, inner: S) -> Headers<S> {
        Headers { inner, changes: Arc::clone(&self.0) }
    }
}

/// Sets, adds and removes headers.
#[derive(Clone, Debug)]
pub struct Headers<S> {
    inner: S,
    changes: Arc<Changes>,
}

impl<S, B, R> Service<Request<B>> for Headers<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = HeadersFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let changes = &self.changes;
        let start = if changes.formats { (changes.clock)() } else { SystemTime::UNIX_EPOCH };
        let req = changes.apply(req, start);
        if changes.response.is_empty() {
            return HeadersFuture::pass(self.inner.call(req));
        }
        let copied = changes.wanted.copy(&req, start);
        HeadersFuture::change(self.inner.call(req), Arc::clone(changes), copied)
    }
}
