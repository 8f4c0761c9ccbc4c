//! All layers in one stack, in the order of a proxy's outbound path.
#![cfg(feature = "full")]

use crate::authz::{AuthzLayer, Connection};
use crate::breaker::{Breaker, BreakerBody, BreakerLayer};
use crate::fault::{FaultBody, FaultLayer};
use crate::outlier::{Detector, OutlierLayer};
use crate::retry::{ReplayBody, RetryLayer};
use crate::testing::{Act, Script, millis, secs};
use crate::timeout::{AttemptTimeoutLayer, TimeoutBody, TimeoutLayer};
use crate::{BoxError, Failure, FailureKind, Random, Rejection, RetryBudget};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use mesh_core::model::cluster::{self, CircuitLimits, OutlierDetection};
use mesh_core::model::rbac::{EnforcementMode, Rbac, RbacAction};
use mesh_core::model::route::{RetryCondition, RetryPolicy};
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;
use tokio_test::task;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt};

mod server;

type Reply = Response<FaultBody<TimeoutBody<BreakerBody<Full<Bytes>>>>>;

struct Mesh {
    client: BoxCloneService<Request<Full<Bytes>>, Reply, BoxError>,
    breaker: Breaker,
    budget: RetryBudget,
    fault: FaultLayer,
    script: Script<ReplayBody<Full<Bytes>>>,
}

fn mesh(acts: Vec<Act>, deny: bool) -> Mesh {
    let breaker = Breaker::new(CircuitLimits {
        max_requests: 1,
        retry_budget: Some(cluster::RetryBudget { percent: Fraction::ONE, min_concurrency: 1 }),
        ..CircuitLimits::default()
    });
    let budget = breaker.retry_budget();
    let fault = FaultLayer::none().delay(secs(1), Fraction::percent(50.0).unwrap()).random(Random::seeded(1));
    let policy = RetryPolicy {
        on: [RetryCondition::FiveXx].into_iter().collect(),
        retries: 3,
        ..RetryPolicy::default()
    };
    let rbac = Rbac {
        stat_prefix: "".into(),
        mode: EnforcementMode::Enforced,
        action: RbacAction::Allow,
        policies: vec![],
    };
    let filters = if deny { vec![Arc::new(rbac)] } else { vec![] };
    let host = Detector::new(OutlierDetection::default(), Instant::now()).host("10.0.0.1:80");
    let script = Script::new(acts);
    let client = ServiceBuilder::new()
        .layer(AuthzLayer::new(filters))
        .layer(fault.clone())
        .layer(TimeoutLayer::new(secs(3)))
        .layer(RetryLayer::new(policy).budget(budget.clone()).random(Random::seeded(1)))
        .layer(AttemptTimeoutLayer::new(secs(1)))
        .layer(BreakerLayer::new(breaker.clone()))
        .layer(OutlierLayer::new(host))
        .map_response(|response: Response<String>| response.map(|text| Full::new(Bytes::from(text))))
        .service(script.clone());
    Mesh { client: BoxCloneService::new(client), breaker, budget, fault, script }
}

fn request() -> Request<Full<Bytes>> {
    let mut request = Request::put("/").body(Full::from("body")).unwrap();
    let connection = Connection::new(([127, 0, 0, 1], 80).into(), ([127, 0, 0, 1], 81).into());
    request.extensions_mut().insert(connection);
    request
}

#[tokio::test(start_paused = true)]
async fn a_silent_attempt_is_given_up_and_the_next_answers() {
    let mesh = mesh(vec![Act::Silence, Act::Status(503)], false);
    let response = mesh.client.clone().oneshot(request()).await.unwrap();
    assert_eq!((response.status().as_u16(), mesh.script.sent()), (200, 3));
    assert_eq!(mesh.breaker.snapshot().requests, 1);
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
    assert_eq!(mesh.breaker.snapshot().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn the_requests_budget_ends_all_attempts() {
    let mesh = mesh((0..9).map(|_| Act::Silence).collect(), false);
    let err = mesh.client.clone().oneshot(request()).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!((rejection.status.as_u16(), &*rejection.details), (504, "response_timeout"));
    assert_eq!(mesh.breaker.snapshot().requests, 0);
}

#[tokio::test(start_paused = true)]
async fn an_overflow_is_not_tried_again() {
    let mesh = mesh(vec![], false);
    let _open = mesh.breaker.try_acquire_request().unwrap();
    let err = mesh.client.clone().oneshot(request()).await.unwrap_err();
    assert_eq!(Rejection::of(&*err).unwrap().status, 503);
    assert_eq!((mesh.script.sent(), mesh.breaker.snapshot().upstream_rq_pending_overflow), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_denied_request_reaches_nothing() {
    let mesh = mesh(vec![], true);
    let err = mesh.client.clone().oneshot(request()).await.unwrap_err();
    assert_eq!((Rejection::of(&*err).unwrap().status.as_u16(), mesh.script.sent()), (403, 0));
}

fn act() -> impl Strategy<Value = u8> {
    0u8..4
}

fn acts(codes: &[u8]) -> Vec<Act> {
    let act = |code: &u8| match code {
        0 => Act::Status(503),
        1 => Act::Fail(Failure::new(FailureKind::ConnectFailure, "refused").into()),
        2 => Act::Silence,
        _ => Act::After(millis(300), 200),
    };
    codes.iter().map(act).collect()
}

proptest! {
    #[test]
    fn dropped_at_any_poll_the_stack_gives_back_all_it_held(
        codes in prop::collection::vec(act(), 0..6), polls in 0usize..30, skip in 0usize..2,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut mesh = mesh(acts(&codes), false);
            if skip == 1 {
                // The next draw: late or not.
                drop(mesh.client.clone().oneshot(request()).await);
            }
            let _ = mesh.client.ready().await;
            let mut call = task::spawn(mesh.client.call(request()));
            let mut response = None;
            for _ in 0..polls {
                if let std::task::Poll::Ready(answer) = call.poll() {
                    response = answer.ok();
                    break;
                }
                prop_assert!(mesh.breaker.snapshot().requests <= 1 && mesh.budget.retries() <= 1);
                tokio::time::advance(millis(100)).await;
            }
            drop((call, response));
            let open = mesh.breaker.snapshot();
            prop_assert_eq!((open.requests, open.retries, mesh.fault.active()), (0, 0, 0));
            prop_assert_eq!(mesh.budget.active(), 0);
            Ok(())
        })?;
    }
}
