//! Silence, long streams, connectors, and the caller's deadline.

use super::super::*;
use super::paced;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, FailureKind, Rejection, failure, find};
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, StreamBody};
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_test::{assert_pending, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

fn said(error: &BoxError) -> (u16, String, String) {
    let reply = Rejection::of(&**error).unwrap();
    (reply.status.as_u16(), reply.flags.to_string(), reply.details.into_owned())
}

fn scope(error: &BoxError) -> Scope {
    find::<Elapsed>(&**error).unwrap().scope()
}

async fn read(layer: TimeoutLayer, frames: Vec<(Duration, &'static str)>) -> Result<Bytes, BoxError> {
    let service = tower::service_fn(move |()| {
        let frames = frames.clone();
        async move { Ok::<_, BoxError>(Response::new(paced(frames))) }
    });
    Ok(layer.layer(service).oneshot(()).await?.into_body().collect().await?.to_bytes())
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_speaks_in_time_may_last_for_ever() {
    let frames = vec![(millis(900), "a"), (millis(900), "b"), (millis(900), "c")];
    assert_eq!(read(TimeoutLayer::idle(secs(1)), frames.clone()).await.unwrap(), "abc");
    assert_eq!(read(TimeoutLayer::per_try_idle(secs(1)), frames.clone()).await.unwrap(), "abc");
    let ended = read(TimeoutLayer::max_stream_duration(secs(2)), frames).await.unwrap_err();
    assert_eq!(said(&ended), (504, "UMSDR".into(), "upstream_max_stream_duration_reached".into()));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_falls_silent_ends_with_envoys_words() {
    let frames = || vec![(millis(500), "a"), (millis(1001), "b")];
    let metrics = TimeoutMetrics::default();
    let t0 = Instant::now();
    let idle = read(TimeoutLayer::idle(secs(1)).metrics(metrics.clone()), frames()).await.unwrap_err();
    assert_eq!(t0.elapsed(), millis(1500));
    assert_eq!(said(&idle), (504, "SI".into(), "stream_idle_timeout".into()));
    let attempt =
        read(TimeoutLayer::per_try_idle(secs(1)).metrics(metrics.clone()), frames()).await.unwrap_err();
    assert_eq!(said(&attempt), (504, "UT".into(), "upstream_per_try_idle_timeout".into()));
    let counts = metrics.snapshot();
    assert_eq!((counts.downstream_rq_idle_timeout, counts.upstream_rq_per_try_idle_timeout), (1, 1));
}

/// Reads the whole request before it answers.
fn reader<B: http_body::Body<Error: Into<BoxError>> + Send + 'static>()
-> impl Service<Request<B>, Response = Response<Empty<Bytes>>, Error = BoxError, Future: Send> + Clone
where
    B::Data: Send,
{
    tower::service_fn(|request: Request<B>| async move {
        request.into_body().collect().await.map_err(Into::into)?;
        Ok(Response::new(Empty::new()))
    })
}

#[tokio::test(start_paused = true)]
async fn an_upload_is_a_sign_of_life_and_a_caller_that_stops_is_told_408() {
    let service = || {
        ServiceBuilder::new()
            .layer(ProgressLayer)
            .layer(TimeoutLayer::idle(secs(1)).begin(FromExtensions))
            .service(reader())
    };
    let upload = paced(vec![(millis(900), "a"), (millis(900), "b"), (millis(900), "c")]);
    assert_eq!(service().oneshot(Request::new(upload)).await.unwrap().status(), 200);
    let stops = paced(vec![(millis(900), "a"), (secs(60), "b")]);
    let error = service().oneshot(Request::new(stops)).await.unwrap_err();
    assert_eq!(said(&error), (408, "SI".into(), "stream_idle_timeout".into()));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_come_about_is_a_failure_to_connect() {
    let metrics = TimeoutMetrics::default();
    let hangs = tower::service_fn(|_: u16| std::future::pending::<Result<(), BoxError>>());
    let error = ConnectTimeoutLayer::new(secs(1))
        .metrics(metrics.clone())
        .layer(hangs)
        .oneshot(80)
        .await
        .unwrap_err();
    assert_eq!(failure::classify(&*error), FailureKind::ConnectFailure);
    let details = "upstream_reset_before_response_started{connection_timeout}";
    assert_eq!(said(&error), (503, "UF".into(), details.into()));
    assert_eq!(metrics.snapshot().upstream_cx_connect_timeout, 1);
    let quick = tower::service_fn(|port: u16| async move { Ok::<_, BoxError>(port) });
    assert_eq!(ConnectTimeoutLayer::new(None).layer(quick).oneshot(80).await.unwrap(), 80);
}

fn grpc(timeout: Option<&str>) -> Request<()> {
    let mut request = Request::post("/x.Y/Z").header("content-type", "application/grpc").body(()).unwrap();
    if let Some(timeout) = timeout {
        request.headers_mut().insert("grpc-timeout", timeout.parse().unwrap());
    }
    request
}

fn never() -> impl Service<Request<()>, Response = Response<Empty<Bytes>>, Error = BoxError> + Clone {
    tower::service_fn(|_| std::future::pending())
}

#[tokio::test(start_paused = true)]
async fn the_callers_deadline_is_kept_up_to_a_bound_and_a_little_before_it() {
    let layer = DeadlineLayer::new()
        .grpc_timeout_header_max(secs(5))
        .grpc_timeout_header_offset(millis(100))
        .max_stream_duration(secs(9));
    for (timeout, after, expected) in [
        (Some("1S"), millis(900), Scope::Deadline),
        (Some("1H"), millis(4900), Scope::Deadline),
        (Some("wrong"), secs(9), Scope::StreamDuration),
        (None, secs(9), Scope::StreamDuration),
    ] {
        let t0 = Instant::now();
        let error = layer.layer(never()).oneshot(grpc(timeout)).await.err().unwrap();
        assert_eq!((t0.elapsed(), scope(&error)), (after, expected), "{timeout:?}");
    }
    let error = DeadlineLayer::new().layer(never()).oneshot(grpc(Some("1m"))).await.err().unwrap();
    assert_eq!(said(&error), (504, "UT".into(), "max_duration_timeout".into()));
    assert_eq!(Rejection::of(&*error).unwrap().grpc_status, crate::grpc::DEADLINE_EXCEEDED);
}

#[tokio::test(start_paused = true)]
async fn no_caller_asks_for_more_than_a_stream_may_last() {
    let layer = DeadlineLayer::new().max_stream_duration(secs(10));
    for (timeout, after, expected) in [
        (Some("99999999H"), secs(10), Scope::StreamDuration),
        (Some("3S"), secs(3), Scope::Deadline),
        (None, secs(10), Scope::StreamDuration),
    ] {
        let t0 = Instant::now();
        let error = layer.layer(never()).oneshot(grpc(timeout)).await.err().unwrap();
        assert_eq!((t0.elapsed(), scope(&error)), (after, expected), "{timeout:?}");
    }
    let t0 = Instant::now();
    let deaf = layer.ignore_grpc_timeout().layer(never());
    let error = deaf.oneshot(grpc(Some("3S"))).await.err().unwrap();
    assert_eq!((t0.elapsed(), scope(&error)), (secs(10), Scope::StreamDuration));
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_leaves_no_time_is_answered_without_asking_anybody() {
    let script = Script::new([]);
    let layer = DeadlineLayer::new().grpc_timeout_header_offset(millis(10));
    let text = |response: Response<String>| response.map(http_body_util::Full::<Bytes>::from);
    let error =
        layer.layer(script.clone().map_response(text)).oneshot(grpc(Some("10m"))).await.err().unwrap();
    assert_eq!((scope(&error), script.sent()), (Scope::Deadline, 0));

    let mut late = grpc(None);
    late.extensions_mut().insert(Deadline::after(secs(1)).unwrap());
    tokio::time::advance(secs(1)).await;
    let error = PropagateDeadlineLayer::new().layer(script.clone()).oneshot(late).await.unwrap_err();
    assert_eq!((scope(&error), script.sent()), (Scope::Deadline, 0));
}

#[tokio::test(start_paused = true)]
async fn each_hop_is_told_what_is_left() {
    let script = Script::new([]);
    let hop = PropagateDeadlineLayer::new().per_try_timeout(secs(2)).layer(script.clone());
    let deadline = Deadline::after(secs(4)).unwrap();
    for _ in 0..2 {
        let mut request = grpc(None);
        request.extensions_mut().insert(deadline);
        hop.clone().oneshot(request).await.unwrap();
        tokio::time::advance(secs(3)).await;
    }
    let mut own = grpc(Some("500m"));
    own.extensions_mut().insert(Deadline::after(secs(9)).unwrap());
    hop.clone().oneshot(own).await.unwrap();
    hop.oneshot(Request::new(())).await.unwrap();
    let seen = script.seen.lock();
    let told: Vec<_> = seen.iter().map(|request| grpc_timeout(request.headers())).collect();
    assert_eq!(told, [Some(secs(2)), Some(secs(1)), Some(millis(500)), None]);
}

#[tokio::test(start_paused = true)]
async fn the_earliest_deadline_of_all_hops_stands() {
    let script = Script::new([Act::Status(200), Act::Status(200)]);
    let text = |response: Response<String>| response.map(http_body_util::Full::<Bytes>::from);
    let service = DeadlineLayer::new().layer(script.clone().map_response(text));
    for known in [secs(1), secs(9)] {
        let mut request = grpc(Some("3S"));
        request.extensions_mut().insert(Deadline::after(known).unwrap());
        service.clone().oneshot(request).await.unwrap();
    }
    let seen = script.seen.lock();
    let left: Vec<_> = seen.iter().map(|r| Deadline::of(r.extensions()).unwrap().remaining()).collect();
    assert_eq!(left, [secs(1), secs(3)]);
}

#[tokio::test(start_paused = true)]
async fn a_spec_bounds_streams_to_endpoints_and_tells_them_what_is_left() {
    let spec: TimeoutSpec = serde_json::from_str(
        r#"{"upstreamMaxStreamDuration": "2s", "timeout": "9s", "perTryTimeout": "3s"}"#,
    )
    .unwrap();
    let again: TimeoutSpec = serde_json::from_str(&serde_json::to_string(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
    let timeouts = Timeouts::try_from(spec).unwrap();
    let t0 = Instant::now();
    let error = timeouts.upstream_stream.layer(never()).oneshot(grpc(None)).await.err().unwrap();
    assert_eq!((t0.elapsed(), scope(&error)), (secs(2), Scope::StreamDuration));
    let script = Script::new([]);
    timeouts.propagate.layer(script.clone()).oneshot(grpc(None)).await.unwrap();
    assert_eq!(grpc_timeout(script.seen.lock()[0].headers()), Some(secs(3)));
}

#[test]
fn a_spec_says_where_it_is_wrong() {
    let read = |json: &str| {
        Timeouts::try_from(serde_json::from_str::<TimeoutSpec>(json).unwrap())
            .map(drop)
            .map_err(|e| e.to_string())
    };
    assert_eq!(read("{}"), Ok(()));
    assert_eq!(read(r#"{"timeout": "0s", "perTryTimeout": "5s", "idleTimeout": "1h"}"#), Ok(()));
    let short = "must be 0s for no bound, or at least 1ms".to_owned();
    assert_eq!(read(r#"{"idleTimeout": "10us"}"#), Err(format!("idleTimeout: {short}")));
    assert_eq!(
        read(r#"{"upstreamMaxStreamDuration": "10us"}"#),
        Err(format!("upstreamMaxStreamDuration: {short}"))
    );
    assert_eq!(
        read(r#"{"maxStreamDuration": {"grpcTimeoutHeaderMax": "1ns"}}"#),
        Err(format!("maxStreamDuration.grpcTimeoutHeaderMax: {short}"))
    );
    assert_eq!(
        read(r#"{"maxStreamDuration": {"grpcTimeoutHeaderMax": "1s", "grpcTimeoutHeaderOffset": "1s"}}"#),
        Err("maxStreamDuration.grpcTimeoutHeaderOffset: must be less than grpcTimeoutHeaderMax, 1s".into())
    );
    assert!(serde_json::from_str::<TimeoutSpec>(r#"{"tiemout": "1s"}"#).is_err());
}

/// What a stream does next: waits, then speaks.
fn waits() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(0u64..3000, 0..8)
}

proptest! {
    #[test]
    fn a_timeout_as_it_is_told_is_never_longer_than_it_is(secs in 0u64..=400_000_000_000, nanos in 0u32..1_000_000_000) {
        // Every size of it, the small ones too.
        let left = Duration::new(secs >> (nanos % 40), nanos);
        let mut headers = HeaderMap::new();
        headers.insert("grpc-timeout", encode_grpc_timeout(left));
        let told = grpc_timeout(&headers).expect("what is written can be read");
        prop_assert!(told <= left.max(Duration::from_nanos(1)));
        // Seven digits at least are kept, but for more hours than eight digits hold.
        prop_assert!(told >= left.mul_f64(0.999_99).min(Duration::from_secs(99_999_999 * 3600)));
    }

    #[test]
    fn no_stream_outlasts_its_budget(waits in waits(), budget in 1u64..4000) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let frames: Vec<_> = waits.iter().map(|w| (millis(*w), "x")).collect();
            let total: u64 = waits.iter().sum();
            let t0 = Instant::now();
            let whole = read(TimeoutLayer::new(millis(budget)), frames.clone()).await;
            prop_assert!(t0.elapsed() <= millis(budget.min(total)));
            prop_assert!(whole.is_ok() || total >= budget);
            prop_assert!(whole.is_err() || total <= budget);
            let idle = read(TimeoutLayer::idle(millis(budget)), frames).await;
            let longest = waits.iter().max().copied().unwrap_or_default();
            prop_assert!(idle.is_ok() || longest >= budget);
            prop_assert!(idle.is_err() || longest <= budget);
            Ok(())
        })?;
    }

    #[test]
    fn dropped_at_any_poll_a_request_lets_go_of_what_it_bounds(polls in 0usize..6, frames in 0usize..4) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let permit = Arc::new(());
            let held = permit.clone();
            let inner = tower::service_fn(move |_: Request<()>| {
                let held = held.clone();
                async move {
                    tokio::time::sleep(millis(150)).await;
                    let stream = futures_util::stream::unfold(held, |held| async move {
                        tokio::time::sleep(millis(50)).await;
                        Some((Ok::<_, BoxError>(http_body::Frame::data(Bytes::from_static(b"x"))), held))
                    });
                    Ok::<_, BoxError>(Response::new(StreamBody::new(Box::pin(stream))))
                }
            });
            let service = ServiceBuilder::new()
                .layer(DeadlineLayer::new())
                .layer(TimeoutLayer::idle(millis(300)))
                .layer(TimeoutLayer::new(millis(400)))
                .layer(AttemptTimeoutLayer::new(millis(200)))
                .service(inner);
            let mut call = task::spawn(service.clone().oneshot(grpc(Some("1S"))));
            for _ in 0..polls {
                if let std::task::Poll::Ready(answer) = call.poll() {
                    let mut body = answer.unwrap().into_body();
                    for _ in 0..frames {
                        body.frame().await.unwrap().unwrap();
                    }
                    prop_assert!(Arc::strong_count(&permit) > 2);
                    break;
                }
                tokio::time::advance(millis(100)).await;
            }
            drop(call);
            // Left: this test's own, and the service's.
            prop_assert_eq!(Arc::strong_count(&permit), 2);
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn what_ran_out_of_time_is_dropped_before_the_error_is_seen() {
    let permit = Arc::new(());
    let held = permit.clone();
    let inner = tower::service_fn(move |_: Request<()>| {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending::<Result<Response<Empty<Bytes>>, BoxError>>().await
        }
    });
    let mut service = TimeoutLayer::new(secs(1)).layer(inner);
    let mut call = task::spawn(service.ready().await.unwrap().call(grpc(None)));
    assert_pending!(call.poll());
    tokio::time::advance(secs(1)).await;
    assert!(call.poll().is_ready());
    assert_eq!(Arc::strong_count(&permit), 2, "while the future is still there");
}
