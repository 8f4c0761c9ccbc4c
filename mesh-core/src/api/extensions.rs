//! `extensions.istio.io`: code that is loaded into proxies.

use super::number::port_number;
use super::value::{Selector, TargetRef};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The spec of a WasmPlugin: a WebAssembly module that proxies run. TrafficExtension takes its place.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WasmPlugin {
    /// The workloads that it holds for, by their labels. Without it (and without `targetRefs`) it holds for
    /// all workloads of its namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// Deprecated: use `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// The Gateways, GatewayClasses, Services or ServiceEntries that it is attached to, instead of a
    /// selector. At most 16.
    pub target_refs: Vec<TargetRef>,
    /// Where the module is: `oci://REGISTRY/IMAGE:TAG` (also without `oci://`), `https://…`, `http://…`, or
    /// `file:///…` in the proxy's own files.
    pub url: String,
    /// The SHA-256 that the module or image must have: 64 digits of 0-9 and a-f.
    pub sha256: String,
    /// When the module is fetched. `IfNotPresent` where none is written; `Always` for images with the tag
    /// `latest`.
    pub image_pull_policy: PullPolicy,
    /// A Secret of the same namespace with credentials for the registry.
    pub image_pull_secret: Option<String>,
    /// The public key that signed the image. Not used by Istio, either.
    pub verification_key: String,
    /// The module's configuration.
    pub plugin_config: Option<Map<String, Value>>,
    /// The name of the plugin inside of the module, for modules with several. At most 256 bytes.
    pub plugin_name: Option<String>,
    /// Where among the filters it runs. Just before the router where none is written.
    pub phase: Phase,
    /// Of the same phase, greater ones run first. 0 where none is written.
    pub priority: Option<i32>,
    /// What becomes of requests if the module fails. `FAIL_CLOSE` where none is written.
    pub fail_strategy: FailStrategy,
    /// Its virtual machine.
    pub vm_config: Option<VmConfig>,
    /// Which traffic it sees: what one of these matches. All where none is written.
    pub r#match: Vec<TrafficSelector>,
    /// Whether it sees requests or connections. `HTTP` where none is written.
    pub r#type: PluginType,
}

/// The spec of a TrafficExtension: a WebAssembly module or a Lua script that proxies run.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficExtension {
    /// The workloads that it holds for, by their labels. Without it (and without `targetRefs`) it holds for
    /// all workloads of its namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// The Gateways, GatewayClasses, Services or ServiceEntries that it is attached to, instead of a
    /// selector. At most 16.
    pub target_refs: Vec<TargetRef>,
    /// Where among the filters it runs. Just before the router where none is written.
    pub phase: ExecutionPhase,
    /// Of the same phase, greater ones run first. 0 where none is written.
    pub priority: Option<i32>,
    /// Which traffic it sees: what one of these matches. All where none is written.
    pub r#match: Vec<TrafficSelector>,
    /// A WebAssembly module. Either this or `lua`.
    pub wasm: Option<WasmConfig>,
    /// A Lua script. Either this or `wasm`.
    pub lua: Option<LuaConfig>,
}

/// A WebAssembly module.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WasmConfig {
    /// Where the module is: `oci://REGISTRY/IMAGE:TAG` (also without `oci://`), `https://…`, `http://…`, or
    /// `file:///…` in the proxy's own files.
    pub url: String,
    /// The SHA-256 that the module or image must have: 64 digits of 0-9 and a-f.
    pub sha256: String,
    /// When the module is fetched. `IfNotPresent` where none is written; `Always` for images with the tag
    /// `latest`.
    pub image_pull_policy: PullPolicy,
    /// A Secret of the same namespace with credentials for the registry.
    pub image_pull_secret: Option<String>,
    /// The public key that signed the image. Not used by Istio, either.
    pub verification_key: String,
    /// The module's configuration.
    pub plugin_config: Option<Map<String, Value>>,
    /// The name of the plugin inside of the module, for modules with several. At most 256 bytes.
    pub plugin_name: Option<String>,
    /// What becomes of requests if the module fails. `FAIL_CLOSE` where none is written.
    pub fail_strategy: FailStrategy,
    /// Its virtual machine.
    pub vm_config: Option<VmConfig>,
    /// Whether it sees requests or connections. `HTTP` where none is written.
    pub r#type: PluginType,
}

/// A Lua script.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LuaConfig {
    /// The script. It defines `envoy_on_request(handle)`, `envoy_on_response(handle)` or both. At most 65536
    /// bytes.
    pub inline_code: String,
}

/// Where among the filters a WasmPlugin runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Phase {
    /// Last, before the router.
    #[default]
    #[serde(rename = "UNSPECIFIED_PHASE")]
    Unspecified,
    /// Before authentication.
    Authn,
    /// After authentication, before authorization.
    Authz,
    /// After authorization, before statistics.
    Stats,
}

/// Where among the filters a TrafficExtension runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionPhase {
    /// Last, before the router.
    #[default]
    Unspecified,
    /// Before authentication.
    Authn,
    /// After authentication, before authorization.
    Authz,
    /// After authorization, before statistics.
    Stats,
}

/// When a module is fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PullPolicy {
    /// `Always` for images with the tag `latest`, else `IfNotPresent`.
    #[default]
    #[serde(rename = "UNSPECIFIED_POLICY")]
    Unspecified,
    /// If it is not there yet.
    IfNotPresent,
    /// Each time that this resource changes.
    Always,
}

/// What becomes of requests if a module fails.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FailStrategy {
    /// They are refused.
    #[default]
    FailClose,
    /// They pass.
    FailOpen,
    /// The module is loaded anew; if it cannot be, they are refused.
    FailReload,
}

/// What a module sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PluginType {
    /// Requests.
    #[default]
    #[serde(rename = "UNSPECIFIED_PLUGIN_TYPE")]
    Unspecified,
    /// Requests.
    Http,
    /// Connections.
    Network,
}

/// The virtual machine of a module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VmConfig {
    /// Its environment. At most 256 variables, each named once.
    pub env: Vec<EnvVar>,
}

/// A variable of a module's environment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnvVar {
    /// Its name. At most 256 bytes.
    pub name: String,
    /// Where its value is from. `INLINE` where none is written.
    pub value_from: EnvValueSource,
    /// Its value, under `INLINE` only. At most 2048 bytes.
    pub value: Option<String>,
}

/// Where a variable's value is from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum EnvValueSource {
    /// It is written here.
    #[default]
    Inline,
    /// From the proxy's own environment.
    Host,
}

/// On which side of a call the workload is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WorkloadMode {
    /// Not said: on either.
    #[default]
    Undefined,
    /// It calls. Gateways do.
    Client,
    /// It is called.
    Server,
    /// On either.
    ClientAndServer,
}

/// Which traffic an extension sees.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficSelector {
    /// On which side of a call. Both where none is written.
    pub mode: WorkloadMode,
    /// To which ports: of the service outbound, of the workload inbound. All where none is written.
    pub ports: Vec<PortNumber>,
}

/// A port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortNumber {
    /// Its number, from 1 to 65535.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub number: u16,
}
