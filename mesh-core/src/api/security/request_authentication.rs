//! RequestAuthentication: whose tokens are believed.

use crate::api::value::{Selector, Span, TargetRef};
use serde::Deserialize;

/// The spec of a RequestAuthentication: which JSON Web Tokens are believed.
///
/// A request with a token that is not valid gets 401; one without a token passes, unless a rule says
/// otherwise or an AuthorizationPolicy asks for `requestPrincipals`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RequestAuthentication {
    /// The workloads that it holds for, by their labels. Without it (and without `targetRefs`) it holds for
    /// all workloads of its namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// Deprecated: use `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// The Gateways, GatewayClasses, Services or ServiceEntries that it is attached to, instead of a
    /// selector. At most 16.
    pub target_refs: Vec<TargetRef>,
    /// The issuers that are believed. At most 4096.
    pub jwt_rules: Vec<JwtRule>,
}

/// An issuer of tokens, its keys, and where in a request its tokens are.
///
/// Where no place is written a token is looked for in `Authorization: Bearer TOKEN`, then in the query
/// parameter `access_token`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtRule {
    /// The claim `iss` that tokens must have, such as `https://accounts.example.com`. May be left out where
    /// `jwksUri` is written.
    pub issuer: String,
    /// The claim `aud` must name one of these. Where none is written, any audience is believed.
    pub audiences: Vec<String>,
    /// Where the issuer's public keys are fetched, over http or https. Where neither this nor `jwks` is
    /// written, the issuer's OpenID Discovery document says. At most 2048 bytes.
    #[serde(alias = "jwks_uri")]
    pub jwks_uri: String,
    /// The issuer's public keys themselves, as a JSON Web Key Set: `{"keys": […]}`. Not beside `jwksUri`.
    pub jwks: String,
    /// Headers that hold a token.
    pub from_headers: Vec<JwtHeader>,
    /// Query parameters that hold a token.
    pub from_params: Vec<String>,
    /// Cookies that hold a token.
    pub from_cookies: Vec<String>,
    /// A header in which the application gets the payload of a valid token, in base64.
    pub output_payload_to_header: String,
    /// Headers in which the application gets single claims of a valid token.
    pub output_claim_to_headers: Vec<ClaimToHeader>,
    /// Whether the application gets the token itself. `false` where nothing is written.
    pub forward_original_token: bool,
    /// The longest that fetching keys may take. 5s where none is written.
    pub timeout: Option<Span>,
    /// Claims that hold several values with spaces between, as `scope` and `permission` always do. At most
    /// 64.
    pub space_delimited_claims: Vec<String>,
    /// Whether a request must have a token of this issuer. `OPTIONAL` where none is written.
    pub presence: Presence,
    /// Whether the reason for which a token was not valid is noted in the request's metadata, where access
    /// logs find it. `false` where nothing is written.
    pub failed_status_in_metadata: bool,
}

/// Whether a request must have a token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Presence {
    /// No; but one that is there must be valid.
    #[default]
    Optional,
    /// Yes, and it must be valid, even if tokens of other issuers are.
    Required,
    /// No, and one that is not valid is as good as none.
    Ignored,
}

/// A header that holds a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct JwtHeader {
    /// Its name.
    pub name: String,
    /// What stands before the token, such as `Bearer ` with its space. A header without it holds no token.
    pub prefix: String,
}

/// A header in which the application gets a claim.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClaimToHeader {
    /// The header's name: letters, digits, `-` and `_`. One that the request has already is replaced.
    pub header: String,
    /// The claim; `a.b` is claim `b` inside of `a`. Texts, integers and truth values only.
    pub claim: String,
}
