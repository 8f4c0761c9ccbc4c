//! Who a workload is: SPIFFE identities as Istio writes them.
//!
//! `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`; the certificate carries it as its only
//! URI SAN, policies name it without the scheme. Parsing is the only way in, so code that holds a
//! [`SpiffeId`] never checks it again.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The root of trust that an identity belongs to, such as `cluster.local`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrustDomain(Arc<str>);

/// Why a text is not a [`TrustDomain`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTrustDomain {
    /// SPIFFE allows 1 to 255 bytes.
    #[error("a trust domain has 1 to 255 bytes, not {0}")]
    Length(usize),
    /// SPIFFE allows lower-case letters, digits, `.`, `-` and `_`.
    #[error("byte {at} is not legal in a trust domain: lower-case letters, digits, '.', '-' and '_' are")]
    Byte {
        /// Offset of the first illegal byte.
        at: usize,
    },
}

impl TrustDomain {
    /// The trust domain as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for TrustDomain {
    /// Istio's default, `cluster.local`.
    fn default() -> Self {
        Self("cluster.local".into())
    }
}

impl FromStr for TrustDomain {
    type Err = InvalidTrustDomain;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if !(1..=255).contains(&s.len()) {
            return Err(InvalidTrustDomain::Length(s.len()));
        }
        let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_');
        match s.bytes().position(|b| !legal(b)) {
            Some(at) => Err(InvalidTrustDomain::Byte { at }),
            None => Ok(Self(s.into())),
        }
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A workload's identity: `spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>`.
///
/// ```
/// use mesh_core::identity::SpiffeId;
/// let id: SpiffeId = "spiffe://cluster.local/ns/default/sa/reviews".parse()?;
/// assert_eq!(id.service_account(), "reviews");
/// assert_eq!(id.principal(), "cluster.local/ns/default/sa/reviews");
/// # Ok::<(), mesh_core::identity::InvalidSpiffeId>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpiffeId {
    /// The whole URI; the parts below are ranges of it.
    uri: Arc<str>,
    trust_domain: TrustDomain,
    namespace_at: (usize, usize),
    account_at: (usize, usize),
}

/// Why a text is not a [`SpiffeId`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpiffeId {
    /// The scheme is missing or another one.
    #[error("a SPIFFE id starts with spiffe://")]
    Scheme,
    /// The path is not `/ns/<namespace>/sa/<service-account>`.
    #[error("a mesh identity has the path /ns/<namespace>/sa/<service-account>")]
    Path,
    /// A byte that SPIFFE does not allow: segments are made of letters, digits, `.`, `-` and `_`.
    #[error("byte {at} is not legal in a SPIFFE id")]
    Byte {
        /// Offset of the first illegal byte.
        at: usize,
    },
    /// The trust domain is not legal.
    #[error(transparent)]
    TrustDomain(#[from] InvalidTrustDomain),
}

const SCHEME: &str = "spiffe://";

impl SpiffeId {
    /// Puts an identity together from its parts.
    ///
    /// # Errors
    /// If a part holds a byte that would change the identity's meaning, such as `/`.
    pub fn new(
        trust_domain: &TrustDomain,
        namespace: &str,
        service_account: &str,
    ) -> Result<Self, InvalidSpiffeId> {
        format!("{SCHEME}{trust_domain}/ns/{namespace}/sa/{service_account}").parse()
    }

    /// The URI, as a certificate's SAN carries it.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The URI without its scheme, as Istio's policies name principals.
    pub fn principal(&self) -> &str {
        self.uri.get(SCHEME.len()..).unwrap_or_default()
    }

    /// The root of trust.
    pub fn trust_domain(&self) -> &TrustDomain {
        &self.trust_domain
    }

    /// The Kubernetes namespace; may be empty.
    pub fn namespace(&self) -> &str {
        self.uri.get(self.namespace_at.0..self.namespace_at.1).unwrap_or_default()
    }

    /// The Kubernetes service account; may be empty.
    pub fn service_account(&self) -> &str {
        self.uri.get(self.account_at.0..self.account_at.1).unwrap_or_default()
    }
}

impl FromStr for SpiffeId {
    type Err = InvalidSpiffeId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let rest = s.strip_prefix(SCHEME).ok_or(InvalidSpiffeId::Scheme)?;
        // Nothing that could end a field of `x-forwarded-client-cert` or a pattern of a policy.
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        if let Some(at) = rest.bytes().position(|b| !legal(b)) {
            return Err(InvalidSpiffeId::Byte { at: SCHEME.len() + at });
        }
        let parts: Vec<&str> = rest.split('/').collect();
        let [trust_domain, "ns", namespace, "sa", account] = parts.as_slice() else {
            return Err(InvalidSpiffeId::Path);
        };
        let trust_domain: TrustDomain = trust_domain.parse()?;
        let namespace_from = SCHEME.len() + trust_domain.as_str().len() + "/ns/".len();
        let account_from = namespace_from + namespace.len() + "/sa/".len();
        Ok(Self {
            uri: s.into(),
            trust_domain,
            namespace_at: (namespace_from, namespace_from + namespace.len()),
            account_at: (account_from, account_from + account.len()),
        })
    }
}

impl fmt::Display for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl fmt::Debug for SpiffeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_an_identity_are_what_was_written() {
        let id: SpiffeId = "spiffe://td.example/ns/shop/sa/cart".parse().unwrap();
        assert_eq!(
            (id.trust_domain().as_str(), id.namespace(), id.service_account()),
            ("td.example", "shop", "cart")
        );
        assert_eq!(SpiffeId::new(id.trust_domain(), "shop", "cart").unwrap(), id);
    }

    #[test]
    fn empty_parts_parse_and_a_trailing_slash_does_not() {
        assert!("spiffe://td/ns//sa/".parse::<SpiffeId>().is_ok());
        assert_eq!("spiffe://td/ns/a/sa/b/".parse::<SpiffeId>(), Err(InvalidSpiffeId::Path));
        assert_eq!("spiffe://td/ns/a".parse::<SpiffeId>(), Err(InvalidSpiffeId::Path));
    }

    #[test]
    fn a_nul_byte_or_an_escape_never_becomes_part_of_an_identity() {
        assert_eq!("spiffe://td/ns/a/sa/b\0c".parse::<SpiffeId>(), Err(InvalidSpiffeId::Byte { at: 21 }));
        assert!(matches!("spiffe://td/ns/a/sa/b%2f".parse::<SpiffeId>(), Err(InvalidSpiffeId::Byte { .. })));
        assert!(matches!(
            "spiffe://td/ns/a/sa/b;URI=c".parse::<SpiffeId>(),
            Err(InvalidSpiffeId::Byte { .. })
        ));
        assert!(SpiffeId::new(&TrustDomain::default(), "a/sa/b", "c").is_err());
    }

    #[test]
    fn a_trust_domain_is_lower_case_and_bounded() {
        assert_eq!("".parse::<TrustDomain>(), Err(InvalidTrustDomain::Length(0)));
        assert_eq!("Td".parse::<TrustDomain>(), Err(InvalidTrustDomain::Byte { at: 0 }));
    }
}
