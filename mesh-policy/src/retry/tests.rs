use super::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Failure, FailureKind, Random, find, flags_of};
use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full, StreamBody};
use mesh_core::model::route::{RetryCondition, RetryPolicy};
use mesh_core::model::values::Fraction;
use mesh_core::response_flag::ResponseFlags;
use proptest::prelude::*;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceExt};

type Client = Retry<Script<ReplayBody<Full<Bytes>>>>;

fn policy(on: &[RetryCondition], retries: u32) -> RetryPolicy {
    RetryPolicy { on: on.iter().copied().collect(), retries, ..RetryPolicy::default() }
}

fn layer(on: &[RetryCondition], retries: u32) -> RetryLayer {
    RetryLayer::new(policy(on, retries)).random(Random::seeded(1))
}

fn request(method: Method, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri("/x").body(Full::from(body)).unwrap()
}

fn get() -> Request<Full<Bytes>> {
    request(Method::GET, "")
}

fn fail(kind: FailureKind) -> Act {
    Act::Fail(Failure::new(kind, "boom").into())
}

fn report<B>(response: &Response<B>) -> Option<RetryReport> {
    response.extensions().get().copied()
}

fn flags<B>(response: &Response<B>) -> String {
    response.extensions().get::<ResponseFlags>().copied().unwrap_or_default().to_string()
}

/// The body of the first request that was not taken yet.
fn first<B>(script: &Script<B>) -> B {
    script.seen.lock().remove(0).into_body()
}

async fn bodies(script: &Script<ReplayBody<Full<Bytes>>>) -> Vec<Bytes> {
    let seen = std::mem::take(&mut *script.seen.lock());
    let mut all = vec![];
    // Only the newest attempt may read.
    for request in seen.into_iter().rev().take(1) {
        all.push(request.into_body().collect().await.unwrap().to_bytes());
    }
    all
}

#[tokio::test(start_paused = true)]
async fn a_covered_failure_is_sent_again_after_a_jittered_wait() {
    let script = Script::new([Act::Status(503), fail(FailureKind::ConnectFailure)]);
    let metrics = RetryMetrics::default();
    let svc: Client =
        layer(&[RetryCondition::GatewayError], 2).metrics(metrics.clone()).layer(script.clone());
    let t0 = Instant::now();
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), script.sent()), (200, 3));
    assert_eq!(report(&response), Some(RetryReport { attempts: 3, stop: None }));
    assert_eq!(flags(&response), "-");
    // Timers have a resolution of 1 ms.
    assert!(t0.elapsed() > millis(0) && t0.elapsed() <= millis(25 + 50 + 2), "{:?}", t0.elapsed());
    let counts = metrics.snapshot();
    assert_eq!((counts.upstream_rq_retry, counts.upstream_rq_retry_success), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_not_covered_passes_untouched() {
    let script = Script::new([Act::Status(500)]);
    let svc: Client = layer(&[RetryCondition::GatewayError], 2).layer(script.clone());
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), script.sent()), (500, 1));
    assert!(report(&response).is_none() && response.extensions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn when_attempts_are_used_up_the_last_answer_passes_with_urx() {
    let script = Script::new([Act::Status(503), Act::Status(502), Act::Status(504)]);
    let metrics = RetryMetrics::default();
    let svc: Client = layer(&[RetryCondition::FiveXx], 2).metrics(metrics.clone()).layer(script.clone());
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), script.sent()), (504, 3));
    assert_eq!(flags(&response), "URX");
    assert_eq!(report(&response), Some(RetryReport { attempts: 3, stop: Some(Stop::Limit) }));
    assert_eq!(metrics.snapshot().upstream_rq_retry_limit_exceeded, 1);
}

#[tokio::test(start_paused = true)]
async fn a_last_failure_keeps_its_cause_below_what_was_tried() {
    let script = Script::new([fail(FailureKind::Reset), fail(FailureKind::ConnectFailure)]);
    let svc: Client = layer(&[RetryCondition::Reset], 1).layer(script);
    let err = svc.oneshot(get()).await.unwrap_err();
    assert_eq!(err.to_string(), "failed after 2 attempts, all that the policy allows");
    assert_eq!(find::<Failure>(&*err).unwrap().kind(), FailureKind::ConnectFailure);
    assert_eq!(flags_of(&*err).to_string(), "URX");
}

#[tokio::test(start_paused = true)]
async fn a_post_that_may_have_been_executed_is_sent_once() {
    for act in [Act::Status(503), fail(FailureKind::Reset), fail(FailureKind::Timeout)] {
        let script = Script::new([act]);
        let svc: Client = layer(&[RetryCondition::FiveXx, RetryCondition::Reset], 3).layer(script.clone());
        let answer = svc.oneshot(request(Method::POST, "pay")).await;
        assert_eq!(script.sent(), 1);
        let stop = match answer {
            Ok(response) => report(&response).unwrap().stop,
            Err(error) => find::<GaveUp>(&*error).unwrap().report().stop,
        };
        assert_eq!(stop, Some(Stop::NotIdempotent));
    }
}

#[tokio::test(start_paused = true)]
async fn a_post_that_was_not_executed_or_whose_answer_is_named_is_sent_again() {
    let named = RetryPolicy {
        retriable_status_codes: vec![http::StatusCode::SERVICE_UNAVAILABLE],
        ..policy(&[RetryCondition::RetriableStatusCodes, RetryCondition::RefusedStream], 1)
    };
    for act in [Act::Status(503), fail(FailureKind::RefusedStream)] {
        let script = Script::new([act]);
        let svc: Client = RetryLayer::new(named.clone()).layer(script.clone());
        assert_eq!(svc.oneshot(request(Method::POST, "pay")).await.unwrap().status(), 200);
        assert_eq!((script.sent(), bodies(&script).await), (2, vec![Bytes::from("pay")]));
    }
    let script = Script::new([Act::Status(500)]);
    let svc: Client = layer(&[RetryCondition::FiveXx], 1).repeat(Repeat::AnyMethod).layer(script.clone());
    assert_eq!(svc.oneshot(request(Method::POST, "pay")).await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_grpc_call_is_sent_again_by_its_status() {
    let script = Script::new([Act::Header(200, "grpc-status", "14"), Act::Header(200, "grpc-status", "0")]);
    let svc: Client = layer(&[RetryCondition::Unavailable], 1).layer(script.clone());
    let response = svc.oneshot(request(Method::POST, "message")).await.unwrap();
    assert_eq!((response.headers()["grpc-status"].as_bytes(), script.sent()), (&b"0"[..], 2));
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_is_used_up_lets_the_failure_pass_with_uo() {
    let budget = RetryBudget::new(Fraction::ZERO, 1);
    let other = budget.try_retry();
    let metrics = RetryMetrics::default();
    let script = Script::new([Act::Status(503)]);
    let on = [RetryCondition::FiveXx];
    let svc: Client = layer(&on, 1).budget(budget.clone()).metrics(metrics.clone()).layer(script.clone());
    let response = svc.clone().oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), flags(&response).as_str(), script.sent()), (503, "UO", 1));
    assert_eq!(metrics.snapshot().upstream_rq_retry_overflow, 1);
    drop(other);
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((budget.retries(), budget.active()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn every_attempt_knows_its_number_and_the_endpoints_that_were_tried() {
    let script = Script::new([Act::Status(503)]);
    let policy = RetryPolicy { avoid_previous_hosts: 5, ..policy(&[RetryCondition::FiveXx], 1) };
    let svc: Client = RetryLayer::new(policy).count_attempts(true).layer(script.clone());
    let mut call = task::spawn(svc.oneshot(get()));
    assert_pending!(call.poll());
    let address: mesh_core::addr::Address = "127.0.0.1:80".parse().unwrap();
    script.seen.lock()[0].extensions().get::<Attempt>().unwrap().tried().add(address.clone());
    assert_eq!(call.await.unwrap().status(), 200);
    let seen = script.seen.lock();
    let attempts: Vec<&Attempt> = seen.iter().map(|r| r.extensions().get().unwrap()).collect();
    assert_eq!(attempts.iter().map(|a| a.number()).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(attempts[1].avoid_previous_hosts(), 5);
    assert!(attempts[1].tried().contains(&address));
    let headers: Vec<_> = seen.iter().map(|r| r.headers()["x-envoy-attempt-count"].clone()).collect();
    assert_eq!(headers, ["1", "2"]);
}

#[test]
fn tried_endpoints_are_remembered_up_to_a_bound() {
    let tried = Tried::default();
    let address = |port: u16| mesh_core::addr::Address::Socket(([127, 0, 0, 1], port).into());
    for port in 0..20 {
        tried.add(address(port));
    }
    assert_eq!(tried.iter().count(), Tried::MOST);
    assert!(tried.contains(&address(7)) && !tried.contains(&address(8)));
}

#[tokio::test(start_paused = true)]
async fn a_body_beyond_the_bound_is_sent_whole_but_only_once() {
    for streamed in [false, true] {
        let script = Script::new([Act::After(secs(1), 503)]);
        let metrics = RetryMetrics::default();
        let svc = layer(&[RetryCondition::FiveXx], 1)
            .buffer_limit(5)
            .metrics(metrics.clone())
            .layer(script.clone());
        let frames =
            [Ok::<_, BoxError>(Frame::data(Bytes::from("abc"))), Ok(Frame::data(Bytes::from("def")))];
        let stream = StreamBody::new(futures_util::stream::iter(frames));
        let body = if streamed {
            stream.boxed_unsync()
        } else {
            Full::from("abcdef").map_err(Into::into).boxed_unsync()
        };
        let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
        assert_pending!(call.poll());
        let sent = first(&script).collect().await.unwrap();
        assert_eq!(sent.to_bytes(), "abcdef");
        let response = call.await.unwrap();
        assert_eq!((response.status().as_u16(), script.sent()), (503, 0));
        assert_eq!(report(&response), Some(RetryReport { attempts: 1, stop: Some(Stop::TooLarge) }));
        assert_eq!(metrics.snapshot().retry_or_shadow_abandoned, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_sends_what_was_sent_and_then_the_rest_and_the_old_attempt_reads_no_more() {
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let stream =
        futures_util::stream::unfold(rx, |mut rx| async { Some((Ok::<_, BoxError>(rx.recv().await?), rx)) });
    let body = StreamBody::new(Box::pin(stream));
    let script = Script::new([Act::After(secs(1), 503), Act::After(secs(1), 200)]);
    let svc = layer(&[RetryCondition::FiveXx], 1).layer(script.clone());
    let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
    assert_pending!(call.poll());
    let mut given_up = first(&script);

    tx.send(Frame::data("one".into())).unwrap();
    assert_eq!(given_up.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    let mut waiting = task::spawn(async { given_up.frame().await.unwrap() });
    assert_pending!(waiting.poll());

    while script.sent() == 0 {
        tokio::time::advance(millis(100)).await;
        assert_pending!(call.poll());
    }
    assert!(waiting.is_woken(), "whoever waits for the given-up attempt learns of it");
    let err = waiting.await.unwrap_err();
    assert!(err.is::<Superseded>());

    let second = first(&script);
    tx.send(Frame::data("two".into())).unwrap();
    tx.send(Frame::trailers([("x-sum".parse().unwrap(), "6".parse().unwrap())].into_iter().collect()))
        .unwrap();
    let whole = second.collect().await.unwrap();
    assert_eq!(whole.trailers().unwrap()["x-sum"], "6");
    assert_eq!(whole.to_bytes(), "onetwo");
    assert_eq!(call.await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_failed_reads_no_more_while_the_next_one_waits() {
    // Its connection may still be uploading: what it read now would be missing in the next attempt.
    let frames = ["one", "two", "three"].map(|part| Ok::<_, BoxError>(Frame::data(Bytes::from(part))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let script = Script::new([Act::Status(503)]);
    let svc = layer(&[RetryCondition::FiveXx], 1).buffer_limit(6).layer(script.clone());
    let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
    assert_pending!(call.poll());
    let mut failed = first(&script);
    assert!(failed.frame().await.unwrap().unwrap_err().is::<Superseded>(), "the back-off runs");
    assert_eq!(call.await.unwrap().status(), 200);
    let sent = first(&script).collect().await.unwrap();
    assert_eq!(sent.to_bytes(), "onetwothree");
}

#[tokio::test(start_paused = true)]
async fn once_an_answer_stands_nothing_is_kept_for_another_attempt() {
    struct Watched {
        _alive: std::sync::Arc<()>,
    }
    impl AsRef<[u8]> for Watched {
        fn as_ref(&self) -> &[u8] {
            b"data"
        }
    }
    let alive = std::sync::Arc::new(());
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let stream =
        futures_util::stream::unfold(rx, |mut rx| async { Some((Ok::<_, BoxError>(rx.recv().await?), rx)) });
    let script = Script::new([Act::After(secs(1), 200)]);
    let svc = layer(&[RetryCondition::FiveXx], 1).layer(script.clone());
    let mut call =
        task::spawn(svc.oneshot(Request::put("/").body(StreamBody::new(Box::pin(stream))).unwrap()));
    assert_pending!(call.poll());
    let mut body = first(&script);
    let mut send_and_read = async || {
        tx.send(Frame::data(Bytes::from_owner(Watched { _alive: alive.clone() }))).unwrap();
        drop(body.frame().await.unwrap().unwrap());
        std::sync::Arc::strong_count(&alive) - 1
    };
    assert_eq!((send_and_read().await, send_and_read().await), (1, 2), "kept for a second attempt");
    assert_eq!(call.await.unwrap().status(), 200);
    assert_eq!(send_and_read().await, 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_is_not_sent_again() {
    let frames = [Ok(Frame::data(Bytes::from("abc"))), Err(BoxError::from("the caller left"))];
    let body = StreamBody::new(futures_util::stream::iter(frames));
    let script = Script::new([Act::After(secs(1), 503)]);
    let svc = layer(&[RetryCondition::FiveXx], 1).layer(script.clone());
    let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
    assert_pending!(call.poll());
    assert!(first(&script).collect().await.is_err());
    assert_eq!((call.await.unwrap().status().as_u16(), script.sent()), (503, 0));
}

#[tokio::test(start_paused = true)]
async fn without_a_policy_requests_pass_as_they_are() {
    let script = Script::new([Act::Status(503)]);
    let svc: Client = RetryLayer::new(None).layer(script.clone());
    let response = svc.oneshot(request(Method::POST, "body")).await.unwrap();
    assert_eq!((response.status().as_u16(), report(&response)), (503, None));
    assert!(script.seen.lock()[0].extensions().is_empty());
    assert_eq!(bodies(&script).await, [Bytes::from("body")]);
}

#[tokio::test(start_paused = true)]
async fn the_size_of_a_body_is_told_at_every_attempt() {
    let script = Script::new([Act::Status(503)]);
    let svc: Client = layer(&[RetryCondition::FiveXx], 1).layer(script.clone());
    svc.oneshot(request(Method::PUT, "12345")).await.unwrap();
    let seen = script.seen.lock();
    assert_eq!(seen.iter().map(|r| r.body().size_hint().exact()).collect::<Vec<_>>(), [Some(5), Some(5)]);
}

/// What a test's upstream does, as a value that proptest can shrink.
#[derive(Clone, Copy, Debug)]
enum Upstream {
    Status(u16),
    Fail(FailureKind),
}

fn upstream() -> impl Strategy<Value = Upstream> {
    prop_oneof![
        prop::sample::select(vec![200, 409, 429, 500, 502, 503]).prop_map(Upstream::Status),
        prop::sample::select(vec![
            FailureKind::ConnectFailure,
            FailureKind::RefusedStream,
            FailureKind::ResetBeforeRequest,
            FailureKind::Reset,
            FailureKind::Timeout,
            FailureKind::Overflow,
        ])
        .prop_map(Upstream::Fail),
    ]
}

impl From<Upstream> for Act {
    fn from(upstream: Upstream) -> Self {
        match upstream {
            Upstream::Status(status) => Self::Status(status),
            Upstream::Fail(kind) => fail(kind),
        }
    }
}

fn paused() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

proptest! {
    #[test]
    fn a_post_that_may_have_been_executed_is_the_last_attempt(
        acts in prop::collection::vec(upstream(), 1..6),
        on in prop::sample::subsequence(RetryCondition::ALL.to_vec(), 0..=RetryCondition::ALL.len()),
        retries in 0u32..6,
    ) {
        let script = Script::new(acts.iter().copied().map(Act::from));
        let svc: Client =
            layer(&on, retries).budget(RetryBudget::unlimited()).repeat(Repeat::IdempotentOnly).layer(script.clone());
        let _ = paused().block_on(svc.oneshot(request(Method::POST, "pay")));
        let executed = acts
            .iter()
            .take(script.sent())
            .filter(|a| match a {
                Upstream::Status(_) => true,
                Upstream::Fail(kind) => kind.may_have_executed(),
            })
            .count();
        prop_assert!(executed <= 1, "{executed} of {} attempts may have been executed", script.sent());
        prop_assert!(script.sent() as u64 <= 1 + u64::from(retries));
    }

    #[test]
    fn dropped_at_any_poll_a_request_gives_back_all_it_held(
        acts in prop::collection::vec(upstream(), 1..6),
        polls in 0usize..8,
    ) {
        paused().block_on(async {
            let budget = RetryBudget::new(Fraction::ONE, 2);
            let script = Script::new(acts.iter().copied().map(Act::from));
            let mut svc: Client = layer(&RetryCondition::ALL, 4).budget(budget.clone()).layer(script);
            let _ = svc.ready().await;
            let mut call = task::spawn(svc.call(get()));
            for _ in 0..polls {
                if call.poll().is_ready() {
                    break;
                }
                prop_assert_eq!((budget.active(), budget.retries()), (1, 1), "it waits for a retry");
                tokio::time::advance(secs(1)).await;
            }
            drop(call);
            prop_assert_eq!((budget.active(), budget.retries()), (0, 0));
            Ok(())
        })?;
    }
}

#[test]
fn the_future_is_no_larger_than_what_it_wraps_the_request_head_it_keeps_and_eight_words() {
    #[derive(Clone)]
    struct Noop;
    impl Service<Request<ReplayBody<Full<Bytes>>>> for Noop {
        type Response = Response<()>;
        type Error = BoxError;
        type Future = std::future::Ready<Result<Response<()>, BoxError>>;
        fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxError>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<ReplayBody<Full<Bytes>>>) -> Self::Future {
            std::future::ready(Ok(Response::new(())))
        }
    }
    let inner = size_of::<<Noop as Service<Request<ReplayBody<Full<Bytes>>>>>::Future>();
    let ours = size_of::<RetryFuture<Noop, Full<Bytes>>>();
    let head = size_of::<http::request::Parts>();
    assert!(ours <= inner + head + 8 * size_of::<&()>(), "{ours} over {inner} and {head}");
}

mod answers;
mod frames;
mod hedge;
mod threads;
