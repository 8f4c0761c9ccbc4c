//! Endpoints of clusters that are names: `STRICT_DNS` takes every address, `LOGICAL_DNS` one at a time.
//!
//! One task for each cluster, on the control thread; workers get the result as if it came by EDS. A name
//! that cannot be resolved keeps its last addresses.

use mesh_core::model::Name;
use mesh_core::model::Snapshot;
use mesh_core::model::cluster::{Discovery, DnsTarget};
use mesh_core::model::endpoint::{Endpoint, Endpoints, Locality};
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Envoy's `dns_refresh_rate`.
const REFRESH: Duration = Duration::from_secs(5);
/// How soon a failure is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// What a cluster's names resolved to.
pub(crate) type Resolution = (Name, Arc<Endpoints>);

/// The tasks that resolve.
pub(crate) struct Resolver {
    tasks: BTreeMap<Name, (Discovery, JoinHandle<()>)>,
    results: mpsc::UnboundedSender<Resolution>,
}

impl Resolver {
    pub(crate) fn new(results: mpsc::UnboundedSender<Resolution>) -> Self {
        Self { tasks: BTreeMap::new(), results }
    }

    /// Resolves what a snapshot asks for, and nothing else.
    pub(crate) fn follow(&mut self, snapshot: &Snapshot) {
        self.tasks.retain(|name, (discovery, task)| {
            let stays = snapshot.clusters.get(name).is_some_and(|c| c.discovery == *discovery);
            if !stays {
                task.abort();
            }
            stays
        });
        for (name, cluster) in &snapshot.clusters {
            let (targets, one) = match &cluster.discovery {
                Discovery::StrictDns(targets) => (targets.clone(), false),
                Discovery::LogicalDns(target) => (vec![target.clone()], true),
                Discovery::Eds(_) | Discovery::Static(_) | Discovery::OriginalDestination => continue,
            };
            if !self.tasks.contains_key(name) {
                let task = tokio::spawn(keep_resolved(name.clone(), targets, one, self.results.clone()));
                self.tasks.insert(name.clone(), (cluster.discovery.clone(), task));
            }
        }
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        for (_, task) in self.tasks.values() {
            task.abort();
        }
    }
}

async fn keep_resolved(
    name: Name,
    targets: Vec<DnsTarget>,
    one: bool,
    results: mpsc::UnboundedSender<Resolution>,
) {
    let mut known: Option<Arc<Endpoints>> = None;
    loop {
        let wait = match resolve(&name, &targets, one).await {
            Ok(endpoints) => {
                if known.as_deref() != Some(&endpoints) {
                    let endpoints = Arc::new(endpoints);
                    known = Some(endpoints.clone());
                    if results.send((name.clone(), endpoints)).is_err() {
                        return;
                    }
                }
                REFRESH
            }
            Err(error) => {
                tracing::warn!(%error, cluster = %name, "a name cannot be resolved");
                RETRY
            }
        };
        tokio::time::sleep(wait).await;
    }
}

async fn resolve(name: &Name, targets: &[DnsTarget], one: bool) -> io::Result<Endpoints> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for target in targets {
        addresses.extend(tokio::net::lookup_host((&*target.host, target.port)).await?);
    }
    // Sorted, so that an answer in another order is not a change.
    addresses.sort_unstable();
    addresses.dedup();
    if one {
        addresses.truncate(1);
    }
    let endpoints = addresses.into_iter().map(Endpoint::at).collect();
    let locality = Locality { endpoints, ..Locality::default() };
    Ok(Endpoints { name: name.clone(), localities: vec![locality] })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_name_becomes_endpoints_and_a_logical_one_a_single_endpoint() {
        let target = |host: &str| DnsTarget { host: host.into(), port: 80 };
        let both = [target("127.0.0.1"), target("127.0.0.2"), target("127.0.0.1")];
        let all = resolve(&"c".into(), &both, false).await.unwrap();
        assert_eq!(all.iter().count(), 2);
        assert_eq!(resolve(&"c".into(), &both, true).await.unwrap().iter().count(), 1);
    }
}
