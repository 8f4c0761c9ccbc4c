use super::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Failure, FailureKind, Random, Rejection, find, flags_of};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::BodyExt;
use mesh_core::model::http::{
    AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, RateBy,
};
use mesh_core::model::values::{Denominator, Fraction};
use mesh_core::response_flag::ResponseFlags;
use proptest::prelude::*;
use std::num::NonZeroU64;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

fn delay(fraction: Fraction) -> Option<FaultDelay> {
    Some(FaultDelay { by: DelayBy::Fixed(secs(5)), fraction })
}

fn abort(with: AbortWith, fraction: Fraction) -> Option<FaultAbort> {
    Some(FaultAbort { by: AbortBy::Fixed(with), fraction })
}

const TEAPOT: AbortWith = AbortWith::Http(StatusCode::IM_A_TEAPOT);

fn get() -> Request<()> {
    Request::new(())
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_sent_late_and_its_response_says_so() {
    let script = Script::new([]);
    let metrics = FaultMetrics::default();
    let layer =
        FaultLayer::new(Fault { delay: delay(Fraction::ONE), ..Fault::default() }).metrics(metrics.clone());
    let mut call = task::spawn(layer.layer(script.clone()).oneshot(get()));
    assert_pending!(call.poll());
    assert_eq!((script.sent(), layer.active()), (0, 1));
    let t0 = Instant::now();
    let response = call.await.unwrap();
    assert_eq!((t0.elapsed(), script.sent(), layer.active()), (secs(5), 1, 0));
    assert_eq!(response.extensions().get::<ResponseFlags>().unwrap().to_string(), "DI");
    assert_eq!(metrics.snapshot().delays_injected, 1);
}

#[tokio::test(start_paused = true)]
async fn a_delay_is_active_only_while_it_lasts() {
    let script = Script::new([Act::Silence]);
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), ..Fault::default() });
    let mut call = task::spawn(layer.layer(script.clone()).oneshot(get()));
    assert_pending!(call.poll());
    tokio::time::advance(secs(5)).await;
    assert_pending!(call.poll());
    assert_eq!((script.sent(), layer.active()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_aborted_request_is_never_sent() {
    let script = Script::<()>::new([]);
    let layer = FaultLayer::new(Fault { abort: abort(TEAPOT, Fraction::ONE), ..Fault::default() });
    let err = layer.layer(script.clone()).oneshot(get()).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!((rejection.status, script.sent()), (StatusCode::IM_A_TEAPOT, 0));
    assert_eq!((rejection.flags.to_string().as_str(), &*rejection.details), ("FI", "fault_filter_abort"));
    let response: Response<String> = rejection.into_response(false);
    assert_eq!(response.body(), "fault filter abort");
}

#[tokio::test(start_paused = true)]
async fn a_grpc_abort_is_a_status_in_headers_for_grpc_and_its_http_equal_for_others() {
    let layer =
        FaultLayer::new(Fault { abort: abort(AbortWith::Grpc(7), Fraction::ONE), ..Fault::default() });
    let err = layer.layer(Script::<()>::new([])).oneshot(get()).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    let grpc: Response<String> = rejection.clone().into_response(true);
    assert_eq!((grpc.status(), &grpc.headers()["grpc-status"]), (StatusCode::OK, &"7".parse().unwrap()));
    assert_eq!(grpc.headers()["grpc-message"], "fault filter abort");
    assert_eq!(rejection.into_response::<String>(false).status(), StatusCode::FORBIDDEN);
}

#[tokio::test(start_paused = true)]
async fn a_request_can_be_late_and_wrong() {
    let fault =
        Fault { delay: delay(Fraction::ONE), abort: abort(TEAPOT, Fraction::ONE), ..Fault::default() };
    let t0 = Instant::now();
    let script = Script::<()>::new([]);
    let err = FaultLayer::new(fault).layer(script.clone()).oneshot(get()).await.unwrap_err();
    assert_eq!((t0.elapsed(), script.sent()), (secs(5), 0));
    assert_eq!(Rejection::of(&*err).unwrap().flags.to_string(), "DI,FI");
}

#[tokio::test(start_paused = true)]
async fn a_failure_after_a_delay_keeps_its_cause_and_the_flag() {
    let script = Script::new([Act::Fail(Failure::new(FailureKind::Reset, "boom").into())]);
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), ..Fault::default() });
    let err: BoxError = layer.layer(script).oneshot(get()).await.unwrap_err();
    assert!(find::<Failure>(&*err).is_some());
    assert_eq!(flags_of(&*err).to_string(), "DI");
}

#[tokio::test(start_paused = true)]
async fn beyond_the_most_active_faults_requests_pass() {
    let metrics = FaultMetrics::default();
    let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), ..Fault::default() })
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
        let fault = Fault { abort: abort(TEAPOT, Fraction::percent(30.0).unwrap()), ..Fault::default() };
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

fn kib_a_second(n: u64) -> NonZeroU64 {
    NonZeroU64::new(n).unwrap()
}

/// Answers with so many bytes.
fn download(
    bytes: usize,
) -> impl Service<
    Request<()>,
    Response = Response<http_body_util::Full<bytes::Bytes>>,
    Error = BoxError,
    Future: Send,
> + Clone {
    tower::service_fn(move |_: Request<()>| async move {
        Ok(Response::new(http_body_util::Full::from(vec![0u8; bytes])))
    })
}

#[tokio::test(start_paused = true)]
async fn a_response_has_no_more_than_its_bandwidth() {
    let metrics = FaultMetrics::default();
    let layer =
        FaultLayer::none().response_rate_limit(kib_a_second(10), Fraction::ONE).metrics(metrics.clone());
    let t0 = Instant::now();
    let response = layer.layer(download(40 * 1024)).oneshot(get()).await.unwrap();
    assert_eq!((t0.elapsed(), layer.active()), (millis(0), 1));
    assert_eq!(response.body().size_hint().exact(), Some(40 * 1024));
    let mut body = response.into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert_eq!((first.len(), t0.elapsed()), (512, millis(0)), "what 50 ms bring");
    assert_eq!(body.size_hint().exact(), Some(40 * 1024 - 512));
    let rest = body.collect().await.unwrap().to_bytes();
    assert_eq!(rest.len(), 40 * 1024 - 512);
    assert!((millis(3900)..=millis(4000)).contains(&t0.elapsed()), "{:?}", t0.elapsed());
    assert_eq!((layer.active(), metrics.snapshot().response_rl_injected), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_slow_response_that_is_dropped_is_no_longer_active() {
    let layer = FaultLayer::none().response_rate_limit(kib_a_second(1), Fraction::ONE).max_active(1);
    let svc = layer.layer(download(4096));
    let slow = svc.clone().oneshot(get()).await.unwrap();
    let t0 = Instant::now();
    let quick = svc.clone().oneshot(get()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!((quick.to_bytes().len(), t0.elapsed()), (4096, millis(0)), "one is slow already");
    drop(slow);
    assert_eq!(layer.active(), 0);
}

#[tokio::test(start_paused = true)]
async fn trailers_pass_after_the_last_byte() {
    let svc = tower::service_fn(|_: Request<()>| async {
        let trailers = HeaderMap::from_iter([("grpc-status".parse()?, "0".parse()?)]);
        let data = http_body_util::Full::new(bytes::Bytes::from(vec![0u8; 2048]));
        Ok::<_, BoxError>(Response::new(data.with_trailers(async move { Some(Ok(trailers)) })))
    });
    let layer = FaultLayer::none().response_rate_limit(kib_a_second(1), Fraction::ONE);
    let t0 = Instant::now();
    let body = layer.layer(svc).oneshot(get()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(body.trailers().unwrap()["grpc-status"], "0");
    assert!(t0.elapsed() > millis(1800) && layer.active() == 0);
}

/// A request that asks for faults.
fn asking(headers: &[(&'static str, &'static str)]) -> Request<()> {
    let mut request = get();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}

fn by_headers(fraction: Fraction, unit: Denominator) -> FaultLayer {
    FaultLayer::new(Fault {
        delay: Some(FaultDelay { by: DelayBy::Header(unit), fraction }),
        abort: Some(FaultAbort { by: AbortBy::Header(unit), fraction }),
        response_rate_limit: Some(FaultRateLimit { by: RateBy::Header(unit), fraction }),
        max_active: None,
    })
}

#[tokio::test(start_paused = true)]
async fn requests_ask_for_faults_in_vain_unless_they_are_trusted() {
    let layer = by_headers(Fraction::ONE, Denominator::Hundred);
    let headers = [
        ("x-envoy-fault-delay-request", "250"),
        ("x-envoy-fault-abort-request", "429"),
        ("x-envoy-fault-throughput-response", "1"),
    ];
    let t0 = Instant::now();
    let answer = layer.layer(download(9000)).oneshot(asking(&headers)).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 9000);
    assert_eq!(t0.elapsed(), millis(0));

    let trusting = layer.dangerous_trust_headers();
    let err = trusting.layer(download(9000)).oneshot(asking(&headers)).await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!((rejection.status.as_u16(), t0.elapsed()), (429, millis(250)));
    let t0 = Instant::now();
    let slow = trusting.layer(download(2048)).oneshot(asking(&headers[2..])).await.unwrap();
    slow.into_body().collect().await.unwrap();
    assert!(t0.elapsed() > millis(1800), "{:?}", t0.elapsed());
    assert!(trusting.layer(download(0)).oneshot(get()).await.is_ok(), "who asks for nothing gets nothing");
}

#[tokio::test(start_paused = true)]
async fn what_a_header_asks_for_must_be_a_number_that_makes_sense() {
    let layer = by_headers(Fraction::ONE, Denominator::Hundred).dangerous_trust_headers();
    let abort = |headers: &'static [(&'static str, &'static str)]| {
        let answer = layer.layer(download(0)).oneshot(asking(headers));
        async move { answer.await.err().map(|e| find::<Aborted>(&*e).unwrap().with()) }
    };
    let http = |status| Some(AbortWith::Http(StatusCode::from_u16(status).unwrap()));
    assert_eq!(abort(&[("x-envoy-fault-abort-request", "503")]).await, http(503));
    assert_eq!(abort(&[("x-envoy-fault-abort-request", "99")]).await, None);
    assert_eq!(abort(&[("x-envoy-fault-abort-request", "teapot")]).await, None);
    let grpc = ("x-envoy-fault-abort-grpc-request", "5");
    assert_eq!(abort(&[("x-envoy-fault-abort-grpc-request", "5")]).await, Some(AbortWith::Grpc(5)));
    let both = layer.layer(download(0)).oneshot(asking(&[grpc, ("x-envoy-fault-abort-request", "504")]));
    assert_eq!(find::<Aborted>(&*both.await.unwrap_err()).unwrap().with(), http(504).unwrap());
    let twice = [("x-envoy-fault-abort-request", "500"), ("x-envoy-fault-abort-request", "501")];
    let err = layer.layer(download(0)).oneshot(asking(&twice)).await.unwrap_err();
    assert_eq!(find::<Aborted>(&*err).unwrap().with(), http(500).unwrap(), "the first counts");
}

#[tokio::test(start_paused = true)]
async fn a_header_lowers_the_share_and_never_raises_it() {
    let share = |configured, unit, asked: &'static str| async move {
        let layer = by_headers(configured, unit).dangerous_trust_headers().random(Random::seeded(3));
        let svc = layer.layer(download(0));
        let headers =
            [("x-envoy-fault-abort-request", "500"), ("x-envoy-fault-abort-request-percentage", asked)];
        let mut hits = 0;
        for _ in 0..1000 {
            hits += usize::from(svc.clone().oneshot(asking(&headers)).await.is_err());
        }
        hits
    };
    let half = Fraction::percent(50.0).unwrap();
    assert!((60..140).contains(&share(half, Denominator::Hundred, "10").await));
    assert!((440..560).contains(&share(half, Denominator::Hundred, "100").await));
    assert!((440..560).contains(&share(half, Denominator::Hundred, "most").await));
    assert!((60..140).contains(&share(half, Denominator::TenThousand, "1000").await));
    assert_eq!(share(half, Denominator::Hundred, "0").await, 0);
}

#[test]
fn a_spec_says_which_fault_cannot_be() {
    let refused = |json: &str| {
        let spec: FaultSpec = serde_json::from_str(json).unwrap();
        FaultLayer::try_from(spec).unwrap_err().to_string()
    };
    assert_eq!(refused(r#"{"delay": {}}"#), "delay: must have either fixedDelay or headerDelay");
    assert_eq!(
        refused(r#"{"delay": {"fixedDelay": "1s", "percentage": {"value": 200}}}"#),
        "delay.percentage.value: must be from 0 to 100"
    );
    assert_eq!(refused(r#"{"abort": {"httpStatus": 199}}"#), "abort.httpStatus: must be from 200 to 599");
    assert_eq!(
        refused(r#"{"abort": {"grpcStatus": "NOPE"}}"#),
        "abort.grpcStatus: must be a gRPC status, such as UNAVAILABLE"
    );
    assert_eq!(
        refused(r#"{"responseRateLimit": {"fixedLimit": {"limitKbps": 0}}}"#),
        "responseRateLimit.fixedLimit.limitKbps: must be at least 1"
    );
    assert_eq!(
        refused(r#"{"abort": {"headerAbort": {}}}"#),
        "abort.headerAbort: any caller can ask for it; dangerousTrustHeaders must say so"
    );
    let spec: FaultSpec =
        serde_json::from_str(r#"{"abort": {"headerAbort": {}}, "dangerousTrustHeaders": true}"#).unwrap();
    assert!(FaultLayer::try_from(spec).is_ok());
}

proptest! {
    #[test]
    fn never_more_faults_are_active_than_may_be(
        max in 0u32..4,
        steps in prop::collection::vec((0u64..3, 0usize..8, any::<bool>()), 0..40),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let half = Fraction::percent(50.0).unwrap();
            let layer = FaultLayer::none()
                .delay(secs(2), half)
                .response_rate_limit(kib_a_second(1), half)
                .max_active(max)
                .random(Random::seeded(9));
            let svc = layer.layer(download(2048));
            let mut calls = vec![];
            let mut bodies = vec![];
            for (pause, at, finish) in steps {
                tokio::time::advance(secs(pause)).await;
                if finish && at < calls.len() {
                    drop(calls.swap_remove(at));
                } else {
                    calls.push(Box::pin(svc.clone().oneshot(get())));
                }
                let mut waiting = vec![];
                for mut call in calls.drain(..) {
                    match task::spawn(&mut call).poll() {
                        std::task::Poll::Ready(answer) => bodies.push(answer.unwrap()),
                        std::task::Poll::Pending => waiting.push(call),
                    }
                }
                calls = waiting;
                if finish && at < bodies.len() {
                    drop(bodies.swap_remove(at));
                }
                prop_assert!(layer.active() <= max);
            }
            drop((calls, bodies));
            prop_assert_eq!(layer.active(), 0);
            Ok(())
        })?;
    }

    #[test]
    fn dropped_at_any_poll_a_delay_is_no_longer_active(polls in 0usize..5, step in 0u64..4) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let layer = FaultLayer::new(Fault { delay: delay(Fraction::ONE), ..Fault::default() });
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
