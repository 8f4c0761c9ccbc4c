use super::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Failure, FailureKind, Random, Rejection, find, flags_of};
use http::{Request, Response, StatusCode};
use mesh_core::model::http::{AbortWith, Fault, FaultAbort, FaultDelay};
use mesh_core::model::values::Fraction;
use mesh_core::response_flag::ResponseFlags;
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

fn delay(fraction: Fraction) -> Option<FaultDelay> {
    Some(FaultDelay { duration: secs(5), fraction })
}

fn abort(with: AbortWith, fraction: Fraction) -> Option<FaultAbort> {
    Some(FaultAbort { with, fraction })
}

const TEAPOT: AbortWith = AbortWith::Http(StatusCode::IM_A_TEAPOT);

fn get() -> Request<()> {
    Request::new(())
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_sent_late_and_its_response_says_so() {
    let script = Script::new([]);
    let metrics = FaultMetrics::default();
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), abort: None }).metrics(metrics.clone());
    let mut call = task::spawn(layer.layer(script.clone()).oneshot(get()));
    assert_pending!(call.poll());
    assert_eq!((script.sent(), layer.active()), (0, 1));
    let t0 = Instant::now();
    let response: Response<String> = call.await.unwrap();
    assert_eq!((t0.elapsed(), script.sent(), layer.active()), (secs(5), 1, 0));
    assert_eq!(response.extensions().get::<ResponseFlags>().unwrap().to_string(), "DI");
    assert_eq!(metrics.snapshot().delays_injected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_active_only_while_it_lasts() {
    let script = Script::new([Act::Silence]);
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), abort: None });
    let mut call = task::spawn(layer.layer(script.clone()).oneshot(get()));
    assert_pending!(call.poll());
    tokio::time::advance(secs(5)).await;
    assert_pending!(call.poll());
    assert_eq!((script.sent(), layer.active()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_request_is_never_sent() {
    let script = Script::<()>::new([]);
    let layer = FaultLayer::new(Fault { delay: None, abort: abort(TEAPOT, Fraction::ONE) });
    let err = layer.layer(script.clone()).oneshot(get()).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!((rejection.status, script.sent()), (StatusCode::IM_A_TEAPOT, 0));
    assert_eq!((rejection.flags.to_string().as_str(), &*rejection.details), ("FI", "fault_filter_abort"));
    let response: Response<String> = rejection.into_response(false);
    assert_eq!(response.body(), "fault filter abort");
}

#[tokio::test(start_paused = true)]
async fn a_grpc_abort_is_a_status_in_headers_for_grpc_and_its_http_equal_for_others() {
    let layer = FaultLayer::new(Fault { delay: None, abort: abort(AbortWith::Grpc(7), Fraction::ONE) });
    let err = layer.layer(Script::<()>::new([])).oneshot(get()).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    let grpc: Response<String> = rejection.clone().into_response(true);
    assert_eq!((grpc.status(), &grpc.headers()["grpc-status"]), (StatusCode::OK, &"7".parse().unwrap()));
    assert_eq!(grpc.headers()["grpc-message"], "fault filter abort");
    assert_eq!(rejection.into_response::<String>(false).status(), StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_late_and_wrong() {
    let fault = Fault { delay: delay(Fraction::ONE), abort: abort(TEAPOT, Fraction::ONE) };
    let t0 = Instant::now();
    let script = Script::<()>::new([]);
    let err = FaultLayer::new(fault).layer(script.clone()).oneshot(get()).await.unwrap_err();
    assert_eq!((t0.elapsed(), script.sent()), (secs(5), 0));
    assert_eq!(Rejection::of(&*err).unwrap().flags.to_string(), "DI,FI");
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_delay_keeps_its_cause_and_the_flag() {
    let script = Script::new([Act::Fail(Failure::new(FailureKind::Reset, "boom").into())]);
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), abort: None });
    let err: BoxError = layer.layer(script).oneshot(get()).await.unwrap_err();
    assert!(find::<Failure>(&*err).is_some());
    assert_eq!(flags_of(&*err).to_string(), "DI");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_most_active_faults_requests_pass() {
    let metrics = FaultMetrics::default();
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), abort: None })
        .max_active(1)
        .metrics(metrics.clone());
    let svc = layer.layer(Script::new([]));
    let mut first = task::spawn(svc.clone().oneshot(get()));
    assert_pending!(first.poll());
    let t0 = Instant::now();
    assert_eq!(svc.clone().oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((t0.elapsed(), metrics.snapshot().faults_overflow), (millis(0), 1));
    drop(first);
    assert_eq!(layer.active(), 0, "a delayed request that is dropped is no longer active");
}

#[tokio::test(start_paused = true)]
async fn a_share_of_requests_is_hit_and_a_seed_repeats_which() {
    let hits = |seed| async move {
        let fault = Fault { delay: None, abort: abort(TEAPOT, Fraction::percent(30.0).unwrap()) };
        let svc = FaultLayer::new(fault).random(Random::seeded(seed)).layer(Script::<()>::new([]));
        let mut hits = vec![];
        for _ in 0..1000 {
            hits.push(svc.clone().oneshot(get()).await.is_err());
        }
        hits
    };
    let (a, b, c) = (hits(1).await, hits(1).await, hits(2).await);
    assert_eq!(a, b);
    assert_ne!(a, c);
    let share = a.iter().filter(|hit| **hit).count();
    assert!((260..340).contains(&share), "{share} of 1000");
}

proptest! {
    #[test]
    fn dropped_at_any_poll_a_delay_is_no_longer_active(polls in 0usize..5, step in 0u64..4) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), abort: None });
            let mut svc = layer.layer(Script::<()>::new([Act::After(secs(5), 200)]));
            let _ = svc.ready().await;
            let mut call = task::spawn(svc.call(get()));
            prop_assert_eq!(layer.active(), 1);
            for _ in 0..polls {
                if call.poll().is_ready() {
                    break;
                }
                tokio::time::advance(secs(step)).await;
            }
            drop(call);
            prop_assert_eq!(layer.active(), 0);
            Ok(())
        })?;
    }
}

#[test]
fn a_request_that_passes_costs_no_more_than_its_future_and_three_words() {
    #[derive(Clone)]
    struct Noop;
    impl Service<Request<()>> for Noop {
        type Response = Response<()>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<()>, BoxError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<()>) -> Self::Future {
            std::future::ready(Ok(Response::new(())))
        }
    }
    let inner = size_of::<<Noop as Service<Request<()>>>::Future>();
    assert!(size_of::<FaultFuture<Noop, ()>>() <= inner + 24, "{}", size_of::<FaultFuture<Noop, ()>>());
}
