//! A budget that does not run out.

use crate::harness::{Noop, cost};
use divan::Bencher;
use mesh_policy::timeout::{AttemptTimeoutLayer, TimeoutLayer};
use std::time::Duration;
use tower_layer::Layer;
use tower_resilience::timelimiter::TimeLimiterLayer;

const BUDGET: Duration = Duration::from_secs(15);

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, TimeoutLayer::new(BUDGET).layer(Noop));
}

/// To the response's head, as the two others do.
#[divan::bench]
fn mesh_attempt(bencher: Bencher<'_, '_>) {
    cost(bencher, AttemptTimeoutLayer::new(BUDGET).layer(Noop));
}

#[divan::bench]
fn tower(bencher: Bencher<'_, '_>) {
    cost(bencher, tower::timeout::TimeoutLayer::new(BUDGET).layer(Noop));
}

#[divan::bench]
fn tower_resilience(bencher: Bencher<'_, '_>) {
    cost(bencher, TimeLimiterLayer::builder().timeout_duration(BUDGET).build().layer(Noop));
}
