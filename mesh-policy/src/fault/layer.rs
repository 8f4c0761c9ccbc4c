//! The layer and its service.

use super::body::FaultBody;
use super::error::Aborted;
use super::future::{Delay, FaultFuture};
use super::metrics::FaultMetrics;
use super::plan::Plan;
use crate::gauge::{Gauge, Gauges};
use crate::{BoxError, Random};
use http::{Request, Response};
use mesh_core::model::http::{
    AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, RateBy,
};
use mesh_core::model::values::Fraction;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Delays and aborts a share of requests, and slows down a share of responses.
///
/// ```
/// use mesh_core::model::values::Fraction;
/// use mesh_policy::{Random, fault::FaultLayer};
/// use std::time::Duration;
///
/// let layer = FaultLayer::none()
///     .delay(Duration::from_millis(200), Fraction::millionths(100))
///     .random(Random::seeded(42));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct FaultLayer {
    pub(super) fault: Fault,
    pub(super) trust_headers: bool,
    pub(super) active: Arc<Active>,
    pub(super) random: Random,
    pub(super) metrics: FaultMetrics,
}

/// The faults that are being injected right now.
#[derive(Default)]
pub(super) struct Active(Gauge);

impl Gauges for Active {
    type Kind = ();

    fn gauge(&self, (): ()) -> &Gauge {
        &self.0
    }
}

impl FaultLayer {
    /// Injects a fault; `None` injects nothing and costs nothing.
    pub fn new(fault: impl Into<Option<Fault>>) -> Self {
        Self {
            fault: fault.into().unwrap_or_default(),
            trust_headers: false,
            active: Arc::default(),
            random: Random::default(),
            metrics: FaultMetrics::default(),
        }
    }

    /// Injects nothing, until it is told what.
    pub fn none() -> Self {
        Self::new(None)
    }

    /// Holds this share of requests back for so long.
    #[must_use]
    pub fn delay(mut self, duration: Duration, fraction: Fraction) -> Self {
        self.fault.delay = Some(FaultDelay { by: DelayBy::Fixed(duration), fraction });
        self
    }

    /// Answers this share of requests with an error.
    #[must_use]
    pub fn abort(mut self, with: AbortWith, fraction: Fraction) -> Self {
        self.fault.abort = Some(FaultAbort { by: AbortBy::Fixed(with), fraction });
        self
    }

    /// Lets this share of responses have so many KiB a second, each by itself.
    #[must_use]
    pub fn response_rate_limit(mut self, kbps: NonZeroU64, fraction: Fraction) -> Self {
        self.fault.response_rate_limit = Some(FaultRateLimit { by: RateBy::Fixed(kbps), fraction });
        self
    }

    /// Injects nothing while so many requests are being delayed or their responses slowed down: Envoy's
    /// `max_active_faults`.
    #[must_use]
    pub fn max_active(mut self, max_active: u32) -> Self {
        self.fault.max_active = Some(max_active);
        self
    }

    /// Lets requests say by their [`headers`](super::headers) what is to happen to them, where the fault
    /// leaves it to them. Whoever reaches the layer can then be late, fail, or hold a place for as long as he
    /// likes; without this, such faults do nothing.
    #[must_use]
    pub fn dangerous_trust_headers(self) -> Self {
        Self { trust_headers: true, ..self }
    }

    /// Draws from there.
    #[must_use]
    pub fn random(self, random: Random) -> Self {
        Self { random, ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: FaultMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// How many requests are being delayed or slowed down: Envoy's gauge `active_faults`.
    pub fn active(&self) -> u32 {
        self.active.0.open()
    }

    /// Whether it can do anything at all.
    fn is_any(&self) -> bool {
        let Fault { delay, abort, response_rate_limit, max_active: _ } = &self.fault;
        delay.is_some() || abort.is_some() || response_rate_limit.is_some()
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService { inner, faults: self.is_any().then(|| Arc::new(self.clone())) }
    }
}

/// Delays and aborts a share of requests, and slows down a share of responses.
#[derive(Clone, Debug)]
pub struct FaultService<S> {
    inner: S,
    /// `None`: there are none.
    faults: Option<Arc<FaultLayer>>,
}

impl<S, B, R> Service<Request<B>> for FaultService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<FaultBody<R>>;
    type Error = BoxError;
    type Future = FaultFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let Some(plan) = self.faults.as_deref().and_then(|faults| faults.plan(req.headers())) else {
            return FaultFuture::pass(self.inner.call(req), None);
        };
        match plan {
            Plan::Limit(limiter) => FaultFuture::pass(self.inner.call(req), Some(limiter)),
            Plan::Abort(with) => FaultFuture::abort(Aborted::new(with)),
            // A clone that is not ready yet: what is ready stays for the next request, so that one delayed
            // request does not hold a place that another could use.
            Plan::Delay { duration, then, held } => {
                FaultFuture::delay(Delay::new(self.inner.clone(), req, duration, then, held))
            }
        }
    }
}

impl fmt::Debug for FaultLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultLayer")
            .field("fault", &self.fault)
            .field("active", &self.active())
            .finish_non_exhaustive()
    }
}
