//! A thousand AuthorizationPolicies, of which ten concern the request, and the last of these lets it pass.

use crate::harness::{Body, Noop, cost_of, request_with_headers};
use divan::Bencher;
use http::Request;
use mesh_core::identity::SpiffeId;
use mesh_policy::authz::{AuthzLayer, AuthzSpec, Connection};
use serde_json::{Value, json};
use tower_layer::Layer;

/// Which of the policies concern the request.
fn concerns(i: usize) -> bool {
    i.is_multiple_of(100)
}

fn layer(rule: impl Fn(usize) -> Value) -> AuthzLayer {
    let policy = |i: usize| {
        json!({
            "apiVersion": "security.istio.io/v1",
            "kind": "AuthorizationPolicy",
            "metadata": { "name": format!("policy-{i}"), "namespace": "default" },
            "spec": { "rules": [rule(i)] },
        })
    };
    let spec = AuthzSpec { policies: (0..1000).map(policy).collect(), ..AuthzSpec::default() };
    AuthzLayer::try_from(spec).expect("policies that are right")
}

/// Of a workload of the mesh, over mTLS.
pub(crate) fn request() -> Request<Body> {
    let mut request = request_with_headers();
    let connection = Connection::new(([10, 0, 0, 1], 8080).into(), ([10, 0, 0, 2], 41_000).into());
    request.extensions_mut().insert(connection);
    let peer: SpiffeId = "spiffe://cluster.local/ns/shop/sa/web".parse().expect("an identity");
    request.extensions_mut().insert(peer);
    request
}

/// Each names a path; ten of them the request's, with a method that only the last one allows.
pub(crate) fn by_path() -> AuthzLayer {
    layer(|i| {
        let path = if concerns(i) { "/orders/*".to_owned() } else { format!("/service-{i}/*") };
        let method = if i == 900 || !concerns(i) { "GET" } else { "PUT" };
        json!({ "to": [{ "operation": { "paths": [path], "methods": [method] } }] })
    })
}

#[divan::bench]
fn mesh_1000_by_path(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request(), by_path().layer(Noop));
}

/// What the two others contain: the same request without policies.
#[divan::bench]
fn noop(bencher: Bencher<'_, '_>) {
    cost_of(bencher, request(), Noop);
}

/// Each names a caller; ten of them the request's, with a path that only the last one allows.
#[divan::bench]
fn mesh_1000_by_principal(bencher: Bencher<'_, '_>) {
    let layer = layer(|i| {
        let caller = if concerns(i) { "shop/sa/web".to_owned() } else { format!("team-{i}/sa/web") };
        let path = if i == 900 { "/orders/*" } else { "/invoices/*" };
        json!({
            "from": [{ "source": { "principals": [format!("cluster.local/ns/{caller}")] } }],
            "to": [{ "operation": { "paths": [path] } }],
        })
    });
    cost_of(bencher, request(), layer.layer(Noop));
}
