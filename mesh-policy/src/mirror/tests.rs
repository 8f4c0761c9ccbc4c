use super::*;
use crate::testing::{Act, Script, Yields, secs};
use crate::{BoxError, Random, SpecError};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use mesh_core::model::values::Fraction;
use parking_lot::Mutex;
use proptest::prelude::*;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::{mpsc, oneshot};
use tower::{Layer, Service, ServiceExt};

/// A service for copies that tells what each of them was, bodies read to their end.
#[derive(Clone)]
struct Shadow(mpsc::UnboundedSender<Told>);

/// A copy's head, and its body or why it broke off.
type Told = (String, Result<Bytes, String>);

impl Service<Request<CopyBody>> for Shadow {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, copy: Request<CopyBody>) -> Self::Future {
        let tell = self.0.clone();
        Box::pin(async move {
            let head = format!("{} {} {:?}", copy.method(), copy.uri(), copy.headers().get("host"));
            let body = copy.into_body().collect().await;
            tell.send((head, body.map(|b| b.to_bytes()).map_err(|e| e.to_string())))?;
            Ok(Response::new(Full::from("thrown away")))
        })
    }
}

fn shadow() -> (Shadow, mpsc::UnboundedReceiver<Told>) {
    let (tell, told) = mpsc::unbounded_channel();
    (Shadow(tell), told)
}

/// Reads a request and answers with its body.
async fn echo<B: Body<Data = Bytes, Error = BoxError>>(
    request: Request<B>,
) -> Result<Response<Bytes>, BoxError> {
    Ok(Response::new(request.into_body().collect().await?.to_bytes()))
}

type Sent = StreamBody<frames::Frames>;

/// A stream of frames that tests feed.
mod frames {
    use super::*;

    pub(super) struct Frames(pub(super) mpsc::UnboundedReceiver<Result<Frame<Bytes>, BoxError>>);

    impl futures_util::Stream for Frames {
        type Item = Result<Frame<Bytes>, BoxError>;

        fn poll_next(mut self: std::pin::Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
            self.0.poll_recv(cx)
        }
    }
}

fn feed() -> (mpsc::UnboundedSender<Result<Frame<Bytes>, BoxError>>, Sent) {
    let (feed, frames) = mpsc::unbounded_channel();
    (feed, StreamBody::new(frames::Frames(frames)))
}

fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(Bytes::from_static(text.as_bytes())))
}

fn post<B>(body: B) -> Request<B> {
    Request::post("/orders?x").header("host", "shop:80").body(body).unwrap()
}

fn full(
    text: &'static str,
) -> http_body_util::combinators::MapErr<Full<Bytes>, fn(std::convert::Infallible) -> BoxError> {
    Full::from(text).map_err(|never| match never {})
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_the_request_with_a_marked_authority() {
    let (to, mut told) = shadow();
    let layer = MirrorLayer::new(to);
    let service = layer.layer(tower::service_fn(echo));
    assert_eq!(service.oneshot(post(full("one coffee"))).await.unwrap().into_body(), "one coffee");
    let (head, body) = told.recv().await.unwrap();
    assert_eq!(head, "POST /orders?x Some(\"shop-shadow:80\")");
    assert_eq!(body.unwrap(), "one coffee");
    while layer.active() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(layer.counts(), MirrorCounts { sent: 1, completed: 1, ..MirrorCounts::default() });
}

#[tokio::test(start_paused = true)]
async fn the_mark_can_be_left_out_and_stands_in_the_uri_of_http2() {
    let (to, mut told) = shadow();
    let layer = MirrorLayer::new(to);
    let plain = layer.clone().disable_shadow_host_suffix_append().layer(tower::service_fn(echo));
    plain.oneshot(post(full(""))).await.unwrap();
    assert_eq!(told.recv().await.unwrap().0, "POST /orders?x Some(\"shop:80\")");
    let request = Request::get("http://shop/x").body(full("")).unwrap();
    layer.layer(tower::service_fn(echo)).oneshot(request).await.unwrap();
    assert_eq!(told.recv().await.unwrap().0, "GET http://shop-shadow/x None");
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_hangs_delays_nobody_and_gives_its_place_back() {
    let hangs = tower::service_fn(|_: Request<CopyBody>| {
        std::future::pending::<Result<Response<Empty<Bytes>>, BoxError>>()
    });
    let layer = MirrorLayer::new(hangs).max_requests(1);
    let ask = || layer.layer(tower::service_fn(echo)).oneshot(post(full("x")));
    let t0 = tokio::time::Instant::now();
    ask().await.unwrap();
    ask().await.unwrap();
    assert_eq!((t0.elapsed(), layer.active()), (secs(0), 1));
    tokio::time::sleep(secs(16)).await;
    assert_eq!(layer.active(), 0);
    let counts = MirrorCounts { sent: 1, timed_out: 1, overflow: 1, ..MirrorCounts::default() };
    assert_eq!(layer.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_falls_behind_is_broken_off_and_the_request_is_not() {
    let (open, opened) = oneshot::channel::<()>();
    let opened = Arc::new(Mutex::new(Some(opened)));
    let (tell, mut told) = mpsc::unbounded_channel();
    // Reads nothing until it is told to.
    let late = tower::service_fn(move |copy: Request<CopyBody>| {
        let (opened, tell) = (opened.lock().take().unwrap(), tell.clone());
        async move {
            opened.await?;
            let error = copy.into_body().collect().await.map(drop).unwrap_err();
            tell.send(crate::find::<Lagged>(&*error).copied()).ok();
            Err::<Response<Empty<Bytes>>, _>(error)
        }
    });
    let layer = MirrorLayer::new(late).buffer_limit(200);
    let (feed, body) = feed();
    let call = tokio::spawn(layer.layer(tower::service_fn(echo)).oneshot(post(body)));
    for _ in 0..100 {
        feed.send(data("0123456789")).unwrap();
    }
    drop(feed);
    assert_eq!(call.await.unwrap().unwrap().into_body().len(), 1000);
    open.send(()).unwrap();
    assert!(told.recv().await.unwrap().unwrap().fell_behind());
    while layer.active() > 0 {
        tokio::task::yield_now().await;
    }
    let counts = MirrorCounts { sent: 1, failed: 1, lagged: 1, ..MirrorCounts::default() };
    assert_eq!(layer.counts(), counts);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_broken_off_breaks_its_copy_off() {
    let (to, mut told) = shadow();
    let layer = MirrorLayer::new(to);
    let (feed, body) = feed();
    let call = tokio::spawn(layer.layer(tower::service_fn(echo)).oneshot(post(body)));
    feed.send(data("half an or")).unwrap();
    tokio::task::yield_now().await;
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    let (_, body) = told.recv().await.unwrap();
    assert_eq!(body.unwrap_err(), "a request was broken off, and its copy with it");
}

#[tokio::test(start_paused = true)]
async fn who_stops_at_the_last_byte_has_sent_the_whole_copy() {
    let (to, mut told) = shadow();
    // As HTTP/1 with a content-length: reads what was announced, and never asks for the end.
    let exact = tower::service_fn(|request: Request<TeeBody<_>>| async move {
        let mut body = std::pin::pin!(request.into_body());
        assert!(body.is_heard());
        body.frame().await.unwrap()?;
        Ok::<_, BoxError>(())
    });
    MirrorLayer::new(to).layer(exact).oneshot(post(full("all of it"))).await.unwrap();
    assert_eq!(told.recv().await.unwrap().1.unwrap(), "all of it");
}

#[tokio::test(start_paused = true)]
async fn trailers_are_copied() {
    let (tell, mut told) = mpsc::unbounded_channel();
    let to = tower::service_fn(move |copy: Request<CopyBody>| {
        let tell = tell.clone();
        async move {
            let body = copy.into_body().collect().await?;
            tell.send(body.trailers().cloned()).ok();
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let (feed, body) = feed();
    let trailers: http::HeaderMap =
        [("grpc-status".parse().unwrap(), "0".parse().unwrap())].into_iter().collect();
    feed.send(data("x")).unwrap();
    feed.send(Ok(Frame::trailers(trailers.clone()))).unwrap();
    drop(feed);
    MirrorLayer::new(to).layer(tower::service_fn(echo)).oneshot(post(body)).await.unwrap();
    assert_eq!(told.recv().await.unwrap(), Some(trailers));
}

#[tokio::test(start_paused = true)]
async fn tunnels_are_not_copied() {
    let (to, _told) = shadow();
    let layer = MirrorLayer::new(to);
    let connect = Request::connect("shop:443").body(full("")).unwrap();
    layer.layer(tower::service_fn(echo)).oneshot(connect).await.unwrap();
    let upgrade = Request::get("/").header("upgrade", "websocket").body(full("")).unwrap();
    layer.layer(tower::service_fn(echo)).oneshot(upgrade).await.unwrap();
    assert_eq!(layer.counts(), MirrorCounts::default());
}

#[test]
fn outside_of_a_runtime_copies_are_abandoned_and_requests_served() {
    let (to, _told) = shadow();
    let layer = MirrorLayer::new(to);
    let call = layer.layer(tower::service_fn(echo)).oneshot(post(full("x")));
    assert_eq!(futures_util::FutureExt::now_or_never(call).unwrap().unwrap().into_body(), "x");
    let counts = MirrorCounts { sent: 1, abandoned: 1, ..MirrorCounts::default() };
    assert_eq!((layer.counts(), layer.active()), (counts, 0));
}

#[tokio::test(start_paused = true)]
async fn dropping_a_copys_task_at_any_poll_gives_its_place_back() {
    for polls in 0..6 {
        let tasks = Arc::new(Mutex::new(Vec::new()));
        let kept = tasks.clone();
        let slow = tower::service_fn(|copy: Request<CopyBody>| async move {
            Yields(2).await;
            copy.into_body().collect().await?;
            Yields(2).await;
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        });
        let layer = MirrorLayer::new(slow).executor(move |task| kept.lock().push(task));
        layer.layer(tower::service_fn(echo)).oneshot(post(full("x"))).await.unwrap();
        assert_eq!(layer.active(), 1);
        let mut task = tokio_test::task::spawn(tasks.lock().pop().unwrap());
        for _ in 0..polls {
            if task.poll().is_ready() {
                break;
            }
        }
        drop(task);
        let counts = layer.counts();
        assert_eq!((layer.active(), counts.sent, counts.completed + counts.abandoned), (0, 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_share_of_requests_is_copied() {
    let (to, _told) = shadow();
    let tenth = Fraction::percent(10.0).unwrap();
    let layer = MirrorLayer::new(to).fraction(tenth).random(Random::seeded(1)).max_requests(u32::MAX);
    for _ in 0..1000 {
        layer.layer(tower::service_fn(echo)).oneshot(post(full(""))).await.unwrap();
    }
    let sent = layer.counts().sent;
    assert!((70..130).contains(&sent), "{sent}");
}

fn spec(json: &str) -> Result<MirrorLayer<()>, SpecError> {
    serde_json::from_str::<MirrorSpec>(json).unwrap().try_into()
}

#[test]
fn a_spec_sets_what_it_names_and_refuses_what_cannot_be() {
    let layer = spec(
        r#"{"percentage": {"value": 0.0001}, "disableShadowHostSuffixAppend": true, "timeout": "0s",
            "maxRequests": 3, "perRequestBufferLimitBytes": 9}"#,
    );
    let settings = layer.unwrap().settings;
    assert_eq!((settings.fraction, settings.mark), (Fraction::millionths(1), false));
    assert_eq!((settings.timeout, settings.max_requests, settings.buffer_limit), (None, 3, 9));
    let refused = |json: &str| spec(json).unwrap_err().to_string();
    assert_eq!(refused(r#"{"percentage": {"value": -1}}"#), "percentage.value: must be between 0 and 100");
    assert_eq!(refused(r#"{"timeout": "1us"}"#), "timeout: must be 0s for no bound, or at least 1ms");
}

/// What a mirror may do wrong.
#[derive(Clone, Copy, Debug)]
enum Manner {
    Reads,
    Fails,
    Hangs,
    IsNeverReady,
}

#[derive(Clone)]
struct Moody(Manner);

impl Service<Request<CopyBody>> for Moody {
    type Response = Response<Empty<Bytes>>;
    type Error = BoxError;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match self.0 {
            Manner::IsNeverReady => Poll::Pending,
            _ => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, copy: Request<CopyBody>) -> Self::Future {
        let manner = self.0;
        Box::pin(async move {
            match manner {
                Manner::Reads => drop(copy.into_body().collect().await?),
                Manner::Fails => return Err("no".into()),
                Manner::Hangs | Manner::IsNeverReady => std::future::pending().await,
            }
            Ok(Response::new(Empty::new()))
        })
    }
}

proptest! {
    #[test]
    fn the_callers_response_is_the_same_with_and_without_a_mirror(
        frames in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..50), 0..8), breaks: bool,
        manner in prop::sample::select(vec![Manner::Reads, Manner::Fails, Manner::Hangs, Manner::IsNeverReady]),
        status in prop::sample::select(vec![200u16, 404, 503]), limit in 0usize..400,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let ask = |layer: MirrorLayer<Moody>| {
            let (feed, body) = feed();
            for frame in &frames {
                feed.send(Ok(Frame::data(Bytes::from(frame.clone())))).unwrap();
            }
            if breaks {
                feed.send(Err("broken".into())).unwrap();
            }
            drop(feed);
            let below = tower::service_fn(move |request: Request<TeeBody<Sent>>| async move {
                let read = request.into_body().collect().await;
                let text = read.map(|body| body.to_bytes()).map_err(|e| e.to_string());
                let mut response = Response::new(text);
                *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
                Ok::<_, BoxError>(response)
            });
            runtime.block_on(async {
                let t0 = tokio::time::Instant::now();
                let response = layer.layer(below).oneshot(post(body)).await.unwrap();
                (response.status(), response.into_body(), t0.elapsed())
            })
        };
        let with = MirrorLayer::new(Moody(manner)).buffer_limit(limit);
        let without = with.clone().fraction(Fraction::ZERO);
        prop_assert_eq!(ask(with), ask(without));
    }
}

#[tokio::test(start_paused = true)]
async fn the_service_that_was_made_ready_is_the_one_that_is_called() {
    let (to, _told) = shadow();
    let mut service = MirrorLayer::new(to).layer(Script::new([Act::Status(201)]));
    let response = service.ready().await.unwrap().call(post(full(""))).await.unwrap();
    assert_eq!(response.status(), 201);
}
