//! Who calls: the seam between what a caller presents and the service account that it proves.
//!
//! The identity in a certificate comes from here alone. The mesh's own tokens are verified by
//! [`TokenIssuer`](crate::TokenIssuer); other issuers, Kubernetes' TokenReview or a client certificate
//! would be further authenticators.

use crate::token::TokenError;
use mesh_core::identity::{InvalidSpiffeId, SpiffeId, TrustDomain};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::SystemTime;

/// An authenticated service account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    namespace: String,
    service_account: String,
}

/// A text that Kubernetes would not take as the name of a namespace or service account.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name:?} is not the name of a {of}")]
pub struct InvalidName {
    of: &'static str,
    name: String,
}

impl Caller {
    /// A caller by name. Names are Kubernetes': a namespace is a DNS label, a service account a DNS
    /// subdomain; neither can hold a byte with a meaning in a SPIFFE id or in a token's subject.
    ///
    /// # Errors
    /// [`InvalidName`] otherwise.
    pub fn new(namespace: &str, service_account: &str) -> Result<Self, InvalidName> {
        if !is_label(namespace) {
            return Err(InvalidName { of: "namespace", name: namespace.to_owned() });
        }
        if service_account.len() > 253 || !service_account.split('.').all(is_label) {
            return Err(InvalidName { of: "service account", name: service_account.to_owned() });
        }
        Ok(Self { namespace: namespace.to_owned(), service_account: service_account.to_owned() })
    }

    /// The namespace of the service account.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of the service account.
    pub fn service_account(&self) -> &str {
        &self.service_account
    }

    /// The caller's identity in a trust domain.
    ///
    /// # Errors
    /// None with today's rules for names; typed because SPIFFE's and Kubernetes' rules are not one.
    pub fn identity(&self, trust_domain: &TrustDomain) -> Result<SpiffeId, InvalidSpiffeId> {
        SpiffeId::new(trust_domain, &self.namespace, &self.service_account)
    }
}

impl fmt::Display for Caller {
    /// Kubernetes' user name, `system:serviceaccount:NS:SA`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system:serviceaccount:{}:{}", self.namespace, self.service_account)
    }
}

fn is_label(name: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|b| alphanumeric(*b) || *b == b'-')
        && bytes.first().copied().is_some_and(alphanumeric)
        && bytes.last().copied().is_some_and(alphanumeric)
}

/// What a caller presented.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Evidence<'a> {
    /// The token of `authorization: Bearer …`.
    pub bearer: Option<&'a str>,
}

impl<'a> Evidence<'a> {
    /// A caller with this bearer token, or with nothing.
    pub fn bearer(token: Option<&'a str>) -> Self {
        Self { bearer: token }
    }
}

impl fmt::Debug for Evidence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Evidence").field("bearer", &self.bearer.map(|_| "…")).finish()
    }
}

/// Why a caller is not known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// Nothing was presented that this authenticator reads.
    #[error("no bearer token was presented")]
    Missing,
    /// The token proves nothing.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// It cannot be told now, for example because an issuer is out of reach.
    #[error("callers cannot be authenticated now: {0}")]
    Unavailable(String),
}

/// What [`Authenticator::authenticate`] returns.
pub type Authenticating<'a> = Pin<Box<dyn Future<Output = Result<Caller, AuthError>> + Send + 'a>>;

/// Tells who a caller is.
pub trait Authenticator: Send + Sync + 'static {
    /// The service account that the evidence proves at `now`.
    fn authenticate<'a>(&'a self, evidence: Evidence<'a>, now: SystemTime) -> Authenticating<'a>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_change_an_identitys_meaning_is_no_caller() {
        for (namespace, account) in [
            ("a/sa/b", "c"),
            ("a", "b/c"),
            ("a:b", "c"),
            ("", "c"),
            ("a", ""),
            ("a", "b..c"),
            ("A", "c"),
            ("a", "*"),
            ("-a", "c"),
            ("a", "c%2f"),
            ("a\0", "c"),
        ] {
            assert!(Caller::new(namespace, account).is_err(), "{namespace:?} {account:?}");
        }
        assert!(Caller::new(&"a".repeat(64), "c").is_err());
    }

    #[test]
    fn a_service_account_with_dots_is_one_name() {
        let caller = Caller::new("shop", "cart.v1").unwrap();
        let id = caller.identity(&TrustDomain::default()).unwrap();
        assert_eq!(id.service_account(), "cart.v1");
        assert_eq!(caller.to_string(), "system:serviceaccount:shop:cart.v1");
    }
}
