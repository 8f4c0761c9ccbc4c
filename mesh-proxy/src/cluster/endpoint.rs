//! The innermost services: choose an endpoint, note how it fares, send.

use super::{ClusterRuntime, Host};
use crate::body::{Body, BoxError, Outgoing};
use crate::pool::classify;
use futures_util::future::{BoxFuture, Either, Ready, ready};
use http::{Request, Response};
use mesh_policy::outlier::{Outlier, OutlierFuture, OutlierLayer};
use mesh_policy::retry::Attempt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Sends one attempt to one endpoint.
#[derive(Clone)]
pub(crate) struct HostService(Arc<Host>);

impl Service<Request<Outgoing>> for HostService {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Response<Body>, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Outgoing>) -> Self::Future {
        let host = self.0.clone();
        Box::pin(async move { Ok(host.send(request).await?.response) })
    }
}

/// Chooses an endpoint for each attempt.
#[derive(Clone)]
pub(crate) struct BalanceService {
    /// `None`: the route names a cluster that is not configured.
    cluster: Option<Arc<ClusterRuntime>>,
}

impl BalanceService {
    pub(crate) fn new(cluster: Option<Arc<ClusterRuntime>>) -> Self {
        Self { cluster }
    }

    fn endpoint(
        &self,
        request: &mut Request<Outgoing>,
    ) -> Result<Outlier<HostService>, crate::pool::Failure> {
        let Some(cluster) = &self.cluster else { return Err(crate::pool::Failure::NoClusterFound) };
        let host = cluster.pick(request.extensions().get::<Attempt>())?;
        let http2 = cluster.speaks_http2(request.version());
        *request.version_mut() = if http2 { http::Version::HTTP_2 } else { http::Version::HTTP_11 };
        let outlier = OutlierLayer::new(host.shared.outlier.clone()).classify(classify);
        Ok(outlier.into_service(HostService(host)))
    }
}

type Sent = OutlierFuture<<HostService as Service<Request<Outgoing>>>::Future>;

impl Service<Request<Outgoing>> for BalanceService {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Either<Sent, Ready<Result<Response<Body>, BoxError>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Outgoing>) -> Self::Future {
        match self.endpoint(&mut request) {
            Ok(mut endpoint) => Either::Left(endpoint.call(request)),
            Err(failure) => Either::Right(ready(Err(failure.into()))),
        }
    }
}
