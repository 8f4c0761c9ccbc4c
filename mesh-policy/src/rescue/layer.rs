//! The layer and its service.

use super::body::RescueBody;
use super::future::RescueFuture;
use super::metrics::RescueMetrics;
use super::reply::{ForeignReply, local_reply};
use crate::{BoxError, Rejection, grpc};
use http::{Request, Response};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Turns the errors of the layers below into responses; outermost in a stack.
///
/// ```
/// use http::{Request, Response};
/// use mesh_policy::{BoxError, Rejection, rescue::RescueLayer};
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let lost = |_: Request<()>| async { Err::<Response<String>, BoxError>("the cable is out".into()) };
/// let service = ServiceBuilder::new()
///     .layer(RescueLayer::new().foreign(|error| {
///         eprintln!("unexpected: {error}");
///         Rejection { status: http::StatusCode::BAD_GATEWAY, ..Rejection::internal() }
///     }))
///     .service_fn(lost);
/// assert_eq!(service.oneshot(Request::new(())).await?.status(), 502);
/// # Ok::<(), BoxError>(())
/// # })?;
/// # Ok::<(), BoxError>(())
/// ```
#[derive(Clone)]
pub struct RescueLayer(Replies);

/// How errors are answered.
#[derive(Clone)]
pub(super) struct Replies {
    foreign: ForeignReply,
    /// `None` costs requests nothing.
    metrics: Option<RescueMetrics>,
}

impl RescueLayer {
    /// With [`local_reply`] for everything.
    pub fn new() -> Self {
        Self(Replies { foreign: local_reply, metrics: None })
    }

    /// Says what an error is that none of this crate's layers made. Theirs are answered as in Envoy.
    #[must_use]
    pub fn foreign(mut self, foreign: ForeignReply) -> Self {
        self.0.foreign = foreign;
        self
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(mut self, metrics: RescueMetrics) -> Self {
        self.0.metrics = Some(metrics);
        self
    }
}

impl Replies {
    /// The local reply of an error.
    pub(super) fn to(&self, error: &(dyn Error + 'static)) -> Rejection {
        let reply = Rejection::of(error).unwrap_or_else(|| (self.foreign)(error));
        if let Some(metrics) = &self.metrics {
            metrics.replied(&reply, error);
        }
        reply
    }
}

impl Default for RescueLayer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for RescueLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RescueLayer").finish_non_exhaustive()
    }
}

impl<S> Layer<S> for RescueLayer {
    type Service = Rescue<S>;

    fn layer(&self, inner: S) -> Rescue<S> {
        Rescue { inner, replies: self.0.clone(), failed: None }
    }
}

/// A service that always answers.
///
/// One that cannot be made ready is ready to say so: the next call is answered with its error.
pub struct Rescue<S> {
    inner: S,
    replies: Replies,
    /// Why the service below could not be made ready.
    failed: Option<BoxError>,
}

impl<S, B, R> Service<Request<B>> for Rescue<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<RescueBody<R>>;
    type Error = Infallible;
    type Future = RescueFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        if self.failed.is_none() {
            self.failed = match self.inner.poll_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(())) => None,
                Poll::Ready(Err(error)) => Some(error.into()),
            };
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let grpc = grpc::is_grpc(req.headers());
        match self.failed.take() {
            None => RescueFuture::call(self.inner.call(req), grpc, self.replies.clone()),
            Some(error) => RescueFuture::failed(error, grpc, self.replies.clone()),
        }
    }
}

impl<S: Clone> Clone for Rescue<S> {
    /// A clone is to be made ready on its own.
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone(), replies: self.replies.clone(), failed: None }
    }
}

impl<S: fmt::Debug> fmt::Debug for Rescue<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rescue")
            .field("inner", &self.inner)
            .field("failed", &self.failed)
            .finish_non_exhaustive()
    }
}
