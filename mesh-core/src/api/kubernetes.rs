//! Kubernetes' own kinds, as far as a mesh reads them. Fields that it does not read are accepted.

pub mod config_map;
pub mod endpoint_slice;
pub mod endpoints;
pub mod ingress;
pub mod namespace;
pub mod node;
pub mod pod;
pub mod secret;
pub mod service;
pub mod service_account;
pub mod workload;

pub use config_map::ConfigMap;
pub use endpoint_slice::EndpointSlice;
pub use endpoints::Endpoints;
pub use ingress::{Ingress, IngressClass};
pub use namespace::Namespace;
pub use node::Node;
pub use pod::Pod;
pub use secret::Secret;
pub use service::Service;
pub use service_account::ServiceAccount;
pub use workload::{CronJob, DaemonSet, Deployment, Job, ReplicaSet, StatefulSet};

use serde::Deserialize;

/// A port by number, or by its name in the pod.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(untagged)]
pub enum IntOrString {
    /// By number.
    Int(u16),
    /// By name.
    String(String),
}

/// What is behind an address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Kind, such as `Pod`.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}
