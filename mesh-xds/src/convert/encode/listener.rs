//! Listeners, their filter chains and network filters.

use super::access_log::access_log;
use super::value::{boolean, cidr, duration, or_zero, uint};
use super::{http, metadata, pack, rbac, route, tls, value};
use crate::convert::{names, pb};
use mesh_core::model::http::HttpFilter;
use mesh_core::model::listener::{
    Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter, TcpProxy, Transport,
};
use mesh_core::model::rbac::Rbac;
use mesh_core::model::route::Target;
use pb::listener::filter::ConfigType;
use prost::{Message, Name};
use std::sync::Arc;

pub(super) fn listener(listener: &Listener) -> pb::listener::Listener {
    let policies = chains(listener)
        .flat_map(|chain| enforced(chain))
        .flat_map(|rbac| &rbac.policies)
        .filter_map(|policy| Some((&*policy.name, policy.origin.as_ref()?)));
    let mut out = pb::listener::Listener {
        name: (&*listener.name).into(),
        metadata: metadata::listener(listener.origin.as_ref(), policies),
        traffic_direction: match listener.direction {
            Direction::Inbound => pb::core::TrafficDirection::Inbound.into(),
            Direction::Outbound => pb::core::TrafficDirection::Outbound.into(),
            Direction::Unspecified => pb::core::TrafficDirection::Unspecified.into(),
        },
        ..Default::default()
    };
    match &listener.bind {
        Bind::Socket(address) => out.address = Some(value::address(address)),
        Bind::Unbound(address) => {
            out.address = Some(value::address(address));
            out.bind_to_port = Some(boolean(false));
        }
        Bind::Api => {
            // gRPC clients refuse listener filters and look at nothing beside the connection manager.
            out.api_listener = api(listener);
            return out;
        }
    }
    // An outbound listener hands connections over to the listener of the address that they were sent to;
    // Envoy then adds the listener filter itself.
    let hands_over = listener.original_destination && listener.direction == Direction::Outbound;
    out.use_original_dst = hands_over.then(|| boolean(true));
    out.listener_filters = listener_filters(listener, hands_over);
    out.listener_filters_timeout = listener.inspect_timeout.map(duration);
    out.continue_on_listener_filters_timeout = listener.continue_on_inspect_timeout;
    out.filter_chains = listener.filter_chains.iter().map(|chain| filter_chain(chain)).collect();
    out.default_filter_chain = listener.default_chain.as_deref().map(filter_chain);
    out
}

fn chains(listener: &Listener) -> impl Iterator<Item = &FilterChain> {
    listener.filter_chains.iter().chain(&listener.default_chain).map(|chain| &**chain)
}

/// The authorization of a chain: of its connections and of its requests.
fn enforced(chain: &FilterChain) -> Vec<&Arc<Rbac>> {
    let filters = match &chain.filter {
        NetworkFilter::Http(http) => http.filters.as_slice(),
        NetworkFilter::Tcp(_) => &[],
    };
    let requests = filters.iter().filter_map(|filter| match filter {
        HttpFilter::Rbac(rbac) => Some(rbac),
        _ => None,
    });
    chain.rbac.iter().chain(requests).collect()
}

/// The first connection manager of an API listener; it has no other part that the wire could carry.
fn api(listener: &Listener) -> Option<pb::listener::ApiListener> {
    let manager = chains(listener).find_map(|chain| match &chain.filter {
        NetworkFilter::Http(http) => Some(http::manager(http)),
        NetworkFilter::Tcp(_) => None,
    });
    manager.map(|manager| pb::listener::ApiListener { api_listener: Some(manager) })
}

/// In Istio's order: the destination first, then what the bytes are.
fn listener_filters(listener: &Listener, hands_over: bool) -> Vec<pb::listener::ListenerFilter> {
    let mut filters = Vec::new();
    if listener.original_destination && !hands_over {
        filters.push(listener_filter(names::ORIGINAL_DST, &pb::original_dst::OriginalDst::default()));
    }
    if listener.tls_inspector {
        filters.push(listener_filter(names::TLS_INSPECTOR, &pb::tls_inspector::TlsInspector::default()));
    }
    if listener.http_inspector {
        filters.push(listener_filter(names::HTTP_INSPECTOR, &pb::http_inspector::HttpInspector::default()));
    }
    filters
}

fn listener_filter<T: Message + Name>(name: &str, config: &T) -> pb::listener::ListenerFilter {
    pb::listener::ListenerFilter {
        name: name.to_owned(),
        config_type: Some(pb::listener::listener_filter::ConfigType::TypedConfig(pack(config))),
        ..Default::default()
    }
}

fn filter_chain(chain: &FilterChain) -> pb::listener::FilterChain {
    let last = match &chain.filter {
        NetworkFilter::Http(http) => network_filter(names::HTTP_CONNECTION_MANAGER, http::manager(http)),
        NetworkFilter::Tcp(tcp) => network_filter(names::TCP_PROXY, tcp_proxy(tcp)),
    };
    pb::listener::FilterChain {
        name: (&*chain.name).into(),
        filter_chain_match: chain_match(&chain.matches),
        filters: chain.rbac.iter().map(|rules| rbac::network(rules)).chain([last]).collect(),
        transport_socket: chain.tls.as_ref().map(tls::downstream),
        ..Default::default()
    }
}

fn network_filter(name: &str, config: pb::Any) -> pb::listener::Filter {
    pb::listener::Filter { name: name.to_owned(), config_type: Some(ConfigType::TypedConfig(config)) }
}

fn chain_match(want: &ChainMatch) -> Option<pb::listener::FilterChainMatch> {
    (*want != ChainMatch::default()).then(|| pb::listener::FilterChainMatch {
        destination_port: want.destination_port.map(|port| uint(port.into())),
        prefix_ranges: want.destination.iter().map(cidr).collect(),
        source_prefix_ranges: want.source.iter().map(cidr).collect(),
        server_names: want.server_names.clone(),
        transport_protocol: match want.transport {
            None => String::new(),
            Some(Transport::Plain) => names::RAW_BUFFER.to_owned(),
            Some(Transport::Tls) => names::TLS.to_owned(),
        },
        application_protocols: want.application_protocols.clone(),
        ..Default::default()
    })
}

fn tcp_proxy(tcp: &TcpProxy) -> pb::Any {
    use pb::tcp::tcp_proxy::{ClusterSpecifier, WeightedCluster};
    pack(&pb::tcp::TcpProxy {
        stat_prefix: (&*tcp.stat_prefix).into(),
        idle_timeout: Some(or_zero(tcp.idle_timeout)),
        access_log: tcp.access_logs.iter().map(access_log).collect(),
        max_connect_attempts: Some(uint(tcp.max_connect_attempts)),
        cluster_specifier: Some(match &tcp.to {
            Target::Cluster(name) => ClusterSpecifier::Cluster((&**name).into()),
            Target::Weighted(all) => {
                ClusterSpecifier::WeightedClusters(WeightedCluster { clusters: route::weights(all) })
            }
        }),
        ..Default::default()
    })
}
