//! The layer and its service.

use super::controller::{AdmissionControl, Outcome};
use super::future::AdmissionControlFuture;
use crate::shed::AdmissionBody;
use crate::shed::error::{Reason, Shed};
use crate::shed::priority::{AllCritical, Prioritize};
use crate::{BoxError, grpc};
use http::{Request, Response, StatusCode};
use http_body::Body;
use std::task::{Context, Poll};
use tokio::time::Instant;
use tower_layer::Layer;
use tower_service::Service;

/// Refuses a share of requests that grows as fewer of the last answers were successes.
#[doc = include_str!("../docs/admission.md")]
#[derive(Clone, Debug)]
pub struct AdmissionControlLayer<P = AllCritical> {
    control: AdmissionControl,
    prioritize: P,
}

impl AdmissionControlLayer {
    /// By answers that others may count as well.
    pub fn new(control: AdmissionControl) -> Self {
        Self { control, prioritize: AllCritical }
    }
}

impl<P> AdmissionControlLayer<P> {
    /// Asks this for the priority of each request.
    #[must_use]
    pub fn prioritize<N>(self, prioritize: N) -> AdmissionControlLayer<N> {
        AdmissionControlLayer { control: self.control, prioritize }
    }
}

impl<S, P: Clone> Layer<S> for AdmissionControlLayer<P> {
    type Service = AdmissionControlService<S, P>;

    fn layer(&self, inner: S) -> AdmissionControlService<S, P> {
        AdmissionControlService { inner, layer: self.clone() }
    }
}

/// Refuses a share of requests that grows as fewer of the last answers were successes.
#[derive(Clone, Debug)]
pub struct AdmissionControlService<S, P = AllCritical> {
    inner: S,
    layer: AdmissionControlLayer<P>,
}

impl<S, P, A, B> Service<Request<A>> for AdmissionControlService<S, P>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    P: Prioritize<Request<A>>,
    B: Body,
{
    type Response = Response<AdmissionBody<B>>;
    type Error = BoxError;
    type Future = AdmissionControlFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<A>) -> Self::Future {
        let AdmissionControlLayer { control, prioritize } = &self.layer;
        let class = prioritize.prioritize(&req).criticality;
        match control.admits(class, Instant::now()) {
            true => {
                let outcome = Outcome::new(control.clone(), grpc::is_grpc(req.headers()));
                AdmissionControlFuture::sent(self.inner.call(req), outcome)
            }
            false => AdmissionControlFuture::refused(Shed::new(
                Reason::AdmissionControl,
                class,
                StatusCode::SERVICE_UNAVAILABLE,
            )),
        }
    }
}
