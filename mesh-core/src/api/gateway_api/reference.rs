//! References of the Gateway API: from a route to its parents and backends, from a listener to its certificates.

use super::GROUP;
use crate::api::number::optional_port_number;
use serde::Deserialize;

/// What a route attaches to: a Gateway's listeners, a ListenerSet's, or a Service of the mesh.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParentReference {
    /// API group. Default: `gateway.networking.k8s.io`; write `""` for a Service.
    pub group: String,
    /// Kind, such as `Gateway` or `Service`. Default: `Gateway`.
    pub kind: String,
    /// Namespace. Default: the route's own.
    pub namespace: String,
    /// Name. Required.
    pub name: String,
    /// Of a Gateway the name of a listener, of a Service the name of a port. Default: all of them.
    pub section_name: String,
    /// Only listeners, or the Service's port, of this number. Default: all of them.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
}

impl Default for ParentReference {
    fn default() -> Self {
        Self {
            group: GROUP.to_owned(),
            kind: "Gateway".to_owned(),
            namespace: String::new(),
            name: String::new(),
            section_name: String::new(),
            port: None,
        }
    }
}

/// Where requests are sent.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendObjectReference {
    /// API group. Default: `""`, the core group.
    pub group: String,
    /// Kind. Default: `Service`.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: the route's own; another one needs a ReferenceGrant there.
    pub namespace: String,
    /// Port of the Service, not of its pods. Required for a Service.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
}

impl Default for BackendObjectReference {
    fn default() -> Self {
        Self {
            group: String::new(),
            kind: "Service".to_owned(),
            name: String::new(),
            namespace: String::new(),
            port: None,
        }
    }
}

/// Where connections are sent, and which share of them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendRef {
    /// API group. Default: `""`, the core group.
    pub group: String,
    /// Kind. Default: `Service`.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: the route's own; another one needs a ReferenceGrant there.
    pub namespace: String,
    /// Port of the Service, not of its pods. Required for a Service.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Share, relative to the sum of all weights of the rule: 0 to 1000000. Default: 1.
    pub weight: i32,
}

impl Default for BackendRef {
    fn default() -> Self {
        let BackendObjectReference { group, kind, name, namespace, port } = BackendObjectReference::default();
        Self { group, kind, name, namespace, port, weight: 1 }
    }
}

/// Where requests or calls go, which share of them, and what is done to those by filters of the route's kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "{F}BackendRef"))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteBackendRef<F> {
    /// API group. Default: `""`, the core group.
    pub group: String,
    /// Kind. Default: `Service`.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: the route's own; another one needs a ReferenceGrant there.
    pub namespace: String,
    /// Port of the Service, not of its pods. Required for a Service.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Share, relative to the sum of all weights of the rule: 0 to 1000000. Default: 1.
    pub weight: i32,
    /// What is done to what goes there, at most 16.
    pub filters: Vec<F>,
}

impl<F> Default for RouteBackendRef<F> {
    fn default() -> Self {
        let BackendRef { group, kind, name, namespace, port, weight } = BackendRef::default();
        Self { group, kind, name, namespace, port, weight, filters: Vec::new() }
    }
}

/// A resource in the namespace of the one that refers to it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalObjectReference {
    /// API group; `""` is the core group. Required, though it may be empty.
    pub group: Option<String>,
    /// Kind. Required.
    pub kind: String,
    /// Name. Required.
    pub name: String,
}

/// A resource in any namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObjectReference {
    /// API group; `""` is the core group. Required, though it may be empty.
    pub group: Option<String>,
    /// Kind. Required.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: that of the resource that refers to it; another one needs a ReferenceGrant there.
    pub namespace: String,
}

/// A Secret, or another resource that holds a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SecretObjectReference {
    /// API group. Default: `""`, the core group.
    pub group: String,
    /// Kind. Default: `Secret`.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: that of the resource that refers to it; another one needs a ReferenceGrant there.
    pub namespace: String,
}

impl Default for SecretObjectReference {
    fn default() -> Self {
        Self {
            group: String::new(),
            kind: "Secret".to_owned(),
            name: String::new(),
            namespace: String::new(),
        }
    }
}
