//! `networking.istio.io`: where traffic goes, what is at the other end, what a proxy listens on.

pub mod destination_rule;
pub mod envoy_filter;
pub mod gateway;
pub mod proxy_config;
pub mod service_entry;
pub mod sidecar;
pub mod virtual_service;
pub mod workload_entry;
pub mod workload_group;

pub use destination_rule::DestinationRule;
pub use envoy_filter::EnvoyFilter;
pub use gateway::Gateway;
pub use proxy_config::ProxyConfig;
pub use service_entry::ServiceEntry;
pub use sidecar::Sidecar;
pub use virtual_service::VirtualService;
pub use workload_entry::WorkloadEntry;
pub use workload_group::WorkloadGroup;

use super::number::{optional_port_number, port_or_zero};
use serde::Deserialize;

/// A port with its protocol, as Gateway, ServiceEntry and Sidecar write it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Port {
    /// Number, 1 to 65535; 0 for a Unix socket.
    #[serde(deserialize_with = "port_or_zero")]
    pub number: u16,
    /// HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, TCP, MONGO, REDIS, MYSQL or UDP, in any case.
    pub protocol: String,
    /// Name, such as `http` or `tcp-db`: up to 63 letters, digits and dashes.
    pub name: String,
    /// Port of the endpoints where it is another, 1 to 65535. For ServiceEntry alone.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub target_port: Option<u16>,
}
