//! DestinationRule: what happens after routing: balancing, pools, ejection, TLS, subsets.

use crate::api::networking::virtual_service::PortSelector;
use crate::api::value::{Percent, Selector, Span, port_number};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a DestinationRule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DestinationRule {
    /// The service's host; short names are of the resource's namespace.
    pub host: String,
    /// For all of the host.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Parts of its endpoints, by labels.
    pub subsets: Vec<Subset>,
    /// Namespaces that see it.
    pub export_to: Vec<String>,
    /// Callers that it holds for; all of the namespace where none is written.
    pub workload_selector: Option<Selector>,
}

/// A part of a host's endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subset {
    /// Name.
    pub name: String,
    /// Labels that its endpoints have.
    pub labels: BTreeMap<String, String>,
    /// Over the host's policy, part by part.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// How endpoints are chosen and reached.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficPolicy {
    /// How one is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// Bounds.
    pub connection_pool: Option<ConnectionPool>,
    /// Ejection of those that fail.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to them.
    pub tls: Option<ClientTls>,
    /// For single ports; replaces the above for them.
    pub port_level_settings: Vec<PortTrafficPolicy>,
    /// Through a proxy.
    pub tunnel: Option<Tunnel>,
    /// PROXY protocol to them.
    pub proxy_protocol: Option<ProxyProtocol>,
    /// Retries as a share of requests.
    pub retry_budget: Option<RetryBudget>,
}

/// The policy of one port.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortTrafficPolicy {
    /// The port of the service.
    pub port: Option<PortSelector>,
    /// How an endpoint is chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// Bounds.
    pub connection_pool: Option<ConnectionPool>,
    /// Ejection of those that fail.
    pub outlier_detection: Option<OutlierDetection>,
    /// TLS to them.
    pub tls: Option<ClientTls>,
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancer {
    /// Without a hash.
    pub simple: Option<SimpleLb>,
    /// By a hash.
    pub consistent_hash: Option<ConsistentHash>,
    /// By locality.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// By zone, evenly.
    pub zone_aware_lb_setting: Option<serde_json::Value>,
    /// Slow start; deprecated form of `warmup`.
    pub warmup_duration_secs: Option<Span>,
    /// Slow start.
    pub warmup: Option<Warmup>,
}

/// Balancing without a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// Istio chooses: least request.
    Unspecified,
    /// Deprecated name of least request.
    LeastConn,
    /// Any.
    Random,
    /// Where the connection was going.
    Passthrough,
    /// Each in turn.
    RoundRobin,
    /// The less loaded of two.
    LeastRequest,
}

/// What is hashed, and how the hash chooses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsistentHash {
    /// A header.
    pub http_header_name: Option<String>,
    /// A cookie.
    pub http_cookie: Option<HttpCookie>,
    /// The caller's address.
    pub use_source_ip: Option<bool>,
    /// A query parameter.
    pub http_query_parameter_name: Option<String>,
    /// On a ring.
    pub ring_hash: Option<RingHash>,
    /// In a table.
    pub maglev: Option<Maglev>,
    /// Deprecated form of `ringHash.minimumRingSize`.
    pub minimum_ring_size: Option<u64>,
}

/// A cookie that is hashed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCookie {
    /// Name.
    pub name: String,
    /// Path.
    pub path: String,
    /// Lifetime of one that the proxy makes.
    pub ttl: Option<Span>,
    /// Other attributes of one that the proxy makes.
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieAttribute {
    /// Name.
    pub name: String,
    /// Value.
    pub value: String,
}

/// A ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RingHash {
    /// Least entries; 1024 where nothing is written.
    pub minimum_ring_size: Option<u64>,
}

/// A Maglev table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Maglev {
    /// Entries, a prime; 65537 where nothing is written.
    pub table_size: Option<u64>,
}

/// Slow start of new endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Warmup {
    /// How long.
    pub duration: Option<Span>,
    /// The share that it starts with.
    pub minimum_percent: Option<f64>,
    /// The curve.
    pub aggression: Option<f64>,
}

/// Balancing by locality.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityLbSetting {
    /// By shares.
    pub distribute: Vec<Distribute>,
    /// By where to go next.
    pub failover: Vec<Failover>,
    /// By labels in common.
    pub failover_priority: Vec<String>,
    /// On or off for this host.
    pub enabled: Option<bool>,
}

/// Shares of localities.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Distribute {
    /// Where the caller is.
    pub from: String,
    /// Where its requests go, in percent.
    pub to: BTreeMap<String, u32>,
}

/// The next region.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Failover {
    /// Region.
    pub from: String,
    /// Region.
    pub to: String,
}

/// Bounds on connections and requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPool {
    /// Of connections.
    pub tcp: Option<TcpSettings>,
    /// Of requests.
    pub http: Option<HttpSettings>,
}

/// Bounds on connections.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpSettings {
    /// How many.
    pub max_connections: Option<i32>,
    /// The longest that a connect may take.
    pub connect_timeout: Option<Span>,
    /// Keep-alive.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// The longest life of a connection.
    pub max_connection_duration: Option<Span>,
    /// Close after so long without a byte.
    pub idle_timeout: Option<Span>,
}

/// TCP keep-alive.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpKeepalive {
    /// Unanswered probes.
    pub probes: Option<u32>,
    /// Idle time before the first.
    pub time: Option<Span>,
    /// Time between two.
    pub interval: Option<Span>,
}

/// Bounds on requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpSettings {
    /// Requests that wait for a connection.
    pub http1_max_pending_requests: Option<i32>,
    /// Requests in flight.
    pub http2_max_requests: Option<i32>,
    /// Requests of one connection.
    pub max_requests_per_connection: Option<i32>,
    /// Retries in flight.
    pub max_retries: Option<i32>,
    /// Close a connection that was idle for so long.
    pub idle_timeout: Option<Span>,
    /// HTTP/2 to endpoints of HTTP/1.1.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// Speak what the caller speaks.
    pub use_client_protocol: Option<bool>,
    /// Streams of one connection.
    pub max_concurrent_streams: Option<i32>,
    /// HTTP/2 pings.
    pub http2_keep_alive: Option<serde_json::Value>,
}

/// Whether HTTP/1.1 becomes HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// The mesh's default.
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// When an endpoint is taken out.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// After so many 5xx in a row; 0 never.
    pub consecutive_5xx_errors: Option<u32>,
    /// After so many 502, 503 or 504 in a row; 0 never.
    pub consecutive_gateway_errors: Option<u32>,
    /// Deprecated form of `consecutiveGatewayErrors`.
    pub consecutive_errors: Option<i32>,
    /// Count failures to connect apart.
    pub split_external_local_origin_errors: Option<bool>,
    /// After so many of them.
    pub consecutive_local_origin_failures: Option<u32>,
    /// How often returns are looked at.
    pub interval: Option<Span>,
    /// The first stay.
    pub base_ejection_time: Option<Span>,
    /// Never more than this share.
    pub max_ejection_percent: Option<i32>,
    /// Stop ejecting below this share of healthy ones.
    pub min_health_percent: Option<i32>,
    /// What counts as an error.
    pub outlier_detection_http_error_codes: Option<serde_json::Value>,
}

/// TLS as a client.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientTls {
    /// Which.
    pub mode: TlsMode,
    /// File of the certificate to show.
    pub client_certificate: String,
    /// File of its key.
    pub private_key: String,
    /// File of the roots.
    pub ca_certificates: String,
    /// Secret that holds them.
    pub credential_name: String,
    /// The server must have one of these.
    pub subject_alt_names: Vec<String>,
    /// Server name to send.
    pub sni: String,
    /// Accept any certificate.
    pub insecure_skip_verify: Option<bool>,
    /// File of revoked certificates.
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
    /// The server shows a certificate.
    Simple,
    /// Both do, with the files given.
    Mutual,
    /// Both do, with the mesh's.
    IstioMutual,
}

/// Through a proxy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Tunnel {
    /// `CONNECT` or `POST`.
    pub protocol: String,
    /// Where the proxy is to connect to.
    pub target_host: String,
    /// And on which port.
    #[serde(deserialize_with = "port_number")]
    pub target_port: u16,
}

/// PROXY protocol.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyProtocol {
    /// `V1` or `V2`.
    pub version: String,
}

/// Retries as a share of requests in flight.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// The share; 20% where nothing is written.
    pub percent: Option<Percent>,
    /// So many in any case; 3 where nothing is written.
    pub min_retry_concurrency: Option<u32>,
    /// Requests of so long ago still count.
    pub budget_interval: Option<Span>,
}
