use super::*;
use crate::testing::{Act, Script};
use crate::{BoxError, Failure, FailureKind};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use mesh_core::response_flag::ResponseFlags;
use std::task::{Context, Poll};
use tokio_test::task;
use tower::{Layer, Service, ServiceExt};

type Reply = Response<RescueBody<Full<Bytes>>>;

async fn ask(act: Act, request: Request<()>) -> Reply {
    let text = |response: Response<String>| response.map(|text| Full::new(Bytes::from(text)));
    let service = RescueLayer::new().layer(Script::new([act]).map_response(text));
    service.oneshot(request).await.unwrap()
}

fn flags(response: &Reply) -> String {
    response.extensions().get::<ResponseFlags>().copied().unwrap_or_default().to_string()
}

fn grpc() -> Request<()> {
    Request::post("/x.Y/Z").header("content-type", "application/grpc+proto").body(()).unwrap()
}

#[tokio::test]
async fn an_answer_passes_as_it_is() {
    let response = ask(Act::Status(404), Request::new(())).await;
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (404, "-"));
    assert!(!response.body().is_local_reply());
    assert_eq!(response.body().size_hint().exact(), Some(4));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "body");
}

#[tokio::test]
async fn a_failure_to_connect_is_envoys_503() {
    let refused = || Act::Fail(Failure::new(FailureKind::ConnectFailure, "secret address").into());
    let response = ask(refused(), Request::new(())).await;
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (503, "UF"));
    assert!(response.body().is_local_reply() && !response.body().is_end_stream());
    let text = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        text,
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
    );

    let response = ask(refused(), grpc()).await;
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (200, "UF"));
    assert_eq!(response.headers()["grpc-status"], "14");
    assert!(response.body().is_end_stream() && response.into_body().frame().await.is_none());
}

#[tokio::test]
async fn an_error_of_nobodys_tells_the_caller_nothing() {
    let response = ask(Act::Fail("the password is wrong".into()), Request::new(())).await;
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (500, "-"));
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "");
    let response = ask(Act::Fail("the password is wrong".into()), grpc()).await;
    assert_eq!(response.headers()["grpc-status"], "13");
    assert_eq!(response.headers()["grpc-message"], "");
}

#[test]
fn each_kind_of_failure_has_envoys_flag() {
    let of = |kind| {
        let reply = local_reply(&Failure::new(kind, "boom"));
        (reply.status.as_u16(), reply.flags.to_string(), reply.overloaded)
    };
    assert_eq!(of(FailureKind::RefusedStream), (503, "UR".to_owned(), false));
    assert_eq!(of(FailureKind::Reset), (503, "UC".to_owned(), false));
    assert_eq!(of(FailureKind::Timeout), (504, "UT".to_owned(), false));
    assert_eq!(of(FailureKind::Overflow), (503, "UO".to_owned(), true));
    assert_eq!(of(FailureKind::Final), (503, "LR".to_owned(), false));
}

/// Cannot be made ready, once.
#[derive(Clone)]
struct Closed(bool);

impl Service<Request<()>> for Closed {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = std::future::Ready<Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match std::mem::replace(&mut self.0, false) {
            true => Poll::Ready(Err(Failure::new(FailureKind::Overflow, "full").into())),
            false => Poll::Ready(Ok(())),
        }
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a_service_that_cannot_be_made_ready_answers_the_next_call_with_its_error() {
    let mut service = RescueLayer::new().layer(Closed(true));
    for _ in 0..2 {
        assert!(task::spawn(()).enter(|cx, _| service.poll_ready(cx)).is_ready());
    }
    let response = service.call(Request::new(())).await.unwrap();
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (503, "UO"));
    let response = service.ready().await.unwrap().call(Request::new(())).await.unwrap();
    assert_eq!(response.status(), 200, "what failed once may be ready now");
}

#[tokio::test]
async fn dropped_while_it_waits_it_lets_go_of_the_service_below() {
    let permit = std::sync::Arc::new(());
    let held = permit.clone();
    let below = tower::service_fn(move |_: Request<()>| {
        let held = held.clone();
        async move {
            let _held = held;
            std::future::pending::<Result<Response<Full<Bytes>>, BoxError>>().await
        }
    });
    let mut call = task::spawn(RescueLayer::new().layer(below).call(Request::new(())));
    assert!(call.poll().is_pending());
    assert_eq!(std::sync::Arc::strong_count(&permit), 2);
    drop(call);
    assert_eq!(std::sync::Arc::strong_count(&permit), 1);
}

#[cfg(feature = "full")]
mod every_error;
