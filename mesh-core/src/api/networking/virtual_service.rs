//! VirtualService: how requests to a host are routed, and what happens to them on the way.

use crate::api::value::{Percent, Span, StringMatch, optional_port_number, port_number};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualService {
    /// The addressed hosts; short names are of the resource's namespace.
    pub hosts: Vec<String>,
    /// Gateways that it is bound to, as `ns/name`, and `mesh` for sidecars. Empty means `mesh`.
    pub gateways: Vec<String>,
    /// Rules for HTTP, in order.
    pub http: Vec<HttpRoute>,
    /// Rules for TLS that is passed through, in order.
    pub tls: Vec<TlsRoute>,
    /// Rules for TCP, in order.
    pub tcp: Vec<TcpRoute>,
    /// Namespaces that see it: `.`, `*` or names. Empty takes the mesh's default.
    pub export_to: Vec<String>,
}

/// One rule for HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// Name, for logs.
    pub name: String,
    /// One of these must match; empty matches all.
    pub r#match: Vec<HttpMatch>,
    /// Forward, by weight.
    pub route: Vec<HttpRouteDestination>,
    /// Answer with a redirect.
    pub redirect: Option<HttpRedirect>,
    /// Answer at once.
    pub direct_response: Option<HttpDirectResponse>,
    /// Take the rules of another VirtualService.
    pub delegate: Option<Delegate>,
    /// Change path or authority.
    pub rewrite: Option<HttpRewrite>,
    /// From the end of the request to the end of the response.
    pub timeout: Option<Span>,
    /// Retries.
    pub retries: Option<HttpRetry>,
    /// Delay and abort on purpose.
    pub fault: Option<HttpFaultInjection>,
    /// Copy requests to here.
    pub mirror: Option<Destination>,
    /// Copy requests to these.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// The share that `mirror` copies.
    pub mirror_percentage: Option<Percent>,
    /// Deprecated form of `mirrorPercentage`, in whole percent.
    #[serde(alias = "mirror_percent")]
    pub mirror_percent: Option<u32>,
    /// CORS.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes of headers.
    pub headers: Option<Headers>,
}

/// What a request must be like: all of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMatch {
    /// Name, for logs.
    pub name: String,
    /// Path.
    pub uri: Option<StringMatch>,
    /// Scheme.
    pub scheme: Option<StringMatch>,
    /// Method.
    pub method: Option<StringMatch>,
    /// Authority.
    pub authority: Option<StringMatch>,
    /// Headers; `{}` means present.
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers that must not match.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Compare `uri` without case.
    pub ignore_uri_case: bool,
    /// Port of the host that is addressed.
    #[serde(deserialize_with = "optional_port_number")]
    pub port: Option<u16>,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the caller.
    pub source_namespace: String,
    /// Gateways that it holds for; replaces the resource's list.
    pub gateways: Vec<String>,
    /// Prefix of statistics.
    pub stat_prefix: String,
}

/// A host, one of its subsets, one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// Host of a service.
    pub host: String,
    /// Subset, as a DestinationRule names it.
    pub subset: String,
    /// Port; may be left out where the service has one.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSelector {
    /// The number.
    #[serde(deserialize_with = "port_number")]
    pub number: u16,
}

/// A destination of HTTP with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share of the sum; a single destination takes all.
    pub weight: Option<u32>,
    /// Changes of headers for requests that go there.
    pub headers: Option<Headers>,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Headers {
    /// Of the request.
    pub request: Option<HeaderOperations>,
    /// Of the response.
    pub response: Option<HeaderOperations>,
}

/// Changes of one set of headers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderOperations {
    /// Replace.
    pub set: BTreeMap<String, String>,
    /// Append.
    pub add: BTreeMap<String, String>,
    /// Remove.
    pub remove: Vec<String>,
}

/// A redirect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRedirect {
    /// Replaces the path; starts with `%PREFIX()%` to replace the matched prefix only.
    pub uri: String,
    /// Replaces the matched prefix.
    pub prefix_rewrite: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces the port.
    #[serde(deserialize_with = "optional_port_number")]
    pub port: Option<u16>,
    /// Or derives it.
    pub derive_port: Option<DerivePort>,
    /// Replaces the scheme.
    pub scheme: String,
    /// Status; 301 where none is written.
    pub redirect_code: Option<u16>,
}

/// Where a redirect takes its port from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DerivePort {
    /// 80 or 443, by the scheme.
    FromProtocolDefault,
    /// The port that was asked.
    FromRequestPort,
}

/// An answer that no upstream gives.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpDirectResponse {
    /// Its status.
    pub status: u16,
    /// Its body.
    pub body: Option<HttpBody>,
}

/// A body: text, or base64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum HttpBody {
    /// As it is.
    String(String),
    /// In base64.
    Bytes(String),
}

/// Another VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delegate {
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

/// Changes of path and authority.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRewrite {
    /// Replaces the matched prefix, or the whole path under an exact match.
    pub uri: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces what a pattern finds.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A pattern and what it becomes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegexRewrite {
    /// RE2.
    pub r#match: String,
    /// With `\1` for groups.
    pub rewrite: String,
}

/// Retries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRetry {
    /// How often; 0 never.
    pub attempts: u32,
    /// Bound of each attempt.
    pub per_try_timeout: Option<Span>,
    /// After what: Envoy's names and status codes, joined by commas.
    pub retry_on: String,
    /// Whether other localities may be tried.
    pub retry_remote_localities: Option<bool>,
    /// Whether hosts that were tried are avoided; yes where nothing is written.
    pub retry_ignore_previous_hosts: Option<bool>,
    /// Base of the back-off.
    pub backoff: Option<Span>,
}

/// Faults on purpose.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpFaultInjection {
    /// Hold back.
    pub delay: Option<FaultDelay>,
    /// Answer with an error.
    pub abort: Option<FaultAbort>,
}

/// Hold requests back.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultDelay {
    /// For so long.
    pub fixed_delay: Option<Span>,
    /// Not implemented by Istio either.
    pub exponential_delay: Option<Span>,
    /// Which share.
    pub percentage: Option<Percent>,
    /// Deprecated form of `percentage`, in whole percent.
    pub percent: Option<u32>,
}

/// Answer requests with an error.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultAbort {
    /// An HTTP status.
    pub http_status: Option<u16>,
    /// A gRPC status, by name or number.
    pub grpc_status: Option<String>,
    /// Not implemented by Istio either.
    pub http2_error: Option<String>,
    /// Which share.
    pub percentage: Option<Percent>,
}

/// A copy of requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMirrorPolicy {
    /// Where to.
    pub destination: Destination,
    /// Which share; all where nothing is written.
    pub percentage: Option<Percent>,
}

/// Cross-origin requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsPolicy {
    /// Origins that are allowed.
    pub allow_origins: Vec<StringMatch>,
    /// Deprecated form of `allowOrigins`.
    pub allow_origin: Vec<String>,
    /// Methods.
    pub allow_methods: Vec<String>,
    /// Request headers.
    pub allow_headers: Vec<String>,
    /// Response headers.
    pub expose_headers: Vec<String>,
    /// How long an answer may be kept.
    pub max_age: Option<Span>,
    /// Whether credentials may be sent.
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights that do not match.
    pub unmatched_preflights: Option<UnmatchedPreflights>,
}

/// What becomes of preflights that do not match.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// The default: they are forwarded.
    Unspecified,
    /// To the upstream.
    Forward,
    /// Answered without headers.
    Ignore,
}

/// One rule for TLS that is passed through.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// One of these must match.
    pub r#match: Vec<TlsMatch>,
    /// By weight.
    pub route: Vec<RouteDestination>,
}

/// What a TLS connection must be like.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsMatch {
    /// Server names.
    pub sni_hosts: Vec<String>,
    /// Addresses that are addressed.
    pub destination_subnets: Vec<String>,
    /// Port that is addressed.
    #[serde(deserialize_with = "optional_port_number")]
    pub port: Option<u16>,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the caller.
    pub source_namespace: String,
    /// Gateways that it holds for.
    pub gateways: Vec<String>,
}

/// One rule for TCP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpRoute {
    /// One of these must match; empty matches all.
    pub r#match: Vec<L4Match>,
    /// By weight.
    pub route: Vec<RouteDestination>,
}

/// What a connection must be like.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct L4Match {
    /// Addresses that are addressed.
    pub destination_subnets: Vec<String>,
    /// Port that is addressed.
    #[serde(deserialize_with = "optional_port_number")]
    pub port: Option<u16>,
    /// Address of the caller.
    pub source_subnet: String,
    /// Labels of the caller.
    pub source_labels: BTreeMap<String, String>,
    /// Namespace of the caller.
    pub source_namespace: String,
    /// Gateways that it holds for.
    pub gateways: Vec<String>,
}

/// A destination of connections with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share of the sum; a single destination takes all.
    pub weight: Option<u32>,
}
