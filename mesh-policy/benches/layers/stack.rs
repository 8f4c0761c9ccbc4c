//! Those that a client would have, all at once; and as many of them as the others have.

use crate::harness::{Body, Noop, cost, cost_of, cost_shared};
use crate::retry::Towers;
use crate::{authz, breaker, fault, message, outlier, ratelimit, retry, shed};
use divan::Bencher;
use http::{Request, Response};
use mesh_policy::BoxError;
use mesh_policy::breaker::BreakerBody;
use mesh_policy::rescue::RescueLayer;
use mesh_policy::timeout::{AttemptTimeoutLayer, TimeoutLayer};
use std::time::Duration;
use tower::{Service, ServiceBuilder};
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::outlier::{OutlierDetectionLayer, OutlierDetector};
use tower_resilience::ratelimiter::RateLimiterLayer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const WHOLE: Duration = Duration::from_secs(15);
const ATTEMPT: Duration = Duration::from_secs(3);

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    let stack = ServiceBuilder::new()
        .layer(RescueLayer::new())
        .layer(ratelimit::ours())
        .layer(fault::ours())
        .layer(TimeoutLayer::new(WHOLE))
        .layer(retry::ours())
        .layer(AttemptTimeoutLayer::new(ATTEMPT))
        .layer(breaker::ours())
        .layer(outlier::ours())
        .service(Noop);
    cost(bencher, stack);
}

/// Those of them that the others have, too.
#[divan::bench]
fn mesh_as_tower(bencher: Bencher<'_, '_>) {
    cost(bencher, as_tower());
}

/// The same for several callers, as a client or a server is used.
#[divan::bench]
fn shared_mesh_as_tower(bencher: Bencher<'_, '_>) {
    cost_shared(bencher, as_tower);
}

fn as_tower() -> impl Service<Request<Body>, Response = Response<BreakerBody<Body>>, Error = BoxError> + Clone
{
    ServiceBuilder::new()
        .layer(ratelimit::ours())
        .layer(AttemptTimeoutLayer::new(WHOLE))
        .layer(retry::ours())
        .layer(AttemptTimeoutLayer::new(ATTEMPT))
        .layer(breaker::ours())
        .service(Noop)
}

/// Every layer but those whose cost is their policies' and tokens': authorization and JWT.
#[divan::bench]
fn mesh_every_layer(bencher: Bencher<'_, '_>) {
    let stack = ServiceBuilder::new()
        .layer(message::cors())
        .layer(RescueLayer::new())
        .layer(message::limits())
        .layer(ratelimit::ours())
        .layer(message::headers())
        .layer(message::rewrite())
        .layer(fault::ours())
        .layer(TimeoutLayer::new(WHOLE))
        .layer(shed::adaptive())
        .layer(shed::admission())
        .layer(retry::ours())
        .layer(AttemptTimeoutLayer::new(ATTEMPT))
        .layer(breaker::classic())
        .layer(breaker::ours())
        .layer(outlier::ours())
        .service(Noop);
    cost(bencher, stack);
}

/// As a server would have them: without what repeats requests, with authorization by a thousand policies.
#[divan::bench]
fn mesh_server(bencher: Bencher<'_, '_>) {
    let stack = ServiceBuilder::new()
        .layer(RescueLayer::new())
        .layer(ratelimit::ours())
        .layer(authz::by_path())
        .layer(fault::ours())
        .layer(TimeoutLayer::new(WHOLE))
        .layer(breaker::ours())
        .service(Noop);
    cost_of(bencher, authz::request(), stack);
}

/// Without faults, outlier detection and answers for errors.
#[divan::bench]
fn tower(bencher: Bencher<'_, '_>) {
    cost(bencher, towers());
}

/// Its rate limit belongs to one owner, so the stack is shared by a task with a channel.
#[divan::bench]
fn shared_tower(bencher: Bencher<'_, '_>) {
    cost_shared(bencher, || ServiceBuilder::new().buffer(1024).service(towers()));
}

fn towers()
-> impl Service<Request<Body>, Response = Response<Body>, Error = BoxError, Future: Send> + Send + 'static {
    ServiceBuilder::new()
        .rate_limit(1_000_000_000, Duration::from_secs(1))
        .timeout(WHOLE)
        .retry(Towers::new())
        .timeout(ATTEMPT)
        .load_shed()
        .concurrency_limit(1024)
        .service(Noop)
}

/// Without faults and answers for errors.
#[divan::bench]
fn tower_resilience(bencher: Bencher<'_, '_>) {
    let detector = OutlierDetector::new();
    detector.register("10.0.0.1:8080", 5);
    let outlier = OutlierDetectionLayer::builder().detector(detector).instance_name("10.0.0.1:8080");
    let bulkhead = BulkheadLayer::builder().max_concurrent_calls(1024).reject_when_full();
    let rate_limit = RateLimiterLayer::per_second(1_000_000_000);
    let stack = ServiceBuilder::new()
        .layer(rate_limit.build().expect("settings that are right"))
        .layer(TimeLimiterLayer::builder().timeout_duration(WHOLE).build())
        .layer(retry::resilience())
        .layer(TimeLimiterLayer::builder().timeout_duration(ATTEMPT).build())
        .layer(bulkhead.build().expect("settings that are right"))
        .layer(outlier.build().expect("settings that are right"))
        .service(Noop);
    cost(bencher, stack);
}
