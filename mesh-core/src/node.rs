//! The proxy that configuration is compiled for, as it introduces itself.
//!
//! Istio's node id, `TYPE~IP~NAME.NAMESPACE~DOMAIN`, and the metadata beside it. The xDS client writes it,
//! the server reads it, [`crate::model`] is compiled for it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What kind of data plane a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeKind {
    /// Beside or inside one workload.
    Sidecar,
    /// A gateway.
    Router,
    /// A gateway for workloads of a namespace or service.
    Waypoint,
    /// A node proxy.
    Ztunnel,
    /// The agent gateway.
    Agentgateway,
}

impl NodeKind {
    /// Istio's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sidecar => "sidecar",
            Self::Router => "router",
            Self::Waypoint => "waypoint",
            Self::Ztunnel => "ztunnel",
            Self::Agentgateway => "agentgateway",
        }
    }
}

impl FromStr for NodeKind {
    type Err = InvalidNodeId;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Self::Sidecar, Self::Router, Self::Waypoint, Self::Ztunnel, Self::Agentgateway]
            .into_iter()
            .find(|k| k.as_str() == s)
            .ok_or_else(|| InvalidNodeId::Kind(s.to_owned()))
    }
}

/// A proxy, by what it says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Node {
    /// What kind it is.
    pub kind: NodeKind,
    /// Its addresses; the first is the one in the id.
    pub ips: Vec<IpAddr>,
    /// The workload instance, such as a pod's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Last part of the id, such as `default.svc.cluster.local`.
    pub dns_domain: String,
    /// Labels of the workload.
    pub labels: BTreeMap<String, String>,
    /// Its service account.
    pub service_account: String,
    /// The cluster it is in: metadata `CLUSTER_ID`.
    pub cluster_id: String,
    /// The network it is in: metadata `NETWORK`.
    pub network: String,
    /// Metadata `WORKLOAD_NAME`; empty where it was not said.
    pub workload_name: String,
    /// Metadata `GENERATOR`: `grpc` for gRPC clients without a proxy.
    pub generator: Option<String>,
}

/// Why a text is not a node id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidNodeId {
    /// Not four parts.
    #[error("a node id is TYPE~IP~NAME.NAMESPACE~DOMAIN, not {0:?}")]
    Parts(String),
    /// An unknown kind.
    #[error("{0:?} is not a kind of node: sidecar, router, waypoint, ztunnel or agentgateway")]
    Kind(String),
    /// Not an IP address.
    #[error("{0:?} in a node id is not an IP address")]
    Ip(String),
    /// The third part has no dot.
    #[error("{0:?} in a node id is not NAME.NAMESPACE")]
    Name(String),
}

impl Node {
    /// A node with the parts that its id holds.
    pub fn new(kind: NodeKind, ip: IpAddr, name: &str, namespace: &str) -> Self {
        Self {
            kind,
            ips: vec![ip],
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            dns_domain: format!("{namespace}.svc.cluster.local"),
            labels: BTreeMap::new(),
            service_account: "default".to_owned(),
            cluster_id: "Kubernetes".to_owned(),
            network: String::new(),
            workload_name: String::new(),
            generator: None,
        }
    }

    /// The id: `sidecar~10.0.0.1~reviews-v1.default~default.svc.cluster.local`.
    pub fn id(&self) -> String {
        let ip = self.ips.first().map(ToString::to_string).unwrap_or_default();
        format!("{}~{ip}~{}.{}~{}", self.kind.as_str(), self.name, self.namespace, self.dns_domain)
    }

    /// Reads an id.
    ///
    /// # Errors
    /// If it has not Istio's four parts. An empty IP is legal: metadata may bring it.
    pub fn from_id(id: &str) -> Result<Self, InvalidNodeId> {
        let parts: Vec<&str> = id.split('~').collect();
        let [kind, ip, name, domain] = parts.as_slice() else {
            return Err(InvalidNodeId::Parts(id.to_owned()));
        };
        let kind: NodeKind = kind.parse()?;
        let ips = match *ip {
            "" => vec![],
            ip => vec![ip.parse().map_err(|_| InvalidNodeId::Ip(ip.to_owned()))?],
        };
        let (name, namespace) =
            name.rsplit_once('.').ok_or_else(|| InvalidNodeId::Name((*name).to_owned()))?;
        Ok(Self {
            ips,
            dns_domain: (*domain).to_owned(),
            ..Self::new(kind, IpAddr::from([0, 0, 0, 0]), name, namespace)
        })
    }

    /// The domain that short service names are completed with: `cluster.local`.
    pub fn cluster_domain(&self) -> &str {
        self.dns_domain.split_once(".svc.").map_or("cluster.local", |(_, domain)| domain)
    }

    /// Whether it is a gRPC client without a proxy.
    pub fn is_proxyless_grpc(&self) -> bool {
        self.generator.as_deref() == Some("grpc")
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.name, self.namespace)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back() {
        let id = "router~127.1.0.9~gw.with.dots.istio-system~istio-system.svc.cluster.local";
        let node = Node::from_id(id).unwrap();
        assert_eq!((node.name.as_str(), node.namespace.as_str()), ("gw.with.dots", "istio-system"));
        assert_eq!(node.id(), id);
        assert_eq!(node.cluster_domain(), "cluster.local");
    }

    #[test]
    fn a_foreign_id_is_refused_with_its_fault() {
        assert!(matches!(Node::from_id("envoy-1"), Err(InvalidNodeId::Parts(_))));
        assert!(matches!(Node::from_id("x~1.1.1.1~a.b~d"), Err(InvalidNodeId::Kind(_))));
        assert!(matches!(Node::from_id("sidecar~1.1.1~a.b~d"), Err(InvalidNodeId::Ip(_))));
        assert!(matches!(Node::from_id("sidecar~1.1.1.1~a~d"), Err(InvalidNodeId::Name(_))));
    }
}
