//! The caller's deadline: kept, and told to whoever is asked next.
//!
//! ```text
//! caller → [deadline] → service … client → retry → [propagate] → endpoint
//! ```
//!
//! A gRPC caller says in `grpc-timeout` how long it will wait. [`DeadlineLayer`] ends the request then, and
//! leaves a [`Deadline`] in its extensions. What the service asks others meanwhile carries that deadline on:
//! [`PropagateDeadlineLayer`] writes what is left of it, at each attempt anew, so that no hop works for a
//! caller that has gone.

use super::body::TimeoutBody;
use super::error::Scope;
use super::future::{AttemptFuture, Running, TimeoutFuture};
use super::headers::{GRPC_TIMEOUT, encode_grpc_timeout, grpc_timeout};
use super::metrics::TimeoutMetrics;
use crate::{BoxError, grpc};
use http::{Extensions, HeaderMap, Request, Response};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// When a request must be answered; in its extensions.
///
/// A service that asks others hands it on: it reads it off the request that it serves and inserts it into
/// those that it sends (tonic's requests have the same extensions).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// At a moment.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// So long from now; `None` if that is beyond what a clock can say.
    pub fn after(budget: Duration) -> Option<Self> {
        Instant::now().checked_add(budget).map(Self)
    }

    /// The deadline of the request with these extensions.
    pub fn of(extensions: &Extensions) -> Option<Self> {
        extensions.get().copied()
    }

    /// The moment.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// What is left until then; zero once it is over.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// Ends a request at its caller's deadline: Envoy's `max_stream_duration` of a route.
///
/// `grpc-timeout` is honoured, whatever the request is, up to
/// [`grpc_timeout_header_max`](Self::grpc_timeout_header_max), and where that is not set, up to
/// [`max_stream_duration`](Self::max_stream_duration): no caller gets more than the operator gives. Requests
/// without it have `max_stream_duration`, or no bound.
///
/// Whatever ends here, no endpoint is held to account: outlier detection further in hears nothing of it.
///
/// ```
/// use axum::{Router, body::Body, extract::Extension, http::Request, routing::get};
/// use mesh_policy::timeout::{Deadline, DeadlineLayer};
/// # #[cfg(feature = "rescue")] mod on_axum {
/// # use super::*;
/// use mesh_policy::rescue::RescueLayer;
/// use std::time::Duration;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # pub async fn run() -> Result<(), mesh_policy::BoxError> {
/// let left = |Extension(deadline): Extension<Deadline>| async move {
///     assert!(deadline.remaining() <= Duration::from_secs(1));
/// };
/// let app = Router::new().route("/", get(left)).layer(
///     ServiceBuilder::new()
///         .layer(RescueLayer::new())
///         .layer(DeadlineLayer::new().grpc_timeout_header_max(Duration::from_secs(1))),
/// );
/// let request = Request::get("/").header("grpc-timeout", "1H").body(Body::empty())?;
/// assert_eq!(app.oneshot(request).await?.status(), 200);
/// # Ok(()) }}
/// # fn main() -> Result<(), mesh_policy::BoxError> {
/// # #[cfg(feature = "rescue")]
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(on_axum::run())?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct DeadlineLayer(Settings);

#[derive(Clone, Debug, Default)]
struct Settings {
    max_stream_duration: Option<Duration>,
    header_max: Option<Duration>,
    header_offset: Duration,
    ignore_header: bool,
    metrics: TimeoutMetrics,
}

impl DeadlineLayer {
    /// Honours `grpc-timeout` as it is.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bound of requests without `grpc-timeout`, and of those with it unless
    /// [`grpc_timeout_header_max`](Self::grpc_timeout_header_max) is theirs; `None` or zero is none.
    #[must_use]
    pub fn max_stream_duration(mut self, bound: impl Into<Option<Duration>>) -> Self {
        self.0.max_stream_duration = bound.into().filter(|b| !b.is_zero());
        self
    }

    /// The most that a caller's `grpc-timeout` may ask for, also beyond
    /// [`max_stream_duration`](Self::max_stream_duration), as in Envoy; `None` or zero is no more than that.
    #[must_use]
    pub fn grpc_timeout_header_max(mut self, max: impl Into<Option<Duration>>) -> Self {
        self.0.header_max = max.into().filter(|m| !m.is_zero());
        self
    }

    /// Ends so much earlier than the caller does, which then gets an answer instead of giving up. A caller
    /// that leaves no more than this is answered at once.
    #[must_use]
    pub fn grpc_timeout_header_offset(mut self, offset: Duration) -> Self {
        self.0.header_offset = offset;
        self
    }

    /// Does not look at `grpc-timeout`, as Envoy where no `grpc_timeout_header_max` is configured.
    #[must_use]
    pub fn ignore_grpc_timeout(mut self) -> Self {
        self.0.ignore_header = true;
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: TimeoutMetrics) -> Self {
        self.0.metrics = metrics;
        self
    }
}

impl Settings {
    /// The budget, and whose it is.
    fn budget(&self, headers: &HeaderMap) -> Option<(Scope, Duration)> {
        let bound = self.max_stream_duration.map(|bound| (Scope::StreamDuration, bound));
        let said = if self.ignore_header { None } else { grpc_timeout(headers) };
        let Some(said) = said else { return bound };
        let capped = self.header_max.map_or(said, |max| said.min(max));
        let callers = capped.saturating_sub(self.header_offset);
        let bound = bound.filter(|(_, bound)| self.header_max.is_none() && *bound < callers);
        Some(bound.unwrap_or((Scope::Deadline, callers)))
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = DeadlineService<S>;

    fn layer(&self, inner: S) -> DeadlineService<S> {
        DeadlineService { inner, settings: self.0.clone() }
    }
}

/// Ends a request at its caller's deadline; see [`DeadlineLayer`].
#[derive(Clone, Debug)]
pub struct DeadlineService<S> {
    inner: S,
    settings: Settings,
}

impl<S, B, R> Service<Request<B>> for DeadlineService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<TimeoutBody<R>>;
    type Error = BoxError;
    type Future = TimeoutFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let Some((scope, budget)) = self.settings.budget(req.headers()) else {
            return TimeoutFuture::new(self.inner.call(req), None);
        };
        let running = Running::start(scope, Some(budget), &self.settings.metrics, None);
        if budget.is_zero() {
            return TimeoutFuture::late(running);
        }
        if let Some(running) = &running {
            let here = Deadline(running.deadline);
            let earliest = Deadline::of(req.extensions()).map_or(here, |known| known.min(here));
            req.extensions_mut().insert(earliest);
        }
        TimeoutFuture::new(self.inner.call(req), running)
    }
}

/// Tells the endpoint how long is left, as `grpc-timeout` of each gRPC request. Innermost, inside retry.
///
/// What is left is the [`Deadline`] in the request's extensions less what has passed, or the attempt's own
/// budget where that is less, or what the client itself wrote. A request whose time is over is not sent.
///
/// ```
/// use mesh_policy::timeout::{Deadline, PropagateDeadlineLayer};
/// use std::time::Duration;
/// use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
/// use tower::ServiceBuilder;
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let (_reporter, server) = tonic_health::server::health_reporter();
/// let client = ServiceBuilder::new()
///     .layer(PropagateDeadlineLayer::new())
///     .map_request(|request: http::Request<tonic::body::Body>| {
///         assert!(request.headers().contains_key("grpc-timeout"));
///         request
///     })
///     .service(server);
/// let mut request = tonic::Request::new(HealthCheckRequest::default());
/// let deadline = Deadline::after(Duration::from_secs(3)).ok_or("beyond all clocks")?;
/// request.extensions_mut().insert(deadline);
/// HealthClient::new(client).check(request).await?;
/// # Ok::<(), mesh_policy::BoxError>(())
/// # })?;
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct PropagateDeadlineLayer {
    per_try_timeout: Option<Duration>,
    metrics: TimeoutMetrics,
}

impl PropagateDeadlineLayer {
    /// By the request's own deadline.
    pub fn new() -> Self {
        Self::default()
    }

    /// No longer than the attempt's budget; `None` or zero is none.
    #[must_use]
    pub fn per_try_timeout(mut self, budget: impl Into<Option<Duration>>) -> Self {
        self.per_try_timeout = budget.into().filter(|b| !b.is_zero());
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: TimeoutMetrics) -> Self {
        Self { metrics, ..self }
    }
}

impl<S> Layer<S> for PropagateDeadlineLayer {
    type Service = PropagateDeadline<S>;

    fn layer(&self, inner: S) -> PropagateDeadline<S> {
        PropagateDeadline { inner, settings: self.clone() }
    }
}

/// Tells the endpoint how long is left; see [`PropagateDeadlineLayer`].
#[derive(Clone, Debug)]
pub struct PropagateDeadline<S> {
    inner: S,
    settings: PropagateDeadlineLayer,
}

impl<S, B> Service<Request<B>> for PropagateDeadline<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AttemptFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        let deadline = Deadline::of(req.extensions()).map(Deadline::remaining);
        if deadline.is_some_and(|left| left.is_zero()) {
            let over = Running::start(Scope::Deadline, deadline, &self.settings.metrics, None);
            return AttemptFuture::late(over);
        }
        let bound = [deadline, self.settings.per_try_timeout].into_iter().flatten().min();
        if let Some(bound) = bound
            && grpc::is_grpc(req.headers())
        {
            let left = grpc_timeout(req.headers()).map_or(bound, |said| said.min(bound));
            req.headers_mut().insert(GRPC_TIMEOUT, encode_grpc_timeout(left));
        }
        AttemptFuture::new(self.inner.call(req), None)
    }
}
