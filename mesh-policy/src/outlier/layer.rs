//! The layer that records what one endpoint answers.

use super::future::OutlierFuture;
use super::host::Host;
use crate::failure::classify;
use crate::{BoxError, Classify};
use http::{Request, Response};
use std::fmt;
use std::task::{Context, Poll};
use std::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Says what time it is, when an endpoint is ejected.
pub type Clock = fn() -> Instant;

/// Records the outcomes of one endpoint's requests.
#[derive(Clone)]
pub struct OutlierLayer {
    host: Host,
    classify: Classify,
    clock: Clock,
}

impl OutlierLayer {
    /// Into this record.
    pub fn new(host: Host) -> Self {
        Self { host, classify, clock: Instant::now }
    }

    /// Reads errors like this.
    #[must_use]
    pub fn classify(self, classify: Classify) -> Self {
        Self { classify, ..self }
    }

    /// Asks this clock.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// The service itself, for who makes one for each request: as [`Layer::layer`] without its copy.
    pub fn into_service<S>(self, inner: S) -> Outlier<S> {
        Outlier { inner, layer: self }
    }
}

impl<S> Layer<S> for OutlierLayer {
    type Service = Outlier<S>;

    fn layer(&self, inner: S) -> Outlier<S> {
        Outlier { inner, layer: self.clone() }
    }
}

/// Records the outcomes of one endpoint's requests.
#[derive(Clone, Debug)]
pub struct Outlier<S> {
    inner: S,
    layer: OutlierLayer,
}

impl<S, B, R> Service<Request<B>> for Outlier<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = OutlierFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        let OutlierLayer { host, classify, clock } = &self.layer;
        OutlierFuture::new(self.inner.call(req), host.clone(), *classify, *clock)
    }
}

impl fmt::Debug for OutlierLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutlierLayer").field("host", &self.host).finish_non_exhaustive()
    }
}
