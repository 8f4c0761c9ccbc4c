use super::*;
use crate::{BoxError, Rejection, find};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::{BoxBody, UnsyncBoxBody};
use http_body_util::{BodyExt, Full, StreamBody};
use proptest::prelude::*;
use serde_json::json;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Layer, Service, ServiceBuilder, ServiceExt};

type Incoming = BoxBody<Bytes, Infallible>;

/// A body in pieces, whose length nobody knows before.
fn pieces(pieces: Vec<&'static [u8]>) -> Incoming {
    let frames = pieces.into_iter().map(|piece| Ok(http_body::Frame::data(Bytes::from_static(piece))));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))
}

fn whole(bytes: &'static [u8]) -> Incoming {
    Full::new(Bytes::from_static(bytes)).boxed()
}

/// Reads the whole body and answers with its length; an unreadable body is its caller's fault.
async fn reads<B>(request: Request<B>) -> Result<Response<String>, BoxError>
where
    B: http_body::Body<Data = Bytes, Error = BoxError>,
{
    match request.into_body().collect().await {
        Ok(body) => Ok(Response::new(body.to_bytes().len().to_string())),
        Err(_) => {
            let mut response = Response::new("unreadable".to_owned());
            *response.status_mut() = StatusCode::BAD_REQUEST;
            Ok(response)
        }
    }
}

async fn send(layer: &LimitsLayer, request: Request<Incoming>) -> Result<String, Rejection> {
    let answer = layer.layer(tower::service_fn(reads)).oneshot(request).await;
    answer.map(Response::into_body).map_err(|error| Rejection::of(&*error).unwrap())
}

#[tokio::test]
async fn too_many_or_too_long_headers_are_a_431() {
    let metrics = LimitsMetrics::default();
    let layer = LimitsLayer::new().max_headers(2).max_header_bytes(40).metrics(metrics.clone());
    let request = |lines: &[(&str, &str)]| {
        let request =
            lines.iter().fold(Request::get("/"), |request, (name, value)| request.header(*name, *value));
        request.body(whole(b"")).unwrap()
    };
    assert!(send(&layer, request(&[("a", "1"), ("a", "2")])).await.is_ok());
    let many = send(&layer, request(&[("a", "1"), ("a", "2"), ("b", "3")])).await.unwrap_err();
    assert_eq!((many.status.as_u16(), &*many.details), (431, "http1.too_many_headers"));
    let long = send(&layer, request(&[("a", "0123456789012345678901234567890123456789")])).await.unwrap_err();
    assert_eq!((long.status.as_u16(), &*long.details), (431, "http1.headers_too_large"));
    let target = Request::get("/0123456789012345678901234567890123456789").body(whole(b"")).unwrap();
    assert_eq!(send(&layer, target).await.unwrap_err().status.as_u16(), 431, "the target counts, too");
    assert_eq!(metrics.snapshot().headers_too_large, 3);
}

#[tokio::test]
async fn a_declared_length_is_refused_before_anybody_reads() {
    let asked = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&asked);
    let svc = tower::service_fn(move |_: Request<LimitedBody<Incoming>>| {
        seen.store(true, SeqCst);
        async { Ok::<_, BoxError>(Response::new(String::new())) }
    });
    let mut svc = LimitsLayer::new().max_body_bytes(10).layer(svc);
    let declared = Request::post("/").header("content-length", "11").body(pieces(vec![])).unwrap();
    let known = Request::post("/").body(whole(b"eleven byte")).unwrap();
    for request in [declared, known] {
        let error = svc.ready().await.unwrap().call(request).await.unwrap_err();
        let rejection = Rejection::of(&*error).unwrap();
        assert_eq!((rejection.status.as_u16(), &*rejection.details), (413, "request_payload_too_large"));
        assert_eq!((&*rejection.body, rejection.grpc_status), ("Payload Too Large", 8));
        assert_eq!(crate::failure::classify(&*error), crate::FailureKind::Final);
    }
    assert!(!asked.load(SeqCst));
}

#[tokio::test]
async fn a_stream_that_grows_too_long_is_a_413_whatever_the_service_says() {
    let layer = LimitsLayer::new().max_body_bytes(10);
    let post = |body| Request::post("/").body(body).unwrap();
    assert_eq!(send(&layer, post(pieces(vec![b"01234", b"56789"]))).await.unwrap(), "10");
    let error = send(&layer, post(pieces(vec![b"01234", b"56789", b"x"]))).await.unwrap_err();
    assert_eq!(error.status.as_u16(), 413);
}

#[test]
fn the_answer_fails_as_soon_as_the_body_breaks_wherever_it_is_read() {
    // The service hands the body to somebody else, and waits for ever.
    let (tx, rx) = std::sync::mpsc::channel();
    let dropped = Arc::new(AtomicBool::new(false));
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }
    let flag = Arc::clone(&dropped);
    let svc = tower::service_fn(move |request: Request<LimitedBody<Incoming>>| {
        tx.send(request.into_body()).unwrap();
        let flag = Flag(Arc::clone(&flag));
        async move {
            let _flag = flag;
            std::future::pending::<Result<Response<()>, BoxError>>().await
        }
    });
    let mut svc = LimitsLayer::new().max_body_bytes(3).layer(svc);
    let request = Request::post("/").body(pieces(vec![b"abc", b"d"])).unwrap();
    let mut call = task::spawn(svc.call(request));
    assert_pending!(call.poll());
    let mut body = task::spawn(rx.recv().unwrap());
    let frame = |body: &mut task::Spawn<LimitedBody<Incoming>>| {
        assert_ready!(body.enter(|cx, body| http_body::Body::poll_frame(body, cx)))
    };
    assert!(frame(&mut body).unwrap().is_ok());
    assert!(!call.is_woken());
    assert!(frame(&mut body).unwrap().is_err());
    assert!(frame(&mut body).is_none(), "a broken body has ended");
    assert!(call.is_woken());
    let error = assert_ready!(call.poll()).unwrap_err();
    assert_eq!(find::<TooLarge>(&*error).unwrap().limit(), Limit::BodyBytes);
    assert!(dropped.load(SeqCst), "the service was ended");
}

/// Turns each byte into so many, as a decompressor does.
fn unpacks<B>(times: usize, body: B) -> UnsyncBoxBody<Bytes, Infallible>
where
    B: http_body::Body<Data = Bytes, Error = BoxError> + Send + 'static,
{
    let frames = futures_util::stream::unfold((Box::pin(body), times), |(mut body, times)| async move {
        let data = body.frame().await?.ok()?.into_data().ok()?;
        let unpacked = Bytes::from(vec![0; data.len() * times]);
        Some((Ok(http_body::Frame::data(unpacked)), (body, times)))
    });
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

async fn unpack(
    times: usize,
    layer: UnpackedLimitsLayer,
    coding: Option<&str>,
    body: Incoming,
) -> Result<String, TooLarge> {
    let svc = ServiceBuilder::new()
        .layer(LimitsLayer::new())
        .map_request(move |request: Request<LimitedBody<Incoming>>| request.map(|body| unpacks(times, body)))
        .layer(layer)
        .service_fn(reads);
    let mut request = Request::post("/").body(body).unwrap();
    if let Some(coding) = coding {
        request.headers_mut().insert("content-encoding", coding.parse().unwrap());
    }
    let answer = svc.oneshot(request).await;
    answer.map(Response::into_body).map_err(|error| find::<TooLarge>(&*error).unwrap().clone())
}

#[tokio::test]
async fn a_zip_bomb_ends_by_its_size_and_by_its_ratio() {
    let bomb = || pieces(vec![b"0123456789"; 10]);
    let limit = |bytes, times, floor| UnpackedLimitsLayer::new(bytes).max_ratio(times, floor);
    assert_eq!(unpack(50, limit(5000, 50, 0), Some("gzip"), bomb()).await.unwrap(), "5000");
    let size = unpack(50, limit(4999, 50, 0), Some("gzip"), bomb()).await.unwrap_err();
    assert_eq!((size.limit(), size.most()), (Limit::UnpackedBytes, 4999));
    let ratio = unpack(50, limit(5000, 49, 0), Some("gzip"), bomb()).await.unwrap_err();
    assert_eq!((ratio.limit(), ratio.most()), (Limit::UnpackedRatio, 49));
    assert_eq!(
        unpack(50, limit(5000, 49, 5000), Some("gzip"), bomb()).await.unwrap(),
        "5000",
        "below the floor"
    );
    assert_eq!(
        unpack(50, limit(5000, 1, 0), None, bomb()).await.unwrap(),
        "5000",
        "nobody said it was packed"
    );
}

#[tokio::test]
async fn a_body_that_cannot_be_too_long_costs_no_allocation_and_a_dropped_call_leaves_nothing() {
    let layer = LimitsLayer::new().max_body_bytes(10);
    let count = Arc::new(AtomicU64::new(0));
    let held = Arc::clone(&count);
    let mut svc = layer.layer(tower::service_fn(move |request: Request<LimitedBody<Incoming>>| {
        let held = Arc::clone(&held);
        async move {
            let _request = request;
            held.fetch_add(1, SeqCst);
            std::future::pending::<Result<Response<()>, BoxError>>().await
        }
    }));
    let before = Arc::strong_count(&count);
    for body in [whole(b"short"), pieces(vec![b"unknown"])] {
        let mut call = task::spawn(svc.call(Request::new(body)));
        assert_pending!(call.poll());
        drop(call);
    }
    assert_eq!((count.load(SeqCst), Arc::strong_count(&count)), (2, before));
    assert!(size_of::<LimitsFuture<()>>() <= 64, "{}", size_of::<LimitsFuture<()>>());
}

#[test]
fn a_wrong_file_says_where() {
    let limits = |spec| LimitsLayer::try_from(serde_json::from_value::<LimitsSpec>(spec).unwrap());
    assert_eq!(limits(json!({"maxHeadersCount": 0})).unwrap_err().path(), "maxHeadersCount");
    assert_eq!(limits(json!({"maxRequestHeadersKb": 8193})).unwrap_err().path(), "maxRequestHeadersKb");
    assert!(limits(json!({"maxRequestBytes": 0})).is_ok());
    let unpacked =
        |spec| UnpackedLimitsLayer::try_from(serde_json::from_value::<UnpackedLimitsSpec>(spec).unwrap());
    assert_eq!(unpacked(json!({"maxBytes": 1, "maxInflateRatio": 0})).unwrap_err().path(), "maxInflateRatio");
    assert!(unpacked(json!({"maxBytes": 1, "ratioFloor": 7})).is_ok());
    assert!(serde_json::from_value::<LimitsSpec>(json!({"maxRequestByte": 1})).is_err());
}

proptest! {
    /// However a body is cut up, a service never reads more than the limit.
    #[test]
    fn no_service_reads_more_than_the_limit(cuts in proptest::collection::vec(0_usize..20, 0..20), most in 0_u64..100) {
        static BYTES: [u8; 20] = [7; 20];
        let total: usize = cuts.iter().sum();
        let body = pieces(cuts.iter().map(|n| &BYTES[..*n]).collect());
        let layer = LimitsLayer::new().max_body_bytes(most);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        match runtime.block_on(send(&layer, Request::new(body))) {
            Ok(read) => prop_assert!(total as u64 <= most && read == total.to_string()),
            Err(rejection) => prop_assert!(total as u64 > most && rejection.status.as_u16() == 413),
        }
    }
}
