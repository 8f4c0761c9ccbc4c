//! The mesh's own service-account tokens, for workloads that no Kubernetes vouches for.
//!
//! They have the shape of Kubernetes' projected tokens (`sub: system:serviceaccount:NS:SA`, audience
//! `istio-ca`), so that every client that can speak to Istio's CA can use one. Signed with ES256 and
//! verified as nothing else: the algorithm is the verifier's choice, never the token's.

use crate::auth::{AuthError, Authenticating, Authenticator, Caller, Evidence, InvalidName};
use crate::pem;
use crate::state::{StateDir, StateError, StateErrorKind};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::{Zeroize, Zeroizing};

/// The audience of tokens for Istio's CA and control plane.
pub const AUDIENCE: &str = "istio-ca";
/// The issuer of the mesh's own tokens.
pub const ISSUER: &str = "https://istiod.istio-system.svc";

const KEY_FILE: &str = "token-key.pem";
const LOCK_FILE: &str = "token.lock";
const COMMIT: &str = "token";
const SUBJECT: &str = "system:serviceaccount:";
/// Longer tokens are refused unread; Kubernetes' own have about 1.5 KiB.
const MAX_TOKEN: usize = 16 * 1024;

/// Issues and verifies service-account tokens with one ES256 key.
pub struct TokenIssuer {
    signing: EncodingKey,
    verifying: DecodingKey,
    rules: Validation,
}

/// Why a token proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a JWT, or without a claim that is needed.
    #[error("the token is malformed: {0}")]
    Malformed(String),
    /// Signed by an algorithm other than ES256, or not at all.
    #[error("the token is not signed with ES256")]
    Algorithm,
    /// Changed on its way, or signed by another key.
    #[error("the token's signature does not verify")]
    Signature,
    /// Made for another service.
    #[error("the token's audience is not {AUDIENCE}")]
    Audience,
    /// Made by another issuer.
    #[error("the token's issuer is not {ISSUER}")]
    Issuer,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// Its time has not begun.
    #[error("the token is not valid yet")]
    NotYetValid,
    /// Its subject is no service account, or disagrees with the other claims.
    #[error("the token's subject is not a service account")]
    Subject,
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// A name that is none.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// A lifetime that ends outside of the calendar, or at once.
    #[error("a token cannot live for {} s", .0.as_secs())]
    Ttl(Duration),
    /// The cryptography failed.
    #[error("signing failed: {0}")]
    Failed(String),
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<u64>,
    iat: u64,
    #[serde(rename = "kubernetes.io", skip_serializing_if = "Option::is_none")]
    kubernetes: Option<KubernetesClaim>,
}

/// RFC 7519 allows one text or a list.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    Many(Vec<String>),
    One(String),
}

#[derive(Serialize, Deserialize)]
struct KubernetesClaim {
    namespace: String,
    serviceaccount: NameClaim,
}

#[derive(Serialize, Deserialize)]
struct NameClaim {
    name: String,
}

impl TokenIssuer {
    /// Opens the issuer whose key lies in a directory; makes the key if there is none. Unlike the
    /// authority's, the directory is not kept locked: a tool may issue while a control plane verifies.
    ///
    /// # Errors
    /// [`StateError`] if the directory cannot be used or the key is damaged; it is left as it is then.
    pub fn open(state_dir: impl AsRef<Path>) -> Result<Self, StateError> {
        let dir = StateDir::open(state_dir.as_ref())?;
        // Of two that start at once, the second finds the first one's key.
        let _lock = dir.lock_waiting(LOCK_FILE)?;
        dir.recover(COMMIT)?;
        let corrupt = |problem: &str| StateError::new(&dir.file(KEY_FILE), StateErrorKind::Corrupt, problem);
        let pair = match dir.read(KEY_FILE)? {
            Some(bytes) => {
                let mut der = pem::private_key(&bytes).map_err(|e| corrupt(&e.to_string()))?;
                let pair = KeyPair::try_from(&der);
                der.zeroize();
                let pair = pair.map_err(|_| corrupt("not a usable private key"))?;
                if pair.algorithm() != &PKCS_ECDSA_P256_SHA256 {
                    return Err(corrupt("not an ECDSA P-256 key"));
                }
                pair
            }
            None => {
                let pair = generate().map_err(|e| StateError::new(dir.path(), StateErrorKind::Io, e))?;
                let der = Zeroizing::new(pair.serialize_der());
                dir.commit(COMMIT, &[(KEY_FILE, pem::encode_private_key(&der).as_bytes())])?;
                pair
            }
        };
        Ok(Self::with_key(pair))
    }

    /// An issuer that lives as long as the process.
    ///
    /// # Errors
    /// [`IssueError::Failed`] if the system yields no random key.
    pub fn in_memory() -> Result<Self, IssueError> {
        generate().map(Self::with_key).map_err(IssueError::Failed)
    }

    fn with_key(mut pair: KeyPair) -> Self {
        let der = Zeroizing::new(pair.serialize_der());
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        // Dates are compared with the caller's clock in `verify`, not with the library's.
        rules.validate_exp = false;
        let issuer = Self {
            signing: EncodingKey::from_ec_der(&der),
            verifying: DecodingKey::from_ec_der(pair.der_bytes()),
            rules,
        };
        pair.zeroize();
        issuer
    }

    /// A token for a service account, valid for `ttl` from `now`.
    ///
    /// # Errors
    /// [`IssueError`] if a name is not Kubernetes', or `ttl` is below a second or out of range.
    pub fn issue(
        &self,
        namespace: &str,
        service_account: &str,
        ttl: Duration,
        now: SystemTime,
    ) -> Result<String, IssueError> {
        let caller = Caller::new(namespace, service_account)?;
        let iat = unix_seconds(now).ok_or(IssueError::Ttl(ttl))?;
        let exp = match now.checked_add(ttl).and_then(unix_seconds) {
            Some(exp) if exp > iat => exp,
            _ => return Err(IssueError::Ttl(ttl)),
        };
        let claims = Claims {
            iss: ISSUER.to_owned(),
            sub: caller.to_string(),
            aud: Audience::Many(vec![AUDIENCE.to_owned()]),
            exp,
            nbf: Some(iat),
            iat,
            kubernetes: Some(KubernetesClaim {
                namespace: namespace.to_owned(),
                serviceaccount: NameClaim { name: service_account.to_owned() },
            }),
        };
        jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing)
            .map_err(|e| IssueError::Failed(e.to_string()))
    }

    /// The service account that a token proves at `now`.
    ///
    /// # Errors
    /// [`TokenError`] says why it proves none.
    pub fn verify(&self, token: &str, now: SystemTime) -> Result<Caller, TokenError> {
        if token.len() > MAX_TOKEN {
            return Err(TokenError::Malformed(format!("{} bytes are too many", token.len())));
        }
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.rules)
            .map_err(|e| classify(e.kind()))?
            .claims;
        let now = unix_seconds(now).ok_or(TokenError::NotYetValid)?;
        if claims.exp <= now {
            return Err(TokenError::Expired);
        }
        // The issuer's clock may be ahead of this one by as much as certificates are dated back.
        if claims.nbf.is_some_and(|nbf| nbf > now.saturating_add(crate::signer::CLOCK_SKEW.as_secs())) {
            return Err(TokenError::NotYetValid);
        }
        let caller = subject(&claims.sub).ok_or(TokenError::Subject)?;
        if let Some(kubernetes) = claims.kubernetes
            && (kubernetes.namespace != caller.namespace()
                || kubernetes.serviceaccount.name != caller.service_account())
        {
            return Err(TokenError::Subject);
        }
        Ok(caller)
    }
}

impl Authenticator for TokenIssuer {
    fn authenticate<'a>(&'a self, evidence: Evidence<'a>, now: SystemTime) -> Authenticating<'a> {
        Box::pin(std::future::ready(match evidence.bearer {
            Some(token) => self.verify(token, now).map_err(AuthError::Token),
            None => Err(AuthError::Missing),
        }))
    }
}

impl fmt::Debug for TokenIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenIssuer").field("issuer", &ISSUER).finish_non_exhaustive()
    }
}

/// The service account that a token claims, unverified: for its holder, who asks for its own name.
pub(crate) fn claimed(token: &str) -> Option<Caller> {
    #[derive(Deserialize)]
    struct Subject {
        sub: String,
    }
    let claims: Subject = jsonwebtoken::dangerous::insecure_decode_claims(token).ok()?;
    subject(&claims.sub)
}

fn subject(sub: &str) -> Option<Caller> {
    let (namespace, account) = sub.strip_prefix(SUBJECT)?.split_once(':')?;
    Caller::new(namespace, account).ok()
}

fn generate() -> Result<KeyPair, String> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|e| e.to_string())
}

fn unix_seconds(at: SystemTime) -> Option<u64> {
    at.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn classify(kind: &ErrorKind) -> TokenError {
    match kind {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm | ErrorKind::InvalidAlgorithmName => {
            TokenError::Algorithm
        }
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::MissingRequiredClaim(claim) => TokenError::Malformed(format!("no claim {claim}")),
        ErrorKind::InvalidClaimFormat(claim) => TokenError::Malformed(format!("claim {claim}")),
        _ => TokenError::Malformed("not a signed JWT with the claims of a service account".to_owned()),
    }
}

#[cfg(test)]
mod tests;
