//! Who is to blame when time runs out: outlier detection further in asks.

use super::super::*;
use crate::outlier::{Detector, Host, OutlierLayer};
use crate::testing::{Act, Script, secs};
use crate::{BoxError, FailureKind, failure};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use mesh_core::model::cluster::OutlierDetection;
use std::time::Instant;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

/// An endpoint that is out after one failure.
fn host() -> Host {
    let config = OutlierDetection { consecutive_5xx: 1, ..OutlierDetection::default() };
    Detector::new(config, Instant::now()).host("a")
}

fn silent<B: Send + 'static>()
-> impl Service<Request<B>, Response = Response<Full<Bytes>>, Error = BoxError> + Clone {
    let text = |response: Response<String>| response.map(|text| Full::new(Bytes::from(text)));
    Script::new((0..9).map(|_| Act::Silence)).map_response(text)
}

fn call(timeout: &str) -> Request<()> {
    Request::post("/x.Y/Z")
        .header("content-type", "application/grpc")
        .header("grpc-timeout", timeout)
        .body(())
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_callers_own_deadline_is_not_held_against_the_endpoint() {
    let host = host();
    let service = ServiceBuilder::new()
        .layer(DeadlineLayer::new())
        .layer(OutlierLayer::new(host.clone()))
        .service(silent());
    for timeout in ["1m", "1n", "1S"] {
        let error = service.clone().oneshot(call(timeout)).await.err().unwrap();
        assert_eq!(failure::classify(&*error), FailureKind::Final, "{timeout}");
    }
    assert!(!host.is_ejected());
}

#[tokio::test(start_paused = true)]
async fn a_request_whose_time_is_over_was_not_sent_and_blames_nobody() {
    let host = host();
    let service = ServiceBuilder::new()
        .layer(OutlierLayer::new(host.clone()))
        .layer(PropagateDeadlineLayer::new())
        .service(silent());
    let mut late = call("1S");
    late.extensions_mut().insert(Deadline::at(tokio::time::Instant::now()));
    let error = service.oneshot(late).await.err().unwrap();
    assert_eq!(failure::classify(&*error), FailureKind::Final);
    assert!(!host.is_ejected());
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_stops_is_not_held_against_the_endpoint_but_silence_is() {
    let (host, upload) = (self::host(), super::paced(vec![(secs(60), "late")]));
    let reads = tower::service_fn(|request: Request<ProgressBody<_>>| async move {
        let read: Result<_, BoxError> = BodyExt::collect(request.into_body()).await.map_err(Into::into);
        read.map(|_| Response::new(Empty::<Bytes>::new()))
    });
    let idle = || TimeoutLayer::idle(secs(1)).begin(FromExtensions);
    let stack =
        ServiceBuilder::new().layer(ProgressLayer).layer(idle()).layer(OutlierLayer::new(host.clone()));
    stack.service(reads).oneshot(Request::new(upload)).await.err().unwrap();
    assert!(!host.is_ejected(), "the caller was waited for");
    let stack =
        ServiceBuilder::new().layer(ProgressLayer).layer(idle()).layer(OutlierLayer::new(host.clone()));
    stack.service(silent()).oneshot(Request::new(Full::<Bytes>::from("all"))).await.err().unwrap();
    assert!(host.is_ejected(), "the endpoint was waited for");
    let host = self::host();
    let stack =
        ServiceBuilder::new().layer(TimeoutLayer::idle(secs(1))).layer(OutlierLayer::new(host.clone()));
    stack.service(silent()).oneshot(Request::new(())).await.err().unwrap();
    assert!(!host.is_ejected(), "nobody knows who was waited for");
}

/// Notes whether it was dropped since its time ran out.
struct Witness(std::sync::Arc<parking_lot::Mutex<Option<bool>>>);

impl Drop for Witness {
    fn drop(&mut self) {
        *self.0.lock() = Some(crate::elapsing::is_elapsing());
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_runs_out_of_time_lets_go_of_what_it_held_and_says_why() {
    for (layer, blames) in
        [(TimeoutLayer::per_try_idle(secs(1)), true), (TimeoutLayer::max_stream_duration(secs(1)), false)]
    {
        let end = std::sync::Arc::default();
        let witness = Witness(std::sync::Arc::clone(&end));
        let endless = futures_util::stream::unfold(witness, |held| async move {
            std::future::pending::<()>().await;
            Some((Ok::<_, BoxError>(http_body::Frame::data(Bytes::new())), held))
        });
        let mut body = Some(StreamBody::new(Box::pin(endless)));
        let service = tower::service_fn(move |()| {
            let body = body.take().unwrap();
            async move { Ok::<_, BoxError>(Response::new(body)) }
        });
        let mut body = layer.layer(service).oneshot(()).await.unwrap().into_body();
        assert!(body.frame().await.unwrap().is_err());
        assert_eq!(*end.lock(), Some(blames), "while the body is still there");
        assert!(http_body::Body::is_end_stream(&body) && body.frame().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn further_out_a_stream_that_lasted_long_enough_blames_nobody_and_a_request_its_endpoint() {
    let host = host();
    let outlier = || OutlierLayer::new(host.clone());
    let stream = ServiceBuilder::new().layer(outlier()).layer(TimeoutLayer::max_stream_duration(secs(1)));
    stream.service(silent()).oneshot(Request::new(Full::<Bytes>::default())).await.err().unwrap();
    assert!(!host.is_ejected());
    let request = ServiceBuilder::new().layer(outlier()).layer(TimeoutLayer::new(secs(1)));
    request.service(silent()).oneshot(Request::new(Full::<Bytes>::default())).await.err().unwrap();
    assert!(host.is_ejected());
}
