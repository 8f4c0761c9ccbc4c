//! Ingress and IngressClass: Kubernetes' older way to say what enters a cluster.

use crate::api::number::optional_port_number;
use serde::Deserialize;

/// The API group of both.
pub const GROUP: &str = "networking.k8s.io";

/// The spec of an Ingress.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Ingress {
    /// IngressClass. Default: the mesh's `ingressClass`, as its `ingressControllerMode` says.
    pub ingress_class_name: String,
    /// Where requests go that no rule matches.
    pub default_backend: Option<IngressBackend>,
    /// TLS by host.
    pub tls: Vec<IngressTls>,
    /// What is done by host.
    pub rules: Vec<IngressRule>,
}

/// TLS of hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressTls {
    /// Hosts, perhaps with a leading `*.`. Default: all.
    pub hosts: Vec<String>,
    /// Secret with the certificate and its key.
    pub secret_name: String,
}

/// What is done with the requests to a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressRule {
    /// Host, perhaps with a leading `*.`. Default: all.
    pub host: String,
    /// By path. Default: all requests go to the default backend.
    pub http: Option<HttpIngress>,
}

/// What is done by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct HttpIngress {
    /// Paths; the longest that matches holds.
    pub paths: Vec<IngressPath>,
}

/// Where the requests of a path go.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressPath {
    /// Path.
    pub path: String,
    /// How it is compared. Required.
    pub path_type: Option<PathType>,
    /// Where to. Required.
    pub backend: IngressBackend,
}

/// How a path is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum PathType {
    /// Equal.
    Exact,
    /// Begins with the same elements.
    Prefix,
    /// As the controller likes; Istio's treats it as `Prefix`.
    ImplementationSpecific,
}

/// Where requests go: a Service or another resource.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressBackend {
    /// Service of the Ingress's namespace.
    pub service: Option<IngressServiceBackend>,
    /// Or another resource of it.
    pub resource: Option<TypedLocalObjectReference>,
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressServiceBackend {
    /// Name. Required.
    pub name: String,
    /// Port of the Service. Required.
    pub port: ServiceBackendPort,
}

/// A port by name or by number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceBackendPort {
    /// Name; either this or `number`.
    pub name: String,
    /// Number; either this or `name`.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub number: Option<u16>,
}

/// A resource of the same namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct TypedLocalObjectReference {
    /// API group; empty for the core group.
    pub api_group: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// The spec of an IngressClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct IngressClass {
    /// Controller; Istio's is `istio.io/ingress-controller`.
    pub controller: String,
}
