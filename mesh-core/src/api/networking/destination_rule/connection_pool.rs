//! How many connections and requests there may be, and when an endpoint is left alone.

use crate::api::value::Span;
use serde::Deserialize;

/// Bounds on connections and requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPool {
    /// For connections of any kind.
    pub tcp: Option<TcpSettings>,
    /// For HTTP and gRPC.
    pub http: Option<HttpSettings>,
}

/// Bounds on connections.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpSettings {
    /// The most connections of HTTP/1.1 and TCP to the host; unbounded where nothing or 0 is written.
    pub max_connections: Option<i32>,
    /// The longest that connecting may take; 10s where nothing is written.
    pub connect_timeout: Option<Span>,
    /// TCP keep-alive probes; as the mesh says where nothing is written.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// The longest life of a connection; unbounded where nothing is written.
    pub max_connection_duration: Option<Span>,
    /// Closes a connection on which no byte went for so long; 1h where nothing is written, never for `0s`.
    pub idle_timeout: Option<Span>,
}

/// TCP keep-alive.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpKeepalive {
    /// So many probes without an answer end a connection; 9 on Linux where nothing is written.
    pub probes: Option<u32>,
    /// How long a connection is idle before the first probe; 2h on Linux where nothing is written.
    pub time: Option<Span>,
    /// The time between two probes; 75s on Linux where nothing is written.
    pub interval: Option<Span>,
}

/// Bounds on requests.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpSettings {
    /// The most requests that wait for a connection; unbounded where nothing or 0 is written.
    pub http1_max_pending_requests: Option<i32>,
    /// The most requests in flight, of any version of HTTP; unbounded where nothing or 0 is written.
    pub http2_max_requests: Option<i32>,
    /// Closes a connection after so many requests; unbounded where nothing or 0 is written, and 1 means a
    /// connection for each request.
    pub max_requests_per_connection: Option<i32>,
    /// The most retries in flight; unbounded where nothing or 0 is written.
    pub max_retries: Option<i32>,
    /// Closes a connection without a request for so long; 1h where nothing is written.
    pub idle_timeout: Option<Span>,
    /// Whether HTTP/1.1 becomes HTTP/2 on the way; as the mesh says where nothing is written.
    pub h2_upgrade_policy: Option<H2UpgradePolicy>,
    /// Speaks to the endpoint the version of HTTP that the caller speaks.
    pub use_client_protocol: Option<bool>,
    /// The most requests in flight on one HTTP/2 connection; 2147483647 where nothing is written.
    pub max_concurrent_streams: Option<i32>,
    /// HTTP/2 pings that find dead connections; none where nothing is written.
    pub http2_keep_alive: Option<Http2KeepAlive>,
}

/// HTTP/2 pings.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Http2KeepAlive {
    /// The time between two pings.
    pub interval: Option<Span>,
    /// A ping without an answer for so long ends the connection.
    pub timeout: Option<Span>,
}

/// Whether HTTP/1.1 becomes HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// As the mesh says.
    Default,
    /// It does not.
    DoNotUpgrade,
    /// It does.
    Upgrade,
}

/// When an endpoint is left alone for a while.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// After so many 5xx, resets and failures to connect in a row; 5 where nothing is written, never for 0.
    pub consecutive_5xx_errors: Option<u32>,
    /// After so many 502, 503 or 504 in a row; never where nothing or 0 is written.
    pub consecutive_gateway_errors: Option<u32>,
    /// Deprecated: use `consecutiveGatewayErrors`.
    pub consecutive_errors: Option<i32>,
    /// Counts failures of the caller's own, such as those to connect, apart from the endpoint's errors.
    pub split_external_local_origin_errors: Option<bool>,
    /// After so many failures of the caller's own in a row, where they are counted apart; 5 where nothing is
    /// written.
    pub consecutive_local_origin_failures: Option<u32>,
    /// How often endpoints are let back in; 10s where nothing is written.
    pub interval: Option<Span>,
    /// The first stay outside; each further stay is longer by as much. 30s where nothing is written.
    pub base_ejection_time: Option<Span>,
    /// Never more than this share of endpoints is outside, in percent; 10 where nothing is written.
    pub max_ejection_percent: Option<i32>,
    /// Below this share of healthy endpoints all are used again, in percent; never where nothing or 0 is
    /// written.
    pub min_health_percent: Option<i32>,
    /// The HTTP statuses that count as errors, each from 100 to 599, in place of 5xx.
    pub outlier_detection_http_error_codes: Vec<u32>,
}
