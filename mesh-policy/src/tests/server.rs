//! A server's layers in one stack: whatever ends a request, nothing is held for it any more.

use crate::authz::AuthzLayer;
use crate::breaker::{Breaker, BreakerLayer, CircuitLimits};
use crate::cors::{CorsLayer, CorsSpec};
use crate::fault::FaultLayer;
use crate::headers::HeadersLayer;
use crate::jwt::{Issuer, JwtLayer, KeySet};
use crate::limits::{LimitedBody, LimitsLayer};
use crate::ratelimit::{LocalRateLimitLayer, Rate};
use crate::rescue::{RescueBody, RescueLayer};
use crate::shed::{
    AdaptiveConcurrency, AdaptiveConcurrencyLayer, AdmissionBody, AdmissionControl, AdmissionControlLayer,
    Gradient, Queue, ShedBody,
};
use crate::testing::{Act, Script, millis, secs};
use crate::timeout::{TimeoutBody, TimeoutLayer};
use crate::{BoxError, Random, breaker, fault};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use std::convert::Infallible;
use std::task::Poll;
use tokio_test::task;
use tower::util::BoxCloneService;
use tower::{Service, ServiceBuilder, ServiceExt};

type Below = fault::FaultBody<TimeoutBody<breaker::BreakerBody<String>>>;
type Reply = Response<RescueBody<AdmissionBody<ShedBody<Below>>>>;

struct Server {
    service: BoxCloneService<Request<Full<Bytes>>, Reply, Infallible>,
    places: AdaptiveConcurrency,
    breaker: Breaker,
    fault: FaultLayer,
}

/// Two requests at once, and one more that waits.
fn server(acts: Vec<Act>) -> Server {
    let places = AdaptiveConcurrency::new(Gradient { min_concurrency: 2, ..Gradient::default() })
        .queue(Queue::new(1, secs(1)));
    let breaker = Breaker::new(CircuitLimits { max_requests: 1, ..CircuitLimits::default() });
    let fault =
        FaultLayer::none().delay(millis(200), Fraction::percent(50.0).unwrap()).random(Random::seeded(1));
    let keys = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let cors: CorsSpec = serde_json::from_str(r#"{"allowOrigins": [{"prefix": "https://"}]}"#).unwrap();
    let service = ServiceBuilder::new()
        .layer(CorsLayer::try_from(cors).unwrap())
        .layer(RescueLayer::new())
        .layer(LimitsLayer::new().max_body_bytes(8))
        .layer(LocalRateLimitLayer::new(Rate::per_second(3).burst(3)))
        .layer(JwtLayer::new([Issuer::new("https://issuer.example", KeySet::from_json(keys).unwrap())]))
        .layer(AuthzLayer::new(vec![]))
        .layer(AdmissionControlLayer::new(AdmissionControl::default()))
        .layer(AdaptiveConcurrencyLayer::new(places.clone()))
        .layer(HeadersLayer::builder().set_response("x-was", "%REQ(:path)%").build().unwrap())
        .layer(fault.clone())
        .layer(TimeoutLayer::new(millis(500)))
        .layer(BreakerLayer::new(breaker.clone()))
        .service(Script::<LimitedBody<Full<Bytes>>>::new(acts));
    Server { service: BoxCloneService::new(service), places, breaker, fault }
}

fn request(body: &'static [u8]) -> Request<Full<Bytes>> {
    Request::post("/order").header("origin", "https://shop.example").body(Full::new(body.into())).unwrap()
}

fn act() -> impl Strategy<Value = u8> {
    0_u8..4
}

fn acts(codes: &[u8]) -> Vec<Act> {
    let act = |code: &u8| match code {
        0 => Act::Status(503),
        1 => Act::Fail(BoxError::from("boom")),
        2 => Act::Silence,
        _ => Act::After(millis(300), 200),
    };
    codes.iter().map(act).collect()
}

#[tokio::test(start_paused = true)]
async fn a_page_can_read_what_it_is_refused_with() {
    let mut server = server(vec![]);
    let response = server.service.ready().await.unwrap().call(request(b"far too much")).await.unwrap();
    assert_eq!(response.status(), 413);
    assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
    assert!(!response.headers().contains_key("x-was"), "that layer was not reached");
}

proptest! {
    /// Four callers, each of whom goes away after so many polls, or reads some of what was answered.
    #[test]
    fn dropped_at_any_poll_a_server_has_given_back_all_that_it_held(
        codes in prop::collection::vec(act(), 0..5),
        callers in prop::collection::vec((0_usize..12, any::<bool>(), any::<bool>()), 1..5),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let server = server(acts(&codes));
            let mut calls: Vec<_> = callers
                .iter()
                .map(|(polls, reads, too_much)| {
                    let body: &[u8] = if *too_much { b"far too much" } else { b"little" };
                    (Some(task::spawn(server.service.clone().oneshot(request(body)))), *polls, *reads, None)
                })
                .collect();
            for round in 0..12 {
                for (call, polls, reads, kept) in &mut calls {
                    if *polls == round {
                        (*call, *kept) = (None, None);
                    }
                    let Some(Poll::Ready(answer)) = call.as_mut().map(|call| call.poll()) else { continue };
                    *call = None;
                    let body = answer.unwrap().into_body();
                    match *reads {
                        true => drop(body.collect().await),
                        false => *kept = Some(body),
                    }
                }
                let (places, open) = (server.places.snapshot(), server.breaker.snapshot());
                prop_assert!(places.open <= 2 && places.waiting <= 1 && open.requests <= 1, "{places:?} {open:?}");
                tokio::time::advance(millis(100)).await;
            }
            drop(calls);
            let places = server.places.snapshot();
            prop_assert_eq!((places.open, places.waiting), (0, 0));
            prop_assert_eq!((server.breaker.snapshot().requests, server.fault.active()), (0, 0));
            Ok(())
        })?;
    }
}
