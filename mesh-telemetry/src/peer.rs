//! The workload at the other end of a hop, as metrics name it.
//!
//! ```text
//! own node ──────────────┐
//! endpoint metadata ─────┼─▶ [Peer] ─▶ RequestRecord ─▶ labels source_*, destination_*
//! x-envoy-peer-metadata ─┘
//! ```
//!
//! The identity is not part of it: that is proved by a certificate, this is only said.

mod exchange;
#[cfg(test)]
mod tests;

pub use exchange::{Exchange, PEER_METADATA, PEER_METADATA_ID, PeerCache};

use mesh_core::model::Name;
use mesh_core::model::endpoint::WorkloadRef;
use mesh_core::node::Node;
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::LazyLock;

pub(crate) const CANONICAL_NAME: &str = "service.istio.io/canonical-name";
pub(crate) const CANONICAL_REVISION: &str = "service.istio.io/canonical-revision";
pub(crate) const APP: &str = "app";
pub(crate) const VERSION: &str = "version";

/// A workload with what telemetry says of it. Empty names print as `unknown`.
#[derive(Debug)]
pub struct Peer {
    workload: WorkloadRef,
    app: Name,
    version: Name,
    /// Of all of the above. Every metric look-up needs it, so it is computed once.
    hash: u64,
}

impl Peer {
    /// A workload with its labels `app` and `version`.
    pub fn new(workload: WorkloadRef, app: Name, version: Name) -> Self {
        // One seed for the process: peers of different workers must agree, outsiders must not guess it.
        static SEED: LazyLock<foldhash::fast::RandomState> = LazyLock::new(Default::default);
        let hash = SEED.hash_one((&workload, &app, &version));
        Self { workload, app, version, hash }
    }

    /// A node's own workload, with Istio's fallbacks for its canonical name and revision.
    pub fn of(node: &Node) -> Self {
        let label = |names: &[&str]| {
            let found = names.iter().find_map(|n| node.labels.get(*n).filter(|v| !v.is_empty()));
            found.map(String::as_str)
        };
        let name =
            if node.workload_name.is_empty() { node.name.as_str() } else { node.workload_name.as_str() };
        let canonical = label(&[CANONICAL_NAME, "app.kubernetes.io/name", APP]).unwrap_or(name);
        let revision = label(&[CANONICAL_REVISION, "app.kubernetes.io/version", VERSION]);
        let workload = WorkloadRef {
            name: name.into(),
            namespace: node.namespace.as_str().into(),
            canonical_service: canonical.into(),
            canonical_revision: revision.unwrap_or("latest").into(),
            cluster: node.cluster_id.as_str().into(),
        };
        Self::new(workload, label(&[APP]).unwrap_or("").into(), label(&[VERSION]).unwrap_or("").into())
    }

    /// Name, namespace, canonical service and revision, cluster.
    pub fn workload(&self) -> &WorkloadRef {
        &self.workload
    }

    /// Label `app`; empty where it is not known.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Label `version`; empty where it is not known.
    pub fn version(&self) -> &str {
        &self.version
    }
}

impl From<WorkloadRef> for Peer {
    /// What an endpoint's metadata tells: no `app`, no `version`.
    fn from(workload: WorkloadRef) -> Self {
        Self::new(workload, "".into(), "".into())
    }
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        // The usual case is one shared peer; comparing nine names is for the others.
        std::ptr::eq(self, other)
            || self.hash == other.hash
                && self.workload == other.workload
                && self.app == other.app
                && self.version == other.version
    }
}

impl Eq for Peer {}

impl Hash for Peer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}
