//! The layer and its service.

use super::body::{CopyBody, TeeBody};
use super::executor::{Executor, MirrorTask, TokioExecutor};
use super::metrics::{MirrorCounts, MirrorMetrics};
use super::task::{Outcome, run};
use crate::gauge::{Gauge, Gauges, Held};
use crate::{BoxError, Random};
use bytes::Bytes;
use http::header::UPGRADE;
use http::{Method, Request, Response};
use http_body::Body;
use mesh_core::decide::rewrite::{NewAuthority, authority, shadow_authority};
use mesh_core::model::values::Fraction;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Sends a copy of a share of requests to another service.
///
/// ```
/// use mesh_core::model::values::Fraction;
/// use mesh_policy::mirror::{CopyBody, MirrorLayer};
/// use std::time::Duration;
///
/// let canary = tower::service_fn(|_: http::Request<CopyBody>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// });
/// let layer = MirrorLayer::new(canary)
///     .fraction(Fraction::millionths(500))
///     .timeout(Duration::from_secs(1));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct MirrorLayer<M, E = TokioExecutor> {
    shadow: M,
    executor: E,
    pub(super) settings: Settings,
    active: Arc<Active>,
    random: Random,
    metrics: MirrorMetrics,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Settings {
    pub(super) fraction: Fraction,
    pub(super) mark: bool,
    pub(super) timeout: Option<Duration>,
    pub(super) max_requests: u32,
    pub(super) buffer_limit: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            fraction: Fraction::ONE,
            mark: true,
            timeout: Some(Duration::from_secs(15)),
            max_requests: 1024,
            buffer_limit: 64 << 10,
        }
    }
}

/// The copies that run right now.
#[derive(Default)]
struct Active(Gauge);

impl Gauges for Active {
    type Kind = ();

    fn gauge(&self, (): ()) -> &Gauge {
        &self.0
    }
}

impl<M> MirrorLayer<M> {
    /// Copies every request to `shadow`, on the tokio runtime that serves the request.
    pub fn new(shadow: M) -> Self {
        Self::with(shadow, Settings::default())
    }

    pub(super) fn with(shadow: M, settings: Settings) -> Self {
        Self {
            shadow,
            executor: TokioExecutor,
            settings,
            active: Arc::default(),
            random: Random::default(),
            metrics: MirrorMetrics::default(),
        }
    }
}

impl<M, E> MirrorLayer<M, E> {
    /// Copies go there.
    pub fn to<N>(self, shadow: N) -> MirrorLayer<N, E> {
        let Self { executor, settings, active, random, metrics, .. } = self;
        MirrorLayer { shadow, executor, settings, active, random, metrics }
    }

    /// Copies are driven by that. A timeout still wants tokio's clock.
    pub fn executor<F: Executor>(self, executor: F) -> MirrorLayer<M, F> {
        let Self { shadow, settings, active, random, metrics, .. } = self;
        MirrorLayer { shadow, executor, settings, active, random, metrics }
    }

    /// The share of requests that are copied.
    #[must_use]
    pub fn fraction(mut self, fraction: Fraction) -> Self {
        self.settings.fraction = fraction;
        self
    }

    /// Leaves the authority of copies as it is: Envoy's `disable_shadow_host_suffix_append`.
    #[must_use]
    pub fn disable_shadow_host_suffix_append(mut self) -> Self {
        self.settings.mark = false;
        self
    }

    /// How long a copy may take, to the end of its answer; 15 s unless told otherwise, `None` is as long as it
    /// likes.
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.timeout = timeout.into();
        self
    }

    /// How many copies may run at a time; 1024 unless told otherwise.
    #[must_use]
    pub fn max_requests(mut self, max_requests: u32) -> Self {
        self.settings.max_requests = max_requests;
        self
    }

    /// How many bytes a copy's body may be behind; 64 KiB unless told otherwise.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.settings.buffer_limit = bytes;
        self
    }

    /// Draws from there.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: MirrorMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// What was counted so far.
    pub fn counts(&self) -> MirrorCounts {
        self.metrics.snapshot()
    }

    /// How many copies run.
    pub fn active(&self) -> u32 {
        self.active.0.open()
    }

    /// A place for a copy of a request, if one is due and there is one.
    fn due<B>(&self, request: &Request<B>) -> Option<Held<Active>> {
        let hits = match self.settings.fraction {
            Fraction::ZERO => false,
            Fraction::ONE => true,
            some => some.hits(self.random.draw()),
        };
        if !hits || request.method() == Method::CONNECT || request.headers().contains_key(UPGRADE) {
            return None;
        }
        let held = Held::try_open(&self.active, (), self.settings.max_requests);
        if held.is_none() {
            self.metrics.overflow();
        }
        held
    }
}

impl<M, E: Executor> MirrorLayer<M, E> {
    /// Copies a request, if that is due.
    fn copy<B, R>(&self, request: Request<B>) -> Request<TeeBody<B>>
    where
        B: Body<Data = Bytes>,
        M: Service<Request<CopyBody>, Response = Response<R>> + Clone + Send + 'static,
        M::Error: Into<BoxError>,
        M::Future: Send,
        R: Body + Send + 'static,
        R::Error: Into<BoxError>,
    {
        let Some(held) = self.due(&request) else { return request.map(TeeBody::alone) };
        let (parts, body) = request.into_parts();
        let (body, theirs) = TeeBody::with_copy(body, self.settings.buffer_limit, self.metrics.clone());
        let mut copy = Request::new(theirs);
        *copy.method_mut() = parts.method.clone();
        *copy.version_mut() = parts.version;
        let (mut uri, mut headers) = (parts.uri.clone(), parts.headers.clone());
        if self.settings.mark
            && let Some(marked) = authority(&uri, &headers).map(shadow_authority)
            && let Some(marked) = NewAuthority::new(&marked)
        {
            marked.apply(&mut uri, &mut headers);
        }
        *copy.uri_mut() = uri;
        *copy.headers_mut() = headers;
        self.metrics.sent();
        let outcome = Outcome::new(self.metrics.clone());
        let run = run(self.shadow.clone(), copy, self.settings.timeout, outcome, held);
        self.executor.execute(MirrorTask::new(run));
        Request::from_parts(parts, body)
    }
}

impl<S, M: Clone, E: Clone> Layer<S> for MirrorLayer<M, E> {
    type Service = Mirror<S, M, E>;

    fn layer(&self, inner: S) -> Mirror<S, M, E> {
        Mirror { inner, layer: self.clone() }
    }
}

/// Sends a copy of a share of requests to another service.
///
/// Its future is the inner service's: nothing waits here.
#[derive(Clone, Debug)]
pub struct Mirror<S, M, E = TokioExecutor> {
    inner: S,
    layer: MirrorLayer<M, E>,
}

impl<S, M, E, B, R> Service<Request<B>> for Mirror<S, M, E>
where
    S: Service<Request<TeeBody<B>>>,
    B: Body<Data = Bytes>,
    M: Service<Request<CopyBody>, Response = Response<R>> + Clone + Send + 'static,
    M::Error: Into<BoxError>,
    M::Future: Send,
    R: Body + Send + 'static,
    R::Error: Into<BoxError>,
    E: Executor,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, req: Request<B>) -> S::Future {
        let req = self.layer.copy(req);
        self.inner.call(req)
    }
}

impl<M, E> fmt::Debug for MirrorLayer<M, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MirrorLayer")
            .field("settings", &self.settings)
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}
