//! A good answer of a good host, noted.

use crate::harness::{Noop, cost};
use divan::Bencher;
use mesh_core::model::cluster::OutlierDetection;
use mesh_policy::outlier::{Detector, OutlierLayer};
use std::time::Instant;
use tower_layer::Layer;
use tower_resilience::outlier::{OutlierDetectionLayer, OutlierDetector};

pub(crate) fn ours() -> OutlierLayer {
    let detector = Detector::new(OutlierDetection::default(), Instant::now());
    OutlierLayer::new(detector.host("10.0.0.1:8080"))
}

/// By rows of failures, success rate and failure percentage, as is Envoy's default.
#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, ours().layer(Noop));
}

/// By rows of failures alone.
#[divan::bench]
fn tower_resilience(bencher: Bencher<'_, '_>) {
    let detector = OutlierDetector::new();
    detector.register("10.0.0.1:8080", 5);
    let layer = OutlierDetectionLayer::builder()
        .detector(detector)
        .instance_name("10.0.0.1:8080")
        .build()
        .expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}
