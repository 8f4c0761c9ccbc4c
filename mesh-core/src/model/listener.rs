//! What is listened on, and how a connection finds its filters. Envoy's `listener.v3`.

use super::Name;
use super::access_log::AccessLog;
use super::http::HttpManager;
use super::rbac::Rbac;
use super::tls::DownstreamTls;
use crate::addr::Address;
use crate::origin::Origin;
use ipnet::IpNet;
use std::sync::Arc;
use std::time::Duration;

/// A listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Name, such as `0.0.0.0_9080` or `virtualInbound`.
    pub name: Name,
    /// Where it is reached.
    pub bind: Bind,
    /// Which way its traffic goes.
    pub direction: Direction,
    /// Inspect the first bytes for TLS (SNI, ALPN) to choose among chains.
    pub tls_inspector: bool,
    /// Inspect the first bytes for HTTP to choose among chains.
    pub http_inspector: bool,
    /// Take the connection's destination before a redirect for its address.
    pub original_destination: bool,
    /// The longest that inspection may take; Envoy's default is 15 s.
    pub inspect_timeout: Option<Duration>,
    /// On time-out of inspection take the default chain rather than close.
    pub continue_on_inspect_timeout: bool,
    /// The chains; the most specific match wins.
    pub filter_chains: Vec<Arc<FilterChain>>,
    /// For what no chain matches; without one such a connection is closed.
    pub default_chain: Option<Arc<FilterChain>>,
    /// The resource that declared it.
    pub origin: Option<Origin>,
}

/// Where a listener is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bind {
    /// A socket of its own.
    Socket(Address),
    /// No socket: another listener hands connections for this address over, or a program in the same
    /// process does.
    Unbound(Address),
    /// gRPC clients without a proxy look it up by name (Envoy's `api_listener`).
    Api,
}

/// Which way traffic goes, seen from the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To the workload.
    Inbound,
    /// From the workload.
    Outbound,
    /// Neither: a gateway's.
    #[default]
    Unspecified,
}

/// What happens to connections that match.
#[derive(Clone, Debug, PartialEq)]
pub struct FilterChain {
    /// Name.
    pub name: Name,
    /// What a connection must be like.
    pub matches: ChainMatch,
    /// Terminate TLS first.
    pub tls: Option<DownstreamTls>,
    /// Authorization of the connection, before the last filter.
    pub rbac: Vec<Arc<Rbac>>,
    /// The last filter.
    pub filter: NetworkFilter,
}

/// What a connection must be like. Envoy's `FilterChainMatch`; an empty part matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChainMatch {
    /// The port that it was sent to.
    pub destination_port: Option<u16>,
    /// Where it was sent to.
    pub destination: Vec<IpNet>,
    /// The server name in the TLS hello; exact or with a leading `*.`.
    pub server_names: Vec<String>,
    /// What the inspectors found.
    pub transport: Option<Transport>,
    /// One of these in ALPN, or found by the HTTP inspector.
    pub application_protocols: Vec<String>,
    /// Where it came from.
    pub source: Vec<IpNet>,
}

/// What carries the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// `raw_buffer`.
    Plain,
    /// `tls`.
    Tls,
}

/// The last filter of a chain.
#[derive(Clone, Debug, PartialEq)]
pub enum NetworkFilter {
    /// HTTP.
    Http(Box<HttpManager>),
    /// Bytes as they are.
    Tcp(TcpProxy),
}

/// Bytes to a cluster. Envoy's `tcp_proxy.v3`.
#[derive(Clone, Debug, PartialEq)]
pub struct TcpProxy {
    /// Prefix of Envoy's counters.
    pub stat_prefix: Name,
    /// To where.
    pub to: super::route::Target,
    /// Close after so long without a byte; Envoy's default is 1 h. `None` never.
    pub idle_timeout: Option<Duration>,
    /// How many connects are tried; at least 1.
    pub max_connect_attempts: u32,
    /// Access logs of its connections.
    pub access_logs: Vec<AccessLog>,
}
