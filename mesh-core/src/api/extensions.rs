//! `extensions.istio.io`: code that is loaded into proxies.

use super::telemetry::WorkloadMode;
use super::value::{Selector, TargetRef};
use serde::Deserialize;
use serde_json::Value;

/// The spec of a WasmPlugin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WasmPlugin {
    /// The workloads; all of the namespace where none is written.
    pub selector: Option<Selector>,
    /// Deprecated form of `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// Or the resources.
    pub target_refs: Vec<TargetRef>,
    /// Where the module is.
    pub url: String,
    /// Its hash.
    pub sha256: String,
    /// When it is fetched.
    pub image_pull_policy: String,
    /// Credentials for that.
    pub image_pull_secret: String,
    /// Key that signed it.
    pub verification_key: String,
    /// Its configuration.
    pub plugin_config: Option<Value>,
    /// Its name inside the module.
    pub plugin_name: String,
    /// Where among the filters.
    pub phase: Phase,
    /// Greater ones run first.
    pub priority: Option<i64>,
    /// What becomes of requests if it fails.
    pub fail_strategy: FailStrategy,
    /// Environment of its machine.
    pub vm_config: Option<Value>,
    /// Which traffic.
    pub r#match: Vec<TrafficSelector>,
    /// HTTP or network.
    pub r#type: PluginType,
}

/// Where among the filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Last, before the router.
    #[default]
    #[serde(rename = "UNSPECIFIED_PHASE")]
    Unspecified,
    /// Before authentication.
    Authn,
    /// Before authorization.
    Authz,
    /// Before statistics.
    Stats,
}

/// What becomes of requests if a plugin fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailStrategy {
    /// They are refused.
    #[default]
    FailClose,
    /// They pass.
    FailOpen,
    /// It is loaded anew.
    FailReload,
}

/// HTTP or network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PluginType {
    /// HTTP.
    #[default]
    #[serde(rename = "UNSPECIFIED_PLUGIN_TYPE")]
    Unspecified,
    /// HTTP.
    Http,
    /// Network.
    Network,
}

/// Which traffic.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficSelector {
    /// Of which side.
    pub mode: WorkloadMode,
    /// On which ports.
    pub ports: Vec<PortNumber>,
}

/// A port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortNumber {
    /// Its number.
    pub number: u16,
}
