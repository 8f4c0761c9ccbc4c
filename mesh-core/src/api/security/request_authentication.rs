//! RequestAuthentication: whose tokens are believed.

use crate::api::value::{Selector, Span, TargetRef};
use serde::Deserialize;

/// The spec of a RequestAuthentication.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestAuthentication {
    /// The workloads; all of the namespace, or of the mesh in the root namespace, where none is written.
    pub selector: Option<Selector>,
    /// Deprecated form of `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// Or the resources.
    pub target_refs: Vec<TargetRef>,
    /// Issuers that are believed.
    pub jwt_rules: Vec<JwtRule>,
}

/// One issuer.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtRule {
    /// Claim `iss`.
    pub issuer: String,
    /// Claim `aud`: one of these.
    pub audiences: Vec<String>,
    /// Where its keys are fetched.
    #[serde(alias = "jwks_uri")]
    pub jwks_uri: String,
    /// Its keys.
    pub jwks: String,
    /// Headers that hold a token.
    pub from_headers: Vec<JwtHeader>,
    /// Query parameters that do.
    pub from_params: Vec<String>,
    /// Cookies that do.
    pub from_cookies: Vec<String>,
    /// Header that gets the payload.
    pub output_payload_to_header: String,
    /// Headers that get claims.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Leave the token in the request.
    pub forward_original_token: bool,
    /// The longest that fetching keys may take.
    pub timeout: Option<Span>,
    /// Claims that hold several values with spaces between.
    pub space_delimited_claims: Vec<String>,
    /// Whether a token must be there.
    pub presence: Option<serde_json::Value>,
}

/// A header that holds a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtHeader {
    /// Name.
    pub name: String,
    /// Text before the token.
    pub prefix: String,
}

/// A header that gets a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimToHeader {
    /// The header.
    pub header: String,
    /// The claim.
    pub claim: String,
}
