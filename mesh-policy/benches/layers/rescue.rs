//! Nothing to rescue.

use crate::harness::{Noop, cost};
use divan::Bencher;
use mesh_policy::rescue::RescueLayer;
use tower_layer::Layer;

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, RescueLayer::new().layer(Noop));
}
