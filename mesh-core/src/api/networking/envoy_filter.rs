//! EnvoyFilter: patches of Envoy's configuration.

use crate::api::value::{TargetRef, WorkloadSelector};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The spec of an EnvoyFilter.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyFilter {
    /// The workloads whose proxies are patched; all of the namespace where none is written, or of the mesh in the
    /// root namespace.
    pub workload_selector: Option<WorkloadSelector>,
    /// Or the gateways, services and service entries that are, up to 16.
    pub target_refs: Vec<TargetRef>,
    /// The patches, in order.
    pub config_patches: Vec<ConfigPatch>,
    /// Order among EnvoyFilters: lower ones are applied first; 0 where none is written.
    pub priority: i32,
}

/// One patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigPatch {
    /// What is patched; required.
    pub apply_to: ApplyTo,
    /// Which of them; all where none is written.
    pub r#match: Option<ConfigMatch>,
    /// How; required.
    pub patch: Option<Patch>,
}

/// What is patched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplyTo {
    /// Nothing: not written.
    #[default]
    Invalid,
    /// A listener.
    Listener,
    /// A filter chain of a listener.
    FilterChain,
    /// A network filter of a filter chain.
    NetworkFilter,
    /// A filter of the HTTP connection manager.
    HttpFilter,
    /// A route table.
    RouteConfiguration,
    /// A virtual host of a route table.
    VirtualHost,
    /// A route of a virtual host.
    HttpRoute,
    /// A cluster.
    Cluster,
    /// The configuration of an extension, served by ECDS.
    ExtensionConfig,
    /// What Envoy starts with.
    Bootstrap,
    /// A listener filter.
    ListenerFilter,
}

/// Which objects are patched: all conditions must hold. Of `listener`, `routeConfiguration`, `cluster` and
/// `waypoint`, one.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigMatch {
    /// Where in the mesh; `ANY` where none is written.
    pub context: Option<PatchContext>,
    /// In which proxies.
    pub proxy: Option<ProxyMatch>,
    /// By listener.
    pub listener: Option<ListenerMatch>,
    /// By route table.
    pub route_configuration: Option<RouteConfigurationMatch>,
    /// By cluster.
    pub cluster: Option<ClusterMatch>,
    /// By what a waypoint has; with context `WAYPOINT` only.
    pub waypoint: Option<WaypointMatch>,
}

/// Where in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchContext {
    /// Sidecars and gateways.
    Any,
    /// To a workload.
    SidecarInbound,
    /// From a workload.
    SidecarOutbound,
    /// In a gateway.
    Gateway,
    /// In a waypoint.
    Waypoint,
}

/// In which proxies.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyMatch {
    /// Pattern (RE2) of the proxy's version, such as `^1\.9.*`.
    pub proxy_version: String,
    /// Metadata of the proxy's node, all of it, by exact value.
    pub metadata: BTreeMap<String, String>,
}

/// By listener.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerMatch {
    /// Port of the service or gateway that traffic is sent to.
    pub port_number: u32,
    /// Not implemented by Istio either.
    pub port_name: String,
    /// A filter chain of it.
    pub filter_chain: Option<FilterChainMatch>,
    /// A listener filter of it, by name.
    pub listener_filter: String,
    /// Name of the listener.
    pub name: String,
}

/// By filter chain.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterChainMatch {
    /// Name of the chain.
    pub name: String,
    /// Server name that the chain is for.
    pub sni: String,
    /// `raw_buffer` or `tls`, in a sidecar's inbound listener.
    pub transport_protocol: String,
    /// Protocols by ALPN that the chain is for, in a sidecar: `h2,http/1.1,http/1.0`.
    pub application_protocols: String,
    /// A network filter of it.
    pub filter: Option<FilterMatch>,
    /// Port that the chain is for.
    pub destination_port: u32,
    /// Name of the transport socket that it has.
    pub transport_socket: String,
}

/// By filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FilterMatch {
    /// Name of the filter; required.
    pub name: String,
    /// A filter inside it: an HTTP filter of the HTTP connection manager.
    pub sub_filter: Option<SubFilterMatch>,
}

/// By a filter inside of another.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubFilterMatch {
    /// Name of the filter; required.
    pub name: String,
}

/// By route table.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteConfigurationMatch {
    /// Port of the service or gateway server that it was made for.
    pub port_number: u32,
    /// Name of a gateway server's port.
    pub port_name: String,
    /// Gateway that it was made for, as `namespace/name`.
    pub gateway: String,
    /// A virtual host of it.
    pub vhost: Option<VirtualHostMatch>,
    /// Name of the table.
    pub name: String,
}

/// By virtual host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualHostMatch {
    /// Name, as `host:port`.
    pub name: String,
    /// A domain of it.
    pub domain_name: String,
    /// A route of it.
    pub route: Option<RouteMatch>,
}

/// By route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteMatch {
    /// Name; `default` of routes that no VirtualService names.
    pub name: String,
    /// What it does.
    pub action: RouteAction,
}

/// What a route does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RouteAction {
    /// Anything.
    #[default]
    Any,
    /// It forwards.
    Route,
    /// It redirects.
    Redirect,
    /// It answers.
    DirectResponse,
}

/// By cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClusterMatch {
    /// Port of the service; in inbound clusters the port that it is reached at.
    pub port_number: u32,
    /// Full name of the service.
    pub service: String,
    /// Subset of the service.
    pub subset: String,
    /// Name of the cluster, exactly.
    pub name: String,
}

/// By what a waypoint has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WaypointMatch {
    /// Port of the service, 1 to 65535.
    #[serde(deserialize_with = "crate::api::number::optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port_number: Option<u16>,
    /// A filter.
    pub filter: Option<FilterMatch>,
    /// A route, by name.
    pub route: Option<WaypointRouteMatch>,
}

/// By a route of a waypoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WaypointRouteMatch {
    /// Name; `default` of routes that no resource names.
    pub name: String,
}

/// How an object is patched.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Patch {
    /// What is done; required.
    pub operation: PatchOperation,
    /// With what: a part of Envoy's configuration, as JSON. Required but for `REMOVE`.
    pub value: Option<Map<String, Value>>,
    /// Among which filters a filter is put.
    pub filter_class: Option<FilterClass>,
}

/// What a patch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchOperation {
    /// Nothing: not written.
    #[default]
    Invalid,
    /// Merge the value into the object.
    Merge,
    /// Add the value to the list.
    Add,
    /// Remove the object.
    Remove,
    /// Insert before the object.
    InsertBefore,
    /// Insert after the object.
    InsertAfter,
    /// Insert as the first of the list.
    InsertFirst,
    /// Put the value in the object's place.
    Replace,
    /// Merge the value into the object, and replace lists instead of appending to them.
    MergeAndReplaceList,
}

/// Among which filters one is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FilterClass {
    /// As the control plane chooses.
    Unspecified,
    /// After those that authenticate.
    Authn,
    /// After those that authorize.
    Authz,
    /// Before those that count.
    Stats,
}
