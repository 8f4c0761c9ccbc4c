//! Listeners.

use super::http::http_manager;
use super::rbac::rbac;
use super::route::tcp_target;
use super::{access_logs, address, downstream_tls, duration, ip_nets, name, origin, texts};
use mesh_core::model::Listener;
use mesh_core::model::listener::{
    Bind, ChainMatch, Direction, FilterChain, NetworkFilter, TcpProxy, Transport,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use std::sync::Arc;

fn chain_match() -> BoxedStrategy<ChainMatch> {
    let transport = option::of(select(vec![Transport::Plain, Transport::Tls]));
    (option::of(any::<u16>()), ip_nets(), texts(), transport, texts(), ip_nets())
        .prop_map(
            |(destination_port, destination, server_names, transport, application_protocols, source)| {
                ChainMatch {
                    destination_port,
                    destination,
                    server_names,
                    transport,
                    application_protocols,
                    source,
                }
            },
        )
        .boxed()
}

fn filter() -> BoxedStrategy<NetworkFilter> {
    let tcp = (name(), tcp_target(), option::of(duration()), 1..9u32, access_logs()).prop_map(
        |(stat_prefix, to, idle_timeout, max_connect_attempts, access_logs)| TcpProxy {
            stat_prefix,
            to,
            idle_timeout,
            max_connect_attempts,
            access_logs,
        },
    );
    prop_oneof![
        http_manager().prop_map(|http| NetworkFilter::Http(Box::new(http))),
        tcp.prop_map(NetworkFilter::Tcp),
    ]
    .boxed()
}

fn chain() -> BoxedStrategy<Arc<FilterChain>> {
    (name(), chain_match(), option::of(downstream_tls()), vec(rbac(false), 0..2), filter())
        .prop_map(|(name, matches, tls, rbac, filter)| {
            Arc::new(FilterChain { name, matches, tls, rbac, filter })
        })
        .boxed()
}

fn bound() -> BoxedStrategy<Listener> {
    let bind = prop_oneof![address().prop_map(Bind::Socket), address().prop_map(Bind::Unbound)];
    let direction = select(vec![Direction::Inbound, Direction::Outbound, Direction::Unspecified]);
    let inspect = (any::<[bool; 4]>(), option::of(duration()));
    (name(), bind, direction, inspect, vec(chain(), 0..3), option::of(chain()), origin())
        .prop_map(
            |(name, bind, direction, (flags, inspect_timeout), filter_chains, default_chain, origin)| {
                let [tls_inspector, http_inspector, original_destination, continue_on_inspect_timeout] =
                    flags;
                Listener {
                    name,
                    bind,
                    direction,
                    tls_inspector,
                    http_inspector,
                    original_destination,
                    inspect_timeout,
                    continue_on_inspect_timeout,
                    filter_chains,
                    default_chain,
                    origin,
                }
            },
        )
        .boxed()
}

/// For a gRPC client: the wire carries the connection manager and nothing of its chain.
fn api() -> BoxedStrategy<Listener> {
    (name(), http_manager(), origin())
        .prop_map(|(name, http, origin)| Listener {
            name,
            bind: Bind::Api,
            direction: Direction::Outbound,
            tls_inspector: false,
            http_inspector: false,
            original_destination: false,
            inspect_timeout: None,
            continue_on_inspect_timeout: false,
            filter_chains: vec![Arc::new(FilterChain {
                name: "".into(),
                matches: ChainMatch::default(),
                tls: None,
                rbac: vec![],
                filter: NetworkFilter::Http(Box::new(http)),
            })],
            default_chain: None,
            origin,
        })
        .boxed()
}

pub(crate) fn listener() -> BoxedStrategy<Listener> {
    prop_oneof![4 => bound(), 1 => api()].boxed()
}
