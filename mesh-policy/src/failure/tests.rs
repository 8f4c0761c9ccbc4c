//! What the crate's own errors say of a request, and what their causes do not.
#![cfg(feature = "full")]

use super::*;
use crate::authz::{Authority, AuthzSpec, CheckFuture, Connection};
use crate::breaker::classic::{Circuit, CircuitLayer, CircuitState};
use crate::breaker::{Breaker, Overflow};
use crate::jwt::{Issuer, JwtLayer, KeySet};
use crate::ratelimit::{Entry, RateLimitLayer, RateLimitRequest, RateLimitResponse};
use crate::retry::{RetryLayer, RetrySpec};
use crate::testing::Script;
use crate::{Rejection, find, flags_of};
use http::Request;
use http_body_util::Full;
use mesh_core::model::cluster::CircuitLimits;
use std::sync::Arc;
use tower::{Layer, ServiceBuilder, ServiceExt};

const KEYS: &[u8] =
    br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn jwt() -> JwtLayer {
    let keys = KeySet::from_json(KEYS).unwrap();
    JwtLayer::new([Issuer::new("https://issuer.example", keys).required()])
}

#[tokio::test]
async fn bad_tokens_open_no_circuit_and_are_not_sent_again() {
    let circuit = Circuit::builder().consecutive_failures(2).build();
    let script = Script::new([]);
    let service =
        ServiceBuilder::new().layer(CircuitLayer::new(circuit.clone())).layer(jwt()).service(script.clone());
    for _ in 0..5 {
        let error = service.clone().oneshot(Request::new(())).await.unwrap_err();
        assert_eq!(Rejection::of(&*error).unwrap().status, 401);
    }
    assert!(matches!(circuit.state(), CircuitState::Closed), "{:?}", circuit.state());

    let spec = RetrySpec { retry_on: "5xx,reset".to_owned(), ..RetrySpec::default() };
    let service = ServiceBuilder::new()
        .layer(RetryLayer::try_from(spec).unwrap())
        .layer(jwt())
        .service(Script::new([]));
    let error = service.oneshot(Request::new(Full::<bytes::Bytes>::default())).await.unwrap_err();
    assert!(find::<crate::retry::GaveUp>(&*error).is_none(), "{error}");
}

fn overflow() -> Overflow {
    let full = Breaker::new(CircuitLimits { max_requests: 0, ..CircuitLimits::default() });
    full.try_acquire_request().unwrap_err()
}

/// Cannot be reached: its own connection failed, in time that ran out.
struct Gone;

fn gone() -> BoxError {
    Failure::new(FailureKind::ConnectFailure, overflow()).into()
}

impl Authority for Gone {
    fn check(&self, _: Request<()>, _: &str) -> CheckFuture {
        Box::pin(async { Err(gone()) })
    }
}

fn asked() -> Request<()> {
    let mut request = Request::post("/ask").body(()).unwrap();
    let connection = Connection::new(([127, 0, 0, 1], 80).into(), ([127, 0, 0, 1], 81).into());
    request.extensions_mut().insert(connection);
    request
}

#[tokio::test]
async fn what_an_authorizer_failed_of_is_not_what_the_request_failed_of() {
    let custom = serde_json::json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "ask", "namespace": "default"},
        "spec": {"action": "CUSTOM", "provider": {"name": "gone"}, "rules": [{}]},
    });
    let spec = AuthzSpec { policies: vec![custom], ..AuthzSpec::default() };
    let chain = spec.build(|_| Some(Arc::new(Gone) as Arc<dyn Authority>)).unwrap();
    let error = chain.custom[0].layer(Script::new([])).oneshot(asked()).await.unwrap_err();
    assert_eq!(classify(&*error), FailureKind::Final, "a POST that was denied is not sent again");
    assert_eq!(flags_of(&*error).to_string(), "UAEX");
    assert_eq!(Rejection::of(&*error).unwrap().flags.to_string(), "UAEX");
}

#[tokio::test]
async fn what_a_rate_limit_service_failed_of_is_not_what_the_request_failed_of() {
    let service = |_: RateLimitRequest| async { Err::<RateLimitResponse, BoxError>(gone()) };
    let layer =
        RateLimitLayer::new(service, "shop").descriptor([Entry::generic_key("a")]).failure_mode_deny();
    let error = layer.layer(Script::new([])).oneshot(asked()).await.unwrap_err();
    assert_eq!(classify(&*error), FailureKind::Final);
    assert_eq!(flags_of(&*error).to_string(), "RLSE");
}

#[test]
fn own_errors_are_recognised_below_a_foreign_one() {
    let wrapped = Failure::new(FailureKind::ResetBeforeRequest, overflow());
    assert_eq!(classify(&wrapped), FailureKind::ResetBeforeRequest, "who wraps it knows better");
    assert_eq!(Rejection::of(&wrapped).unwrap().flags.to_string(), "UO");
    let lost: BoxError = "lost".into();
    assert_eq!(classify(&*lost), FailureKind::Reset);
}
