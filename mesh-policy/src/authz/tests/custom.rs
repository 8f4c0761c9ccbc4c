//! External authorizers.

use super::*;
use crate::BoxError;
use crate::testing::{millis, secs};
use http::{HeaderMap, HeaderValue};
use mesh_core::response_flag::ResponseFlag;
use parking_lot::Mutex;
use serde_json::json;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::Service;

/// Gives its answers in turn, after a wait if it is told to wait.
#[derive(Default)]
struct Judge {
    answers: Mutex<Vec<Result<CheckResponse, BoxError>>>,
    asked: Mutex<Vec<(String, String)>>,
    gate: Option<Arc<tokio::sync::Notify>>,
    waiting: Arc<AtomicUsize>,
}

struct Waiting(Arc<AtomicUsize>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Authority for Judge {
    fn check(&self, head: Request<()>, rule: &str) -> CheckFuture {
        self.asked.lock().push((head.uri().to_string(), rule.to_owned()));
        let answer = self.answers.lock().pop().unwrap_or_else(|| Ok(CheckResponse::allowed()));
        let gate = self.gate.clone();
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let waiting = Waiting(self.waiting.clone());
        Box::pin(async move {
            let _waiting = waiting;
            if let Some(gate) = gate {
                gate.notified().await;
            }
            answer
        })
    }
}

fn chain(judge: &Arc<Judge>) -> Chain {
    let custom = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "ask", "namespace": "default"},
        "spec": {"action": "CUSTOM", "provider": {"name": "judge"},
                 "rules": [{"to": [{"operation": {"paths": ["/ask/*"]}}]}]},
    });
    let spec = AuthzSpec { policies: vec![custom], ..AuthzSpec::default() };
    let judge = judge.clone();
    spec.build(move |name| (name == "judge").then(|| judge.clone() as Arc<dyn Authority>)).unwrap()
}

fn judge(answers: Vec<Result<CheckResponse, BoxError>>) -> Arc<Judge> {
    Arc::new(Judge { answers: Mutex::new(answers), ..Judge::default() })
}

#[tokio::test]
async fn only_what_a_rule_matches_is_asked_about() {
    let judge = judge(vec![]);
    let script = Script::new([]);
    let svc = chain(&judge).custom[0].layer(script.clone());
    svc.clone().oneshot(request("/free", None)).await.unwrap();
    svc.oneshot(request("/ask/me", None)).await.unwrap();
    assert_eq!(*judge.asked.lock(), [("/ask/me".to_owned(), "ns[default]-policy[ask]-rule[0]".to_owned())]);
    assert_eq!(script.sent(), 2);
}

#[tokio::test]
async fn an_authorizer_may_change_headers_and_its_refusal_is_the_answer() {
    let set: HeaderMap = [(http::header::HOST, HeaderValue::from_static("set"))].into_iter().collect();
    let refusal = CheckResponse::Denied {
        status: StatusCode::PAYMENT_REQUIRED,
        headers: [(http::header::LOCATION, HeaderValue::from_static("/pay"))].into_iter().collect(),
        body: "pay first".into(),
    };
    let judge =
        judge(vec![Ok(refusal), Ok(CheckResponse::Allowed { set, remove: vec![http::header::COOKIE] })]);
    let script = Script::new([]);
    let svc = chain(&judge).custom[0].layer(script.clone());
    let mut asked = request("/ask/me", None);
    asked.headers_mut().insert("cookie", HeaderValue::from_static("a=b"));
    svc.clone().oneshot(asked).await.unwrap();
    assert_eq!(script.seen.lock()[0].headers()["host"], "set");
    assert!(!script.seen.lock()[0].headers().contains_key("cookie"));

    let error = svc.oneshot(request("/ask/me", None)).await.unwrap_err();
    let rejection = Rejection::of(&*error).unwrap();
    assert!(rejection.flags.contains(ResponseFlag::UnauthorizedExternalService));
    assert_eq!(rejection.details, "ext_authz_denied");
    let response: Response<String> = rejection.into_response(false);
    assert_eq!((response.status().as_u16(), response.body().as_str()), (402, "pay first"));
    assert_eq!(response.headers()["location"], "/pay");
    assert_eq!(script.sent(), 1);
}

#[tokio::test]
async fn who_cannot_be_asked_denies_unless_told_otherwise() {
    let judge = judge(vec![Err("down".into()), Err("down".into())]);
    let layer = chain(&judge).custom.remove(0);
    let script = Script::new([]);
    let strict = layer.clone().status_on_error(StatusCode::SERVICE_UNAVAILABLE);
    let error = strict.layer(script.clone()).oneshot(request("/ask/me", None)).await.unwrap_err();
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status.as_u16(), &*rejection.details), (503, "ext_authz_error"));
    assert!(find::<CustomDenied>(&*error).unwrap().is_failure());
    layer.fail_open(true).layer(script.clone()).oneshot(request("/ask/me", None)).await.unwrap();
    assert_eq!(script.sent(), 1);
}

#[tokio::test]
async fn without_a_connection_nobody_is_asked_and_nothing_passes() {
    let judge = judge(vec![]);
    let svc = chain(&judge).custom[0].layer(Script::new([]));
    assert!(svc.oneshot(Request::get("/ask/me").body(()).unwrap()).await.is_err());
    assert!(judge.asked.lock().is_empty());
}

#[tokio::test]
async fn who_goes_while_the_authorizer_thinks_leaves_nothing_behind() {
    let gate = Arc::new(tokio::sync::Notify::new());
    let judge = Arc::new(Judge { gate: Some(gate.clone()), ..Judge::default() });
    let script = Script::new([]);
    let mut svc = chain(&judge).custom[0].layer(script.clone());
    std::future::poll_fn(|cx| svc.poll_ready(cx)).await.unwrap();
    let mut asked = task::spawn(svc.call(request("/ask/me", None)));
    assert_pending!(asked.poll());
    assert_eq!(judge.waiting.load(Ordering::Relaxed), 1);
    drop(asked);
    assert_eq!((judge.waiting.load(Ordering::Relaxed), script.sent()), (0, 0));

    std::future::poll_fn(|cx| svc.poll_ready(cx)).await.unwrap();
    let mut asked = task::spawn(svc.call(request("/ask/me", None)));
    assert_pending!(asked.poll());
    gate.notify_waiters();
    assert_ready_ok!(asked.poll());
    assert_eq!(script.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_authorizer_that_hangs_is_not_waited_for_for_ever() {
    let hanging = || Arc::new(Judge { gate: Some(Arc::default()), ..Judge::default() });
    let (script, metrics) = (Script::new([]), CustomAuthzMetrics::default());
    let layer = CustomAuthzLayer::new("judge", hanging()).metrics(metrics.clone());
    let began = tokio::time::Instant::now();
    let error = layer.layer(script.clone()).oneshot(request("/", None)).await.unwrap_err();
    assert_eq!(began.elapsed(), secs(600), "Istio's");
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status.as_u16(), &*rejection.details), (403, "ext_authz_error"));

    let began = tokio::time::Instant::now();
    let open = layer.timeout(secs(1)).fail_open(true);
    open.layer(script.clone()).oneshot(request("/", None)).await.unwrap();
    assert_eq!((began.elapsed(), script.sent()), (secs(1), 1));
    let counts = CustomAuthzCounts { error: 2, timeout: 2, failure_mode_allowed: 1, ..Default::default() };
    assert_eq!(metrics.snapshot(), counts);
}

#[tokio::test]
async fn answers_are_counted_with_nobody_registered() {
    let answers = vec![Err("down".into()), Ok(CheckResponse::denied(StatusCode::FORBIDDEN))];
    let (judge, metrics) = (judge(answers), CustomAuthzMetrics::default());
    let svc = chain(&judge).custom.remove(0).metrics(metrics.clone()).layer(Script::new([]));
    for path in ["/ask/1", "/ask/2", "/ask/3", "/free"] {
        let _ = svc.clone().oneshot(request(path, None)).await;
    }
    let _ = svc.oneshot(Request::get("/ask/me").body(()).unwrap()).await;
    let counts = CustomAuthzCounts { ok: 1, denied: 1, error: 1, not_asked: 1, ..Default::default() };
    assert_eq!(metrics.snapshot(), counts);
}

#[tokio::test(start_paused = true)]
async fn a_file_says_how_an_authorizer_is_asked() {
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "ask"},
        "spec": {"action": "CUSTOM", "provider": {"name": "opa"}, "rules": [{}]},
    });
    let read = |providers: serde_json::Value| {
        let spec = json!({"policies": [policy.clone()], "extensionProviders": providers});
        let spec: AuthzSpec = serde_json::from_value(spec).unwrap();
        let again: AuthzSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
        assert_eq!(again, spec);
        spec.build(|_| Some(Arc::new(Judge { gate: Some(Arc::default()), ..Judge::default() })))
    };
    let chain = read(json!([{"name": "opa", "timeout": "250ms", "statusOnError": "503"}])).unwrap();
    let began = tokio::time::Instant::now();
    let error = chain.custom[0].layer(Script::new([])).oneshot(request("/", None)).await.unwrap_err();
    assert_eq!((began.elapsed(), Rejection::of(&*error).unwrap().status.as_u16()), (millis(250), 503));
    for (wrong, want) in [
        (json!([{"name": "opa", "timeout": "0s"}]), "extensionProviders[0].timeout: must be more than 0s"),
        (
            json!([{"name": "other"}, {"name": "opa", "statusOnError": 200}]),
            "extensionProviders[1].statusOnError: must be a status from 400 to 599",
        ),
        (json!([{"name": "opa"}, {"name": "opa"}]), "extensionProviders[1].name: must be there once"),
    ] {
        assert_eq!(read(wrong).unwrap_err().to_string(), want);
    }
}

/// What an authority may say, and the headers of the request that it is asked about.
fn lines() -> impl Strategy<Value = Vec<(usize, u8)>> {
    proptest::collection::vec((0..NAMES.len(), 0_u8..9), 0..8)
}

const NAMES: [&str; 4] = ["x-user", "cookie", "x-plan", "accept"];

fn map(lines: &[(usize, u8)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in lines {
        map.append(NAMES[*name], HeaderValue::from(u16::from(*value)));
    }
    map
}

proptest! {
    /// Only what the authority allowed is sent, once and as it said: what it sets stands alone, what it removes is
    /// gone, all else is untouched. A failure passes only where that is wanted, and then as it came.
    #[test]
    fn nothing_is_sent_but_what_the_authority_allowed(
        has in lines(), set in lines(), remove in proptest::collection::vec(0..NAMES.len(), 0..3),
        verdict in 0..4, fail_open: bool,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let names: Vec<http::HeaderName> = remove.iter().map(|at| NAMES[*at].parse().unwrap()).collect();
            let (said, mut asked) = (map(&set), request("/", None));
            asked.headers_mut().extend(map(&has));
            let before = asked.headers().clone();
            let authority = {
                let (said, names) = (said.clone(), names.clone());
                move |_: Request<()>| {
                    let answer = match verdict {
                        0 => Ok(CheckResponse::Allowed { set: said.clone(), remove: names.clone() }),
                        1 => Ok(CheckResponse::denied(StatusCode::UNAUTHORIZED)),
                        _ => Err(BoxError::from("down")),
                    };
                    async move {
                        match verdict {
                            3 => std::future::pending().await,
                            _ => answer,
                        }
                    }
                }
            };
            let layer = CustomAuthzLayer::new("judge", Arc::new(authority)).fail_open(fail_open);
            let script = Script::new([]);
            let answer = layer.layer(script.clone()).oneshot(asked).await;
            let passes = verdict == 0 || (verdict > 1 && fail_open);
            assert_eq!((answer.is_ok(), script.sent()), (passes, usize::from(passes)));
            let Some(sent) = script.seen.lock().pop() else { return };
            for name in before.keys().chain(said.keys()) {
                let want: Vec<_> = match () {
                    () if verdict != 0 => before.get_all(name).iter().collect(),
                    () if said.contains_key(name) => said.get_all(name).iter().collect(),
                    () if names.contains(name) => Vec::new(),
                    () => before.get_all(name).iter().collect(),
                };
                assert_eq!(sent.headers().get_all(name).iter().collect::<Vec<_>>(), want, "{name}");
            }
        });
    }
}

#[test]
fn an_authorizer_that_is_not_there_is_an_error() {
    let custom = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "ask"},
        "spec": {"action": "CUSTOM", "provider": {"name": "other"}, "rules": [{}]},
    });
    let error = AuthzSpec { policies: vec![custom], ..AuthzSpec::default() }.build(|_| None).unwrap_err();
    assert_eq!(error.to_string(), "policies: there is no authorizer \"other\"");
}
