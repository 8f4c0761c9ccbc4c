use super::*;
use crate::testing::{Yields, answer};
use crate::{BoxError, Rejection, find};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use mesh_core::model::cluster::{CircuitLimits, RetryBudget};
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use tokio_test::task;
use tower::{Layer, Service, ServiceExt};

fn limits(max_requests: u32) -> CircuitLimits {
    CircuitLimits { max_requests, ..CircuitLimits::default() }
}

fn get() -> Request<()> {
    Request::new(())
}

fn requests(breaker: &Breaker) -> u32 {
    breaker.snapshot().requests
}

/// Answers after so many polls, or fails.
fn upstream(
    polls: usize,
    ok: bool,
) -> impl Service<Request<()>, Response = Response<Full<Bytes>>, Error = BoxError, Future: Send> + Clone {
    tower::service_fn(move |_: Request<()>| async move {
        Yields(polls).await;
        if ok { Ok(answer(200).map(|text| Full::new(Bytes::from(text)))) } else { Err("boom".into()) }
    })
}

#[tokio::test]
async fn a_request_over_the_bound_fails_at_once_as_in_envoy() {
    let breaker = Breaker::new(limits(1));
    let mut svc = BreakerLayer::new(breaker.clone()).layer(upstream(1, true));
    let first = svc.ready().await.unwrap().call(get());
    let err = svc.ready().await.unwrap().call(get()).await.unwrap_err();
    assert_eq!(find::<Overflow>(&*err).unwrap().resource(), Resource::Request);
    assert_eq!(crate::failure::classify(&*err), crate::FailureKind::Overflow);
    let response: Response<String> = Rejection::of(&*err).unwrap().into_response(false);
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()["x-envoy-overloaded"], "true");
    let text = "upstream connect error or disconnect/reset before headers. reset reason: overflow";
    assert_eq!(response.body(), text);
    assert_eq!(crate::flags_of(&*err).to_string(), "UO");
    assert_eq!(breaker.snapshot().upstream_rq_pending_overflow, 1);
    assert!(first.await.is_ok());
}

#[tokio::test]
async fn a_place_is_kept_until_the_body_has_ended() {
    let breaker = Breaker::new(limits(1));
    let svc = BreakerLayer::new(breaker.clone()).layer(upstream(0, true));
    let response = svc.clone().oneshot(get()).await.unwrap();
    assert_eq!(requests(&breaker), 1);
    assert!(svc.clone().oneshot(get()).await.is_err());
    let mut body = response.into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "body");
    assert_eq!(requests(&breaker), 0, "the last frame ends it, before anybody asks for another");
    assert!(svc.clone().oneshot(get()).await.is_ok());
    assert_eq!(requests(&breaker), 0, "and so does dropping the response");
}

#[tokio::test]
async fn a_failed_request_keeps_no_place() {
    let breaker = Breaker::new(limits(1));
    let mut svc = BreakerLayer::new(breaker.clone()).layer(upstream(0, false));
    let mut call = task::spawn(svc.ready().await.unwrap().call(get()));
    assert!(call.poll().is_ready());
    assert_eq!(requests(&breaker), 0);
}

#[test]
fn each_resource_has_its_own_bound() {
    let breaker = Breaker::new(CircuitLimits {
        max_connections: 1,
        max_pending_requests: 0,
        max_requests: 2,
        max_retries: 1,
        retry_budget: None,
    });
    let connection = breaker.try_acquire_connection().unwrap();
    assert_eq!(connection.resource(), Resource::Connection);
    assert!(breaker.is_open(Resource::Connection) && !breaker.is_open(Resource::Request));
    assert_eq!(breaker.try_acquire_connection().unwrap_err().resource(), Resource::Connection);
    assert_eq!(breaker.try_acquire_pending().unwrap_err().resource(), Resource::Pending);
    let _two = (breaker.try_acquire_request().unwrap(), breaker.try_acquire_request().unwrap());
    let _retry = breaker.try_acquire_retry().unwrap();
    assert_eq!(breaker.try_acquire_retry().unwrap_err().resource(), Resource::Retry);
    assert!(breaker.is_open(Resource::Retry));
    let counts = breaker.snapshot();
    assert_eq!((counts.connections, counts.pending, counts.requests, counts.retries), (1, 0, 2, 1));
    assert_eq!((counts.upstream_cx_overflow, counts.upstream_rq_retry_overflow), (1, 1));
}

#[test]
fn new_limits_hold_for_what_comes_and_spare_what_is_open() {
    let breaker = Breaker::default();
    let open: Vec<_> = (0..3).map(|_| breaker.try_acquire_request().unwrap()).collect();
    breaker.set_limits(limits(2));
    assert!(breaker.try_acquire_request().is_err());
    drop(open);
    assert_eq!(requests(&breaker), 0);
    let _two = (breaker.try_acquire_request().unwrap(), breaker.try_acquire_request().unwrap());
    assert!(breaker.try_acquire_request().is_err());
}

#[test]
fn the_retry_budget_is_a_share_of_what_waits_and_what_is_in_flight() {
    let budget = RetryBudget { percent: Fraction::percent(50.0).unwrap(), min_concurrency: 1 };
    let limits = CircuitLimits { max_retries: 0, retry_budget: Some(budget), ..CircuitLimits::default() };
    let breaker = Breaker::new(limits);
    let retries = breaker.retry_budget();
    assert_eq!(retries.limit(), 1, "a budget replaces max_retries");
    let open = [
        breaker.try_acquire_request().unwrap(),
        breaker.try_acquire_request().unwrap(),
        breaker.try_acquire_pending().unwrap(),
        breaker.try_acquire_pending().unwrap(),
    ];
    let _connection = breaker.try_acquire_connection().unwrap();
    // A retry layer above leaves it to the breaker to count.
    #[cfg(feature = "retry")]
    retries.begin();
    assert_eq!((retries.active(), retries.limit()), (4, 2));
    drop(open);
    assert_eq!((retries.active(), retries.limit()), (0, 1));
    breaker.set_limits(CircuitLimits { max_retries: 7, ..CircuitLimits::default() });
    assert_eq!(retries.limit(), 7);
}

#[tokio::test]
async fn high_priority_has_its_own_places() {
    use mesh_core::model::values::Priority;
    let (default, high) = (Breaker::new(limits(1)), Breaker::new(limits(1)));
    let layer = BreakerLayer::new(default.clone()).high(high.clone());
    let svc = layer.layer(upstream(0, true));
    let urgent = || {
        let mut request = get();
        request.extensions_mut().insert(Priority::High);
        request
    };
    let _one = svc.clone().oneshot(get()).await.unwrap();
    assert!(svc.clone().oneshot(get()).await.is_err());
    let _other = svc.clone().oneshot(urgent()).await.unwrap();
    assert!(svc.clone().oneshot(urgent()).await.is_err());
    assert_eq!((requests(&default), requests(&high)), (1, 1));

    let together = BreakerLayer::new(Breaker::new(limits(1))).layer(upstream(0, true));
    let _one = together.clone().oneshot(get()).await.unwrap();
    assert!(together.oneshot(urgent()).await.is_err(), "without limits of its own it is one of all");
}

#[test]
fn a_spec_says_which_limit_cannot_be() {
    let refused = |json: &str| {
        let spec: BreakerSpec = serde_json::from_str(json).unwrap();
        BreakerLayer::try_from(spec).unwrap_err().to_string()
    };
    let rule = "must be at least 1; leave it out for no bound";
    assert_eq!(refused(r#"{"high": {"http2MaxRequests": 0}}"#), format!("high.http2MaxRequests: {rule}"));
    assert_eq!(
        refused(r#"{"default": {"retryBudget": {"percent": 101}}}"#),
        "default.retryBudget.percent: must be from 0 to 100"
    );
    assert!(serde_json::from_str::<BreakerSpec>(r#"{"default": {"maxConnection": 1}}"#).is_err());
    let spec: BreakerSpec = serde_json::from_str(r#"{"default": {"http2MaxRequests": 7}}"#).unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), r#"{"default":{"http2MaxRequests":7}}"#);
    let limits = CircuitLimits::try_from(spec.default).unwrap();
    assert_eq!(limits, CircuitLimits { max_requests: 7, ..CircuitLimits::default() });
}

proptest! {
    #[test]
    fn dropped_at_any_poll_a_request_gives_its_place_back(
        upstream_polls in 0usize..4, ok: bool, polls in 0usize..6, frames in 0usize..3,
    ) {
        let breaker = Breaker::new(limits(1));
        let mut svc = BreakerLayer::new(breaker.clone()).layer(upstream(upstream_polls, ok));
        let _ = task::spawn(()).enter(|cx, _| svc.poll_ready(cx));
        let mut call = task::spawn(svc.call(get()));
        prop_assert_eq!(requests(&breaker), 1);
        for _ in 0..polls {
            if let std::task::Poll::Ready(answer) = call.poll() {
                if let Ok(response) = answer {
                    prop_assert_eq!(requests(&breaker), 1);
                    let mut body = response.into_body();
                    for _ in 0..frames {
                        let _ = task::spawn(body.frame()).poll();
                    }
                    prop_assert_eq!(requests(&breaker), u32::from(frames == 0));
                }
                break;
            }
        }
        drop(call);
        prop_assert_eq!(requests(&breaker), 0);
    }

    #[test]
    fn no_more_are_open_than_may_be_whoever_asks(max in 0u32..20, threads in 2usize..5) {
        let breaker = Breaker::new(limits(max));
        let most = std::thread::scope(|scope| {
            let ask = || {
                let mut held = vec![];
                let mut most = 0;
                for round in 0..200u32 {
                    held.extend(breaker.try_acquire_request());
                    most = most.max(requests(&breaker));
                    if round % 3 == 0 {
                        held.pop();
                    }
                }
                most
            };
            let asking: Vec<_> = (0..threads).map(|_| scope.spawn(ask)).collect();
            asking.into_iter().map(|t| t.join().unwrap()).max().unwrap()
        });
        prop_assert!(most <= max);
        prop_assert_eq!(requests(&breaker), 0);
    }
}

#[test]
fn the_future_is_small() {
    assert!(size_of::<BreakerFuture<u64>>() <= 48, "{}", size_of::<BreakerFuture<u64>>());
}
