//! HTTPRoute: where requests go.

use super::filter::HttpRouteFilter;
use super::reference::{ParentReference, RouteBackendRef};
use super::session::SessionPersistence;
use super::value::{Duration, GatewayDefaultScope, MatchType};
use serde::Deserialize;

/// The spec of an HTTPRoute.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// What the route attaches to, at most 32.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it attaches to default gateways as well. Experimental.
    pub use_default_gateways: Option<GatewayDefaultScope>,
    /// Hosts, perhaps with a leading `*.`, at most 16. Default: those of the listener.
    pub hostnames: Vec<String>,
    /// What is done: 1 to 16. Of those that match, the most specific one holds, not the first. Default: one that
    /// matches all requests.
    pub rules: Vec<HttpRouteRule>,
}

impl Default for HttpRoute {
    fn default() -> Self {
        Self {
            parent_refs: Vec::new(),
            use_default_gateways: None,
            hostnames: Vec::new(),
            rules: vec![HttpRouteRule::default()],
        }
    }
}

/// What is done with the requests that match.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteRule {
    /// Name of the rule, unique in the route.
    pub name: String,
    /// Which requests: one of these must match, at most 64. Default: all.
    pub matches: Vec<HttpRouteMatch>,
    /// What is done to them, at most 16.
    pub filters: Vec<HttpRouteFilter>,
    /// Where they go, with weights, at most 16. Without one, and without a redirect, the answer is 500.
    pub backend_refs: Vec<RouteBackendRef<HttpRouteFilter>>,
    /// How long they may take.
    pub timeouts: Option<HttpRouteTimeouts>,
    /// When they are repeated.
    pub retry: Option<HttpRouteRetry>,
    /// Keeps the requests of one client at one endpoint. Experimental.
    pub session_persistence: Option<SessionPersistence>,
}

impl Default for HttpRouteRule {
    fn default() -> Self {
        Self {
            name: String::new(),
            matches: vec![HttpRouteMatch::default()],
            filters: Vec::new(),
            backend_refs: Vec::new(),
            timeouts: None,
            retry: None,
            session_persistence: None,
        }
    }
}

/// Which requests: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteMatch {
    /// Their path. Default: any.
    pub path: HttpPathMatch,
    /// Their headers, at most 16.
    pub headers: Vec<HttpHeaderMatch>,
    /// Their query parameters, at most 16.
    pub query_params: Vec<HttpQueryParamMatch>,
    /// Their method. Default: any.
    pub method: Option<HttpMethod>,
}

/// A path.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPathMatch {
    /// How it is compared. Default: `PathPrefix`.
    pub r#type: PathMatchType,
    /// With what, at most 1024 bytes. Default: `/`.
    pub value: String,
}

impl Default for HttpPathMatch {
    fn default() -> Self {
        Self { r#type: PathMatchType::PathPrefix, value: "/".to_owned() }
    }
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PathMatchType {
    /// Equal.
    Exact,
    /// Begins with the same elements: `/shop` takes `/shop` and `/shop/cart`, not `/shopping`. The default.
    PathPrefix,
    /// Matches a regular expression of RE2 as a whole.
    RegularExpression,
}

/// A header.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeaderMatch {
    /// How its value is compared. Default: `Exact`.
    pub r#type: MatchType,
    /// Its name, in any case. Required.
    pub name: String,
    /// With what, 1 to 4096 bytes. Required.
    pub value: String,
}

/// A query parameter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpQueryParamMatch {
    /// How its value is compared. Default: `Exact`.
    pub r#type: MatchType,
    /// Its name. Required.
    pub name: String,
    /// With what, 1 to 1024 bytes. Required.
    pub value: String,
}

/// A method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum HttpMethod {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `CONNECT`.
    Connect,
    /// `OPTIONS`.
    Options,
    /// `TRACE`.
    Trace,
    /// `PATCH`.
    Patch,
}

/// How long requests may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteTimeouts {
    /// With all repetitions. `0s` is no bound.
    pub request: Option<Duration>,
    /// Each attempt; not longer than `request`. `0s` is no bound.
    pub backend_request: Option<Duration>,
}

/// When requests are repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteRetry {
    /// Statuses after which they are, from 400 to 599.
    pub codes: Vec<u16>,
    /// How often at most, besides the first attempt. `0` is never.
    pub attempts: Option<u32>,
    /// The least time between two attempts.
    pub backoff: Option<Duration>,
}
