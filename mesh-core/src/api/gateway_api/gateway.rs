//! Gateway: what listens at the mesh's edge, or in a waypoint, and which routes may attach to it.

use super::GROUP;
use super::reference::{LocalObjectReference, ObjectReference, SecretObjectReference};
use super::value::{GatewayDefaultScope, LabelSelector};
use crate::api::number::port_number;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// GatewayClass, such as `istio` or `istio-waypoint`. Required.
    pub gateway_class_name: String,
    /// What is listened on: 1 to 64.
    pub listeners: Vec<Listener>,
    /// Addresses that are asked for, at most 16. Default: whichever the class gives.
    pub addresses: Vec<GatewayAddress>,
    /// What the resources that are made for the Gateway carry.
    pub infrastructure: Option<GatewayInfrastructure>,
    /// Which ListenerSets may add listeners. Default: none.
    pub allowed_listeners: Option<AllowedListeners>,
    /// TLS of the whole Gateway.
    pub tls: Option<GatewayTlsConfig>,
    /// Makes it a default gateway for routes that ask for one. Experimental.
    pub default_scope: Option<GatewayDefaultScope>,
}

/// A port with a protocol and, where the protocol has one, a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Listener {
    /// Name, unique in the Gateway; a route's `sectionName`. Required.
    pub name: String,
    /// Host, perhaps with a leading `*.`. Default: all hosts.
    pub hostname: String,
    /// Port, 1 to 65535. Required.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// `HTTP`, `HTTPS`, `TLS`, `TCP` or `UDP` in any case, or a protocol of the implementation with its domain.
    /// Required.
    pub protocol: String,
    /// TLS; for `HTTPS` and `TLS` only.
    pub tls: Option<ListenerTlsConfig>,
    /// Which routes may attach. Default: those of the Gateway's namespace that suit the protocol.
    pub allowed_routes: AllowedRoutes,
}

/// TLS of a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerTlsConfig {
    /// Where TLS ends. Default: `Terminate`.
    pub mode: Option<TlsMode>,
    /// Secrets with the certificate and its key, at most 64. Needed, or `options`, to terminate TLS.
    pub certificate_refs: Vec<SecretObjectReference>,
    /// Settings of the implementation, under names with a domain.
    pub options: BTreeMap<String, String>,
}

/// Where TLS ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum TlsMode {
    /// At the listener. The default.
    #[default]
    Terminate,
    /// At the backend: the listener reads the server name only.
    Passthrough,
}

/// Which routes may attach to a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AllowedRoutes {
    /// From which namespaces.
    pub namespaces: RouteNamespaces,
    /// Of which kinds, at most 8. Default: those that suit the protocol.
    pub kinds: Vec<RouteGroupKind>,
}

/// From which namespaces routes may attach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteNamespaces {
    /// From which. Default: `Same`.
    pub from: FromNamespaces,
    /// For `Selector`: labels of the namespaces.
    pub selector: Option<LabelSelector>,
}

/// Which namespaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FromNamespaces {
    /// All.
    All,
    /// Those that `selector` selects.
    Selector,
    /// The Gateway's own. The default for routes.
    #[default]
    Same,
    /// None. The default for ListenerSets, and for those only.
    None,
}

/// A kind of route.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteGroupKind {
    /// API group. Default: `gateway.networking.k8s.io`.
    pub group: String,
    /// Kind, such as `HTTPRoute`. Required.
    pub kind: String,
}

impl Default for RouteGroupKind {
    fn default() -> Self {
        Self { group: GROUP.to_owned(), kind: String::new() }
    }
}

/// An address that is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayAddress {
    /// `IPAddress`, `Hostname`, `NamedAddress` (deprecated) or a type of the implementation with its domain.
    /// Default: `IPAddress`.
    pub r#type: Option<String>,
    /// The address. Default: whichever of the type the class gives.
    pub value: String,
}

/// What the resources that are made for a Gateway carry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayInfrastructure {
    /// Labels, at most 8.
    pub labels: BTreeMap<String, String>,
    /// Annotations, at most 16.
    pub annotations: BTreeMap<String, String>,
    /// Resource with settings, such as a ConfigMap of the Gateway's namespace.
    pub parameters_ref: Option<LocalObjectReference>,
}

/// Which ListenerSets may add listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AllowedListeners {
    /// From which namespaces. Default: none.
    pub namespaces: ListenerNamespaces,
}

/// From which namespaces ListenerSets may add listeners.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerNamespaces {
    /// From which. Default: `None`.
    pub from: FromNamespaces,
    /// For `Selector`: labels of the namespaces.
    pub selector: Option<LabelSelector>,
}

impl Default for ListenerNamespaces {
    fn default() -> Self {
        Self { from: FromNamespaces::None, selector: None }
    }
}

/// TLS of a whole Gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayTlsConfig {
    /// Towards backends.
    pub backend: Option<GatewayBackendTls>,
    /// Towards clients.
    pub frontend: Option<FrontendTlsConfig>,
}

/// TLS towards backends. Which backends speak TLS, a BackendTLSPolicy says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayBackendTls {
    /// Secret with the certificate that the Gateway shows. Default: it shows none.
    pub client_certificate_ref: Option<SecretObjectReference>,
}

/// TLS towards clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FrontendTlsConfig {
    /// For all HTTPS listeners that `perPort` does not name. Required.
    pub default: Option<TlsConfig>,
    /// For single ports, at most 64.
    pub per_port: Vec<TlsPortConfig>,
}

/// TLS towards clients of a port.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsPortConfig {
    /// Port, 1 to 65535. Required.
    #[serde(deserialize_with = "port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
    /// Its settings. Required.
    pub tls: Option<TlsConfig>,
}

/// What is demanded of clients.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsConfig {
    /// How clients' certificates are checked. Default: they need none.
    pub validation: Option<FrontendTlsValidation>,
}

/// How clients' certificates are checked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FrontendTlsValidation {
    /// ConfigMaps with roots under `ca.crt`: 1 to 8.
    #[serde(rename = "caCertificateRefs")]
    pub ca_certificate_refs: Vec<ObjectReference>,
    /// What becomes of clients without a valid certificate. Default: `AllowValidOnly`.
    pub mode: FrontendValidationMode,
}

/// What becomes of clients without a valid certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum FrontendValidationMode {
    /// They are refused. The default.
    #[default]
    AllowValidOnly,
    /// They are let in all the same.
    AllowInsecureFallback,
}
