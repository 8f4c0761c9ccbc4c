//! The layer and its service.

use super::error::{Denied, Reason};
use super::facts::{facts, of_connection};
use super::future::AuthzFuture;
use super::metrics::AuthzMetrics;
use crate::BoxError;
use crate::connection::Connection;
use http::Request;
use mesh_core::decide::authorize::{Explanation, explain};
use mesh_core::decide::{Authorizer, Decision, RequestFacts, Verdict};
use mesh_core::identity::SpiffeId;
use mesh_core::model::Name;
use mesh_core::model::rbac::Rbac;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Denies what policies do not allow.
#[derive(Clone, Debug)]
pub struct AuthzLayer {
    authorizer: Authorizer,
    metrics: AuthzMetrics,
}

/// What policies say of a request beside whether it passes. It stands in the request's extensions, if there is
/// anything to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Noted {
    /// Whether the policies on trial would let it pass; `None` where none is on trial.
    pub shadow_allowed: Option<bool>,
    /// The rule on trial that decided so, if it was one.
    pub shadow_rule: Option<Name>,
    /// The AUDIT rule that marks it.
    pub audited_by: Option<Name>,
}

impl Noted {
    fn of(verdict: &Verdict<'_>) -> Option<Self> {
        let name = |policy: &mesh_core::model::rbac::RbacPolicy| policy.name.clone();
        (verdict.shadow.is_some() || verdict.audited.is_some()).then(|| Self {
            shadow_allowed: verdict.shadow.map(|shadow| shadow.is_allowed()),
            shadow_rule: verdict.shadow.and_then(|shadow| shadow.policy()).map(name),
            audited_by: verdict.audited.map(name),
        })
    }
}

impl AuthzLayer {
    /// With the filters of a chain, in their order. None at all allows everything.
    pub fn new(filters: impl IntoIterator<Item = Arc<Rbac>>) -> Self {
        Self { authorizer: Authorizer::new(filters), metrics: AuthzMetrics::default() }
    }

    /// Counts there.
    #[must_use]
    pub fn metrics(self, metrics: AuthzMetrics) -> Self {
        Self { metrics, ..self }
    }

    /// The verdict on a request, without sending it anywhere.
    ///
    /// The request's path must be the one that is forwarded: make it canonical before, by a
    /// [`NormalizePathLayer`](super::NormalizePathLayer).
    ///
    /// # Errors
    /// [`Denied`], and in doubt so: without a [`Connection`] no rule can be evaluated.
    pub fn check<B>(&self, request: &Request<B>) -> Result<(), Denied> {
        if self.authorizer.is_empty() {
            return Ok(());
        }
        self.decide(facts(request).as_ref()).map(drop)
    }

    /// The verdict on a connection that carries no requests, or before it does. A rule that asks for something
    /// about requests cannot be evaluated: it denies under DENY, and allows nothing under ALLOW.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn check_connection(&self, connection: &Connection, peer: Option<&SpiffeId>) -> Result<(), Denied> {
        if self.authorizer.is_empty() {
            return Ok(());
        }
        self.decide(Some(&of_connection(connection, peer))).map(drop)
    }

    /// The verdict on a request with the rules that nearly made it another; `None` without a [`Connection`].
    /// Looks at every rule: for tools and logs, not for each request. Counts nothing.
    pub fn explain<B>(&self, request: &Request<B>) -> Option<Explanation<'_>> {
        let filters: Vec<&Rbac> = self.authorizer.filters().collect();
        Some(explain(filters, &facts(request)?))
    }

    fn decide(&self, facts: Option<&RequestFacts<'_>>) -> Result<Option<Noted>, Denied> {
        let Some(facts) = facts else {
            self.metrics.denied();
            return Err(Denied::new(Reason::NoConnection, None));
        };
        let verdict = self.authorizer.judge(facts);
        let noted = Noted::of(&verdict);
        self.count(&verdict);
        let reason = match verdict.decision {
            Decision::AllowedBy(_) | Decision::AllowedByDefault => return Ok(noted),
            Decision::DeniedBy(policy) => Reason::Rule(policy.name.clone()),
            Decision::DeniedUnevaluable(policy) => Reason::Unevaluable(policy.name.clone()),
            Decision::DeniedNoneMatched => Reason::NoneMatched,
        };
        Err(Denied::new(reason, noted))
    }

    fn count(&self, verdict: &Verdict<'_>) {
        match verdict.decision.is_allowed() {
            true => self.metrics.allowed(),
            false => self.metrics.denied(),
        }
        match verdict.shadow.map(|shadow| shadow.is_allowed()) {
            Some(true) => self.metrics.shadow_allowed(),
            Some(false) => self.metrics.shadow_denied(),
            None => {}
        }
        if verdict.audited.is_some() {
            self.metrics.logged();
        }
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

    fn call(&mut self, mut req: Request<B>) -> Self::Future {
        if self.layer.authorizer.is_empty() {
            return AuthzFuture::allowed(self.inner.call(req));
        }
        match self.layer.decide(facts(&req).as_ref()) {
            Ok(noted) => {
                if let Some(noted) = noted {
                    req.extensions_mut().insert(noted);
                }
                AuthzFuture::allowed(self.inner.call(req))
            }
            Err(denied) => AuthzFuture::denied(denied),
        }
    }
}
