//! What a route's requests go through on their way to an endpoint.
//!
//! ```text
//! route table → fault → (timeout (retry (per-try timeout (breaker (balance → endpoint: outlier → pool → mTLS)))))
//! ```
//!
//! Built once, when the route or its cluster changes; a request clones it, which is a handful of reference
//! counts. Every layer is mesh-policy's.

use crate::body::Body;
use crate::cluster::{BalanceService, ClusterRuntime};
use crate::pool::classify;
use http::Request;
use http_body::Body as _;
use mesh_core::model::cluster::CircuitLimits;
use mesh_core::model::route::Forward;
use mesh_core::model::values::Priority;
use mesh_policy::RetryBudget;
use mesh_policy::breaker::{Breaker, BreakerBody, BreakerLayer, BreakerService};
use mesh_policy::fault::{FaultBody, FaultLayer, FaultService};
use mesh_policy::retry::{Retry, RetryLayer};
use mesh_policy::timeout::{
    AttemptTimeout, AttemptTimeoutLayer, Begin, FromExtensions, ProgressBody, RequestProgress, Timeout,
    TimeoutBody, TimeoutLayer,
};
use std::sync::Arc;
use tower_layer::{Layer, Stack};

/// The service of one route and cluster.
pub(crate) type RouteService = FaultService<
    Timeout<Retry<AttemptTimeout<BreakerService<BalanceService>, FromExtensions>>, AfterRequest>,
>;

/// The body of its responses.
pub(crate) type StackBody = FaultBody<TimeoutBody<BreakerBody<Body>>>;

/// Budgets run from the end of the request, as Envoy's do. A request without a body has ended already.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AfterRequest {
    /// Whether the route has any budget.
    bounded: bool,
}

impl Begin<Request<Body>> for AfterRequest {
    fn begin(&self, mut request: Request<Body>) -> (Request<Body>, Option<RequestProgress>) {
        if !self.bounded || request.body().is_end_stream() {
            return (request, None);
        }
        let (body, progress) = ProgressBody::new(std::mem::take(request.body_mut()));
        *request.body_mut() = Body::boxed(body);
        // For the attempts' budgets.
        request.extensions_mut().insert(progress.clone());
        (request, Some(progress))
    }
}

/// Outermost first.
pub(crate) fn route_stack(
    forward: &Forward,
    fault: FaultLayer,
    count_attempts: bool,
    cluster: Option<&Arc<ClusterRuntime>>,
) -> RouteService {
    let retry = forward.retry.clone();
    let per_try = retry.as_ref().and_then(|r| r.per_try_timeout);
    let after = AfterRequest { bounded: forward.timeout.is_some() || per_try.is_some() };
    let breaker = cluster.map_or_else(Breaker::default, |c| c.breaker(forward.priority).clone());
    let layers = outer(fault)
        .inner(TimeoutLayer::new(forward.timeout).begin(after))
        .inner(
            RetryLayer::new(retry)
                .budget(budget(forward.priority, cluster))
                .classify(classify)
                .count_attempts(count_attempts),
        )
        .inner(AttemptTimeoutLayer::new(per_try).begin(FromExtensions))
        .inner(BreakerLayer::new(breaker));
    layers.0.layer(BalanceService::new(cluster.cloned()))
}

/// The cluster's own bound on retries; where it has none, a share of its requests in flight.
fn budget(priority: Priority, cluster: Option<&Arc<ClusterRuntime>>) -> RetryBudget {
    let Some(cluster) = cluster else { return RetryBudget::default() };
    match (priority, cluster.config().limits) {
        (Priority::Default, CircuitLimits { retry_budget: None, max_retries: u32::MAX, .. }) => {
            cluster.shared.retries.clone()
        }
        _ => cluster.breaker(priority).retry_budget(),
    }
}

/// Layers written outermost first.
struct Layers<L>(L);

fn outer<L>(layer: L) -> Layers<L> {
    Layers(layer)
}

impl<L> Layers<L> {
    fn inner<I>(self, layer: I) -> Layers<Stack<I, L>> {
        Layers(Stack::new(layer, self.0))
    }
}
