//! The kinds of resource that ADS carries for us, and what the protocol says of each.
//!
//! The order of the variants is the order in which they are pushed: clusters before the endpoints that warm
//! them, both before the listeners and routes that send traffic there.

use std::fmt;

/// A kind of xDS resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    /// CDS: `envoy.config.cluster.v3.Cluster`.
    Cluster,
    /// EDS: `envoy.config.endpoint.v3.ClusterLoadAssignment`.
    Endpoint,
    /// LDS: `envoy.config.listener.v3.Listener`.
    Listener,
    /// RDS: `envoy.config.route.v3.RouteConfiguration`.
    Route,
}

impl ResourceType {
    /// All, in push order.
    pub const ALL: [Self; 4] = [Self::Cluster, Self::Endpoint, Self::Listener, Self::Route];

    /// The type URL in requests and in `Any`.
    pub fn url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
        }
    }

    /// The kind that a type URL names.
    pub fn from_url(url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.url() == url)
    }

    /// The short name: `cds`, `eds`, `lds`, `rds`.
    pub fn short(self) -> &'static str {
        match self {
            Self::Cluster => "cds",
            Self::Endpoint => "eds",
            Self::Listener => "lds",
            Self::Route => "rds",
        }
    }

    /// Whether a subscription without names means all of them (the legacy wildcard), and whether a SotW
    /// response is the complete set, so that absence deletes. The protocol gives both to LDS and CDS alone.
    pub fn is_top_level(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}

impl fmt::Display for ResourceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use envoy_types::pb::envoy::config::{cluster, endpoint, listener, route};
    use prost::Name;

    #[test]
    fn urls_are_those_of_the_messages_and_read_back() {
        assert_eq!(ResourceType::Cluster.url(), cluster::v3::Cluster::type_url());
        assert_eq!(ResourceType::Endpoint.url(), endpoint::v3::ClusterLoadAssignment::type_url());
        assert_eq!(ResourceType::Listener.url(), listener::v3::Listener::type_url());
        assert_eq!(ResourceType::Route.url(), route::v3::RouteConfiguration::type_url());
        assert!(ResourceType::ALL.into_iter().all(|k| ResourceType::from_url(k.url()) == Some(k)));
        assert!(ResourceType::ALL.is_sorted());
    }
}
