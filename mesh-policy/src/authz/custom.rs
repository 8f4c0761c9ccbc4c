//! Asks an external authorizer: Istio's `action: CUSTOM`, or anybody about every request.
//!
//! ```text
//! jwt → [custom] → authz → app
//! ```
//!
//! Before DENY and ALLOW, as in Istio: whoever is asked can only narrow what these allow. A request that no
//! CUSTOM rule matches is not held up. One that may match, since something is not known of it, is denied. Envoy's
//! name: `envoy.filters.http.ext_authz`, behind the shadow rules of `envoy.filters.http.rbac`.

mod error;
mod future;
mod layer;
mod metrics;
mod spec;

pub use error::CustomDenied;
pub use future::CustomAuthzFuture;
pub use layer::{CustomAuthz, CustomAuthzLayer};
pub use metrics::{CustomAuthzCounts, CustomAuthzMetrics};
pub use spec::CustomAuthzSpec;

use crate::BoxError;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use std::fmt;
use std::future::Future;
use std::pin::Pin;

/// Who is asked. Envoy's `ext_authz` service, Istio's `extensionProviders`.
///
/// A function of a request's head is one, if the rule's name does not matter to it; see [`CustomAuthzLayer`].
///
/// ```
/// use mesh_policy::authz::{Authority, CheckFuture, CheckResponse};
///
/// /// Lets pass whoever knows the word.
/// struct Password(&'static str);
///
/// impl Authority for Password {
///     fn check(&self, head: http::Request<()>, _rule: &str) -> CheckFuture {
///         let knows = head.headers().get("x-password").is_some_and(|value| value == self.0);
///         Box::pin(async move {
///             Ok(if knows { CheckResponse::allowed() } else { CheckResponse::denied(http::StatusCode::FORBIDDEN) })
///         })
///     }
/// }
/// ```
pub trait Authority: Send + Sync + 'static {
    /// Whether a request may pass. `head` is the request without its body, with its extensions; `rule` is the
    /// rule that matched it, `*` where every request is asked about. An error denies, as does an answer that comes
    /// too late, unless [`CustomAuthzLayer::fail_open`] says otherwise. Dropping the future is giving up.
    fn check(&self, head: Request<()>, rule: &str) -> CheckFuture;
}

impl<F, Fut> Authority for F
where
    F: Fn(Request<()>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<CheckResponse, BoxError>> + Send + 'static,
{
    fn check(&self, head: Request<()>, _: &str) -> CheckFuture {
        Box::pin(self(head))
    }
}

/// The answer of an [`Authority`].
pub type CheckFuture = Pin<Box<dyn Future<Output = Result<CheckResponse, BoxError>> + Send>>;

/// What an [`Authority`] says.
#[derive(Clone, PartialEq, Eq)]
pub enum CheckResponse {
    /// The request may pass, if policies allow it as well.
    Allowed {
        /// Headers to set on it, in the place of any that it has.
        set: HeaderMap,
        /// Headers to take away from it, before that.
        remove: Vec<HeaderName>,
    },
    /// It may not.
    Denied {
        /// The response's status.
        status: StatusCode,
        /// Its headers.
        headers: HeaderMap,
        /// Its text.
        body: String,
    },
}

impl CheckResponse {
    /// Lets a request pass as it is.
    pub fn allowed() -> Self {
        Self::Allowed { set: HeaderMap::new(), remove: Vec::new() }
    }

    /// Refuses it without a word.
    pub fn denied(status: StatusCode) -> Self {
        Self::Denied { status, headers: HeaderMap::new(), body: String::new() }
    }
}

/// Headers may be credentials: their names only.
impl fmt::Debug for CheckResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Allowed { set, remove } => {
                let set: Vec<_> = set.keys().collect();
                f.debug_struct("Allowed").field("set", &set).field("remove", remove).finish()
            }
            Self::Denied { status, .. } => {
                f.debug_struct("Denied").field("status", status).finish_non_exhaustive()
            }
        }
    }
}
