//! A request within its limit.

use crate::harness::{Noop, cost, cost_of, cost_shared, request_with_headers};
use divan::Bencher;
use mesh_policy::ratelimit::{Connection, Entry, LocalRateLimitLayer, Rate};
use std::time::Duration;
use tower_layer::Layer;
use tower_resilience::ratelimiter::RateLimiterLayer;

/// Never reached.
const A_SECOND: u32 = 1_000_000_000;

pub(crate) fn ours() -> LocalRateLimitLayer {
    LocalRateLimitLayer::new(Rate::per_second(A_SECOND))
}

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, ours().layer(Noop));
}

/// And a bucket for each caller.
#[divan::bench]
fn mesh_by_address(bencher: Bencher<'_, '_>) {
    let layer = ours().limit([Entry::remote_address()], Rate::per_second(A_SECOND));
    let mut request = request_with_headers();
    let connection = Connection::new(([10, 0, 0, 1], 8080).into(), ([10, 0, 0, 2], 41_000).into());
    request.extensions_mut().insert(connection);
    cost_of(bencher, request, layer.layer(Noop));
}

#[divan::bench]
fn tower(bencher: Bencher<'_, '_>) {
    let layer = tower::limit::RateLimitLayer::new(A_SECOND.into(), Duration::from_secs(1));
    cost(bencher, layer.layer(Noop));
}

/// One limit for several callers, as a server has them: what the runtime costs, ours, and tower's, which belongs to one
/// owner and is shared by a task with a channel.
#[divan::bench]
fn shared_noop(bencher: Bencher<'_, '_>) {
    cost_shared(bencher, || Noop);
}

#[divan::bench]
fn shared_mesh(bencher: Bencher<'_, '_>) {
    cost_shared(bencher, || ours().layer(Noop));
}

#[divan::bench]
fn shared_tower(bencher: Bencher<'_, '_>) {
    let limit = tower::limit::RateLimitLayer::new(A_SECOND.into(), Duration::from_secs(1));
    cost_shared(bencher, || tower::ServiceBuilder::new().buffer(1024).layer(limit).service(Noop));
}

#[divan::bench]
fn shared_tower_resilience(bencher: Bencher<'_, '_>) {
    let layer = RateLimiterLayer::per_second(1_000_000_000).build().expect("settings that are right");
    cost_shared(bencher, || layer.layer(Noop));
}

#[divan::bench]
fn tower_resilience(bencher: Bencher<'_, '_>) {
    let layer = RateLimiterLayer::per_second(1_000_000_000).build().expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}
