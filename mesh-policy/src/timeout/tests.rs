mod begin;
#[cfg(feature = "full")]
mod blame;
mod streams;

use super::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{Reject, Rejection, find};
use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready_ok, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

type Reply = Response<Empty<Bytes>>;

#[tokio::test(start_paused = true)]
async fn silence_past_the_attempts_budget_is_elapsed() {
    let (mut svc, _silent) = mock::spawn_layer::<_, (), _>(AttemptTimeoutLayer::new(secs(1)));
    assert_ready_ok!(svc.poll_ready());
    let t0 = Instant::now();
    let err = svc.call("hello").await.unwrap_err();
    assert_eq!(t0.elapsed(), secs(1));
    let elapsed = find::<Elapsed>(&*err).unwrap();
    assert_eq!((elapsed.scope(), elapsed.budget()), (Scope::Attempt, secs(1)));
    assert_eq!(elapsed.details(), "upstream_per_try_timeout");
    assert_eq!(crate::failure::classify(&*err), crate::FailureKind::Timeout);
}

#[tokio::test(start_paused = true)]
async fn silence_past_the_requests_budget_is_a_504_with_envoys_words() {
    let metrics = TimeoutMetrics::default();
    let layer = TimeoutLayer::new(secs(1)).metrics(metrics.clone());
    let (mut svc, _silent) = mock::spawn_layer::<&str, Reply, _>(layer);
    assert_ready_ok!(svc.poll_ready());
    let err = svc.call("hello").await.unwrap_err();
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!(rejection.status, StatusCode::GATEWAY_TIMEOUT);
    assert_eq!(rejection.flags.to_string(), "UT");
    assert_eq!(rejection.details, "response_timeout");
    assert_eq!(rejection.body, "upstream request timeout");
    assert_eq!(rejection.grpc_status, 4);
    assert_eq!(metrics.snapshot(), TimeoutCounts { upstream_rq_timeout: 1, ..TimeoutCounts::default() });
}

#[tokio::test(start_paused = true)]
async fn an_answer_within_the_budget_passes() {
    let script = Script::new([Act::After(millis(999), 200)]);
    let attempt = AttemptTimeoutLayer::new(secs(1)).layer(script);
    let response = TimeoutLayer::new(secs(2)).layer(BodyOf(attempt)).oneshot(Request::new(())).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
}

#[test]
fn without_a_budget_there_is_no_timer() {
    // Outside of a runtime: the making of a timer would panic.
    for budget in [None, Some(secs(0))] {
        let mut svc = task::spawn(AttemptTimeoutLayer::new(budget).layer(Script::new([Act::Silence])));
        let _ = svc.enter(|cx, mut s| s.poll_ready(cx));
        let mut call = task::spawn(svc.call(Request::new(())));
        assert_pending!(call.poll());
        let mut svc = TimeoutLayer::new(budget).layer(BodyOf(Script::new([Act::Silence])));
        let _ = task::spawn(()).enter(|cx, _| svc.poll_ready(cx));
        let mut call = task::spawn(svc.call(Request::new(())));
        assert_pending!(call.poll());
    }
}

#[tokio::test(start_paused = true)]
async fn the_budget_covers_the_body_but_not_the_attempts() {
    let slow = |layer_budget| {
        let svc = tower::service_fn(move |()| async move {
            tokio::time::sleep(millis(600)).await;
            let frames = paced(vec![(millis(0), "a"), (millis(600), "b")]);
            Ok::<_, crate::BoxError>(Response::new(frames))
        });
        TimeoutLayer::new(layer_budget).layer(AttemptTimeoutLayer::new(millis(700)).layer(svc))
    };
    let whole = slow(secs(2)).oneshot(()).await.unwrap().into_body().collect().await.unwrap();
    assert_eq!(whole.to_bytes(), "ab");

    let t0 = Instant::now();
    let mut body = slow(secs(1)).oneshot(()).await.unwrap().into_body();
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "a");
    let err = body.frame().await.unwrap().unwrap_err();
    assert_eq!(t0.elapsed(), secs(1));
    assert_eq!(find::<Elapsed>(&*err).unwrap().scope(), Scope::Request);
    assert!(body.is_end_stream() && body.frame().await.is_none(), "an elapsed body has ended");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_is_always_ready_ends_in_time_too() {
    let svc = tower::service_fn(|()| async {
        Ok::<_, crate::BoxError>(Response::new(Full::new(Bytes::from_static(b"late"))))
    });
    let mut body = TimeoutLayer::new(secs(1)).layer(svc).oneshot(()).await.unwrap().into_body();
    tokio::time::advance(secs(1)).await;
    assert!(find::<Elapsed>(&*body.frame().await.unwrap().unwrap_err()).is_some());
}

#[tokio::test(start_paused = true)]
async fn the_inner_error_passes() {
    let (mut svc, mut handle) = mock::spawn_layer::<&str, Reply, _>(TimeoutLayer::new(secs(1)));
    assert_ready_ok!(svc.poll_ready());
    let call = svc.call("hello");
    let (_, respond) = handle.next_request().await.unwrap();
    respond.send_error("boom");
    assert_eq!(call.await.unwrap_err().to_string(), "boom");
}

#[test]
fn the_callers_budgets_are_read() {
    let with = |name: &'static str, value: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        headers
    };
    let grpc = |value: &str| grpc_timeout(&with("grpc-timeout", value));
    assert_eq!(grpc("1S"), Some(secs(1)));
    assert_eq!(grpc("99999999H"), Some(secs(99_999_999 * 3600)));
    assert_eq!(grpc("250m"), Some(millis(250)));
    assert_eq!((grpc("7u"), grpc("7n")), (Some(millis(7) / 1000), Some(millis(7) / 1_000_000)));
    for wrong in ["", "S", "1", "100000000S", "-1S", "+1S", "1 S", "1s", "1.5S"] {
        assert_eq!(grpc(wrong), None, "{wrong:?}");
    }
    let envoy = |value: &str| upstream_rq_timeout(&with("x-envoy-upstream-rq-timeout-ms", value));
    assert_eq!((envoy("15"), envoy("0")), (Some(millis(15)), Some(secs(0))));
    assert_eq!((envoy("+15"), envoy(""), envoy("99999999999999999999")), (None, None, None));
}

/// The timer of a pending request is most of its size; a body waits with one, too.
#[test]
fn futures_and_bodies_stay_small() {
    // Most of it is tokio's timer, which is larger where a program turns on more of tokio.
    assert!(size_of::<AttemptFuture<()>>() <= 192, "{}", size_of::<AttemptFuture<()>>());
    assert!(size_of::<TimeoutBody<()>>() <= 192, "{}", size_of::<TimeoutBody<()>>());
}

/// Turns a script's text into a body.
#[derive(Clone)]
struct BodyOf<S>(S);

impl<S, Req> Service<Req> for BodyOf<S>
where
    S: Service<Req, Response = Response<String>>,
    S::Future: Send + 'static,
{
    type Response = Response<Full<Bytes>>;
    type Error = S::Error;
    type Future =
        std::pin::Pin<Box<dyn std::future::Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, req: Req) -> Self::Future {
        let answer = self.0.call(req);
        Box::pin(async move { Ok(answer.await?.map(|text| Full::new(Bytes::from(text)))) })
    }
}

/// A body whose frames come after a wait each.
fn paced(
    frames: Vec<(std::time::Duration, &'static str)>,
) -> impl Body<Data = Bytes, Error = std::convert::Infallible> + Unpin {
    let stream = futures_util::stream::unfold(frames.into_iter(), |mut rest| async move {
        let (wait, text) = rest.next()?;
        tokio::time::sleep(wait).await;
        Some((Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes()))), rest))
    });
    StreamBody::new(Box::pin(stream))
}
