//! VirtualService: how requests to a host are routed, and what happens to them on the way.

mod action;
mod l4;
mod policy;

pub use action::{
    Delegate, DerivePort, HttpBody, HttpDirectResponse, HttpRedirect, HttpRewrite, RegexRewrite,
};
pub use l4::{L4Match, RouteDestination, TcpRoute, TlsMatch, TlsRoute};
pub use policy::{
    CorsPolicy, FaultAbort, FaultDelay, HttpFaultInjection, HttpMirrorPolicy, HttpRetry, UnmatchedPreflights,
};

use crate::api::number::{optional_count, optional_port_number, port_number};
use crate::api::value::{Percent, Span, StringMatch};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualService {
    /// The hosts that callers address, exact or with a leading wildcard; short names such as `reviews` are of the
    /// resource's namespace. A VirtualService without hosts is one that others delegate to.
    pub hosts: Vec<String>,
    /// The gateways that it is bound to, as `name` or `namespace/name`, and `mesh` for sidecars. Where nothing is
    /// written, `mesh`.
    pub gateways: Vec<String>,
    /// Rules for HTTP and gRPC; the first that matches decides.
    pub http: Vec<HttpRoute>,
    /// Rules for TLS that is passed through; the first that matches decides.
    pub tls: Vec<TlsRoute>,
    /// Rules for other connections; the first that matches decides.
    pub tcp: Vec<TcpRoute>,
    /// The namespaces that see it: `.` for its own, `*` for all, or names. Where nothing is written the mesh's
    /// default holds, which is all.
    pub export_to: Vec<String>,
}

/// One rule for HTTP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// A name for logs and statistics.
    pub name: String,
    /// What a request must be like: one of these must match. None match every request.
    pub r#match: Vec<HttpMatch>,
    /// Forwards to these destinations, by weight.
    pub route: Vec<HttpRouteDestination>,
    /// Answers with a redirect.
    pub redirect: Option<HttpRedirect>,
    /// Answers without asking any destination.
    pub direct_response: Option<HttpDirectResponse>,
    /// Takes the rules of another VirtualService, for requests that match here too.
    pub delegate: Option<Delegate>,
    /// Changes the path or the authority before forwarding.
    pub rewrite: Option<HttpRewrite>,
    /// The longest that a response may take, from the end of the request to its own end, with all retries;
    /// unbounded where nothing is written.
    pub timeout: Option<Span>,
    /// Retries; those of the mesh's default where nothing is written.
    pub retries: Option<HttpRetry>,
    /// Delays and errors on purpose, to test how callers bear them.
    pub fault: Option<HttpFaultInjection>,
    /// Sends a copy of the requests here; their responses are dropped.
    pub mirror: Option<Destination>,
    /// Sends copies of the requests to several destinations, in place of `mirror`.
    pub mirrors: Vec<HttpMirrorPolicy>,
    /// The share of requests that `mirror` copies; all where nothing is written.
    pub mirror_percentage: Option<Percent>,
    /// Deprecated: use `mirrorPercentage`.
    pub mirror_percent: Option<u32>,
    /// Deprecated: use `mirrorPercentage`.
    #[serde(rename = "mirror_percent")]
    pub mirror_percent_snake_case: Option<u32>,
    /// Which other origins a browser may let use this host.
    pub cors_policy: Option<CorsPolicy>,
    /// Changes of headers, for all destinations of the rule.
    pub headers: Option<Headers>,
}

/// What a request must be like: all of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMatch {
    /// A name for logs and statistics.
    pub name: String,
    /// The path, without the query.
    pub uri: Option<StringMatch>,
    /// The scheme, such as `https`.
    pub scheme: Option<StringMatch>,
    /// The method, such as `GET`.
    pub method: Option<StringMatch>,
    /// The authority, which is the host as the caller wrote it.
    pub authority: Option<StringMatch>,
    /// Headers by name, and what each must be like; `{}` for any value. At gateways also claims of a verified
    /// token, as `@request.auth.claims.group` or `@request.auth.claims[group]`.
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers by name, and what each must not be like; `{}` for headers that must not be there.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters by name, and what each must be like; `{}` for any value.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Compares `uri` without case, where it is `exact` or `prefix`.
    pub ignore_uri_case: bool,
    /// The port that the caller addressed.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Labels that the calling workload has.
    pub source_labels: BTreeMap<String, String>,
    /// The namespace of the calling workload.
    pub source_namespace: String,
    /// The gateways that the match holds for, in place of the resource's list.
    pub gateways: Vec<String>,
    /// A prefix for the statistics of this route.
    pub stat_prefix: String,
}

/// A host, one of its subsets, one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// The host of a service; a short name such as `reviews` is one of the resource's namespace.
    pub host: String,
    /// The subset, as a DestinationRule for the host names it; all endpoints where nothing is written.
    pub subset: String,
    /// The port of the service; may be left out where it has but one.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PortSelector {
    /// The number, from 1 to 65535.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub number: u16,
}

/// A destination of HTTP with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteDestination {
    /// Where requests go.
    pub destination: Destination,
    /// Its share of the sum of all weights; 0 where nothing is written. A single destination takes all.
    #[serde(deserialize_with = "optional_count")]
    #[cfg_attr(feature = "schema", schemars(range(max = 2147483647)))]
    pub weight: Option<u32>,
    /// Changes of headers for requests that go there, after those of the rule.
    pub headers: Option<Headers>,
}

/// Changes of headers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Headers {
    /// Of the request, before it is forwarded.
    pub request: Option<HeaderOperations>,
    /// Of the response, before it is returned.
    pub response: Option<HeaderOperations>,
}

/// Changes of one set of headers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderOperations {
    /// Replaces these headers, or adds them where they are not there. `%` begins a command of Envoy's, such as
    /// `%DOWNSTREAM_REMOTE_ADDRESS%`; write `%%` for a percent sign.
    pub set: BTreeMap<String, String>,
    /// Appends these values to the headers.
    pub add: BTreeMap<String, String>,
    /// Removes these headers.
    pub remove: Vec<String>,
}
