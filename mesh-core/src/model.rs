//! The Snapshot: all that one workload must know to do its work.
//!
//! ```text
//! World ──compile──▶ [Snapshot] ──▶ mesh-xds (to the wire and back)
//!                         └───────▶ mesh-proxy (stacks)      decide (pure answers)
//! ```
//!
//! Its shape follows Envoy's v3 API, resource by resource, so that conversion is total on what we support
//! and an error with a field's path on what we don't. Values are valid by construction: durations are not
//! negative, regular expressions are compiled, ports are ports. Everything is behind `Arc`, so that two
//! snapshots share what did not change and a consumer can tell by pointer or by `==` what did.

pub mod access_log;
pub mod cluster;
pub mod cors;
pub mod endpoint;
pub mod http;
pub mod listener;
pub mod matcher;
pub mod rbac;
pub mod route;
pub mod tls;
pub mod values;

pub use access_log::AccessLog;
pub use cluster::Cluster;
pub use endpoint::Endpoints;
pub use listener::Listener;
pub use route::RouteTable;

use std::collections::BTreeMap;
use std::sync::Arc;

/// The name of a resource; cheap to clone.
pub type Name = Arc<str>;

/// The configuration of one workload at one version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Snapshot {
    /// The version that the whole was compiled or received at; opaque.
    pub version: String,
    /// Listeners by name (LDS).
    pub listeners: BTreeMap<Name, Arc<Listener>>,
    /// Route tables by name (RDS).
    pub routes: BTreeMap<Name, Arc<RouteTable>>,
    /// Clusters by name (CDS).
    pub clusters: BTreeMap<Name, Arc<Cluster>>,
    /// Endpoints by the service name that a cluster asks for (EDS).
    pub endpoints: BTreeMap<Name, Arc<Endpoints>>,
}
