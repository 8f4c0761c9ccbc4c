//! An issuer's public keys: JSON Web Key Sets, RFC 7517.
//!
//! A key is bound to its algorithms when it is read. A [`Verifier`] is a key and one algorithm of its type;
//! there is no other way to check a signature, so that a token can pick among an issuer's keys and nothing else.

use super::error::JwtStatus;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaPublicKeyComponents,
    VerificationAlgorithm,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::fmt;
use std::str::FromStr;

/// No issuer has more keys than this; a token without `kid` is held against each.
const MOST_KEYS: usize = 64;

/// How a token may be signed: RFC 7518 and RFC 8037, without shared secrets and without `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// RSASSA-PSS with SHA-384.
    Ps384,
    /// RSASSA-PSS with SHA-512.
    Ps512,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// ECDSA on P-384 with SHA-384.
    Es384,
    /// ECDSA on P-521 with SHA-512.
    Es512,
    /// Ed25519.
    EdDsa,
}

const RSA: [Algorithm; 6] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

impl FromStr for Algorithm {
    type Err = JwtStatus;

    fn from_str(name: &str) -> Result<Self, JwtStatus> {
        Ok(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "ES512" => Self::Es512,
            "EdDSA" => Self::EdDsa,
            _ => return Err(JwtStatus::HeaderNotImplementedAlg),
        })
    }
}

impl Algorithm {
    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Es384 => &ECDSA_P384_SHA384_FIXED,
            Self::Es512 => &ECDSA_P521_SHA512_FIXED,
            Self::EdDsa => &ED25519,
        }
    }
}

/// A text is not a set of keys with at least one that can verify anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKeySet {
    /// Not JSON.
    #[error("Jwks is an invalid JSON")]
    Json,
    /// No list of keys.
    #[error("Jwks does not have [keys] field")]
    NoKeys,
    /// More than anybody has.
    #[error("Jwks has more than 64 keys")]
    TooMany,
    /// None is a public key that is known, whole, and for signatures.
    #[error("Jwks doesn't have any valid public key")]
    NoValidKeys,
}

/// The public keys of an issuer.
///
/// ```
/// use mesh_policy::jwt::{InvalidKeySet, KeySet};
/// let secret = br#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#;
/// assert_eq!(KeySet::from_json(secret).unwrap_err(), InvalidKeySet::NoValidKeys);
/// ```
pub struct KeySet {
    keys: Vec<Key>,
}

struct Key {
    kid: Option<Box<str>>,
    verifiers: Vec<Verifier>,
}

/// A key that checks signatures of one algorithm.
struct Verifier {
    algorithm: Algorithm,
    key: ParsedPublicKey,
}

impl KeySet {
    /// Reads a JSON Web Key Set. Keys of other types, and for other uses, are left out.
    ///
    /// # Errors
    /// [`InvalidKeySet`] if there is none left.
    pub fn from_json(text: &[u8]) -> Result<Self, InvalidKeySet> {
        let set: Value = serde_json::from_slice(text).map_err(|_| InvalidKeySet::Json)?;
        let keys = set.get("keys").and_then(Value::as_array).ok_or(InvalidKeySet::NoKeys)?;
        if keys.len() > MOST_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let keys: Vec<Key> = keys.iter().filter_map(|key| key.as_object().and_then(Key::read)).collect();
        if keys.is_empty() { Err(InvalidKeySet::NoValidKeys) } else { Ok(Self { keys }) }
    }

    /// Whether one of the keys made a signature. A key with another `kid` than the token's is not asked.
    pub(super) fn verify(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), JwtStatus> {
        let mut status = JwtStatus::KidAlgMismatch;
        for key in &self.keys {
            if kid.is_some() && key.kid.is_some() && kid != key.kid.as_deref() {
                continue;
            }
            for verifier in key.verifiers.iter().filter(|v| v.algorithm == algorithm) {
                if verifier.key.verify_sig(signed, signature).is_ok() {
                    return Ok(());
                }
                status = JwtStatus::VerificationFail;
            }
        }
        Err(status)
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kids: Vec<_> = self.keys.iter().map(|key| key.kid.as_deref()).collect();
        f.debug_struct("KeySet").field("kids", &kids).finish()
    }
}

impl Key {
    /// `None` for what cannot verify a token.
    fn read(jwk: &Map<String, Value>) -> Option<Self> {
        let text = |name| jwk.get(name).and_then(Value::as_str);
        let bytes = |name| URL_SAFE_NO_PAD.decode(text(name)?.trim_end_matches('=')).ok();
        if text("use").is_some_and(|usage| usage != "sig") {
            return None;
        }
        let (algorithms, key): (&[Algorithm], Vec<u8>) = match (text("kty")?, text("crv")) {
            ("RSA", _) => (&RSA, rsa(&bytes("n")?, &bytes("e")?)?),
            ("EC", Some("P-256")) => (&[Algorithm::Es256], point(32, &bytes("x")?, &bytes("y")?)?),
            ("EC", Some("P-384")) => (&[Algorithm::Es384], point(48, &bytes("x")?, &bytes("y")?)?),
            ("EC", Some("P-521")) => (&[Algorithm::Es512], point(66, &bytes("x")?, &bytes("y")?)?),
            ("OKP", Some("Ed25519")) => (&[Algorithm::EdDsa], bytes("x")?),
            _ => return None,
        };
        let only = match jwk.get("alg") {
            None => None,
            Some(alg) => Some(alg.as_str()?.parse::<Algorithm>().ok()?),
        };
        let verifier = |algorithm: Algorithm| {
            let key = ParsedPublicKey::new(algorithm.verification(), &key).ok()?;
            Some(Verifier { algorithm, key })
        };
        let wanted = algorithms.iter().copied().filter(|a| only.is_none_or(|only| only == *a));
        let verifiers: Vec<Verifier> = wanted.filter_map(verifier).collect();
        let kid = text("kid").filter(|kid| !kid.is_empty()).map(Into::into);
        (!verifiers.is_empty()).then_some(Self { kid, verifiers })
    }
}

/// An RSA key as X.509 writes it.
fn rsa(n: &[u8], e: &[u8]) -> Option<Vec<u8>> {
    // Some issuers write a leading zero, which RFC 7518 forbids.
    let trim = |bytes: &[u8]| bytes.iter().copied().skip_while(|b| *b == 0).collect::<Vec<u8>>();
    let components = RsaPublicKeyComponents { n: trim(n), e: trim(e) };
    // 2048 to 8192 bits: fewer can be broken, more only cost.
    if !(256..=1024).contains(&components.n.len()) || components.e.len() > 4 {
        return None;
    }
    let der: PublicKeyX509Der<'static> = components.as_der().ok()?;
    Some(der.as_ref().to_vec())
}

/// An uncompressed point. Some issuers leave leading zeros of a coordinate out.
fn point(size: usize, x: &[u8], y: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![4];
    for coordinate in [x, y] {
        let missing = size.checked_sub(coordinate.len())?;
        out.resize(out.len() + missing, 0);
        out.extend_from_slice(coordinate);
    }
    Some(out)
}
