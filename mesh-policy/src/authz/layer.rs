//! The layer and its service.

use super::error::{Denied, Reason};
use super::facts::facts;
use super::future::AuthzFuture;
use super::metrics::AuthzMetrics;
use crate::BoxError;
use http::Request;
use mesh_core::decide::{Decision, authorize};
use mesh_core::model::rbac::Rbac;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Denies what policies do not allow.
#[derive(Clone, Debug)]
pub struct AuthzLayer {
    filters: Arc<[Arc<Rbac>]>,
    metrics: AuthzMetrics,
}

impl AuthzLayer {
    /// With the filters of a chain, in their order. None at all allows everything.
    pub fn new(filters: impl Into<Arc<[Arc<Rbac>]>>) -> Self {
        Self { filters: filters.into(), metrics: AuthzMetrics::default() }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: AuthzMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// The verdict on a request, without sending it anywhere.
    ///
    /// The request's path must be the one that is forwarded: normalise it before, by
    /// [`mesh_core::decide::normalize`].
    ///
    /// # Errors
    /// [`Denied`], and in doubt so: without a [`Connection`](super::Connection) no rule can be evaluated.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Denied> {
        if self.filters.is_empty() {
            return Ok(());
        }
        let verdict = match facts(request) {
            None => Err(Reason::NoConnection),
            Some(facts) => match authorize(self.filters.iter().map(|f| &**f), &facts) {
                Decision::AllowedBy(_) | Decision::AllowedByDefault => Ok(()),
                Decision::DeniedBy(policy) => Err(Reason::Rule(policy.name.clone())),
                Decision::DeniedUnevaluable(policy) => Err(Reason::Unevaluable(policy.name.clone())),
                Decision::DeniedNoneMatched => Err(Reason::NoneMatched),
            },
        };
        match verdict {
            Ok(()) => self.metrics.allowed(),
            Err(_) => self.metrics.denied(),
        }
        verdict.map_err(Denied::new)
    }
}

impl<S> Layer<S> for AuthzLayer {
    type Service = Authz<S>;

    fn layer(&self, inner: S) -> Authz<S> {
        Authz { inner, layer: self.clone() }
    }
}

/// Denies what policies do not allow.
#[derive(Clone, Debug)]
pub struct Authz<S> {
    inner: S,
    layer: AuthzLayer,
}

impl<S, B> Service<Request<B>> for Authz<S>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = AuthzFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.layer.check(&req) {
            Ok(()) => AuthzFuture::allowed(self.inner.call(req)),
            Err(denied) => AuthzFuture::denied(denied),
        }
    }
}
