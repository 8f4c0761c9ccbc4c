//! What a rule does on the way: retries, faults, mirrors, CORS.

use super::Destination;
use crate::api::number::count;
use crate::api::value::{Percent, Span, StringMatch};
use serde::Deserialize;

/// Retries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRetry {
    /// How often at most, beside the first attempt; 0 turns retries off.
    #[serde(deserialize_with = "count")]
    #[cfg_attr(feature = "schema", schemars(range(max = 2147483647)))]
    pub attempts: u32,
    /// The longest that each attempt may take; the rule's `timeout` where nothing is written.
    pub per_try_timeout: Option<Span>,
    /// What is retried: Envoy's conditions and HTTP statuses, joined by commas. Where nothing is written,
    /// what the request cannot have been executed by.
    pub retry_on: String,
    /// Whether retries may go to other localities.
    pub retry_remote_localities: Option<bool>,
    /// Whether endpoints that were tried are avoided; yes where nothing is written.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// The base of the pause between attempts, which doubles each time; 25ms where nothing is written.
    pub backoff: Option<Span>,
}

/// Faults on purpose.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpFaultInjection {
    /// Holds requests back.
    pub delay: Option<FaultDelay>,
    /// Answers requests with an error.
    pub abort: Option<FaultAbort>,
}

/// Holds requests back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultDelay {
    /// How long each is held back.
    pub fixed_delay: Option<Span>,
    /// Known to the API alone; no mesh does it.
    pub exponential_delay: Option<Span>,
    /// The share of requests; none where nothing is written.
    pub percentage: Option<Percent>,
    /// Deprecated: use `percentage`.
    pub percent: Option<u32>,
}

/// Answers requests with an error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultAbort {
    /// With an HTTP status, from 200 to 599.
    pub http_status: Option<u16>,
    /// With a gRPC status, by name such as `UNAVAILABLE`.
    pub grpc_status: Option<String>,
    /// Known to the API alone; no mesh does it.
    pub http2_error: Option<String>,
    /// The share of requests; none where nothing is written.
    pub percentage: Option<Percent>,
}

/// A copy of requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMirrorPolicy {
    /// Where the copies go.
    pub destination: Destination,
    /// The share of requests that are copied; all where nothing is written.
    pub percentage: Option<Percent>,
}

/// Which other origins a browser may let use a host.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsPolicy {
    /// The origins, such as `exact: https://example.com`.
    pub allow_origins: Vec<StringMatch>,
    /// Deprecated: use `allowOrigins`.
    pub allow_origin: Vec<String>,
    /// The methods that they may use; `*` for all.
    pub allow_methods: Vec<String>,
    /// The request headers that they may send; `*` for all.
    pub allow_headers: Vec<String>,
    /// The response headers that they may read; `*` for all.
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the answer to a preflight, in whole seconds.
    pub max_age: Option<Span>,
    /// Whether they may send cookies and other credentials.
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights of other origins; they are forwarded where nothing is written.
    pub unmatched_preflights: Option<UnmatchedPreflights>,
}

/// What becomes of preflights that do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// The default: they are forwarded.
    Unspecified,
    /// They are forwarded.
    Forward,
    /// They are answered without the headers that would allow the request.
    Ignore,
}
