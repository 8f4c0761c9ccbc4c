//! One issuer: whose tokens are believed, where they are looked for, and what becomes of them.

use super::error::JwtStatus;
use super::keys::KeySet;
use super::parse::{Unverified, Window};
use super::remote::{Available, RemoteKeys};
use crate::BoxError;
use http::{HeaderName, HeaderValue};
use mesh_core::api::security::request_authentication::Presence;
use mesh_core::decide::Claims;
use serde_json::{Map, Value};
use std::sync::Arc;

/// Where an issuer's keys are from.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// They are known.
    Local(Arc<KeySet>),
    /// They are fetched.
    Remote(RemoteKeys),
}

impl From<KeySet> for KeySource {
    fn from(keys: KeySet) -> Self {
        Self::Local(Arc::new(keys))
    }
}

impl From<RemoteKeys> for KeySource {
    fn from(keys: RemoteKeys) -> Self {
        Self::Remote(keys)
    }
}

impl KeySource {
    /// What can be verified with at once.
    pub(super) fn available(&self) -> Available {
        match self {
            Self::Local(keys) => Available::Fresh(keys.clone()),
            Self::Remote(keys) => keys.available(),
        }
    }

    /// What the last fetch failed of, if it did.
    pub(super) fn last_error(&self) -> Option<Arc<BoxError>> {
        match self {
            Self::Local(_) => None,
            Self::Remote(keys) => keys.last_error(),
        }
    }
}

/// A header in which tokens are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FromHeader {
    pub(super) name: HeaderName,
    /// What stands before the token.
    pub(super) prefix: String,
}

/// An issuer of tokens: Istio's `jwtRules[]`, Envoy's `JwtProvider`.
///
/// Where no place is named its tokens are looked for in `Authorization: Bearer TOKEN` and in the query parameter
/// `access_token`.
#[derive(Clone, Debug)]
pub struct Issuer {
    pub(super) issuer: String,
    pub(super) keys: KeySource,
    pub(super) audiences: Vec<String>,
    pub(super) headers: Vec<FromHeader>,
    pub(super) params: Vec<String>,
    pub(super) cookies: Vec<String>,
    pub(super) forward: bool,
    pub(super) payload_header: Option<HeaderName>,
    pub(super) claim_headers: Vec<(String, HeaderName)>,
    pub(super) spaced_claims: Vec<String>,
    pub(super) presence: Presence,
}

impl Issuer {
    /// Tokens whose claim `iss` is this, signed by these keys. An empty `issuer` takes any that the keys signed.
    pub fn new(issuer: impl Into<String>, keys: impl Into<KeySource>) -> Self {
        Self {
            issuer: issuer.into(),
            keys: keys.into(),
            audiences: Vec::new(),
            headers: Vec::new(),
            params: Vec::new(),
            cookies: Vec::new(),
            forward: false,
            payload_header: None,
            claim_headers: Vec::new(),
            spaced_claims: vec!["scope".to_owned(), "permission".to_owned()],
            presence: Presence::Optional,
        }
    }

    /// Takes only tokens whose claim `aud` names one of these. As in Envoy, the scheme of a URL and a slash at
    /// its end do not matter.
    #[must_use]
    pub fn audiences<S: AsRef<str>>(mut self, audiences: impl IntoIterator<Item = S>) -> Self {
        self.audiences.extend(audiences.into_iter().map(|audience| plain(audience.as_ref()).to_owned()));
        self
    }

    /// Looks for tokens in a header, after a prefix such as `Bearer ` (in any case), which may be empty.
    #[must_use]
    pub fn from_header(mut self, name: HeaderName, prefix: impl Into<String>) -> Self {
        self.headers.push(FromHeader { name, prefix: prefix.into() });
        self
    }

    /// Looks for tokens in a query parameter.
    #[must_use]
    pub fn from_param(mut self, name: impl Into<String>) -> Self {
        self.params.push(name.into());
        self
    }

    /// Looks for tokens in a cookie.
    #[must_use]
    pub fn from_cookie(mut self, name: impl Into<String>) -> Self {
        self.cookies.push(name.into());
        self
    }

    /// Leaves good tokens in the request. By default they are taken out, so that the application cannot lose them.
    #[must_use]
    pub fn forward_original_token(self, forward: bool) -> Self {
        Self { forward, ..self }
    }

    /// Gives the application the payload in this header, as it is in the token: base64url without padding.
    /// Whatever a caller writes there is taken away.
    #[must_use]
    pub fn output_payload_to_header(self, header: HeaderName) -> Self {
        Self { payload_header: Some(header), ..self }
    }

    /// Gives the application a claim in this header; `a.b` is claim `b` inside of `a`. Texts, numbers and truth
    /// values only. Whatever a caller writes there is taken away.
    #[must_use]
    pub fn output_claim_to_header(mut self, claim: impl Into<String>, header: HeaderName) -> Self {
        self.claim_headers.push((claim.into(), header));
        self
    }

    /// Takes a claim that is a text with blanks for a list, as `scope` and `permission` always are.
    #[must_use]
    pub fn space_delimited_claim(mut self, claim: impl Into<String>) -> Self {
        self.spaced_claims.push(claim.into());
        self
    }

    /// Refuses requests without a good token of this issuer.
    #[must_use]
    pub fn required(self) -> Self {
        self.presence(Presence::Required)
    }

    /// Whether requests must have a token of this issuer.
    #[must_use]
    pub fn presence(self, presence: Presence) -> Self {
        Self { presence, ..self }
    }

    /// Whether this is the issuer that a token names.
    pub(super) fn is(&self, issuer: &str) -> bool {
        self.issuer.is_empty() || self.issuer == issuer
    }

    /// Whether a token is for us.
    pub(super) fn takes_audience(&self, token: &Unverified<'_>) -> bool {
        self.audiences.is_empty()
            || token.audiences().any(|audience| self.audiences.iter().any(|ours| ours == plain(audience)))
    }

    /// The headers that are ours to write.
    pub(super) fn outputs(&self) -> impl Iterator<Item = &HeaderName> {
        self.payload_header.iter().chain(self.claim_headers.iter().map(|(_, header)| header))
    }

    /// What becomes of a token whose signature is good.
    pub(super) fn accept(&self, index: usize, token: Unverified<'_>) -> Result<Verified, JwtStatus> {
        let Unverified { mut payload, payload_text, window, .. } = token;
        let mut headers = Vec::new();
        if let Some(header) = &self.payload_header
            && let Ok(value) = HeaderValue::from_str(payload_text)
        {
            headers.push((header.clone(), value));
        }
        for (claim, header) in &self.claim_headers {
            let text = find(&payload, claim).and_then(claim_text);
            if let Some(value) = text.and_then(|text| HeaderValue::from_bytes(text.as_bytes()).ok()) {
                headers.push((header.clone(), value));
            }
        }
        for claim in &self.spaced_claims {
            if let Some(Value::String(text)) = payload.get(claim) {
                let list = text.split(' ').filter(|part| !part.is_empty()).map(Value::from).collect();
                payload.insert(claim.clone(), Value::Array(list));
            }
        }
        Ok(Verified { issuer: index, claims: Arc::new(Claims::verified(payload)), window, headers })
    }
}

/// A token whose signature, issuer and audience were found good.
pub(super) struct Verified {
    /// Which issuer's.
    pub(super) issuer: usize,
    pub(super) claims: Arc<Claims>,
    pub(super) window: Window,
    /// What the application gets of it.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
}

/// An audience without what does not matter.
fn plain(audience: &str) -> &str {
    let rest = audience.strip_prefix("https://").or_else(|| audience.strip_prefix("http://"));
    let rest = rest.unwrap_or(audience);
    rest.strip_suffix('/').unwrap_or(rest)
}

/// A claim by its name, or by its way through others.
fn find<'p>(payload: &'p Map<String, Value>, claim: &str) -> Option<&'p Value> {
    if let Some(found) = payload.get(claim) {
        return Some(found);
    }
    let mut names = claim.split('.');
    let first = payload.get(names.next()?)?;
    names.try_fold(first, |value, name| value.as_object()?.get(name))
}

fn claim_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() && float.fract() != 0.0 => Some(format!("{float:.6}")),
            Some(float) if number.is_f64() => Some(format!("{float:.0}")),
            _ => Some(number.to_string()),
        },
        _ => None,
    }
}
