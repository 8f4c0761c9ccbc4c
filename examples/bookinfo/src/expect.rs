//! What the configuration says should happen, by the same compiler and the same router that the mesh runs on.

use crate::mesh::Mesh;
use http::{HeaderMap, Method};
use mesh_core::compile::compile;
use mesh_core::decide::Router;
use mesh_core::model::cluster::Discovery;
use mesh_core::model::matcher::RequestHead;
use mesh_core::model::route::{Action, Target};
use mesh_core::model::{Cluster, Snapshot};
use mesh_core::node::Node;
use std::collections::BTreeMap;

/// The share of each version of reviews in the calls of the product page; `None` if the configuration sends
/// them to no version, or to none that can be told.
pub fn split_of_reviews(mesh: &Mesh) -> Option<BTreeMap<String, f64>> {
    let member =
        mesh.members().iter().find(|m| m.labels.get("app").is_some_and(|app| app == "productpage"))?;
    let mut node = Node::new(member.kind(), member.ip, &member.name, &member.namespace);
    node.labels = member.labels.clone();
    node.service_account.clone_from(&member.service_account);
    let snapshot = compile(&mesh.control_plane().compiler().world(), &node).snapshot;

    let headers = HeaderMap::new();
    let head = RequestHead {
        method: &Method::GET,
        scheme: "http",
        authority: "reviews:9080",
        path: "/reviews/0",
        headers: &headers,
    };
    let (table, router) = snapshot.routes.values().find_map(|table| {
        let router = Router::new(table.clone());
        router.host("reviews:9080")?;
        Some((table.clone(), router))
    })?;
    let routed = router.route(&head, 0)?;
    let Action::Forward(forward) = &routed.route.action else { return None };
    tracing::debug!(table = %table.name, "the product page's calls of reviews");
    let weights: Vec<(&str, f64)> = match &forward.to {
        Target::Cluster(name) => vec![(name, 1.0)],
        Target::Weighted(all) => all.iter().map(|w| (&*w.cluster, f64::from(w.weight))).collect(),
    };
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut split = BTreeMap::new();
    for (cluster, weight) in weights {
        // A cluster of several versions splits evenly among its endpoints.
        let versions = versions(&snapshot, snapshot.clusters.get(cluster)?);
        let each = weight / sum / f64::from(u32::try_from(versions.len()).ok()?);
        for version in versions {
            *split.entry(version).or_default() += each;
        }
    }
    Some(split)
}

fn versions(snapshot: &Snapshot, cluster: &Cluster) -> Vec<String> {
    let endpoints = match &cluster.discovery {
        Discovery::Eds(name) => snapshot.endpoints.get(name),
        Discovery::Static(endpoints) => Some(endpoints),
        Discovery::StrictDns(_) | Discovery::LogicalDns(_) | Discovery::OriginalDestination => None,
    };
    endpoints
        .into_iter()
        .flat_map(|e| e.iter())
        .filter_map(|e| Some(e.workload.as_ref()?.canonical_revision.to_string()))
        .collect()
}
