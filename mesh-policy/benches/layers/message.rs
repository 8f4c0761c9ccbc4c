//! The layers that look at a message or change it: nothing is to be done, or one line of it.

use crate::harness::{Noop, cost_of, request_with_headers};
use divan::Bencher;
use mesh_core::model::values::Fraction;
use mesh_policy::cors::{CorsLayer, CorsSpec};
use mesh_policy::headers::HeadersLayer;
use mesh_policy::limits::LimitsLayer;
use mesh_policy::mirror::MirrorLayer;
use mesh_policy::rewrite::RewriteLayer;
use serde_json::json;
use tower_layer::Layer;

/// The request is of no other origin.
pub(crate) fn cors() -> CorsLayer {
    let spec = json!({ "allowOrigins": [{ "exact": "https://shop.example" }], "allowMethods": ["PUT"] });
    let spec = serde_json::from_value::<CorsSpec>(spec).expect("a spec");
    CorsLayer::try_from(spec).expect("settings that are right")
}

/// One header of the response.
pub(crate) fn headers() -> HeadersLayer {
    HeadersLayer::builder().set_response("x-served-by", "orders").build().expect("settings that are right")
}

/// None is exceeded.
pub(crate) fn limits() -> LimitsLayer {
    LimitsLayer::new().max_headers(100).max_header_bytes(60 << 10).max_body_bytes(1 << 20)
}

/// A path that does not begin so.
pub(crate) fn rewrite() -> RewriteLayer {
    RewriteLayer::prefix("/invoices", "/v2/invoices")
}

#[divan::bench]
fn mesh_cors(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), cors().layer(Noop));
}

#[divan::bench]
fn mesh_headers(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), headers().layer(Noop));
}

#[divan::bench]
fn mesh_limits(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), limits().layer(Noop));
}

#[divan::bench]
fn mesh_mirror_not_drawn(bencher: Bencher<'_, '_>) {
    let layer = MirrorLayer::new(Noop).fraction(Fraction::millionths(1));
    cost_of(bencher, request_with_headers(), layer.layer(Noop));
}

#[divan::bench]
fn mesh_rewrite(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request_with_headers(), rewrite().layer(Noop));
}
