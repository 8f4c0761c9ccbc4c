//! External authorizers.

use super::super::custom::{Authority, CheckFuture, CheckResponse};
use super::*;
use crate::BoxError;
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
