//! The parts of a token: RFC 7519 in the compact form of RFC 7515.

use super::error::JwtStatus;
use super::keys::{Algorithm, KeySet};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};
use std::time::{Duration, SystemTime};

/// Longer ones are nobody's.
const LONGEST: usize = 64 << 10;

/// A token that says of itself what it is; nothing of it is believed yet.
pub(super) struct Unverified<'t> {
    algorithm: Algorithm,
    kid: Option<String>,
    /// Header and payload, as they were signed.
    signed: &'t [u8],
    signature: Vec<u8>,
    pub(super) payload: Map<String, Value>,
    /// The payload as it is in the token.
    pub(super) payload_text: &'t str,
    pub(super) window: Window,
}

/// When a token is good, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Window {
    not_before: Option<u64>,
    expires: Option<u64>,
}

impl Window {
    /// Whether it is good at a time, by clocks that may differ so much.
    pub(super) fn check(&self, now: SystemTime, skew: Duration) -> Result<(), JwtStatus> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
        let skew = skew.as_secs();
        if self.not_before.is_some_and(|nbf| now.saturating_add(skew) < nbf) {
            return Err(JwtStatus::NotYetValid);
        }
        if self.expires.is_some_and(|exp| now > exp.saturating_add(skew)) {
            return Err(JwtStatus::Expired);
        }
        Ok(())
    }
}

impl<'t> Unverified<'t> {
    pub(super) fn parse(token: &'t str) -> Result<Self, JwtStatus> {
        if token.len() > LONGEST {
            return Err(JwtStatus::BadFormat);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(JwtStatus::BadFormat)?;
        let (header, payload_text) = signed.split_once('.').ok_or(JwtStatus::BadFormat)?;
        if payload_text.contains('.') || [header, payload_text, signature].iter().any(|part| part.is_empty())
        {
            return Err(JwtStatus::BadFormat);
        }
        let (algorithm, kid) = read_header(header)?;
        let payload = URL_SAFE_NO_PAD.decode(payload_text).map_err(|_| JwtStatus::PayloadBadBase64)?;
        let payload: Map<String, Value> =
            serde_json::from_slice(&payload).map_err(|_| JwtStatus::PayloadBadJson)?;
        let window = check_claims(&payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtStatus::SignatureBadBase64)?;
        Ok(Self { algorithm, kid, signed: signed.as_bytes(), signature, payload, payload_text, window })
    }

    /// Who it says that it is from.
    pub(super) fn issuer(&self) -> &str {
        self.payload.get("iss").and_then(Value::as_str).unwrap_or_default()
    }

    /// For whom it says that it is.
    pub(super) fn audiences(&self) -> impl Iterator<Item = &str> {
        let (one, list) = match self.payload.get("aud") {
            Some(Value::Array(list)) => (None, list.as_slice()),
            one => (one.and_then(Value::as_str), &[] as &[Value]),
        };
        one.into_iter().chain(list.iter().filter_map(Value::as_str))
    }

    /// Whether one of these keys signed it.
    pub(super) fn verify(&self, keys: &KeySet) -> Result<(), JwtStatus> {
        keys.verify(self.kid.as_deref(), self.algorithm, self.signed, &self.signature)
    }
}

fn read_header(text: &str) -> Result<(Algorithm, Option<String>), JwtStatus> {
    let header = URL_SAFE_NO_PAD.decode(text).map_err(|_| JwtStatus::HeaderBadBase64)?;
    let mut header: Map<String, Value> =
        serde_json::from_slice(&header).map_err(|_| JwtStatus::HeaderBadJson)?;
    let algorithm = match header.get("alg") {
        Some(Value::String(name)) => name.parse()?,
        _ => return Err(JwtStatus::HeaderBadAlg),
    };
    // RFC 7515: who does not know an extension that must be understood does not take the token.
    if header.contains_key("crit") {
        return Err(JwtStatus::HeaderNotImplementedAlg);
    }
    match header.remove("kid") {
        None => Ok((algorithm, None)),
        Some(Value::String(kid)) => Ok((algorithm, Some(kid).filter(|kid| !kid.is_empty()))),
        Some(_) => Err(JwtStatus::HeaderBadKid),
    }
}

/// The types of the claims that have one.
fn check_claims(payload: &Map<String, Value>) -> Result<Window, JwtStatus> {
    let is_text = |name| payload.get(name).is_none_or(Value::is_string);
    if !is_text("iss") {
        return Err(JwtStatus::IssNotString);
    }
    if !is_text("sub") {
        return Err(JwtStatus::SubNotString);
    }
    let audiences_are_texts = match payload.get("aud") {
        None | Some(Value::String(_)) => true,
        Some(Value::Array(list)) => list.iter().all(Value::is_string),
        Some(_) => false,
    };
    if !audiences_are_texts {
        return Err(JwtStatus::AudNotString);
    }
    let time = |name, error| match payload.get(name) {
        None => Ok(None),
        Some(value) => seconds(value).map(Some).ok_or(error),
    };
    Ok(Window {
        not_before: time("nbf", JwtStatus::NbfNotInteger)?,
        expires: time("exp", JwtStatus::ExpNotInteger)?,
    })
}

/// A NumericDate: seconds since 1970, which some issuers write with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    if let Some(whole) = value.as_u64() {
        return Some(whole);
    }
    let number = value.as_f64().filter(|n| (0.0..9.0e15).contains(n))?;
    // In range, so that the conversion only cuts the fraction off.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some(number as u64)
}
