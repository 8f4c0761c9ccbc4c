//! Copies of requests for other clusters; what becomes of them is nobody's concern.
//!
//! A copy is sent by a task of its own, and its body through a short queue: if the copy cannot keep up, it
//! is given up, and the caller's request never waits for it.

use crate::body::{Body, BoxError};
use crate::cluster::{BalanceService, ClusterRuntime};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use mesh_core::decide::rewrite::shadow_authority;
use mesh_core::model::values::Fraction;
use mesh_policy::breaker::{BreakerLayer, BreakerService};
use mesh_policy::retry::{Retry, RetryLayer};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tower_layer::Layer as _;
use tower_service::Service as _;

/// Frames that may wait for a copy.
const QUEUE: usize = 16;
/// A copy that has no response by then is given up; Envoy takes the route's time-out, which may be none.
const PATIENCE: Duration = Duration::from_secs(30);

/// The copies that a route makes.
#[derive(Clone, Default)]
pub(crate) struct Mirrors(Arc<[(Shadow, Fraction)]>);

/// Sends a copy once; the outer layer is there for its type of body alone. A copy takes a place under its
/// cluster's breaker as any request does, and is dropped, and counted, if there is none.
type Shadow = Retry<BreakerService<BalanceService>>;

impl Mirrors {
    pub(crate) fn new(targets: Vec<(Arc<ClusterRuntime>, Fraction)>) -> Self {
        let shadow = |cluster: Arc<ClusterRuntime>| {
            let breaker = BreakerLayer::new(cluster.shared.breaker.clone());
            RetryLayer::new(None).layer(breaker.layer(BalanceService::new(Some(cluster))))
        };
        Self(targets.into_iter().map(|(cluster, share)| (shadow(cluster), share)).collect())
    }

    /// Sends the copies that are due, and returns the request whose body feeds them.
    pub(crate) fn copy(&self, request: Request<Body>) -> Request<Body> {
        let due = self.0.iter().filter(|(_, share)| share.hits(fastrand::u64(..)));
        due.fold(request, |request, (shadow, _)| {
            let (parts, body) = request.into_parts();
            let mut copy = Request::new(());
            *copy.method_mut() = parts.method.clone();
            *copy.uri_mut() = parts.uri.clone();
            *copy.headers_mut() = parts.headers.clone();
            shadow_host(&mut copy);
            *copy.version_mut() = parts.version;
            let (body, theirs) = tee(body);
            send(shadow.clone(), copy.map(|()| theirs));
            Request::from_parts(parts, body)
        })
    }
}

/// Marks the authority of a copy, so that logs can tell it from its original.
fn shadow_host<B>(copy: &mut Request<B>) {
    let marked = copy.headers().get(HOST).and_then(|host| host.to_str().ok()).map(shadow_authority);
    if let Some(value) = marked.and_then(|marked| HeaderValue::try_from(marked).ok()) {
        copy.headers_mut().insert(HOST, value);
    }
}

fn send(mut shadow: Shadow, copy: Request<Body>) {
    tokio::spawn(async move {
        let sent = tokio::time::timeout(PATIENCE, async {
            let mut body = shadow.call(copy).await?.into_body();
            while let Some(frame) = body.frame().await {
                frame?;
            }
            Ok::<_, BoxError>(())
        });
        if let Ok(Err(error)) = sent.await {
            tracing::debug!(%error, "a mirrored request failed");
        }
    });
}

pin_project! {
    /// A body that copies its frames into a queue as they are read.
    struct Tee {
        #[pin]
        inner: Body,
        queue: Option<mpsc::Sender<Frame<Bytes>>>,
    }
}

/// The queue's other end; it fails if the original did not end well.
struct Copy {
    queue: mpsc::Receiver<Frame<Bytes>>,
    hint: SizeHint,
    done: Arc<std::sync::atomic::AtomicBool>,
}

fn tee(body: Body) -> (Body, Body) {
    if body.is_end_stream() {
        return (body, Body::empty());
    }
    let (queue, theirs) = mpsc::channel(QUEUE);
    let done = Arc::<std::sync::atomic::AtomicBool>::default();
    let copy = Copy { queue: theirs, hint: body.size_hint(), done: done.clone() };
    (Body::boxed(TeeEnd { tee: Tee { inner: body, queue: Some(queue) }, done }), Body::boxed(copy))
}

pin_project! {
    /// A [`Tee`] that notes when it has ended.
    struct TeeEnd {
        #[pin]
        tee: Tee,
        done: Arc<std::sync::atomic::AtomicBool>,
    }
}

impl HttpBody for TeeEnd {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let tee = this.tee.project();
        let polled = tee.inner.poll_frame(cx);
        match &polled {
            Poll::Ready(Some(Ok(frame))) => {
                let copied = match (frame.data_ref(), frame.trailers_ref()) {
                    (Some(data), _) => Some(Frame::data(data.clone())),
                    (None, Some(trailers)) => Some(Frame::trailers(trailers.clone())),
                    (None, None) => None,
                };
                // A copy whose queue is full is given up: dropping the sender before the end fails it.
                if let (Some(queue), Some(copied)) = (tee.queue.as_ref(), copied)
                    && queue.try_send(copied).is_err()
                {
                    *tee.queue = None;
                }
            }
            Poll::Ready(None) => {
                this.done.store(tee.queue.is_some(), std::sync::atomic::Ordering::Release);
                *tee.queue = None;
            }
            Poll::Ready(Some(Err(_))) => *tee.queue = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        // Polled to its end, so that the copy learns of it.
        false
    }

    fn size_hint(&self) -> SizeHint {
        self.tee.inner.size_hint()
    }
}

impl HttpBody for Copy {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.queue.poll_recv(cx) {
            Poll::Ready(Some(frame)) => Poll::Ready(Some(Ok(frame))),
            Poll::Ready(None) if self.done.load(std::sync::atomic::Ordering::Acquire) => Poll::Ready(None),
            Poll::Ready(None) => Poll::Ready(Some(Err("the mirrored request was broken off".into()))),
            Poll::Pending => Poll::Pending,
        }
    }

    fn size_hint(&self) -> SizeHint {
        self.hint
    }
}
