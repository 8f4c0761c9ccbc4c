use crate::shed::*;
use crate::testing::{Act, Script, secs};
use crate::{BoxError, Failure, FailureKind, Random, Rejection, find};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use serde_json::json;
use tokio::time::{Instant, advance};
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

fn control(settings: Admission) -> (AdmissionControl, AdmissionControlMetrics) {
    let metrics = AdmissionControlMetrics::default();
    (AdmissionControl::with(settings, Random::seeded(1), metrics.clone()), metrics)
}

/// How many of so many requests were sent.
async fn sent(control: &AdmissionControl, class: Criticality, status: u16, requests: usize) -> usize {
    let script = Script::new((0..requests).map(|_| Act::Status(status)));
    let layer = AdmissionControlLayer::new(control.clone()).prioritize(move |_: &Request<()>| class);
    let mut svc = layer.layer(script.clone());
    for _ in 0..requests {
        let _ = svc.ready().await.unwrap().call(Request::new(())).await;
    }
    script.sent()
}

#[tokio::test(start_paused = true)]
async fn a_failing_service_gets_a_fifth_of_its_requests_and_all_of_them_once_it_recovers() {
    let (control, metrics) = control(Admission::default());
    assert_eq!(sent(&control, Criticality::Critical, 200, 100).await, 100);
    advance(secs(31)).await;
    let failing = sent(&control, Criticality::Critical, 503, 1000).await;
    assert!((150..300).contains(&failing), "{failing} of 1000");
    let counts = metrics.snapshot();
    assert_eq!(counts.rq_rejected + counts.rq_failure, 1000);
    assert_eq!(counts.rq_success, 100);
    assert_eq!(control.rejection_probability(Criticality::Critical, Instant::now()), 0.8);
    // The failures leave the window.
    advance(secs(31)).await;
    assert_eq!(sent(&control, Criticality::Critical, 200, 100).await, 100);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_a_503_with_envoys_words() {
    let (control, _) = control(Admission { max_rejection_probability: 1.0, ..Admission::default() });
    sent(&control, Criticality::Critical, 500, 1000).await;
    let layer = AdmissionControlLayer::new(control);
    let errors = async {
        loop {
            if let Err(error) = layer.layer(Script::new([])).oneshot(Request::new(())).await {
                return error;
            }
        }
    };
    let error = errors.await;
    assert_eq!(find::<Shed>(&*error).unwrap().reason(), Reason::AdmissionControl);
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status.as_u16(), rejection.grpc_status), (503, 14));
    assert_eq!((&*rejection.details, &*rejection.body), ("denied_by_admission_control", ""));
    assert!(rejection.flags.is_empty());
    assert_eq!(crate::failure::classify(&*error), FailureKind::Overflow);
}

#[tokio::test(start_paused = true)]
async fn the_sheddable_are_refused_first() {
    let (control, _) = control(Admission::default());
    // Three of ten fail.
    for _ in 0..10 {
        sent(&control, Criticality::CriticalPlus, 200, 7).await;
        sent(&control, Criticality::CriticalPlus, 500, 3).await;
    }
    let now = Instant::now();
    let of = |class| control.rejection_probability(class, now);
    let probabilities = Criticality::ALL.map(of);
    assert!(probabilities.windows(2).all(|pair| pair[0] > pair[1]), "{probabilities:?}");
    assert!((of(Criticality::Critical) - 0.26).abs() < 0.02, "{probabilities:?}");
}

#[tokio::test(start_paused = true)]
async fn too_few_requests_say_nothing() {
    let (control, _) = control(Admission { rps_threshold: 9, ..Admission::default() });
    for _ in 0..20 {
        assert_eq!(sent(&control, Criticality::Critical, 500, 4).await, 4);
        advance(secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_is_judged_by_its_trailers() {
    let (control, metrics) = control(Admission { max_rejection_probability: 0.0, ..Admission::default() });
    let layer = AdmissionControlLayer::new(control);
    let call = |status: Option<&'static str>, in_head: bool| {
        let svc = tower::service_fn(move |_: Request<()>| async move {
            let mut trailers = HeaderMap::new();
            if let Some(status) = status {
                trailers.insert("grpc-status", status.parse()?);
            }
            let mut response = Response::new(());
            if in_head {
                *response.headers_mut() = trailers.clone();
            }
            response.headers_mut().insert("content-type", "application/grpc".parse()?);
            let body = Full::new(Bytes::from_static(b"message"));
            Ok::<_, BoxError>(response.map(|()| body.with_trailers(std::future::ready(Some(Ok(trailers))))))
        });
        layer.layer(svc).oneshot(Request::new(()))
    };
    let counts = || (metrics.snapshot().rq_success, metrics.snapshot().rq_failure);
    let response = call(Some("0"), false).await.unwrap();
    assert_eq!(counts(), (0, 0), "nothing is known before the trailers");
    response.into_body().collect().await.unwrap();
    assert_eq!(counts(), (1, 0));
    call(Some("14"), false).await.unwrap().into_body().collect().await.unwrap();
    call(None, false).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(counts(), (1, 2));
    call(Some("5"), true).await.unwrap();
    assert_eq!(counts(), (2, 2), "not found, in the head");
    drop(call(Some("0"), false).await.unwrap());
    assert_eq!(counts(), (2, 2), "the caller went away");
}

#[tokio::test(start_paused = true)]
async fn an_error_is_a_failure_and_a_caller_that_goes_away_is_none() {
    let (control, metrics) = control(Admission::default());
    let failure = Failure::new(FailureKind::ConnectFailure, "refused");
    let mut svc =
        AdmissionControlLayer::new(control).layer(Script::new([Act::Fail(failure.into()), Act::Silence]));
    assert!(svc.ready().await.unwrap().call(Request::new(())).await.is_err());
    assert_eq!(metrics.snapshot().rq_failure, 1);
    let mut call = task::spawn(svc.ready().await.unwrap().call(Request::new(())));
    assert_pending!(call.poll());
    drop(call);
    assert_eq!(metrics.snapshot().rq_failure, 1);
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn an_answer_that_does_not_come_in_time_is_a_failure() {
    use crate::timeout::AttemptTimeoutLayer;
    let (control, metrics) = control(Admission::default());
    let svc = AdmissionControlLayer::new(control).layer(Script::new([Act::Silence]));
    assert!(AttemptTimeoutLayer::new(secs(1)).layer(svc).oneshot(Request::new(())).await.is_err());
    assert_eq!(metrics.snapshot().rq_failure, 1);
}

#[test]
fn a_wrong_file_says_where() {
    let error = |spec| {
        let spec: AdmissionControlSpec = serde_json::from_value(spec).unwrap();
        AdmissionControlLayer::try_from(spec).unwrap_err().to_string()
    };
    let status = json!({"start": 99, "end": 200});
    for (spec, want) in [
        (json!({"samplingWindow": "0s"}), "samplingWindow: must be from 1s to 1h"),
        (json!({"aggression": 0.5}), "aggression: must be from 1 to 1000"),
        (json!({"srThreshold": 0}), "srThreshold: must be a percentage from 1 to 100"),
        (
            json!({"maxRejectionProbability": 101}),
            "maxRejectionProbability: must be a percentage from 0 to 100",
        ),
        (
            json!({"successCriteria": {"httpSuccessStatus": [status]}}),
            "successCriteria.httpSuccessStatus[0]: must begin at 100 at least, and end at 600 at most",
        ),
        (
            json!({"successCriteria": {"grpcSuccessStatus": [0, 17]}}),
            "successCriteria.grpcSuccessStatus[1]: must be a gRPC status from 0 to 16",
        ),
    ] {
        assert_eq!(error(spec), want);
    }
}

/// What admission control counts of one request that the layer below it judges: successes, failures.
async fn judged<B, L>(below: L, request: Request<B>) -> (u64, u64)
where
    B: Send + 'static,
    L: Layer<Script<B>>,
    L::Service: Service<Request<B>, Response = Response<String>, Error = BoxError>,
{
    let (control, metrics) = control(Admission::default());
    let _ = AdmissionControlLayer::new(control).layer(below.layer(Script::new([]))).oneshot(request).await;
    (metrics.snapshot().rq_success, metrics.snapshot().rq_failure)
}

/// Fails with an error that it makes anew each time.
fn failing<B>(error: fn() -> BoxError) -> impl Layer<Script<B>, Service = Script<B>> + Clone
where
    B: Send + 'static,
{
    tower::layer::layer_fn(move |_| Script::new([Act::Fail(error())]))
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_the_callers_own_fault_is_no_failure_of_the_service() {
    let request = || Request::new(());
    #[cfg(feature = "ratelimit")]
    {
        use crate::ratelimit::{LocalRateLimitLayer, Rate};
        let svc = LocalRateLimitLayer::new(Rate::per_second(1).burst(1)).layer(Script::new([]));
        let (control, metrics) = control(Admission::default());
        let svc = AdmissionControlLayer::new(control).layer(svc);
        for _ in 0..100 {
            let _ = svc.clone().oneshot(request()).await;
        }
        assert_eq!((metrics.snapshot().rq_success, metrics.snapshot().rq_failure), (100, 0));
    }
    #[cfg(feature = "authz")]
    {
        use crate::authz::{AuthzLayer, AuthzSpec};
        let nothing: AuthzSpec = serde_json::from_value(json!({"policies": [{
            "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
            "metadata": {"name": "nobody", "namespace": "shop"}, "spec": {}
        }]}))
        .unwrap();
        let layer = AuthzLayer::try_from(nothing).unwrap();
        assert_eq!(judged(layer.clone(), request()).await, (1, 0));
        let mut call = request();
        call.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
        assert_eq!(judged(layer, call).await, (1, 0), "PERMISSION_DENIED");
    }
    // What is too much for the service is its failure, and so is what nobody knows.
    let overflow =
        || Shed::new(Reason::ConcurrencyLimit, Criticality::Critical, StatusCode::SERVICE_UNAVAILABLE).into();
    assert_eq!(judged(failing(overflow), request()).await, (0, 1));
    assert_eq!(judged(failing(|| "boom".into()), request()).await, (0, 1));
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn a_callers_own_deadline_says_nothing_of_the_service() {
    use crate::timeout::DeadlineLayer;
    let (control, metrics) = control(Admission::default());
    let svc = AdmissionControlLayer::new(control).layer(DeadlineLayer::new().layer(Script::new([]).silent()));
    let request = Request::builder().header("grpc-timeout", "1m").body(()).unwrap();
    assert!(svc.oneshot(request).await.is_err());
    assert_eq!((metrics.snapshot().rq_success, metrics.snapshot().rq_failure), (0, 0));
}

#[test]
fn no_window_is_too_long() {
    let endless = Admission { sampling_window: std::time::Duration::MAX, ..Admission::default() };
    let control = AdmissionControl::new(endless);
    control.record(true);
    assert_eq!(control.rejection_probability(Criticality::Critical, Instant::now()), 0.0);
}
