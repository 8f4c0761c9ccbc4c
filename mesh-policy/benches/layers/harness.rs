//! The request, the service that does nothing, and the measurement.

use bytes::Bytes;
use divan::Bencher;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use mesh_policy::BoxError;
use std::future::{Future, Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use tower::ServiceExt;
use tower_service::Service;

pub(crate) type Body = Full<Bytes>;

/// Answers at once, with nothing.
#[derive(Clone, Debug)]
pub(crate) struct Noop;

impl<B> Service<Request<B>> for Noop {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Ready<Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        black_box(request.headers());
        ready(Ok(Response::new(Body::default())))
    }
}

/// A request as a server reads it: its URI is a piece of the connection's buffer.
pub(crate) fn request() -> Request<Body> {
    let mut request = Request::new(Body::default());
    let uri = Bytes::from(b"/orders/42?full=true".to_vec());
    *request.uri_mut() = http::Uri::from_maybe_shared(uri).expect("a URI");
    request
}

/// A request as a browser sends it.
pub(crate) fn request_with_headers() -> Request<Body> {
    let mut request = request();
    for (name, value) in [
        ("host", "orders.example"),
        ("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"),
        ("accept", "application/json"),
        ("accept-language", "en-GB,en;q=0.5"),
        ("accept-encoding", "gzip, deflate, br, zstd"),
        ("authorization", "Bearer 0123456789abcdef"),
        ("cookie", "session=0123456789abcdef"),
        ("x-request-id", "9c0f5f0e-6c0b-4a57-9a55-0b4b8d0f9d3a"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    request
}

/// What a request without headers costs.
pub(crate) fn cost<S, B>(bencher: Bencher<'_, '_>, service: S)
where
    S: Service<Request<Body>, Response = Response<B>>,
{
    cost_of(bencher, request(), service);
}

/// What such a request costs. The request is made outside of the measurement, all else is within it.
pub(crate) fn cost_of<S, B>(bencher: Bencher<'_, '_>, template: Request<Body>, mut service: S)
where
    S: Service<Request<Body>, Response = Response<B>>,
{
    let mut cx = Context::from_waker(Waker::noop());
    let (mut all, mut refused) = (0_u64, 0_u64);
    bencher.with_inputs(|| template.clone()).bench_local_values(|request| {
        all += 1;
        refused += u64::from(!passes(&mut service, request, &mut cx));
    });
    // A layer that refuses is quicker than one that lets pass; a fault may hit one in a million.
    assert!(refused * 100_000 <= all, "{refused} of {all} requests were not answered");
}

/// What a request costs whose service is a clone of one that others have as well, on a runtime: polled until it
/// answers, with the tasks that it needs for that.
pub(crate) fn cost_shared<S, B>(bencher: Bencher<'_, '_>, make: impl FnOnce() -> S)
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let service = runtime.block_on(async { make() });
    let template = request();
    bencher.with_inputs(|| template.clone()).bench_local_values(|request| {
        let answer = runtime.block_on(service.clone().oneshot(request));
        assert!(answer.is_ok_and(|response| response.status() == 200));
    });
}

#[inline(always)]
fn passes<S, B>(service: &mut S, request: Request<Body>, cx: &mut Context<'_>) -> bool
where
    S: Service<Request<Body>, Response = Response<B>>,
{
    let ready = matches!(service.poll_ready(cx), Poll::Ready(Ok(())));
    let future = pin!(service.call(request));
    let answer = black_box(future.poll(cx));
    ready && matches!(answer, Poll::Ready(Ok(response)) if response.status() == 200)
}
