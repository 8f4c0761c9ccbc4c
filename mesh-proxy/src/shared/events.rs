//! What outlier detection does, in the proxy's log: Envoy's outlier event log, in its log's own format.

use mesh_core::model::Name;
use mesh_policy::outlier::{Event, Observer};

/// Logs the events of one cluster.
pub(super) struct Log {
    cluster: Name,
}

impl Log {
    pub(super) fn new(cluster: &Name) -> Self {
        Self { cluster: cluster.clone() }
    }
}

impl Observer for Log {
    fn on_event(&self, event: &Event) {
        let cluster = &*self.cluster;
        match event {
            Event::Ejected { endpoint, kind, stay, ejections } => {
                tracing::warn!(cluster, %endpoint, ?kind, ?stay, ejections, "an endpoint was ejected");
            }
            Event::Unejected { endpoint } => {
                tracing::info!(cluster, %endpoint, "an ejected endpoint returned");
            }
            Event::NotEnforced { endpoint, kind } => {
                tracing::debug!(cluster, %endpoint, ?kind, "an outlier stays: its ejection is not enforced");
            }
            Event::Overflow { endpoint, kind } => {
                tracing::debug!(cluster, %endpoint, ?kind, "an outlier stays: too many are ejected");
            }
            Event::PanicEntered { available, hosts } => {
                tracing::warn!(cluster, available, hosts, "too few endpoints are available: all are used");
            }
            Event::PanicLeft { available, hosts } => {
                tracing::info!(cluster, available, hosts, "enough endpoints are available again");
            }
            _ => tracing::info!(cluster, ?event, "outlier detection"),
        }
    }
}
