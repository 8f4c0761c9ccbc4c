//! When a budget begins to run.
//!
//! Envoy counts from the end of the request, so that a slow upload is not the endpoint's fault. A service
//! that is generic over its requests knows nothing of bodies: it counts from dispatch, unless a [`Begin`]
//! hands it a [`RequestProgress`] that the request's body keeps up to date.

use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Says when the budget of a request begins to run.
pub trait Begin<Req> {
    /// Prepares the request. `None` is at once.
    fn begin(&self, request: Req) -> (Req, Option<RequestProgress>);
}

/// The budget runs from dispatch, whatever the request is.
#[derive(Clone, Copy, Debug, Default)]
pub struct AtDispatch;

impl<Req> Begin<Req> for AtDispatch {
    fn begin(&self, request: Req) -> (Req, Option<RequestProgress>) {
        (request, None)
    }
}

/// Reads the progress that a layer further out left in a request's extensions; without one, from dispatch.
#[derive(Clone, Copy, Debug, Default)]
pub struct FromExtensions;

impl<B> Begin<http::Request<B>> for FromExtensions {
    fn begin(&self, request: http::Request<B>) -> (http::Request<B>, Option<RequestProgress>) {
        let progress = request.extensions().get().cloned();
        (request, progress)
    }
}

/// Wraps a request's body in a [`ProgressBody`], and leaves the progress where [`FromExtensions`] finds it.
///
/// Around an axum router the body must become axum's again: `.map_request(|r: Request<_>| r.map(Body::new))`
/// below it.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProgressLayer;

impl<S> Layer<S> for ProgressLayer {
    type Service = Progress<S>;

    fn layer(&self, inner: S) -> Progress<S> {
        Progress { inner }
    }
}

/// Tells timeouts further in how far a request's body is.
#[derive(Clone, Debug)]
pub struct Progress<S> {
    inner: S,
}

impl<S, B> Service<http::Request<B>> for Progress<S>
where
    S: Service<http::Request<ProgressBody<B>>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: http::Request<B>) -> S::Future {
        let (mut head, body) = request.into_parts();
        let (body, progress) = ProgressBody::new(body);
        head.extensions.insert(progress);
        self.inner.call(http::Request::from_parts(head, body))
    }
}

/// Whose turn it is while a request's body is sent; clones share it.
///
/// The clock stands still while the caller is waited for. It runs from the body's end, and it runs while
/// the endpoint does not take what is there: one that hangs would else never be found out.
#[derive(Clone, Debug)]
pub struct RequestProgress(Arc<Turn>);

#[derive(Debug)]
struct Turn {
    began: Instant,
    /// Since when it is the endpoint's turn: nanoseconds from `began`, plus one. 0 is the caller's.
    endpoint_since: AtomicU64,
    /// When the caller last sent something: nanoseconds from `began`.
    caller_active: AtomicU64,
}

impl RequestProgress {
    fn start() -> Self {
        Self(Arc::new(Turn {
            began: Instant::now(),
            endpoint_since: AtomicU64::new(1),
            caller_active: AtomicU64::new(0),
        }))
    }

    /// Since when the endpoint has had everything that there is; `None` while the caller is waited for.
    pub fn endpoint_since(&self) -> Option<Instant> {
        let nanos = self.0.endpoint_since.load(Relaxed).checked_sub(1)?;
        self.0.began.checked_add(Duration::from_nanos(nanos))
    }

    /// When the caller last sent something; at the beginning that is the request's head.
    pub fn caller_active(&self) -> Option<Instant> {
        self.0.began.checked_add(Duration::from_nanos(self.0.caller_active.load(Relaxed)))
    }

    fn endpoints_turn(&self) {
        let nanos = u64::try_from(self.0.began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.0.caller_active.store(nanos, Relaxed);
        self.0.endpoint_since.store(nanos.saturating_add(1), Relaxed);
    }

    fn callers_turn(&self) {
        self.0.endpoint_since.store(0, Relaxed);
    }
}

pin_project! {
    /// A request's body that tells how far it is.
    #[derive(Debug)]
    pub struct ProgressBody<B> {
        #[pin]
        inner: B,
        progress: RequestProgress,
        over: bool,
    }

    impl<B> PinnedDrop for ProgressBody<B> {
        fn drop(this: Pin<&mut Self>) {
            // Nobody waits for the caller any more.
            if !this.over {
                this.progress.endpoints_turn();
            }
        }
    }
}

impl<B> ProgressBody<B> {
    /// Wraps a body, and gives what tells of it.
    pub fn new(inner: B) -> (Self, RequestProgress) {
        let progress = RequestProgress::start();
        (Self { inner, progress: progress.clone(), over: false }, progress)
    }
}

impl<B: Body> Body for ProgressBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let polled = this.inner.as_mut().poll_frame(cx);
        match &polled {
            Poll::Pending => this.progress.callers_turn(),
            Poll::Ready(_) if *this.over => {}
            Poll::Ready(frame) => {
                this.progress.endpoints_turn();
                *this.over = !matches!(frame, Some(Ok(_))) || this.inner.is_end_stream();
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
