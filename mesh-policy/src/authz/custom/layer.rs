//! The layer and its service.

use super::super::facts::facts;
use super::error::{CustomDenied, Reason};
use super::future::CustomAuthzFuture;
use super::metrics::CustomAuthzMetrics;
use super::{Authority, CheckResponse};
use crate::BoxError;
use http::{Request, StatusCode};
use mesh_core::decide::authorize::{Certainty, first_match};
use mesh_core::model::Name;
use mesh_core::model::rbac::RbacPolicy;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::error::Elapsed;
use tower_layer::Layer;
use tower_service::Service;

/// Asks an [`Authority`] about what rules match, or about every request.
#[doc = include_str!("../docs/custom.md")]
#[derive(Clone)]
pub struct CustomAuthzLayer {
    asks: Asks,
    pub(super) provider: Name,
    authority: Arc<dyn Authority>,
    fail_open: bool,
    status_on_error: StatusCode,
    pub(super) timeout: Duration,
    metrics: CustomAuthzMetrics,
}

/// What is asked about.
#[derive(Clone)]
enum Asks {
    Everything,
    Matching(Arc<[RbacPolicy]>),
}

/// What the authority is told instead of a rule's name where it is asked about every request.
const EVERY_REQUEST: &str = "*";

impl CustomAuthzLayer {
    /// Asks this authority, which has this name, about every request.
    pub fn new(provider: impl Into<Name>, authority: Arc<dyn Authority>) -> Self {
        Self {
            asks: Asks::Everything,
            provider: provider.into(),
            authority,
            fail_open: false,
            status_on_error: StatusCode::FORBIDDEN,
            timeout: Duration::from_secs(600),
            metrics: CustomAuthzMetrics::default(),
        }
    }

    /// Asks only about what one of these rules matches, as CUSTOM policies say.
    #[must_use]
    pub fn rules(self, rules: impl Into<Arc<[RbacPolicy]>>) -> Self {
        Self { asks: Asks::Matching(rules.into()), ..self }
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

    /// How long to wait for its answer: Istio's `timeout`, 600 s by default, as there. A request waits as long.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: CustomAuthzMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// The name of the rule for which a request is asked about, if there is one.
    fn rule<B>(&self, request: &Request<B>) -> Result<Option<&str>, CustomDenied> {
        let rules = match &self.asks {
            Asks::Everything => return Ok(Some(EVERY_REQUEST)),
            Asks::Matching(rules) if rules.is_empty() => return Ok(None),
            Asks::Matching(rules) => rules,
        };
        let Some(facts) = facts(request) else { return Err(self.not_asked(Reason::NoConnection)) };
        match first_match(rules, &facts) {
            None => Ok(None),
            Some((rule, Certainty::Known)) => Ok(Some(&rule.name)),
            Some((rule, Certainty::Unknown)) => Err(self.not_asked(Reason::Unevaluable(rule.name.clone()))),
        }
    }

    fn not_asked(&self, reason: Reason) -> CustomDenied {
        self.metrics.not_asked();
        self.denied(reason)
    }

    fn denied(&self, reason: Reason) -> CustomDenied {
        CustomDenied { provider: self.provider.clone(), reason }
    }

    /// What the answer makes of the request.
    pub(super) fn apply<B>(
        &self,
        answer: Result<Result<CheckResponse, BoxError>, Elapsed>,
        request: &mut Request<B>,
    ) -> Result<(), CustomDenied> {
        let source = match answer {
            Ok(Ok(CheckResponse::Allowed { set, remove })) => {
                self.metrics.ok();
                for name in remove {
                    request.headers_mut().remove(name);
                }
                // Replaces what is there, and keeps all values of a name that is set to several.
                request.headers_mut().extend(set);
                return Ok(());
            }
            Ok(Ok(CheckResponse::Denied { status, headers, body })) => {
                self.metrics.denied();
                return Err(self.denied(Reason::Refused { status, headers: Box::new(headers), body }));
            }
            Ok(Err(source)) => source,
            Err(elapsed) => {
                self.metrics.timeout();
                elapsed.into()
            }
        };
        self.metrics.error();
        if self.fail_open {
            self.metrics.failure_mode_allowed();
            return Ok(());
        }
        Err(self.denied(Reason::Failed { status: self.status_on_error, source }))
    }
}

impl fmt::Debug for CustomAuthzLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("CustomAuthzLayer");
        fields.field("provider", &self.provider);
        if let Asks::Matching(rules) = &self.asks {
            fields.field("rules", &rules.len());
        }
        fields.field("fail_open", &self.fail_open).field("timeout", &self.timeout).finish_non_exhaustive()
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
            Ok(None) => CustomAuthzFuture::sent(self.inner.call(req)),
            Ok(Some(rule)) => {
                let check = self.layer.authority.check(head(&req), rule);
                CustomAuthzFuture::asking(check, &self.layer, &mut self.inner, req)
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
