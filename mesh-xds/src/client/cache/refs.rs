//! Which resource refers to which.

use mesh_core::model::cluster::Discovery;
use mesh_core::model::http::RouteSource;
use mesh_core::model::listener::{FilterChain, NetworkFilter};
use mesh_core::model::route::{Action, Target};
use mesh_core::model::{Cluster, Listener, Name, RouteTable};
use std::iter;

type Names<'a> = Box<dyn Iterator<Item = &'a Name> + 'a>;

/// The endpoints that a cluster asks for.
pub(super) fn endpoints(cluster: &Cluster) -> Option<&Name> {
    match &cluster.discovery {
        Discovery::Eds(name) => Some(name),
        _ => None,
    }
}

fn chains(listener: &Listener) -> impl Iterator<Item = &FilterChain> {
    listener.filter_chains.iter().chain(&listener.default_chain).map(|chain| &**chain)
}

/// The route tables that a listener asks for.
pub(super) fn route_tables(listener: &Listener) -> impl Iterator<Item = &Name> {
    chains(listener).filter_map(|chain| match &chain.filter {
        NetworkFilter::Http(manager) => match &manager.routes {
            RouteSource::Named(name) => Some(name),
            RouteSource::Inline(_) => None,
        },
        NetworkFilter::Tcp(_) => None,
    })
}

/// The clusters that a listener sends to without a route table of its own name.
pub(super) fn listener_clusters(listener: &Listener) -> impl Iterator<Item = &Name> {
    chains(listener).flat_map(|chain| -> Names<'_> {
        match &chain.filter {
            NetworkFilter::Tcp(proxy) => targets(&proxy.to),
            NetworkFilter::Http(manager) => match &manager.routes {
                RouteSource::Named(_) => Box::new(iter::empty()),
                RouteSource::Inline(table) => Box::new(table_clusters(table)),
            },
        }
    })
}

/// The clusters that a route table sends to, copies of requests included.
pub(super) fn table_clusters(table: &RouteTable) -> impl Iterator<Item = &Name> {
    let routes = table.virtual_hosts.iter().flat_map(|host| &host.routes);
    routes.flat_map(|route| -> Names<'_> {
        match &route.action {
            Action::Forward(forward) => {
                Box::new(targets(&forward.to).chain(forward.mirrors.iter().map(|mirror| &mirror.cluster)))
            }
            Action::Redirect(_) | Action::Respond(_) => Box::new(iter::empty()),
        }
    })
}

fn targets(target: &Target) -> Names<'_> {
    match target {
        Target::Cluster(name) => Box::new(iter::once(name)),
        Target::Weighted(clusters) => Box::new(clusters.iter().map(|weighted| &weighted.cluster)),
    }
}
