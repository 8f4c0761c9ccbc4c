//! Listeners, their filter chains and network filters.

use super::access_log::access_logs;
use super::metadata::{self, PolicyOrigins};
use super::value::{boolean, cidr, enumeration, uint, unless_zero};
use super::{holds, http, rbac, refuse, tls, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use mesh_core::model::listener::{
    Bind, ChainMatch, Direction, FilterChain, Listener, NetworkFilter, TcpProxy, Transport,
};
use mesh_core::model::rbac::Rbac;
use mesh_core::model::route::{HeaderChanges, Target, WeightedCluster};
use pb::core::TrafficDirection;
use pb::listener::filter::ConfigType;
use std::sync::Arc;
use std::time::Duration;

/// Envoy's default for a TCP connection without a byte.
const TCP_IDLE: Duration = Duration::from_secs(3600);

pub(super) fn listener(raw: &pb::listener::Listener) -> Result<Listener, ConvertError> {
    refuse!(
        raw;
        additional_addresses,
        fcds_config,
        filter_chain_matcher,
        drain_type,
        transparent,
        freebind,
        socket_options,
        udp_listener_config,
        listener_specifier,
    );
    let origins = metadata::policies(raw.metadata.as_ref());
    let direction = match enumeration(raw.traffic_direction).at("traffic_direction")? {
        TrafficDirection::Unspecified => Direction::Unspecified,
        TrafficDirection::Inbound => Direction::Inbound,
        TrafficDirection::Outbound => Direction::Outbound,
    };
    let mut out = Listener {
        name: raw.name.as_str().into(),
        bind: Bind::Api,
        direction,
        tls_inspector: false,
        http_inspector: false,
        original_destination: hands_over(raw, direction)?,
        inspect_timeout: value::optional(raw.listener_filters_timeout.as_ref())
            .at("listener_filters_timeout")?,
        continue_on_inspect_timeout: raw.continue_on_listener_filters_timeout,
        filter_chains: vec![],
        default_chain: None,
        origin: metadata::origin(raw.metadata.as_ref()),
    };
    if let Some(api) = &raw.api_listener {
        refuse!(raw; address, filter_chains, default_filter_chain, listener_filters);
        let chain = api_chain(api, &origins).at("api_listener").at("api_listener")?;
        out.filter_chains.push(Arc::new(chain));
        return Ok(out);
    }
    let address = raw.address.as_ref().ok_or_else(|| ConvertError::missing("address"))?;
    let address = value::address(address).at("address")?;
    out.bind = match boolean(raw.bind_to_port.as_ref(), true) {
        true => Bind::Socket(address),
        false => Bind::Unbound(address),
    };
    each(&raw.listener_filters, |filter| listener_filter(filter, &mut out)).at("listener_filters")?;
    let chain = |raw| filter_chain(raw, &origins).map(Arc::new);
    out.filter_chains = each(&raw.filter_chains, chain).at("filter_chains")?;
    out.default_chain =
        raw.default_filter_chain.as_ref().map(chain).transpose().at("default_filter_chain")?;
    Ok(out)
}

/// Whether connections are handed over to the listener of their destination, which only outbound ones are.
fn hands_over(raw: &pb::listener::Listener, direction: Direction) -> Result<bool, ConvertError> {
    match (boolean(raw.use_original_dst.as_ref(), false), direction) {
        (true, Direction::Outbound) => Ok(true),
        (true, _) => {
            let message = "only an outbound listener hands connections over";
            Err(ConvertError::new(message).within("use_original_dst"))
        }
        (false, _) => Ok(false),
    }
}

/// The one chain of a listener for gRPC clients, which the wire gives no name.
fn api_chain(api: &pb::listener::ApiListener, origins: &PolicyOrigins) -> Result<FilterChain, ConvertError> {
    let Some(any) = &api.api_listener else { return Err(ConvertError::new("is missing")) };
    Ok(FilterChain {
        name: "".into(),
        matches: ChainMatch::default(),
        tls: None,
        rbac: vec![],
        filter: NetworkFilter::Http(Box::new(http::manager(&unpack(any)?, origins)?)),
    })
}

fn listener_filter(raw: &pb::listener::ListenerFilter, out: &mut Listener) -> Result<(), ConvertError> {
    use pb::listener::listener_filter::ConfigType;
    refuse!(raw; filter_disabled);
    let any = match &raw.config_type {
        Some(ConfigType::TypedConfig(any)) => Some(any),
        Some(ConfigType::ConfigDiscovery(_)) => return Err(ConvertError::unsupported("config_discovery")),
        None => None,
    };
    let is = |name: &str, typed: bool| typed || (any.is_none() && raw.name == name);
    if is(names::TLS_INSPECTOR, any.is_some_and(holds::<pb::tls_inspector::TlsInspector>)) {
        out.tls_inspector = true;
    } else if is(names::HTTP_INSPECTOR, any.is_some_and(holds::<pb::http_inspector::HttpInspector>)) {
        out.http_inspector = true;
    } else if is(names::ORIGINAL_DST, any.is_some_and(holds::<pb::original_dst::OriginalDst>)) {
        out.original_destination = true;
    } else {
        return Err(ConvertError::new(format!("{:?} is not supported", raw.name)));
    }
    Ok(())
}

#[expect(deprecated)]
fn filter_chain(
    raw: &pb::listener::FilterChain,
    origins: &PolicyOrigins,
) -> Result<FilterChain, ConvertError> {
    refuse!(raw; use_proxy_proto);
    let matches = raw.filter_chain_match.as_ref().map(chain_match).transpose();
    let tls = raw.transport_socket.as_ref().filter(|socket| !tls::is_raw_buffer(socket));
    let mut rbac = Vec::new();
    let mut last = None;
    each(&raw.filters, |raw| {
        if last.is_some() {
            return Err(ConvertError::new("stands after the filter that takes the connection"));
        }
        match network_filter(raw, origins)? {
            Network::Rbac(all) => rbac.extend(all.into_iter().map(Arc::new)),
            Network::Last(filter) => last = Some(filter),
        }
        Ok(())
    })
    .at("filters")?;
    Ok(FilterChain {
        name: raw.name.as_str().into(),
        matches: matches.at("filter_chain_match")?.unwrap_or_default(),
        tls: tls.map(tls::downstream).transpose().at("transport_socket")?,
        rbac,
        filter: last.ok_or_else(|| ConvertError::new("no filter takes the connection").within("filters"))?,
    })
}

fn chain_match(raw: &pb::listener::FilterChainMatch) -> Result<ChainMatch, ConvertError> {
    refuse!(raw; address_suffix, suffix_len, direct_source_prefix_ranges, source_type, source_ports);
    let transport = match raw.transport_protocol.as_str() {
        "" => None,
        names::RAW_BUFFER => Some(Transport::Plain),
        names::TLS => Some(Transport::Tls),
        other => {
            return Err(ConvertError::new(format!("{other:?} is not supported")).within("transport_protocol"));
        }
    };
    let port = raw.destination_port.as_ref().map(|port| value::port(port.value)).transpose();
    Ok(ChainMatch {
        destination_port: port.at("destination_port")?,
        destination: each(&raw.prefix_ranges, cidr).at("prefix_ranges")?,
        server_names: raw.server_names.clone(),
        transport,
        application_protocols: raw.application_protocols.clone(),
        source: each(&raw.source_prefix_ranges, cidr).at("source_prefix_ranges")?,
    })
}

enum Network {
    Rbac(Vec<Rbac>),
    Last(NetworkFilter),
}

fn network_filter(raw: &pb::listener::Filter, origins: &PolicyOrigins) -> Result<Network, ConvertError> {
    let any = match &raw.config_type {
        Some(ConfigType::TypedConfig(any)) => any,
        Some(ConfigType::ConfigDiscovery(_)) => return Err(ConvertError::unsupported("config_discovery")),
        None => return Err(ConvertError::missing("typed_config")),
    };
    let read = || {
        if holds::<pb::network_rbac::Rbac>(any) {
            return Ok(Network::Rbac(rbac::network(&unpack(any)?, origins)?));
        }
        if holds::<pb::tcp::TcpProxy>(any) {
            return Ok(Network::Last(NetworkFilter::Tcp(tcp_proxy(&unpack(any)?)?)));
        }
        if holds::<pb::http::HttpConnectionManager>(any) {
            let manager = http::manager(&unpack(any)?, origins)?;
            return Ok(Network::Last(NetworkFilter::Http(Box::new(manager))));
        }
        Err(ConvertError::new(format!("{} is not supported", super::type_name(any))))
    };
    read().at("typed_config")
}

fn tcp_proxy(raw: &pb::tcp::TcpProxy) -> Result<TcpProxy, ConvertError> {
    use pb::tcp::tcp_proxy::ClusterSpecifier;
    refuse!(
        raw;
        on_demand,
        metadata_match,
        hash_policy,
        tunneling_config,
        max_downstream_connection_duration,
        proxy_protocol_tlvs,
        upstream_connect_mode,
    );
    let to = match &raw.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => Target::Cluster(name.as_str().into()),
        Some(ClusterSpecifier::WeightedClusters(all)) => {
            Target::Weighted(each(&all.clusters, weighted).at("clusters").at("weighted_clusters")?)
        }
        None => return Err(ConvertError::missing("cluster_specifier")),
    };
    let attempts = uint(raw.max_connect_attempts.as_ref(), 1);
    if attempts == 0 {
        return Err(ConvertError::new("at least 1").within("max_connect_attempts"));
    }
    Ok(TcpProxy {
        stat_prefix: raw.stat_prefix.as_str().into(),
        to,
        idle_timeout: unless_zero(raw.idle_timeout.as_ref(), TCP_IDLE).at("idle_timeout")?,
        max_connect_attempts: attempts,
        access_logs: access_logs(&raw.access_log).at("access_log")?,
    })
}

fn weighted(
    raw: &pb::tcp::tcp_proxy::weighted_cluster::ClusterWeight,
) -> Result<WeightedCluster, ConvertError> {
    refuse!(raw; metadata_match);
    if raw.weight == 0 {
        return Err(ConvertError::new("at least 1").within("weight"));
    }
    Ok(WeightedCluster {
        cluster: raw.name.as_str().into(),
        weight: raw.weight,
        headers: HeaderChanges::default(),
    })
}
