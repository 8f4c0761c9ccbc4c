//! EnvoyFilter: patches of Envoy's configuration.

use crate::api::value::{TargetRef, WorkloadSelector};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The spec of an EnvoyFilter.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvoyFilter {
    /// The workloads; all of the namespace where none is written.
    pub workload_selector: Option<WorkloadSelector>,
    /// Or the resources.
    pub target_refs: Vec<TargetRef>,
    /// The patches.
    pub config_patches: Vec<ConfigPatch>,
    /// Lower ones are applied first.
    pub priority: i32,
}

/// One patch.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigPatch {
    /// What is patched.
    pub apply_to: ApplyTo,
    /// Which of them.
    pub r#match: Option<ConfigMatch>,
    /// How.
    pub patch: Option<Patch>,
}

/// What is patched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ApplyTo {
    /// Nothing.
    #[default]
    Invalid,
    /// A listener.
    Listener,
    /// A chain.
    FilterChain,
    /// A filter of a chain.
    NetworkFilter,
    /// A filter of HTTP.
    HttpFilter,
    /// A route table.
    RouteConfiguration,
    /// A virtual host.
    VirtualHost,
    /// A route.
    HttpRoute,
    /// A cluster.
    Cluster,
    /// An extension.
    ExtensionConfig,
    /// The bootstrap.
    Bootstrap,
    /// A filter of a listener.
    ListenerFilter,
}

/// Which objects are patched.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigMatch {
    /// Where in the mesh.
    pub context: Option<PatchContext>,
    /// In which proxies.
    pub proxy: Option<ProxyMatch>,
    /// By listener.
    pub listener: Option<Value>,
    /// By route.
    pub route_configuration: Option<Value>,
    /// By cluster.
    pub cluster: Option<Value>,
    /// By waypoint.
    pub waypoint: Option<Value>,
}

/// Where in the mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchContext {
    /// Anywhere.
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
    /// Pattern of the version.
    pub proxy_version: String,
    /// Metadata of the node.
    pub metadata: BTreeMap<String, String>,
}

/// How an object is patched.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Patch {
    /// What is done.
    pub operation: PatchOperation,
    /// With what: a part of Envoy's configuration.
    pub value: Option<Value>,
    /// Among which filters it is put.
    pub filter_class: Option<FilterClass>,
}

/// What a patch does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PatchOperation {
    /// Nothing.
    #[default]
    Invalid,
    /// Merge.
    Merge,
    /// Add.
    Add,
    /// Remove.
    Remove,
    /// Insert before.
    InsertBefore,
    /// Insert after.
    InsertAfter,
    /// Insert first.
    InsertFirst,
    /// Replace.
    Replace,
    /// Merge, and replace lists.
    MergeAndReplaceList,
}

/// Among which filters one is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FilterClass {
    /// Any.
    Unspecified,
    /// Authentication.
    Authn,
    /// Authorization.
    Authz,
    /// Statistics.
    Stats,
}
