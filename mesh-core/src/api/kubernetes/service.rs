//! Service: a name with ports, and the labels of its pods.

use super::IntOrString;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// `ClusterIP`, `NodePort`, `LoadBalancer` or `ExternalName`; empty is `ClusterIP`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its virtual address; `None` where it has none, empty where it was not yet given one.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: String,
    /// All of its virtual addresses.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// Addresses outside.
    #[serde(rename = "externalIPs")]
    pub external_ips: Vec<String>,
    /// Another name, for `ExternalName`.
    pub external_name: String,
    /// Its ports.
    pub ports: Vec<ServicePort>,
    /// Labels of its pods; empty where endpoints are written by hand.
    pub selector: BTreeMap<String, String>,
    /// Endpoints that are not ready count, too.
    pub publish_not_ready_addresses: bool,
    /// `Local` or `Cluster`.
    pub internal_traffic_policy: String,
    /// `Local` or `Cluster`, for calls from outside of the cluster.
    pub external_traffic_policy: String,
    /// Such as `PreferClose`.
    pub traffic_distribution: String,
    /// `ClientIP` or `None`.
    pub session_affinity: String,
    /// Address of the load balancer before it.
    #[serde(rename = "loadBalancerIP")]
    pub load_balancer_ip: String,
    /// Which load balancer stands before it.
    pub load_balancer_class: String,
    /// From where that load balancer may be called.
    pub load_balancer_source_ranges: Vec<String>,
}

/// A port of a Service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name.
    pub name: String,
    /// Number.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`; empty is `TCP`.
    pub protocol: String,
    /// The application's protocol.
    pub app_protocol: String,
    /// Port of the pods; the same where none is written.
    pub target_port: Option<IntOrString>,
    /// Port of the nodes.
    pub node_port: u32,
}
