//! The external authorizer refused, or could not be asked.

use crate::{BoxError, Reject};
use http::{HeaderMap, StatusCode};
use mesh_core::model::Name;
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// A request was refused by an external authorizer, or for want of its answer.
#[derive(Debug)]
pub struct CustomDenied {
    pub(super) provider: Name,
    pub(super) reason: Reason,
}

#[derive(Debug)]
pub(super) enum Reason {
    /// It said no, and what to answer.
    Refused { status: StatusCode, headers: Box<HeaderMap>, body: String },
    /// It did not answer.
    Failed { status: StatusCode, source: BoxError },
    /// Nobody can say whether this rule matches.
    Unevaluable(Name),
    /// Nothing is known of the request's connection.
    NoConnection,
}

impl CustomDenied {
    /// The authorizer's name.
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Whether it gave no answer, rather than this one.
    pub fn is_failure(&self) -> bool {
        matches!(self.reason, Reason::Failed { .. })
    }
}

impl fmt::Display for CustomDenied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let provider = &*self.provider;
        match &self.reason {
            Reason::Refused { status, .. } => write!(f, "refused by the authorizer {provider} with {status}"),
            Reason::Failed { .. } => write!(f, "denied, since the authorizer {provider} did not answer"),
            Reason::Unevaluable(rule) => {
                write!(f, "denied by rule {rule}, which cannot be evaluated here; {provider} was not asked")
            }
            Reason::NoConnection => f.write_str("denied, since nothing is known of its connection"),
        }
    }
}

impl Error for CustomDenied {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.reason {
            Reason::Failed { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

impl Reject for CustomDenied {
    fn status(&self) -> StatusCode {
        match &self.reason {
            Reason::Refused { status, .. } | Reason::Failed { status, .. } => *status,
            Reason::Unevaluable(_) | Reason::NoConnection => StatusCode::FORBIDDEN,
        }
    }

    fn flag(&self) -> Option<ResponseFlag> {
        Some(ResponseFlag::UnauthorizedExternalService)
    }

    fn details(&self) -> Cow<'static, str> {
        Cow::Borrowed(match self.reason {
            Reason::Failed { .. } => "ext_authz_error",
            _ => "ext_authz_denied",
        })
    }

    fn body(&self) -> Cow<'static, str> {
        match &self.reason {
            Reason::Refused { body, .. } => Cow::Owned(body.clone()),
            _ => Cow::Borrowed(""),
        }
    }

    fn headers(&self) -> HeaderMap {
        match &self.reason {
            Reason::Refused { headers, .. } => {
                // How the reply is framed is not the authorizer's to say.
                let mut headers = HeaderMap::clone(headers);
                headers.remove(http::header::CONTENT_LENGTH);
                headers.remove(http::header::TRANSFER_ENCODING);
                headers
            }
            _ => HeaderMap::new(),
        }
    }
}
