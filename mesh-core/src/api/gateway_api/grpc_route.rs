//! GRPCRoute: where gRPC's calls go.

use super::filter::GrpcRouteFilter;
use super::http_route::HttpHeaderMatch;
use super::reference::{ParentReference, RouteBackendRef};
use super::session::SessionPersistence;
use super::value::{GatewayDefaultScope, MatchType};
use serde::Deserialize;

/// The spec of a GRPCRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRoute {
    /// What the route attaches to, at most 32.
    pub parent_refs: Vec<ParentReference>,
    /// Whether it attaches to default gateways as well. Experimental.
    pub use_default_gateways: Option<GatewayDefaultScope>,
    /// Hosts, perhaps with a leading `*.`, at most 16. Default: those of the listener.
    pub hostnames: Vec<String>,
    /// What is done, at most 16. Of those that match, the most specific one holds, not the first.
    pub rules: Vec<GrpcRouteRule>,
}

/// What is done with the calls that match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRouteRule {
    /// Name of the rule, unique in the route.
    pub name: String,
    /// Which calls: one of these must match, at most 64. Default: all.
    pub matches: Vec<GrpcRouteMatch>,
    /// What is done to them, at most 16.
    pub filters: Vec<GrpcRouteFilter>,
    /// Where they go, with weights, at most 16. Without one the answer is `UNAVAILABLE`.
    pub backend_refs: Vec<RouteBackendRef<GrpcRouteFilter>>,
    /// Keeps the calls of one client at one endpoint. Experimental.
    pub session_persistence: Option<SessionPersistence>,
}

/// Which calls: all conditions must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRouteMatch {
    /// Their service and method. Default: any.
    pub method: Option<GrpcMethodMatch>,
    /// Their headers, at most 16.
    pub headers: Vec<HttpHeaderMatch>,
}

/// A service, a method of any service, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcMethodMatch {
    /// How they are compared. Default: `Exact`.
    pub r#type: MatchType,
    /// Service with its package, such as `shop.v1.Cart`. Default: any.
    pub service: Option<String>,
    /// Method, such as `AddItem`. Default: any.
    pub method: Option<String>,
}
