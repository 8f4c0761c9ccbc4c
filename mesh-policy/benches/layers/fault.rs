//! A fault that does not happen to this request.

use crate::harness::{Body, Noop, cost};
use divan::Bencher;
use http::{Request, StatusCode};
use mesh_core::model::http::AbortWith;
use mesh_core::model::values::Fraction;
use mesh_policy::BoxError;
use mesh_policy::fault::{FaultLayer, FaultSpec};
use serde_json::json;
use tower_layer::Layer;
use tower_resilience::chaos::ChaosLayer;

/// The dice are cast and miss, all but once in a million times.
pub(crate) fn ours() -> FaultLayer {
    FaultLayer::none().abort(AbortWith::Http(StatusCode::SERVICE_UNAVAILABLE), Fraction::millionths(1))
}

#[divan::bench]
fn mesh(bencher: Bencher<'_, '_>) {
    cost(bencher, ours().layer(Noop));
}

/// The request could ask for faults, and does not.
#[divan::bench]
fn mesh_by_header(bencher: Bencher<'_, '_>) {
    let spec = json!({
        "delay": { "headerDelay": {}, "percentage": { "value": 100 } },
        "abort": { "headerAbort": {}, "percentage": { "value": 100 } },
        "dangerousTrustHeaders": true,
    });
    let spec = serde_json::from_value::<FaultSpec>(spec).expect("a spec");
    let layer = FaultLayer::try_from(spec).expect("settings that are right");
    cost(bencher, layer.layer(Noop));
}

#[divan::bench]
fn tower_resilience_chaos(bencher: Bencher<'_, '_>) {
    let layer = ChaosLayer::builder()
        .error_rate(0.000_001)
        .error_fn(|_: &Request<Body>| BoxError::from("aborted"))
        .build();
    cost(bencher, layer.layer(Noop));
}
