//! The client's rules, without IO: what to ask for, what to accept, what to publish.
//!
//! ```text
//! responses ─▶ held (last good of each resource) ─▶ active (all that it needs is there) ─▶ Snapshot
//!                 └─▶ subscriptions: endpoints that clusters name, route tables that listeners name
//! ```
//!
//! Subscriptions follow what refers to them, like a garbage collector follows pointers: nothing asks for a
//! name that nobody uses, and a name that nobody uses any more is given up and forgotten. A resource that
//! waits for another is *warming*: its former version, if there was one, stays active until then.

mod kind;
mod refs;

use crate::ResourceType;
use crate::convert::ConvertError;
use envoy_types::pb::envoy::service::discovery::v3 as pb;
use envoy_types::pb::google::rpc;
use kind::{Held, Kind};
use mesh_core::model::{Cluster, Endpoints, Listener, Name, RouteTable, Snapshot};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tonic::Code;

/// A named resource that has not come so long after it was asked for does not exist.
const DOES_NOT_EXIST_AFTER: Duration = Duration::from_secs(15);
/// So many faults are told in one NACK.
const MAX_FAULTS: usize = 10;

/// What is known, asked for and published.
#[derive(Debug, Default)]
pub(super) struct Cache {
    clusters: Kind<Cluster>,
    endpoints: Kind<Endpoints>,
    listeners: Kind<Listener>,
    routes: Kind<RouteTable>,
    active: Active,
    /// The newest version that a response named, for people.
    version: String,
    published: Option<Arc<Snapshot>>,
}

/// What is published: of each resource the newest version that has all it needs.
#[derive(Debug, Default)]
struct Active {
    clusters: BTreeMap<Name, Arc<Cluster>>,
    routes: BTreeMap<Name, Arc<RouteTable>>,
    listeners: BTreeMap<Name, Arc<Listener>>,
}

impl Cache {
    /// A stream begins: the requests that open it.
    pub(super) fn open(&mut self, now: Instant) -> Vec<pb::DeltaDiscoveryRequest> {
        let mut requests = vec![self.clusters.open(now)];
        requests.extend(self.endpoints.reopen(now));
        requests.push(self.listeners.open(now));
        requests.extend(self.routes.reopen(now));
        requests
    }

    /// The stream ended. Nothing that was asked for is on its way any more.
    pub(super) fn close(&mut self) {
        self.clusters.close();
        self.endpoints.close();
        self.listeners.close();
        self.routes.close();
    }

    /// Applies a response. What comes back is its ACK or NACK, and then what to ask for next: an ACK never
    /// carries a subscription, as some servers drop either.
    pub(super) fn apply(
        &mut self,
        response: pb::DeltaDiscoveryResponse,
        now: Instant,
    ) -> Vec<pb::DeltaDiscoveryRequest> {
        let Some(kind) = ResourceType::from_url(&response.type_url) else {
            tracing::warn!(
                type_url = response.type_url,
                "the control plane sent a kind that nobody asked for"
            );
            return vec![];
        };
        let pb::DeltaDiscoveryResponse { system_version_info, resources, removed_resources, nonce, .. } =
            response;
        let faults = match kind {
            ResourceType::Cluster => self.clusters.apply(resources, removed_resources),
            ResourceType::Endpoint => self.endpoints.apply(resources, removed_resources),
            ResourceType::Listener => self.listeners.apply(resources, removed_resources),
            ResourceType::Route => self.routes.apply(resources, removed_resources),
        };
        self.version = system_version_info;
        for fault in &faults {
            tracing::warn!(%kind, %fault, "a resource is rejected; its last good version stays in force");
        }
        let verdict = pb::DeltaDiscoveryRequest {
            type_url: kind.url().to_owned(),
            response_nonce: nonce,
            error_detail: nack(&faults),
            ..pb::DeltaDiscoveryRequest::default()
        };
        let mut requests = vec![verdict];
        requests.extend(self.settle(now));
        requests
    }

    /// When [`expire`](Self::expire) has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.endpoints.deadline().into_iter().chain(self.routes.deadline()).min()
    }

    /// Takes what was asked for and did not come in time for something that does not exist.
    pub(super) fn expire(&mut self, now: Instant) -> Vec<pb::DeltaDiscoveryRequest> {
        for (kind, name) in self.endpoints.expire(now).into_iter().chain(self.routes.expire(now)) {
            tracing::warn!(%kind, %name, "the control plane does not send a resource that its configuration names");
        }
        self.settle(now)
    }

    /// The newest consistent snapshot, if it differs from the one that was last returned.
    pub(super) fn publish(&mut self) -> Option<Arc<Snapshot>> {
        if self.published.is_none() && !self.is_complete() {
            return None;
        }
        let next = Snapshot {
            version: self.version.clone(),
            listeners: self.active.listeners.clone(),
            routes: self.active.routes.clone(),
            clusters: self.active.clusters.clone(),
            endpoints: self.endpoints.held.iter().map(|(n, h)| (n.clone(), Arc::clone(&h.value))).collect(),
        };
        if self.published.as_deref().is_some_and(|last| same(last, &next)) {
            return None;
        }
        let next = Arc::new(next);
        self.published = Some(Arc::clone(&next));
        Some(next)
    }

    /// Whether clusters and listeners came, and all that they ask for.
    fn is_complete(&self) -> bool {
        self.clusters.answered
            && self.listeners.answered
            && self.clusters.is_active(&self.active.clusters)
            && self.routes.is_active(&self.active.routes)
            && self.listeners.is_active(&self.active.listeners)
    }

    /// Makes active what has all it needs, and asks for what is needed now.
    fn settle(&mut self, now: Instant) -> Vec<pb::DeltaDiscoveryRequest> {
        self.promote();
        let Self { clusters, endpoints, listeners, routes, active, .. } = self;
        let used = clusters.values().chain(active.clusters.values());
        let endpoint_names: BTreeSet<Name> = used.filter_map(|c| refs::endpoints(c)).cloned().collect();
        let mut requests = vec![];
        requests.extend(endpoints.want(&endpoint_names, now));
        let used = listeners.values().chain(active.listeners.values());
        let route_names: BTreeSet<Name> = used.flat_map(|l| refs::route_tables(l)).cloned().collect();
        requests.extend(routes.want(&route_names, now));
        active.routes.retain(|name, _| routes.held.contains_key(name));
        requests
    }

    fn promote(&mut self) {
        let Self { clusters, endpoints, listeners, routes, active, .. } = self;
        promote(&clusters.held, &mut active.clusters, |cluster| {
            refs::endpoints(cluster).is_none_or(|name| endpoints.is_settled(name))
        });
        // A cluster that is not there at all is the configuration's own fault and holds nothing back.
        let warm = |name: &Name| active.clusters.contains_key(name) || !clusters.held.contains_key(name);
        promote(&routes.held, &mut active.routes, |table| refs::table_clusters(table).all(warm));
        let routable = |name: &Name| active.routes.contains_key(name) || routes.is_missing(name);
        promote(&listeners.held, &mut active.listeners, |listener| {
            refs::route_tables(listener).all(routable) && refs::listener_clusters(listener).all(warm)
        });
    }
}

/// Brings `active` up to what is held, except for what is not ready: of that the former version stays.
fn promote<T>(
    held: &BTreeMap<Name, Held<T>>,
    active: &mut BTreeMap<Name, Arc<T>>,
    ready: impl Fn(&T) -> bool,
) {
    active.retain(|name, _| held.contains_key(name));
    for (name, Held { value, .. }) in held {
        let current = active.get(name).is_some_and(|now| Arc::ptr_eq(now, value));
        if !current && ready(value) {
            active.insert(name.clone(), Arc::clone(value));
        }
    }
}

/// Whether two snapshots hold the very same parts.
fn same(a: &Snapshot, b: &Snapshot) -> bool {
    fn parts<T>(a: &BTreeMap<Name, Arc<T>>, b: &BTreeMap<Name, Arc<T>>) -> bool {
        a.len() == b.len() && a.iter().zip(b).all(|((an, av), (bn, bv))| an == bn && Arc::ptr_eq(av, bv))
    }
    parts(&a.listeners, &b.listeners)
        && parts(&a.routes, &b.routes)
        && parts(&a.clusters, &b.clusters)
        && parts(&a.endpoints, &b.endpoints)
}

fn nack(faults: &[Fault]) -> Option<rpc::Status> {
    if faults.is_empty() {
        return None;
    }
    let mut told: Vec<String> = faults.iter().take(MAX_FAULTS).map(ToString::to_string).collect();
    if faults.len() > MAX_FAULTS {
        told.push(format!("and {} more", faults.len() - MAX_FAULTS));
    }
    Some(rpc::Status { code: Code::InvalidArgument.into(), message: told.join("; "), details: vec![] })
}

/// Why a resource of a response is not taken.
#[derive(Debug, PartialEq, thiserror::Error)]
enum Fault {
    #[error("a resource without a name")]
    NoName,
    #[error("{0}: is in the response twice")]
    Twice(String),
    #[error("{0}: has no content")]
    NoContent(String),
    #[error("{name}: its content is named {inner:?}")]
    OtherName { name: String, inner: String },
    #[error("{name}: {error}")]
    Content { name: String, error: ConvertError },
}

#[cfg(test)]
mod tests;
