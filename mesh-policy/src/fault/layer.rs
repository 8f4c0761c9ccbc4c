//! The layer, its service, and the dice.

use super::error::Aborted;
use super::future::{Delay, FaultFuture};
use super::metrics::FaultMetrics;
use crate::gauge::{Gauge, Gauges, Held};
use crate::{BoxError, Random};
use http::{Request, Response};
use mesh_core::model::http::{AbortWith, Fault};
use mesh_core::model::values::Fraction;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

/// Delays and aborts a share of requests.
///
/// ```
/// use mesh_core::model::http::{AbortWith, Fault, FaultAbort};
/// use mesh_core::model::values::Fraction;
/// use mesh_policy::{Random, fault::FaultLayer};
///
/// let abort = FaultAbort { with: AbortWith::Http(http::StatusCode::IM_A_TEAPOT), fraction: Fraction::ONE };
/// let layer = FaultLayer::new(Fault { abort: Some(abort), delay: None }).random(Random::seeded(42));
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct FaultLayer {
    fault: Fault,
    max_active: u32,
    active: Arc<Active>,
    random: Random,
    metrics: FaultMetrics,
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
            max_active: u32::MAX,
            active: Arc::default(),
            random: Random::default(),
            metrics: FaultMetrics::default(),
        }
    }

    /// Injects nothing while so many requests are being delayed: Envoy's `max_active_faults`.
    #[must_use]
    pub fn max_active(self, max_active: u32) -> Self {
        Self { max_active, ..self }
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

    /// How many requests are being delayed: Envoy's gauge `active_faults`.
    pub fn active(&self) -> u32 {
        self.active.0.open()
    }

    fn hits(&self, fraction: Fraction) -> bool {
        match fraction {
            Fraction::ZERO => false,
            Fraction::ONE => true,
            some => some.hits(self.random.draw()),
        }
    }

    /// What happens to the next request. Drawn before anything waits, so that a seed gives one story.
    fn plan(&self) -> Plan {
        let delay = self.fault.delay.filter(|d| !d.duration.is_zero() && self.hits(d.fraction));
        let abort = self.fault.abort.filter(|a| self.hits(a.fraction)).map(|a| a.with);
        if delay.is_none() && abort.is_none() {
            return Plan::Pass;
        }
        let Some(held) = Held::try_open(&self.active, (), self.max_active) else {
            self.metrics.faults_overflow();
            return Plan::Pass;
        };
        match (delay, abort) {
            (Some(delay), abort) => Plan::Delay { duration: delay.duration, abort, held },
            (None, Some(with)) => Plan::Abort(with),
            (None, None) => Plan::Pass,
        }
    }
}

enum Plan {
    Pass,
    Abort(AbortWith),
    Delay { duration: Duration, abort: Option<AbortWith>, held: Held<Active> },
}

impl<S> Layer<S> for FaultLayer {
    type Service = FaultService<S>;

    fn layer(&self, inner: S) -> FaultService<S> {
        FaultService { inner, layer: self.clone() }
    }
}

/// Delays and aborts a share of requests.
#[derive(Clone, Debug)]
pub struct FaultService<S> {
    inner: S,
    layer: FaultLayer,
}

impl<S, B, R> Service<Request<B>> for FaultService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = FaultFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.layer.plan() {
            Plan::Pass => FaultFuture::pass(self.inner.call(req)),
            Plan::Abort(with) => {
                self.layer.metrics.aborts_injected();
                FaultFuture::abort(Aborted::new(with))
            }
            Plan::Delay { duration, abort, held } => {
                self.layer.metrics.delays_injected();
                if abort.is_some() {
                    self.layer.metrics.aborts_injected();
                }
                // A clone that is not ready yet: what is ready stays for the next request, so that one
                // delayed request does not hold a place that another could use.
                FaultFuture::delay(Delay::new(self.inner.clone(), req, duration, abort, held))
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
