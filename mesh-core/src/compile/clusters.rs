//! Clusters: one per port of each service that may be called, and one per subset of it.

use super::cluster_policy as policy;
use super::endpoints::endpoints;
use super::scope::Scope;
use super::{Output, names, tls};
use crate::merge::destination_rule::Merged;
use crate::model::Name;
use crate::model::cluster::{
    Balance, CircuitLimits, Cluster, ClusterTransport, Discovery, ServiceRef, UpstreamHttp, UpstreamProtocol,
};
use crate::model::endpoint::{Endpoint, Endpoints};
use crate::model::values::Fraction;
use crate::node::NodeKind;
use crate::registry::{Port, Protocol, Resolution, Service};
use std::sync::Arc;

/// Clusters of every port of these services.
pub(super) fn outbound<'w>(scope: &Scope<'w>, services: &[&'w Arc<Service>], out: &mut Output) {
    for service in services {
        let rules = scope.rules.of(service);
        for rule in &rules.rules {
            scope.uses(rule);
        }
        for port in service.ports.iter().filter(|p| p.protocol != Protocol::Udp) {
            add(scope, service, port, &rules, "", out);
            for (_, _, subset) in rules.subsets() {
                add(scope, service, port, &rules, &subset.name, out);
            }
        }
    }
}

fn add(
    scope: &Scope<'_>,
    service: &Service,
    port: &Port,
    rules: &Merged<'_>,
    subset: &str,
    out: &mut Output,
) {
    let host = service.host.as_str();
    let name = names::outbound(port.number, subset, host);
    let said = rules.policy(port.number, subset);
    let pool = said.connection_pool.map(|s| s.value);
    let balance = policy::balance(scope, said.load_balancer.map(|s| s.value));
    let labels = rules.subset(subset).map(|(_, _, s)| s.labels.clone()).unwrap_or_default();
    let discovery = match discovery(scope, service, port, &labels, balance, &name) {
        Some(discovery) => discovery,
        // A name that resolves to nothing: istiod makes no cluster either, and requests get a 503.
        None => return,
    };
    let mut http = policy::http(scope, pool, port.protocol);
    if scope.node.is_proxyless_grpc() {
        http.protocol = UpstreamProtocol::Http2;
    }
    let transport = tls::transport(scope, said.tls, service, port, subset, http.protocol, &mut out.report);
    let original = discovery == Discovery::OriginalDestination;
    let (outlier, panic_threshold) = policy::outlier(said.outlier_detection.map(|s| s.value));
    let origin = match (rules.subset(subset), rules.rules.first()) {
        (Some((rule, at, _)), _) => rule.origin_of(&format!("spec.subsets[{at}]")),
        (None, Some(rule)) => rule.origin(),
        (None, None) => service.origin.clone(),
    };
    if let Discovery::Eds(name) = &discovery {
        out.add_endpoints(endpoints(scope, name.clone(), service, port.number, &labels));
    }
    out.add_cluster(Cluster {
        name,
        balance: if original { Balance::ClusterProvided } else { balance },
        discovery,
        connect_timeout: policy::connect_timeout(scope, pool),
        limits: policy::limits(pool, said.retry_budget.map(|s| s.value)),
        // A DestinationRule knows one priority.
        high_limits: None,
        outlier,
        // Where connections go is not known beforehand, so neither is whether mTLS is taken there.
        transport: match transport {
            ClusterTransport::AutoMtls(_) if original => ClusterTransport::Plain,
            other => other,
        },
        http,
        panic_threshold,
        keepalive: policy::keepalive(scope, pool),
        services: vec![service_ref(service)],
        origin: Some(origin),
    });
}

fn discovery(
    scope: &Scope<'_>,
    service: &Service,
    port: &Port,
    labels: &std::collections::BTreeMap<String, String>,
    balance: Balance,
    name: &Name,
) -> Option<Discovery> {
    if balance == Balance::ClusterProvided {
        return Some(Discovery::OriginalDestination);
    }
    let dns = || scope.registry.dns_targets(service, port.number, labels);
    Some(match service.resolution {
        Resolution::Static => Discovery::Eds(name.clone()),
        Resolution::Dns => Discovery::StrictDns(Some(dns()).filter(|d| !d.is_empty())?),
        Resolution::DnsRoundRobin => Discovery::LogicalDns(dns().into_iter().next()?),
        Resolution::DynamicDns => return None,
        // Without redirection there is no original destination; the instances that are known serve.
        Resolution::None if without_redirection(scope) => Discovery::Eds(name.clone()),
        Resolution::None => Discovery::OriginalDestination,
    })
}

fn without_redirection(scope: &Scope<'_>) -> bool {
    scope.node.kind == NodeKind::Router || scope.node.is_proxyless_grpc() || scope.has_own_sockets()
}

pub(super) fn service_ref(service: &Service) -> ServiceRef {
    ServiceRef {
        host: service.host.as_str().into(),
        name: service.name.clone(),
        namespace: service.namespace.clone(),
    }
}

/// A cluster without a policy.
pub(super) fn plain(scope: &Scope<'_>, name: impl Into<Name>, discovery: Discovery) -> Cluster {
    let original = discovery == Discovery::OriginalDestination;
    Cluster {
        name: name.into(),
        discovery,
        balance: if original { Balance::ClusterProvided } else { Balance::RoundRobin },
        connect_timeout: scope.mesh.connect_timeout.into(),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport: ClusterTransport::Plain,
        http: UpstreamHttp { protocol: UpstreamProtocol::SameAsCaller, ..UpstreamHttp::default() },
        panic_threshold: Fraction::ZERO,
        keepalive: policy::keepalive(scope, None),
        services: vec![],
        origin: None,
    }
}

/// The cluster that nothing is behind.
pub(super) fn black_hole(scope: &Scope<'_>) -> Cluster {
    let name: Name = names::BLACK_HOLE.into();
    let nothing = Endpoints { name: name.clone(), localities: vec![] };
    plain(scope, name, Discovery::Static(Arc::new(nothing)))
}

/// One address, known beforehand.
pub(super) fn fixed(name: &Name, endpoint: Endpoint) -> Discovery {
    let locality = crate::model::endpoint::Locality { endpoints: vec![endpoint], ..Default::default() };
    Discovery::Static(Arc::new(Endpoints { name: name.clone(), localities: vec![locality] }))
}
