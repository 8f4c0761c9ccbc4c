//! Keys that are fetched.

use super::*;
use crate::BoxError;
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::atomic::AtomicUsize;
use tokio::sync::Notify;
use tokio::time::advance;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::Service;

const URI: &str = "https://issuer.example/jwks";

/// Answers from a table that may change.
#[derive(Default)]
struct Web {
    pages: Mutex<Vec<(String, Bytes)>>,
    asked: AtomicUsize,
    /// Answers wait for it.
    gate: Option<Notify>,
}

impl Web {
    fn put(&self, uri: &str, text: impl Into<String>) {
        let mut pages = self.pages.lock();
        pages.retain(|(at, _)| at != uri);
        pages.push((uri.to_owned(), Bytes::from(text.into())));
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

struct Browser(Arc<Web>);

impl Fetch for Browser {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let web = self.0.clone();
        web.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            if let Some(gate) = &web.gate {
                gate.notified().await;
            }
            let uri = request.uri.to_string();
            let page = web.pages.lock().iter().find(|(at, _)| *at == uri).map(|(_, text)| text.clone());
            page.ok_or_else(|| BoxError::from("404"))
        })
    }
}

fn jwks(all: &[Value]) -> String {
    json!({ "keys": all }).to_string()
}

fn web() -> Arc<Web> {
    let web = Arc::new(Web::default());
    web.put(URI, jwks(&[ANN.jwk("1")]));
    web
}

fn remote(web: &Arc<Web>) -> RemoteKeys {
    RemoteKeys::new(Arc::new(Browser(web.clone())), URI.parse().unwrap())
}

fn believing(keys: RemoteKeys) -> JwtLayer {
    layer([Issuer::new("ann", keys)])
}

fn good() -> Request<()> {
    bearer(&ANN.token("1", &claims("ann")))
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_by_the_first_token_that_needs_them() {
    let (web, metrics) = (web(), JwksMetrics::default());
    let layer = believing(remote(&web).metrics(metrics.clone()));
    assert!(sent(&layer, Request::get("/").body(()).unwrap()).await.is_ok());
    assert_eq!(web.asked(), 0, "without a token nobody needs them");
    let all = futures_util::future::join_all((0..10).map(|_| principal(&layer, good()))).await;
    assert!(all.iter().all(Result::is_ok));
    assert!(principal(&layer, good()).await.is_ok());
    assert_eq!((web.asked(), metrics.snapshot().jwks_fetch_success), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_token_that_waits_for_keys_counts_once() {
    let metrics = JwtMetrics::default();
    let layer = believing(remote(&web())).metrics(metrics.clone());
    let token = ANN.token("1", &claims("ann"));
    for _ in 0..2 {
        assert!(principal(&layer, bearer(&token)).await.is_ok());
    }
    let counts = metrics.snapshot();
    assert_eq!((counts.jwt_cache_miss, counts.jwt_cache_hit), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn without_keys_every_token_is_refused_and_fetching_is_not_hammered() {
    let (web, metrics) = (Arc::new(Web::default()), JwksMetrics::default());
    let layer = believing(remote(&web).metrics(metrics.clone()));
    for _ in 0..10 {
        assert_eq!(principal(&layer, good()).await, Err(JwtStatus::JwksFetchFail));
    }
    assert_eq!((web.asked(), metrics.snapshot().jwks_fetch_failed), (1, 1));
    web.put(URI, jwks(&[ANN.jwk("1")]));
    advance(secs(5)).await;
    assert!(principal(&layer, good()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_for_want_of_keys_can_be_told_why_there_are_none() {
    use std::error::Error;
    let web = Arc::new(Web::default());
    let layer = believing(remote(&web));
    let refused = || async {
        let error = layer.layer(Script::new([])).oneshot(good()).await.unwrap_err();
        crate::find::<JwtError>(&*error).unwrap().source().map(ToString::to_string)
    };
    assert_eq!(refused().await.as_deref(), Some("404"));
    web.put(URI, "{");
    advance(secs(5)).await;
    assert_eq!(refused().await, Some(InvalidKeySet::Json.to_string()));
    web.put(URI, jwks(&[BOB.jwk("2")]));
    advance(secs(5)).await;
    assert_eq!(refused().await, None, "there are keys; the token is not signed by one");
}

#[test]
fn a_fetch_that_went_with_its_runtime_is_made_again() {
    let web = web();
    let keys = remote(&web).retry_after(secs(0));
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // The task is dropped before it was polled.
    runtime().block_on(async { drop(keys.refreshed()) });
    assert_eq!(web.asked(), 0);
    let layer = believing(keys);
    let asked = runtime().block_on(async { tokio::time::timeout(secs(5), principal(&layer, good())).await });
    assert!(asked.is_ok_and(|verdict| verdict.is_ok()), "nobody waits for the fetch that never was");
}

#[tokio::test(start_paused = true)]
async fn a_new_key_is_found_and_a_key_that_is_gone_verifies_nothing_even_if_seen_before() {
    let web = web();
    let layer = believing(remote(&web));
    assert!(principal(&layer, good()).await.is_ok());
    web.put(URI, jwks(&[BOB.jwk("2")]));
    let rotated = || bearer(&BOB.token("2", &claims("ann")));
    assert_eq!(principal(&layer, rotated()).await, Err(JwtStatus::KidAlgMismatch), "not so soon");
    advance(secs(5)).await;
    assert!(principal(&layer, rotated()).await.is_ok());
    assert_eq!(principal(&layer, good()).await, Err(JwtStatus::KidAlgMismatch));
    let before = web.asked();
    for i in 0..100 {
        let unheard = bearer(&ANN.token(&format!("k{i}"), &claims("ann")));
        assert!(principal(&layer, unheard).await.is_err());
    }
    assert_eq!(web.asked(), before, "nobody makes us fetch by sending tokens");
}

#[tokio::test(start_paused = true)]
async fn old_keys_serve_while_others_are_fetched_and_not_for_ever() {
    let (web, metrics) = (web(), JwtMetrics::default());
    let keys = remote(&web).keep_for(secs(60)).stale_for(secs(600));
    let layer = believing(keys).metrics(metrics.clone());
    assert!(principal(&layer, good()).await.is_ok());
    let token = good();
    advance(secs(61)).await;
    assert!(principal(&layer, token).await.is_ok());
    tokio::task::yield_now().await;
    assert_eq!(web.asked(), 2, "fetched meanwhile");
    let known = good();
    let again = bearer(known.headers()[AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap());
    assert!(principal(&layer, known).await.is_ok());
    let hits = metrics.snapshot().jwt_cache_hit;
    advance(secs(61)).await;
    assert!(principal(&layer, again).await.is_ok());
    assert_eq!(metrics.snapshot().jwt_cache_hit, hits + 1, "the same keys verify the same tokens");

    web.pages.lock().clear();
    advance(secs(400)).await;
    assert!(principal(&layer, good()).await.is_ok(), "the issuer is down, and was not for long");
    advance(secs(700)).await;
    assert_eq!(principal(&layer, good()).await, Err(JwtStatus::JwksFetchFail));
}

#[tokio::test(start_paused = true)]
async fn a_fetch_is_bounded_in_size_time_and_address() {
    let web = web();
    let small = believing(remote(&web).limit(10));
    assert_eq!(principal(&small, good()).await, Err(JwtStatus::JwksFetchFail));

    let slow = Arc::new(Web { gate: Some(Notify::new()), ..Web::default() });
    let layer = believing(remote(&slow).timeout(secs(2)));
    let began = tokio::time::Instant::now();
    assert_eq!(principal(&layer, good()).await, Err(JwtStatus::JwksFetchFail));
    assert_eq!(began.elapsed(), secs(2));

    for uri in ["http://127.0.0.1/jwks", "http://localhost/jwks", "http://169.254.169.254/latest"] {
        let web = Arc::new(Web::default());
        web.put(uri, jwks(&[ANN.jwk("1")]));
        let keys = || RemoteKeys::new(Arc::new(Browser(web.clone())), uri.parse().unwrap());
        assert_eq!(principal(&believing(keys()), good()).await, Err(JwtStatus::JwksFetchFail));
        assert_eq!(web.asked(), 0, "{uri}");
        let any = keys().addresses(AddressBounds::dangerous_any());
        assert!(principal(&believing(any), good()).await.is_ok(), "{uri}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_issuer_says_by_discovery_where_its_keys_are_and_cannot_lead_us_inside() {
    let document = "https://issuer.example/.well-known/openid-configuration";
    let discovery = |issuer: &str, uri: &str| json!({"issuer": issuer, "jwks_uri": uri}).to_string();
    for (page, is_good) in [
        (discovery("https://issuer.example", URI), true),
        (discovery("https://other.example", URI), false),
        (discovery("https://issuer.example", "http://10.0.0.1/jwks"), false),
        ("{}".to_owned(), false),
    ] {
        let web = web();
        web.put("http://10.0.0.1/jwks", jwks(&[ANN.jwk("1")]));
        web.put(document, page.clone());
        let keys = RemoteKeys::discovered(Arc::new(Browser(web)), "https://issuer.example/").unwrap();
        assert_eq!(principal(&believing(keys), good()).await.is_ok(), is_good, "{page}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_while_keys_are_fetched_leaves_the_fetch_to_the_others() {
    let web = Arc::new(Web { gate: Some(Notify::new()), ..Web::default() });
    web.put(URI, jwks(&[ANN.jwk("1")]));
    let script = Script::new([]);
    let mut svc = believing(remote(&web)).layer(script.clone());
    std::future::poll_fn(|cx| svc.poll_ready(cx)).await.unwrap();
    let mut first = task::spawn(svc.call(good()));
    std::future::poll_fn(|cx| svc.poll_ready(cx)).await.unwrap();
    let mut second = task::spawn(svc.call(good()));
    assert_pending!(first.poll());
    assert_pending!(second.poll());
    tokio::task::yield_now().await;
    drop(first);
    web.gate.as_ref().unwrap().notify_one();
    while !second.is_woken() {
        tokio::task::yield_now().await;
    }
    assert_ready_ok!(second.poll());
    assert_eq!((web.asked(), script.sent()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn keys_of_several_issuers_are_fetched_as_tokens_need_them() {
    let web = web();
    web.put("https://bob.example/jwks", jwks(&[BOB.jwk("2")]));
    let bobs = RemoteKeys::new(Arc::new(Browser(web.clone())), "https://bob.example/jwks".parse().unwrap());
    let layer = layer([Issuer::new("ann", remote(&web)), Issuer::new("bob", bobs)]);
    assert!(principal(&layer, bearer(&BOB.token("2", &claims("bob")))).await.is_ok());
    assert_eq!(web.asked(), 1);
    let mut two = good();
    let bobs = format!("Bearer {}", BOB.token("2", &claims("bob")));
    two.headers_mut().append(AUTHORIZATION, HeaderValue::try_from(bobs).unwrap());
    assert_eq!(principal(&layer, two).await.unwrap().as_deref(), Some("ann/ann"));
    assert_eq!(web.asked(), 2);
}
