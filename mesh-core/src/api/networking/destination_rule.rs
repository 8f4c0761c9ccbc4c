//! DestinationRule: what happens after routing: balancing, pools, ejection, TLS, subsets.

mod connection_pool;
mod load_balancer;

pub use connection_pool::{
    ConnectionPool, H2UpgradePolicy, Http2KeepAlive, HttpSettings, OutlierDetection, TcpKeepalive,
    TcpSettings,
};
pub use load_balancer::{
    ConsistentHash, CookieAttribute, Distribute, Failover, HttpCookie, LoadBalancer, LocalityLbSetting,
    Maglev, RingHash, SimpleLb, Warmup, ZoneAwareLbSetting,
};

use crate::api::networking::virtual_service::PortSelector;
use crate::api::number::optional_port_number;
use crate::api::value::{Selector, Span};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a DestinationRule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DestinationRule {
    /// The host of the service that the rule is for, exact or with a leading wildcard. A short name such as
    /// `reviews` is one of the rule's own namespace.
    pub host: String,
    /// The policy for all of the host's endpoints and ports.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the host's endpoints, to which a VirtualService can route.
    pub subsets: Vec<Subset>,
    /// The namespaces that see the rule: `.` for its own, `*` for all, or names. Where nothing is written the
    /// mesh's default holds, which is all.
    pub export_to: Vec<String>,
    /// The callers that the rule holds for, in its own namespace; all callers where nothing is written.
    pub workload_selector: Option<Selector>,
}

/// A part of a host's endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subset {
    /// The name that a VirtualService's destination refers to.
    pub name: String,
    /// The labels that an endpoint must have to belong to the subset; none select all endpoints.
    pub labels: BTreeMap<String, String>,
    /// The policy for this subset: each part that is written replaces that part of the host's policy.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How endpoints are chosen and reached.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficPolicy {
    /// How an endpoint is chosen; least request where nothing is written.
    pub load_balancer: Option<LoadBalancer>,
    /// Bounds on connections and requests.
    pub connection_pool: Option<ConnectionPool>,
    /// When an endpoint that fails is left alone for a while; never where nothing is written.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to the endpoints. Where nothing is written, mutual TLS of the mesh to all endpoints that speak it.
    pub tls: Option<ClientTls>,
    /// Policies for single ports of the service. What is written for a port replaces all of the above for it.
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Tunnels TCP connections through the host as a forward proxy.
    pub tunnel: Option<Tunnel>,
    /// Sends a PROXY protocol header on each new connection.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Bounds retries by a share of the requests that are open, in place of `connectionPool.http.maxRetries`.
    pub retry_budget: Option<RetryBudget>,
}

/// The policy of one port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortTrafficPolicy {
    /// The port of the service, by number.
    pub port: Option<PortSelector>,
    /// How an endpoint is chosen; least request where nothing is written.
    pub load_balancer: Option<LoadBalancer>,
    /// Bounds on connections and requests.
    pub connection_pool: Option<ConnectionPool>,
    /// When an endpoint that fails is left alone for a while; never where nothing is written.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to the endpoints.
    pub tls: Option<ClientTls>,
}

/// TLS as a client.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientTls {
    /// Which TLS is spoken; none (`DISABLE`) where nothing is written.
    pub mode: TlsMode,
    /// The file of the certificate to show, under `MUTUAL`.
    pub client_certificate: String,
    /// The file of that certificate's private key, under `MUTUAL`.
    pub private_key: String,
    /// The file of the authorities that the server's certificate is verified by; the system's where nothing
    /// is written.
    pub ca_certificates: String,
    /// The Secret with certificate, key and authorities, in place of the files; `configmap://namespace/name` for a
    /// ConfigMap of the same namespace with authorities alone.
    pub credential_name: String,
    /// The server's certificate must have one of these as a subject alternative name.
    pub subject_alt_names: Vec<String>,
    /// The server name that is sent in the handshake; the request's host where nothing is written.
    pub sni: String,
    /// Accepts any certificate. For tests alone.
    pub insecure_skip_verify: Option<bool>,
    /// The file of certificates that are revoked.
    pub ca_crl: String,
}

/// Which TLS a client speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum TlsMode {
    /// None.
    #[default]
    Disable,
    /// The server alone shows a certificate.
    Simple,
    /// Both show certificates, those of the files or of the credential.
    Mutual,
    /// Both show certificates, those of the mesh.
    IstioMutual,
}

/// A tunnel through the host as a forward proxy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tunnel {
    /// The method that asks for the tunnel; `CONNECT` where nothing is written.
    pub protocol: TunnelProtocol,
    /// Where the forward proxy is to connect to: a full name or an IP address.
    pub target_host: String,
    /// The port that it is to connect to.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub target_port: Option<u16>,
}

/// The method that asks for a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum TunnelProtocol {
    /// HTTP CONNECT.
    #[default]
    Connect,
    /// HTTP POST.
    Post,
}

/// PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// The version of the header; `V1` where nothing is written.
    pub version: ProxyProtocolVersion,
}

/// A version of the PROXY protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ProxyProtocolVersion {
    /// Text.
    #[default]
    V1,
    /// Binary.
    V2,
}

/// Retries as a share of requests in flight.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// Retries in flight as a share of all requests in flight, in percent; 20 where nothing is written.
    pub percent: Option<f64>,
    /// So many retries may be in flight in any case; 3 where nothing is written.
    pub min_retry_concurrency: Option<u32>,
    /// Requests of so long ago still count; those in flight alone where nothing is written.
    pub budget_interval: Option<Span>,
}
