//! Bounds that are not reached, and circuits that stay closed.

use crate::harness::{Noop, cost};
use divan::Bencher;
use mesh_core::model::cluster::CircuitLimits;
use mesh_core::model::values::Fraction;
use mesh_policy::breaker::classic::{Circuit, CircuitLayer};
use mesh_policy::breaker::{Breaker, BreakerLayer};
use std::time::Duration;
use tower::ServiceBuilder;
use tower_layer::Layer;
use tower_resilience::bulkhead::BulkheadLayer;
use tower_resilience::circuitbreaker::CircuitBreakerLayer;

pub(crate) fn ours() -> BreakerLayer {
    BreakerLayer::new(Breaker::new(CircuitLimits { max_requests: 1024, ..CircuitLimits::default() }))
}

/// Opens after five failures in a row.
pub(crate) fn classic() -> CircuitLayer {
    CircuitLayer::new(Circuit::builder().consecutive_failures(5).build())
}

/// Until the end of the response's body; the two others hold a place until its head.
#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, ours().layer(Noop));
}

#[divan::bench]
fn tower_load_shed_concurrency_limit(bencher: Bencher<'_, '_>) {
    cost(bencher, ServiceBuilder::new().load_shed().concurrency_limit(1024).service(Noop));
}

#[divan::bench]
fn tower_resilience_bulkhead(bencher: Bencher<'_, '_>) {
    let layer = BulkheadLayer::builder()
        .max_concurrent_calls(1024)
        .reject_when_full()
        .build()
        .expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}

#[divan::bench]
fn mesh_classic_row(bencher: Bencher<'_, '_>) {
    cost(bencher, classic().layer(Noop));
}

#[divan::bench]
fn tower_resilience_circuitbreaker_row(bencher: Bencher<'_, '_>) {
    let rows = CircuitBreakerLayer::builder().consecutive_failures(5);
    let layer = rows.build().expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}

/// Opens when half of the last ten seconds' requests failed.
#[divan::bench]
fn mesh_classic_window(bencher: Bencher<'_, '_>) {
    let half = Fraction::millionths(500_000);
    let circuit = Circuit::builder().failure_rate(half, Duration::from_secs(10), 100).build();
    cost(bencher, CircuitLayer::new(circuit).layer(Noop));
}

#[divan::bench]
fn tower_resilience_circuitbreaker_window(bencher: Bencher<'_, '_>) {
    let window = CircuitBreakerLayer::builder().failure_rate_threshold(0.5).sliding_window_size(100);
    let layer = window.build().expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}
