//! Fewer requests at a time than may be.

use crate::harness::{Noop, cost};
use divan::Bencher;
use mesh_policy::shed::{
    AdaptiveConcurrency, AdaptiveConcurrencyLayer, AdmissionControl, AdmissionControlLayer,
};
use tower_layer::Layer;
use tower_resilience::adaptive::{AdaptiveLimiterLayer, Aimd};

pub(crate) fn adaptive() -> AdaptiveConcurrencyLayer {
    AdaptiveConcurrencyLayer::new(AdaptiveConcurrency::default())
}

pub(crate) fn admission() -> AdmissionControlLayer {
    AdmissionControlLayer::new(AdmissionControl::default())
}

#[divan::bench]
fn mesh_adaptive_concurrency(bencher: Bencher<'_, '_>) {
    cost(bencher, adaptive().layer(Noop));
}

#[divan::bench]
fn mesh_admission_control(bencher: Bencher<'_, '_>) {
    cost(bencher, admission().layer(Noop));
}

#[divan::bench]
fn tower_resilience_adaptive(bencher: Bencher<'_, '_>) {
    let algorithm = Aimd::builder().initial_limit(1000).build().expect("settings that are right");
    cost(bencher, AdaptiveLimiterLayer::new(algorithm).layer(Noop));
}
