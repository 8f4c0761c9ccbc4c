//! What the mesh looks at, who sees what, and where unknown traffic goes.

use crate::api::gateway_api::value::LabelSelector;
use crate::api::networking::destination_rule::{ClientTls, ConnectionPool, OutlierDetection};
use crate::api::networking::sidecar::OutboundMode;
use serde::Deserialize;

/// What becomes of traffic to hosts that nobody declared, for workloads whose Sidecar does not say.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MeshOutboundTrafficPolicy {
    /// Whether it passes.
    pub mode: OutboundMode,
    /// TLS to such hosts; under `ALLOW_ANY_DYNAMIC_DNS` only.
    pub tls: Option<ClientTls>,
}

/// Where inbound traffic goes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct InboundTrafficPolicy {
    /// To which address of the workload.
    pub mode: InboundMode,
}

/// To which address of a workload inbound traffic goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum InboundMode {
    /// Where it was going: the workload's own.
    #[default]
    Passthrough,
    /// 127.0.0.1.
    Localhost,
}

/// What a DestinationRule says where it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DefaultTrafficPolicy {
    /// Bounds on connections and requests.
    pub connection_pool: Option<ConnectionPool>,
    /// When an endpoint is taken out.
    pub outlier_detection: Option<OutlierDetection>,
}

/// Settings of services.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSettings {
    /// What holds for them.
    pub settings: Option<ServiceSetting>,
    /// Which, by host: a full name or `*.example.com`.
    pub hosts: Vec<String>,
}

/// What holds for services.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceSetting {
    /// Calls stay in the caller's cluster.
    pub cluster_local: bool,
}

/// Which services are called across clusters.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceScopeConfig {
    /// In which namespaces.
    pub namespace_selector: Option<LabelSelector>,
    /// Which services.
    pub services_selector: Option<LabelSelector>,
    /// From where they are called.
    pub scope: ServiceScope,
}

/// From where a service is called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServiceScope {
    /// From its own cluster.
    #[default]
    Local,
    /// From every cluster.
    Global,
}

/// Who sees ServiceEntries, whatever they say themselves.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServiceEntryVisibility {
    /// Who sees one that no policy is about.
    pub default_visibility: Visibility,
    /// Policies; the first that matches holds.
    pub policies: Vec<VisibilityPolicy>,
    /// Hold for sidecars and gateways too.
    pub apply_to_sidecars: bool,
}

/// Who sees some ServiceEntries.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VisibilityPolicy {
    /// Which: all rules must match; all ServiceEntries where none is written.
    pub matching_rules: Vec<VisibilityRule>,
    /// Who sees them.
    pub visibility: Visibility,
}

/// A rule about a ServiceEntry.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VisibilityRule {
    /// Its namespace has these labels.
    pub namespace_selector: Option<LabelSelector>,
}

/// Who sees a ServiceEntry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Visibility {
    /// Everybody.
    #[default]
    Unspecified,
    /// Everybody.
    Public,
    /// Its namespace.
    Namespace,
    /// Nobody.
    None,
}

/// Another source of configuration.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConfigSource {
    /// Where it is: `xds://`, `k8s://` or `fs:///path`.
    pub address: String,
    /// TLS to it.
    pub tls_settings: Option<ClientTls>,
    /// What is taken from it.
    pub subscribed_resources: Vec<SubscribedResource>,
}

/// What is taken from a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SubscribedResource {
    /// Services.
    #[default]
    ServiceRegistry,
}

/// Which of Kubernetes' Ingresses are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum IngressControllerMode {
    /// As where nothing is written.
    Unspecified,
    /// None.
    Off,
    /// Those of the class, and those without one.
    Default,
    /// Those of the class.
    #[default]
    Strict,
}
