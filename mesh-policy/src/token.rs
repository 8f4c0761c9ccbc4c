//! What is known of a request's token, between the layer that verifies and the one that asks.

use mesh_core::decide::Claims;
#[cfg(feature = "authz")]
use mesh_core::decide::Token;
use std::sync::Arc;

/// What the layer that verifies tokens found. It stands in a request's extensions; nothing that a caller sends
/// can set it. Where it is missing nobody has looked, and rules about tokens cannot be evaluated.
#[derive(Clone, Debug, PartialEq)]
pub enum RequestToken {
    /// The request has no token.
    Absent,
    /// It has a good one, with these claims.
    Verified(Arc<Claims>),
}

impl RequestToken {
    /// The claims, if there are any.
    pub fn claims(&self) -> Option<&Claims> {
        match self {
            Self::Absent => None,
            Self::Verified(claims) => Some(claims),
        }
    }

    /// As decisions take it; `None` is that nobody has looked.
    #[cfg(feature = "authz")]
    pub(crate) fn facts(found: Option<&Self>) -> Token<'_> {
        match found {
            None => Token::Unverified,
            Some(Self::Absent) => Token::Absent,
            Some(Self::Verified(claims)) => Token::Verified(claims),
        }
    }
}
