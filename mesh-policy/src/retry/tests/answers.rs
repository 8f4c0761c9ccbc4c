//! What an answer's headers say: whether to come back, and when. And which requests may.

use super::*;
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, ValueMatch};
use mesh_core::model::route::{RateLimitedBackoff, ResetFormat, ResetHeader};
use std::time::UNIX_EPOCH;

fn present(name: &str) -> HeaderMatch {
    let name = HeaderKey::Name(name.parse().unwrap());
    HeaderMatch { name, value: ValueMatch::Present(true), invert: false, absent_is_empty: false }
}

async fn send(policy: RetryPolicy, act: Act, request: Request<Full<Bytes>>) -> (Response<String>, usize) {
    let script = Script::new([act]);
    let svc: Client = RetryLayer::new(policy).random(Random::seeded(1)).layer(script.clone());
    (svc.oneshot(request).await.unwrap(), script.sent())
}

#[tokio::test(start_paused = true)]
async fn an_answer_whose_header_is_named_is_sent_again_whatever_its_status_and_method() {
    let named = RetryPolicy {
        retriable_headers: vec![present("x-again")],
        ..policy(&[RetryCondition::RetriableHeaders], 1)
    };
    let (_, sent) = send(named.clone(), Act::Header(200, "x-again", "1"), request(Method::POST, "x")).await;
    assert_eq!(sent, 2);
    let (_, sent) = send(named, Act::Header(200, "x-other", "1"), request(Method::POST, "x")).await;
    assert_eq!(sent, 1);
}

#[tokio::test(start_paused = true)]
async fn only_requests_that_the_policy_wants_are_sent_again() {
    let wanted = RetryPolicy {
        retriable_request_headers: vec![present("x-retriable"), present("x-safe")],
        ..policy(&[RetryCondition::FiveXx], 1)
    };
    let mut request = get();
    request.headers_mut().insert("x-safe", "yes".parse().unwrap());
    assert_eq!(send(wanted.clone(), Act::Status(503), request).await.1, 2);
    let (response, sent) = send(wanted, Act::Status(503), get()).await;
    assert_eq!((response.status().as_u16(), sent), (503, 1));
    assert!(report(&response).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_the_answer_asks_for_is_kept_and_spread_by_half_of_it() {
    let limited = RetryPolicy {
        rate_limited_backoff: Some(RateLimitedBackoff::retry_after()),
        ..policy(&[RetryCondition::RetriableStatusCodes], 1)
    };
    let limited =
        RetryPolicy { retriable_status_codes: vec![http::StatusCode::TOO_MANY_REQUESTS], ..limited };
    let mut waits = vec![];
    for seed in 0..20 {
        let script = Script::new([Act::Header(429, "retry-after", "10")]);
        let metrics = RetryMetrics::default();
        let layer = RetryLayer::new(limited.clone()).random(Random::seeded(seed)).metrics(metrics.clone());
        let svc: Client = layer.layer(script);
        let t0 = Instant::now();
        svc.oneshot(get()).await.unwrap();
        assert!(t0.elapsed() >= secs(10) && t0.elapsed() <= secs(15) + millis(1), "{:?}", t0.elapsed());
        waits.push(t0.elapsed());
        let counts = metrics.snapshot();
        let backoffs =
            (counts.upstream_rq_retry_backoff_ratelimited, counts.upstream_rq_retry_backoff_exponential);
        assert_eq!(backoffs, (1, 0));
    }
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 10, "not all who were turned away come back at once: {waits:?}");

    // Too long: the wait is the policy's own.
    let t0 = Instant::now();
    send(limited, Act::Header(429, "retry-after", "301"), get()).await;
    assert!(t0.elapsed() < millis(30));
}

#[tokio::test(start_paused = true)]
async fn a_moment_that_the_answer_names_is_waited_for() {
    let name = "x-ratelimit-reset".parse().unwrap();
    let reset = ResetHeader { name, format: ResetFormat::UnixTimestamp };
    let limited = RetryPolicy {
        rate_limited_backoff: Some(RateLimitedBackoff {
            reset_headers: vec![reset],
            max_interval: secs(300),
        }),
        ..policy(&[RetryCondition::EnvoyRateLimited], 1)
    };
    let script = Script::new([]);
    let asks = script.clone();
    let now = || UNIX_EPOCH + secs(1_800_000_000);
    let unix = 1_800_000_100_u64;
    let first = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let svc = RetryLayer::new(limited).clock(now).layer(tower::service_fn(move |request| {
        let turned_away = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        let answer = asks.clone().oneshot(request);
        async move {
            let mut response = answer.await?;
            if turned_away {
                response.headers_mut().insert("x-envoy-ratelimited", "true".parse()?);
                response.headers_mut().insert("x-ratelimit-reset", unix.into());
            }
            Ok::<_, BoxError>(response)
        }
    }));
    let t0 = Instant::now();
    svc.oneshot(request(Method::POST, "x")).await.unwrap();
    assert_eq!(script.sent(), 2, "a rate limited request was not executed");
    assert!(t0.elapsed() >= secs(100) && t0.elapsed() <= secs(150) + millis(1), "{:?}", t0.elapsed());
}
