use crate::ratelimit::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Rejection, find};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::json;
use std::future::{Future, pending, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

type Word = Pin<Box<dyn Future<Output = Result<RateLimitResponse, BoxError>> + Send>>;

/// A service that says one thing, and notes what it is asked.
#[derive(Clone)]
struct Says(Result<RateLimitResponse, &'static str>, Arc<Mutex<Vec<RateLimitRequest>>>);

impl RateLimitService for Says {
    type Future = Word;

    fn should_rate_limit(&self, request: RateLimitRequest) -> Word {
        self.1.lock().push(request);
        Box::pin(ready(self.0.clone().map_err(Into::into)))
    }
}

fn says(code: Code) -> Says {
    Says(Ok(RateLimitResponse { overall_code: code, ..RateLimitResponse::default() }), Arc::default())
}

const USER: HeaderName = HeaderName::from_static("x-user");

fn by_user<R>(service: R) -> RateLimitLayer<R> {
    RateLimitLayer::new(service, "shop").descriptor([Entry::header(USER)])
}

fn request() -> Request<()> {
    Request::get("/").header(USER, "a").body(()).unwrap()
}

async fn send<R: RateLimitService + Clone>(layer: &RateLimitLayer<R>) -> Result<Response<String>, BoxError> {
    layer.layer(Script::new([])).oneshot(request()).await
}

#[tokio::test]
async fn a_service_is_asked_about_the_descriptors_that_a_request_has() {
    let service = says(Code::Ok);
    let layer = RateLimitLayer::new(service.clone(), "shop")
        .descriptor([Entry::generic_key("orders"), Entry::header(USER)])
        .descriptor([Entry::header(USER).is("b")])
        .descriptor([Entry::query_parameter("absent")])
        .descriptor([Entry::header(USER).key("user"), Entry::query_parameter("absent").skip_if_absent()])
        .descriptor([Entry::remote_address()]);
    assert!(send(&layer).await.is_ok());
    let asked = service.1.lock().pop().unwrap();
    assert_eq!((asked.domain.as_str(), asked.hits_addend), ("shop", 1));
    let entries: Vec<Vec<_>> = asked
        .descriptors
        .iter()
        .map(|d| d.entries.iter().map(|(key, value)| format!("{key}={value}")).collect())
        .collect();
    assert_eq!(
        entries,
        [vec!["generic_key=orders", "x-user=a"], vec!["user=a"], vec!["remote_address=unknown"]]
    );
    let unasked = by_user(service.clone()).layer(Script::new([])).oneshot(Request::new(())).await;
    assert!(unasked.is_ok() && service.1.lock().is_empty(), "nothing to ask about");
}

#[tokio::test]
async fn over_the_limit_is_a_429_with_envoys_words_and_the_services() {
    let limit = RateLimit { name: String::new(), requests_per_unit: 10, unit: RateLimitUnit::Minute };
    let status = |code, left| DescriptorStatus {
        code,
        current_limit: Some(limit.clone()),
        limit_remaining: left,
        duration_until_reset: Some(secs(42)),
    };
    let json = HeaderValue::from_static("application/json");
    let word = RateLimitResponse {
        overall_code: Code::OverLimit,
        statuses: vec![status(Code::Ok, 7), status(Code::OverLimit, 0), DescriptorStatus::default()],
        response_headers_to_add: vec![(http::header::CONTENT_TYPE, json)],
        request_headers_to_add: vec![],
        raw_body: Bytes::from_static(b"{}"),
    };
    let metrics = RateLimitMetrics::default();
    let layer = by_user(Says(Ok(word), Arc::default()))
        .x_ratelimit_headers()
        .rate_limited_as_resource_exhausted()
        .response_header(HeaderName::from_static("x-why"), HeaderValue::from_static("greed"))
        .metrics(metrics.clone());
    let error = send(&layer).await.unwrap_err();
    assert_eq!(find::<RateLimited>(&*error).unwrap().retry_after(), Some(secs(42)));
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status, rejection.grpc_status), (StatusCode::TOO_MANY_REQUESTS, 8));
    assert_eq!((&*rejection.details, &*rejection.flags.to_string()), ("request_rate_limited", "RL"));
    let reply: Response<String> = rejection.into_response(false);
    assert_eq!(reply.body(), "{}");
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-envoy-ratelimited", "true"),
        ("x-why", "greed"),
        ("x-ratelimit-limit", "10, 10;w=60, 10;w=60"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "42"),
    ] {
        assert_eq!(reply.headers()[name], value, "{name}");
    }
    assert_eq!(metrics.snapshot(), RateLimitCounts { over_limit: 1, ..RateLimitCounts::default() });
    let plain = by_user(says(Code::OverLimit)).disable_x_envoy_ratelimited_header();
    let rejection = Rejection::of(&*send(&plain).await.unwrap_err()).unwrap();
    assert!(rejection.headers.is_none());
}

#[tokio::test]
async fn the_services_headers_reach_both_sides() {
    let line = |name, value| (HeaderName::from_static(name), HeaderValue::from_static(value));
    let word = RateLimitResponse {
        overall_code: Code::Ok,
        response_headers_to_add: vec![line("x-left", "1"), line("x-left", "2")],
        request_headers_to_add: vec![line("x-plan", "free")],
        ..RateLimitResponse::default()
    };
    let script = Script::new([]);
    let response =
        by_user(Says(Ok(word), Arc::default())).layer(script.clone()).oneshot(request()).await.unwrap();
    assert_eq!(response.headers().get_all("x-left").iter().collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(script.seen.lock()[0].headers()["x-plan"], "free");
}

#[tokio::test(start_paused = true)]
async fn without_a_verdict_everything_passes_or_nothing_does() {
    let failing = |layer: RateLimitLayer<fn(RateLimitRequest) -> Word>| async move {
        let open = RateLimitMetrics::default();
        let passed = send(&layer.clone().metrics(open.clone())).await;
        let counts = open.snapshot();
        assert!(passed.is_ok());
        assert_eq!((counts.error, counts.failure_mode_allowed, counts.ok), (1, 1, 0));
        let error = send(&layer.failure_mode_deny()).await.unwrap_err();
        assert_eq!(crate::failure::classify(&*error), crate::FailureKind::Final);
        Rejection::of(&*error).unwrap()
    };
    let cases: [fn(RateLimitRequest) -> Word; 3] = [
        |_| Box::pin(ready(Err("connection refused".into()))),
        |_| Box::pin(ready(Ok(RateLimitResponse::default()))),
        |_| Box::pin(pending()),
    ];
    for service in cases {
        let t0 = Instant::now();
        let rejection = failing(by_user(service)).await;
        assert!(t0.elapsed() <= 2 * millis(21), "{:?}", t0.elapsed());
        assert_eq!(
            (rejection.status, &*rejection.details),
            (StatusCode::INTERNAL_SERVER_ERROR, "rate_limiter_error")
        );
        assert_eq!(rejection.flags.to_string(), "RLSE");
    }
    let patient =
        by_user(cases[2]).timeout(secs(1)).failure_mode_deny().status_on_error(StatusCode::BAD_GATEWAY);
    let t0 = Instant::now();
    let rejection = Rejection::of(&*send(&patient).await.unwrap_err()).unwrap();
    assert_eq!((t0.elapsed(), rejection.status), (Duration::from_secs(1), StatusCode::BAD_GATEWAY));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_gives_up_asking_and_sends_nothing() {
    let held = Arc::new(());
    let weak = Arc::downgrade(&held);
    let service = move |_: RateLimitRequest| {
        let held = weak.upgrade();
        async move {
            let _held = held;
            pending::<Result<RateLimitResponse, BoxError>>().await
        }
    };
    let script = Script::new([]);
    let mut svc = by_user(service).layer(script.clone());
    let mut call = task::spawn(svc.ready().await.unwrap().call(request()));
    assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&held), 2);
    drop(call);
    assert_eq!((Arc::strong_count(&held), script.sent()), (1, 0));
    // The service that was made ready went with it; the next call makes another ready.
    let mut svc = by_user(says(Code::Ok)).layer(Script::new([Act::Silence]));
    let mut call = task::spawn(svc.ready().await.unwrap().call(request()));
    assert_pending!(call.poll());
    drop(call);
    assert!(svc.ready().await.unwrap().call(request()).await.is_ok());
}

#[test]
fn a_wrong_file_says_where() {
    let error = |spec| {
        let spec: RateLimitSpec = serde_json::from_value(spec).unwrap();
        spec.layer(says(Code::Ok)).err().unwrap().to_string()
    };
    for (spec, want) in [
        (json!({}), "domain: must not be empty"),
        (json!({"domain": "a", "timeout": "0s"}), "timeout: must be more than 0s"),
        (json!({"domain": "a", "statusOnError": 200}), "statusOnError: must be a status from 400 to 599"),
        (
            json!({"domain": "a", "rateLimitedStatus": 600}),
            "rateLimitedStatus: must be a status from 400 to 599",
        ),
        (
            json!({"domain": "a", "rateLimits": [{"actions": []}]}),
            "rateLimits[0].actions: must have at least one",
        ),
    ] {
        assert_eq!(error(spec), want);
    }
}

/// What a service may do, with headers for both sides.
#[derive(Clone, Debug)]
enum Said {
    Word(Code, Vec<u8>, Vec<u8>),
    Failed,
    Nothing,
}

fn said() -> impl Strategy<Value = Said> {
    let code = prop_oneof![Just(Code::Ok), Just(Code::OverLimit), Just(Code::Unknown)];
    let lines = || proptest::collection::vec(any::<u8>(), 0..4);
    prop_oneof![
        4 => (code, lines(), lines()).prop_map(|(code, up, down)| Said::Word(code, up, down)),
        1 => Just(Said::Failed),
        1 => Just(Said::Nothing),
    ]
}

fn line(value: &u8) -> (HeaderName, HeaderValue) {
    (HeaderName::from_static("x-said"), HeaderValue::from(u16::from(*value)))
}

proptest! {
    /// Closed, nothing passes without the service's word; open, everything does but what it refused. No header that
    /// it gives is lost on either side, and none of those that were there.
    #[test]
    fn closed_nothing_passes_without_a_word_and_open_everything(said in said(), closed: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let service = {
                let said = said.clone();
                move |_: RateLimitRequest| -> Word {
                    match said.clone() {
                        Said::Failed => Box::pin(ready(Err("down".into()))),
                        Said::Nothing => Box::pin(pending()),
                        Said::Word(code, up, down) => Box::pin(ready(Ok(RateLimitResponse {
                            overall_code: code,
                            request_headers_to_add: up.iter().map(line).collect(),
                            response_headers_to_add: down.iter().map(line).collect(),
                            ..RateLimitResponse::default()
                        }))),
                    }
                }
            };
            let layer = by_user(service);
            let layer = if closed { layer.failure_mode_deny() } else { layer };
            let script = Script::new([Act::Header(200, "x-said", "before")]);
            let mut asked = request();
            asked.headers_mut().insert("x-said", HeaderValue::from_static("before"));
            let answer = layer.layer(script.clone()).oneshot(asked).await;
            let passes = match &said {
                Said::Word(Code::Ok, ..) => true,
                Said::Word(Code::OverLimit, ..) => false,
                _ => !closed,
            };
            assert_eq!((answer.is_ok(), script.sent()), (passes, usize::from(passes)));
            let values = |headers: &http::HeaderMap| -> Vec<String> {
                headers.get_all("x-said").iter().map(|v| v.to_str().unwrap().to_owned()).collect()
            };
            let with = |before: &[&str], more: &[u8]| -> Vec<String> {
                before.iter().map(ToString::to_string).chain(more.iter().map(ToString::to_string)).collect()
            };
            let (up, down) = match &said {
                Said::Word(Code::Ok | Code::OverLimit, up, down) => (up.clone(), down.clone()),
                _ => Default::default(),
            };
            match answer {
                Ok(response) => {
                    assert_eq!(values(response.headers()), with(&["before"], &down));
                    assert_eq!(values(script.seen.lock()[0].headers()), with(&["before"], &up));
                }
                Err(error) => {
                    let reply: Response<String> = Rejection::of(&*error).unwrap().into_response(false);
                    assert_eq!(values(reply.headers()), with(&[], &down));
                }
            }
        });
    }
}
