//! The layer and its service.

use super::super::facts::facts;
use super::error::{CustomDenied, Reason};
use super::future::CustomAuthzFuture;
use super::{Authority, CheckResponse};
use crate::BoxError;
use http::{Request, StatusCode};
use mesh_core::decide::authorize::{Certainty, first_match};
use mesh_core::model::Name;
use mesh_core::model::rbac::RbacPolicy;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Asks an [`Authority`] about what rules match.
#[derive(Clone)]
pub struct CustomAuthzLayer {
    rules: Arc<[RbacPolicy]>,
    pub(super) provider: Name,
    authority: Arc<dyn Authority>,
    fail_open: bool,
    status_on_error: StatusCode,
}

impl CustomAuthzLayer {
    /// Asks this authority, which has this name, about what one of these rules matches.
    pub fn new(
        provider: impl Into<Name>,
        authority: Arc<dyn Authority>,
        rules: impl Into<Arc<[RbacPolicy]>>,
    ) -> Self {
        Self {
            rules: rules.into(),
            provider: provider.into(),
            authority,
            fail_open: false,
            status_on_error: StatusCode::FORBIDDEN,
        }
    }

    /// Lets requests pass if the authority does not answer: Istio's `failOpen`. Off by default.
    #[must_use]
    pub fn fail_open(self, fail_open: bool) -> Self {
        Self { fail_open, ..self }
    }

    /// The status where it does not answer: Istio's `statusOnError`, 403 by default.
    #[must_use]
    pub fn status_on_error(self, status_on_error: StatusCode) -> Self {
        Self { status_on_error, ..self }
    }

    /// The rule for which a request is asked about, if there is one.
    fn rule<B>(&self, request: &Request<B>) -> Result<Option<&RbacPolicy>, CustomDenied> {
        if self.rules.is_empty() {
            return Ok(None);
        }
        let Some(facts) = facts(request) else { return Err(self.denied(Reason::NoConnection)) };
        match first_match(&self.rules, &facts) {
            None => Ok(None),
            Some((rule, Certainty::Known)) => Ok(Some(rule)),
            Some((rule, Certainty::Unknown)) => Err(self.denied(Reason::Unevaluable(rule.name.clone()))),
        }
    }

    fn denied(&self, reason: Reason) -> CustomDenied {
        CustomDenied { provider: self.provider.clone(), reason }
    }

    /// What the answer makes of the request.
    pub(super) fn apply<B>(
        &self,
        answer: Result<CheckResponse, BoxError>,
        request: &mut Request<B>,
    ) -> Result<(), CustomDenied> {
        match answer {
            Ok(CheckResponse::Allowed { set, remove }) => {
                for name in remove {
                    request.headers_mut().remove(name);
                }
                // Replaces what is there, and keeps all values of a name that is set to several.
                request.headers_mut().extend(set);
                Ok(())
            }
            Ok(CheckResponse::Denied { status, headers, body }) => {
                Err(self.denied(Reason::Refused { status, headers: Box::new(headers), body }))
            }
            Err(_) if self.fail_open => Ok(()),
            Err(source) => Err(self.denied(Reason::Failed { status: self.status_on_error, source })),
        }
    }
}

impl fmt::Debug for CustomAuthzLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomAuthzLayer")
            .field("provider", &self.provider)
            .field("rules", &self.rules.len())
            .field("fail_open", &self.fail_open)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for CustomAuthzLayer {
    type Service = CustomAuthz<S>;

    fn layer(&self, inner: S) -> CustomAuthz<S> {
        CustomAuthz { inner, layer: self.clone() }
    }
}

/// Asks an [`Authority`] about what rules match.
#[derive(Clone, Debug)]
pub struct CustomAuthz<S> {
    inner: S,
    layer: CustomAuthzLayer,
}

impl<S, B> Service<Request<B>> for CustomAuthz<S>
where
    S: Service<Request<B>> + Clone,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = CustomAuthzFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.layer.rule(&req) {
            Ok(None) => CustomAuthzFuture::calling(self.inner.call(req)),
            Ok(Some(rule)) => {
                let check = self.layer.authority.check(head(&req), &rule.name);
                // The service that is ready is the one that will be called.
                let clone = self.inner.clone();
                let ready = std::mem::replace(&mut self.inner, clone);
                CustomAuthzFuture::checking(check, ready, req, self.layer.clone())
            }
            Err(denied) => CustomAuthzFuture::denied(denied),
        }
    }
}

/// A request without its body.
fn head<B>(request: &Request<B>) -> Request<()> {
    let mut head = Request::new(());
    *head.method_mut() = request.method().clone();
    *head.uri_mut() = request.uri().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    *head.extensions_mut() = request.extensions().clone();
    head
}
