//! A set of endpoints that are one to callers, and how they are reached. Envoy's `cluster.v3`.

use super::Name;
use super::endpoint::Endpoints;
use super::tls::UpstreamTls;
use super::values::Fraction;
use crate::origin::Origin;
use std::sync::Arc;
use std::time::Duration;

/// A cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Name, such as `outbound|9080|v1|reviews.default.svc.cluster.local`.
    pub name: Name,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// How one of them is chosen.
    pub balance: Balance,
    /// The longest that a connect may take, TLS included; Istio's default is 10 s.
    pub connect_timeout: Duration,
    /// Limits of [`super::values::Priority::Default`].
    pub limits: CircuitLimits,
    /// Limits of [`super::values::Priority::High`], counted apart; `None` takes [`CircuitLimits::ENVOY`].
    pub high_limits: Option<CircuitLimits>,
    /// Ejection of endpoints that fail.
    pub outlier: Option<OutlierDetection>,
    /// How bytes are carried.
    pub transport: ClusterTransport,
    /// Which HTTP is spoken.
    pub http: UpstreamHttp,
    /// Serve every endpoint if fewer than this share is healthy; Envoy's default is 50%, Istio's 0.
    pub panic_threshold: Fraction,
    /// TCP keep-alive of its connections.
    pub keepalive: Option<TcpKeepalive>,
    /// The services that it stands for, for telemetry: Istio's `filter_metadata.istio.services`.
    pub services: Vec<ServiceRef>,
    /// The resource that declared it.
    pub origin: Option<Origin>,
}

/// A service that a cluster stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServiceRef {
    /// Host name.
    pub host: Name,
    /// Name.
    pub name: Name,
    /// Namespace.
    pub namespace: Name,
}

/// Where a cluster's endpoints come from.
#[derive(Clone, Debug, PartialEq)]
pub enum Discovery {
    /// [`super::Snapshot::endpoints`], under this name.
    Eds(Name),
    /// Written here.
    Static(Arc<Endpoints>),
    /// Every address that these names resolve to.
    StrictDns(Vec<DnsTarget>),
    /// One address of a name at a time.
    LogicalDns(DnsTarget),
    /// Where the connection was going before it was redirected.
    OriginalDestination,
}

/// A name to be resolved.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DnsTarget {
    /// Host name.
    pub host: Name,
    /// Port.
    pub port: u16,
}

/// How an endpoint is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Balance {
    /// Each in turn, by weight.
    RoundRobin,
    /// The less loaded of so many random ones (Envoy's default: 2).
    LeastRequest {
        /// How many are looked at.
        choices: u32,
    },
    /// Any, by weight.
    Random,
    /// By hash on a ring.
    RingHash {
        /// Least entries of the ring; Envoy's default is 1024.
        minimum_size: u64,
    },
    /// By hash in a table.
    Maglev {
        /// Entries, a prime; Envoy's default is 65537.
        table_size: u64,
    },
    /// None: the original destination is taken.
    ClusterProvided,
}

/// Bounds on what may be open to a cluster. Envoy's `circuit_breakers.thresholds`.
///
/// Istio's default is no bound; so is this type's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CircuitLimits {
    /// Connections.
    pub max_connections: u32,
    /// Requests that wait for a connection.
    pub max_pending_requests: u32,
    /// Requests in flight.
    pub max_requests: u32,
    /// Retries in flight, where there is no budget.
    pub max_retries: u32,
    /// Retries in flight as a share of requests in flight.
    pub retry_budget: Option<RetryBudget>,
}

impl CircuitLimits {
    /// Envoy's defaults, where Istio's are no bounds.
    pub const ENVOY: Self = Self {
        max_connections: 1024,
        max_pending_requests: 1024,
        max_requests: 1024,
        max_retries: 3,
        retry_budget: None,
    };
}

impl Default for CircuitLimits {
    fn default() -> Self {
        Self {
            max_connections: u32::MAX,
            max_pending_requests: u32::MAX,
            max_requests: u32::MAX,
            max_retries: u32::MAX,
            retry_budget: None,
        }
    }
}

/// Retries as a share of requests in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryBudget {
    /// The share; Envoy's default is 20%.
    pub percent: Fraction,
    /// So many are allowed in any case; Envoy's default is 3.
    pub min_concurrency: u32,
}

/// When an endpoint is taken out, and for how long. Envoy's `outlier_detection`.
///
/// Each way to detect an outlier has a share of the cases in which it is acted upon: the others are counted
/// and told, and the endpoint stays. Envoy knows whole percents of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierDetection {
    /// Take out after so many 5xx in a row; 0 never.
    pub consecutive_5xx: u32,
    /// In which share of the cases.
    pub enforcing_consecutive_5xx: Fraction,
    /// Take out after so many 502, 503 or 504 in a row; 0 never.
    pub consecutive_gateway_errors: u32,
    /// In which share of the cases.
    pub enforcing_consecutive_gateway_errors: Fraction,
    /// Count failures to connect apart from responses, and take out after so many (0 never); `None` counts
    /// them as 5xx.
    pub consecutive_local_origin_failures: Option<u32>,
    /// In which share of the cases.
    pub enforcing_consecutive_local_origin_failures: Fraction,
    /// Take out who succeeds less often than the others do.
    pub success_rate: SuccessRate,
    /// Take out who fails more often than a bound, whatever the others do.
    pub failure_percentage: FailurePercentage,
    /// How often returns and rates are looked at; default 10 s.
    pub interval: Duration,
    /// The first stay; the n-th is n times as long. Default 30 s.
    pub base_ejection_time: Duration,
    /// The longest stay; default 300 s.
    pub max_ejection_time: Duration,
    /// Up to so much longer, at random, so that not all return at once. Default 0.
    pub max_ejection_time_jitter: Duration,
    /// Never more than this share at once. Default 10%.
    pub max_ejection_percent: Fraction,
    /// But one, whatever the share: 10% of three endpoints would be none.
    pub always_eject_one_host: bool,
}

impl Default for OutlierDetection {
    /// Envoy's defaults, with Istio's: consecutive 5xx alone counts. One endpoint may always be out.
    fn default() -> Self {
        Self {
            consecutive_5xx: 5,
            enforcing_consecutive_5xx: Fraction::ONE,
            consecutive_gateway_errors: 0,
            enforcing_consecutive_gateway_errors: Fraction::ONE,
            consecutive_local_origin_failures: None,
            enforcing_consecutive_local_origin_failures: Fraction::ONE,
            success_rate: SuccessRate::default(),
            failure_percentage: FailurePercentage::default(),
            interval: Duration::from_secs(10),
            base_ejection_time: Duration::from_secs(30),
            max_ejection_time: Duration::from_secs(300),
            max_ejection_time_jitter: Duration::ZERO,
            max_ejection_percent: Fraction::millionths(100_000),
            always_eject_one_host: true,
        }
    }
}

/// Outliers by comparison: whose rate of success lies below the mean of all, less a multiple of the standard
/// deviation. Looked at once an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessRate {
    /// In which share of the cases; off by default, as in Istio.
    pub enforcing: Fraction,
    /// The same for connecting alone, where that is counted apart.
    pub enforcing_local_origin: Fraction,
    /// Only if so many endpoints had enough requests; default 5.
    pub minimum_hosts: u32,
    /// So many requests in an interval are enough; default 100.
    pub request_volume: u32,
    /// The multiple, in thousandths; default 1900.
    pub stdev_factor: u32,
}

impl Default for SuccessRate {
    fn default() -> Self {
        Self {
            enforcing: Fraction::ZERO,
            enforcing_local_origin: Fraction::ZERO,
            minimum_hosts: 5,
            request_volume: 100,
            stdev_factor: 1900,
        }
    }
}

/// Outliers by a bound: whose share of failures in an interval is that large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailurePercentage {
    /// In which share of the cases; off by default.
    pub enforcing: Fraction,
    /// The same for connecting alone, where that is counted apart.
    pub enforcing_local_origin: Fraction,
    /// The bound; default 85%.
    pub threshold: Fraction,
    /// Only if so many endpoints had enough requests; default 5.
    pub minimum_hosts: u32,
    /// So many requests in an interval are enough; default 50.
    pub request_volume: u32,
}

impl Default for FailurePercentage {
    fn default() -> Self {
        Self {
            enforcing: Fraction::ZERO,
            enforcing_local_origin: Fraction::ZERO,
            threshold: Fraction::millionths(850_000),
            minimum_hosts: 5,
            request_volume: 50,
        }
    }
}

/// How bytes are carried to a cluster's endpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterTransport {
    /// As they are.
    Plain,
    /// TLS to every endpoint.
    Tls(UpstreamTls),
    /// Mesh mTLS to endpoints whose [`super::endpoint::Endpoint::tls_mode`] says that they take it, plain to
    /// the others: Istio's auto mTLS, by `transport_socket_matches`.
    AutoMtls(UpstreamTls),
}

/// Which HTTP a cluster's endpoints are spoken to in, and how long connections live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UpstreamHttp {
    /// The protocol.
    pub protocol: UpstreamProtocol,
    /// Close a connection after so many requests; 0 never.
    pub max_requests_per_connection: u32,
    /// Close a connection that was idle for so long; Envoy's default is 1 h. `None` takes the default.
    pub idle_timeout: Option<Duration>,
}

/// Which HTTP is spoken to a cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2, with prior knowledge or by ALPN.
    Http2,
    /// The one that the caller speaks.
    SameAsCaller,
}

/// TCP keep-alive; `None` leaves the kernel's default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpKeepalive {
    /// Unanswered probes before the connection is dead.
    pub probes: Option<u32>,
    /// Idle time before the first probe.
    pub time: Option<Duration>,
    /// Time between probes.
    pub interval: Option<Duration>,
}
