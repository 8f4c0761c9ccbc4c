//! A token was not good, in Envoy's words.

use crate::{BoxError, Reject};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use mesh_core::response_flag::ResponseFlag;
use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why a request's token is not good. The texts are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum JwtStatus {
    /// There is none, and an issuer's is required.
    #[error("Jwt is missing")]
    Missing,
    /// `nbf` lies ahead.
    #[error("Jwt not yet valid")]
    NotYetValid,
    /// `exp` is past.
    #[error("Jwt is expired")]
    Expired,
    /// Not three parts with dots between, or longer than anybody's token.
    #[error("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")]
    BadFormat,
    /// The header is not base64url.
    #[error("Jwt header is an invalid Base64url encoded")]
    HeaderBadBase64,
    /// The header is not JSON.
    #[error("Jwt header is an invalid JSON")]
    HeaderBadJson,
    /// `alg` is missing or no text.
    #[error("Jwt header [alg] field is required and must be a string")]
    HeaderBadAlg,
    /// `alg` is none that is verified: `none`, a shared secret, or something unheard of; or the header asks for an
    /// extension (`crit`) that nobody knows here.
    #[error("Jwt header [alg] is not supported")]
    HeaderNotImplementedAlg,
    /// `kid` is no text.
    #[error("Jwt header [kid] field is not a string")]
    HeaderBadKid,
    /// The payload is not base64url.
    #[error("Jwt payload is an invalid Base64url encoded")]
    PayloadBadBase64,
    /// The payload is not a JSON object.
    #[error("Jwt payload is an invalid JSON")]
    PayloadBadJson,
    /// `iss` is no text.
    #[error("Jwt payload [iss] field is not a string")]
    IssNotString,
    /// `sub` is no text.
    #[error("Jwt payload [sub] field is not a string")]
    SubNotString,
    /// `nbf` is no whole number that is a time.
    #[error("Jwt payload [nbf] field is not an integer")]
    NbfNotInteger,
    /// `exp` is no whole number that is a time.
    #[error("Jwt payload [exp] field is not an integer")]
    ExpNotInteger,
    /// `aud` is neither a text nor a list of them.
    #[error("Jwt payload [aud] field is not a string or string list")]
    AudNotString,
    /// The signature is not base64url.
    #[error("Jwt signature is an invalid Base64url encoded")]
    SignatureBadBase64,
    /// Nobody believes this issuer here.
    #[error("Jwt issuer is not configured")]
    UnknownIssuer,
    /// It was issued for somebody else.
    #[error("Audiences in Jwt are not allowed")]
    AudienceNotAllowed,
    /// The signature is not that of one of the issuer's keys.
    #[error("Jwt verification fails")]
    VerificationFail,
    /// The issuer has no key that the token may be signed with.
    #[error("Jwks doesn't have key to match kid or alg from Jwt")]
    KidAlgMismatch,
    /// The issuer's keys could not be fetched.
    #[error("Jwks remote fetch is failed")]
    JwksFetchFail,
}

/// A request was refused for its token.
#[derive(Clone)]
pub struct JwtError {
    pub(super) status: JwtStatus,
    /// What was asked for; without its query, which may hold the token.
    pub(super) realm: String,
    /// Why there are no keys, where that is the reason.
    pub(super) source: Option<Arc<BoxError>>,
}

impl JwtError {
    /// Why.
    pub fn reason(&self) -> JwtStatus {
        self.status
    }
}

impl fmt::Debug for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("JwtError");
        fields.field("status", &self.status).field("source", &self.source).finish_non_exhaustive()
    }
}

impl fmt::Display for JwtError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused for its token: {}", self.status)
    }
}

impl Error for JwtError {
    /// Of [`JwtStatus::JwksFetchFail`], what the last fetch of the keys failed of.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &***source as _)
    }
}

impl Reject for JwtError {
    fn status(&self) -> StatusCode {
        match self.status {
            JwtStatus::AudienceNotAllowed => StatusCode::FORBIDDEN,
            _ => StatusCode::UNAUTHORIZED,
        }
    }

    /// None: Envoy's filter speaks through the details alone.
    fn flag(&self) -> Option<ResponseFlag> {
        None
    }

    fn details(&self) -> Cow<'static, str> {
        // Blanks would break the columns of an access log.
        let reason = self.status.to_string().replace(' ', "_");
        Cow::Owned(format!("jwt_authn_access_denied{{{reason}}}"))
    }

    fn body(&self) -> Cow<'static, str> {
        Cow::Owned(self.status.to_string())
    }

    fn headers(&self) -> HeaderMap {
        let error = if self.status == JwtStatus::Missing { "" } else { ", error=\"invalid_token\"" };
        let value = HeaderValue::try_from(format!("Bearer realm=\"{}\"{error}", self.realm));
        value.into_iter().map(|value| (header::WWW_AUTHENTICATE, value)).collect()
    }
}
