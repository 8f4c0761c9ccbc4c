//! What happens to an HTTP connection: Envoy's HTTP connection manager and the filters that we run.

use super::Name;
use super::access_log::AccessLog;
use super::rbac::Rbac;
use super::route::RouteTable;
use super::values::{Denominator, Fraction};
use http::StatusCode;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// An HTTP connection manager. Envoy's `http_connection_manager.v3`.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpManager {
    /// Prefix of Envoy's counters, such as `outbound_0.0.0.0_9080`.
    pub stat_prefix: Name,
    /// Which HTTP is spoken.
    pub codec: Codec,
    /// Where requests go.
    pub routes: RouteSource,
    /// What they pass before the router, in order. The router itself is not among them: it is always last.
    pub filters: Vec<HttpFilter>,
    /// Access logs of its requests.
    pub access_logs: Vec<AccessLog>,
    /// Take the connection's peer for the caller and append it to `x-forwarded-for`, as an edge does.
    pub use_remote_address: bool,
    /// How many proxies in front are trusted to have written `x-forwarded-for`.
    pub trusted_hops: u32,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_cert: ForwardClientCert,
    /// How paths are normalised before anything looks at them.
    pub normalize: PathNormalization,
    /// Kinds of upgrade that pass, such as `websocket`.
    pub upgrades: Vec<String>,
    /// Close a stream with no activity for so long; Envoy's default is 5 min. `None` never.
    pub stream_idle_timeout: Option<Duration>,
    /// Close a connection with no stream for so long; Envoy's default is 1 h. `None` never.
    pub idle_timeout: Option<Duration>,
    /// Value of the `server` header; empty passes the upstream's through.
    pub server_name: String,
    /// Make `x-request-id` where it is missing.
    pub generate_request_id: bool,
}

/// Which HTTP a listener speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Codec {
    /// By ALPN, else by HTTP/2's connection preface.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Where a connection manager's routes come from.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteSource {
    /// A table of the snapshot, by name.
    Named(Name),
    /// Written here.
    Inline(Arc<RouteTable>),
}

/// Something that a request passes before it is routed.
#[derive(Clone, Debug, PartialEq)]
pub enum HttpFilter {
    /// Authorization.
    Rbac(Arc<Rbac>),
    /// Delay and abort; what they are stands in each route.
    Fault,
    /// CORS; the policy stands in each route.
    Cors,
    /// Counts gRPC messages.
    GrpcStats,
    /// A filter that we do not run and may leave out, by name.
    Optional(Name),
}

/// Delay, abort and slow down on purpose. Envoy's `http.fault.v3.HTTPFault`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fault {
    /// Hold requests back.
    pub delay: Option<FaultDelay>,
    /// Answer them with an error.
    pub abort: Option<FaultAbort>,
    /// Let their responses trickle.
    pub response_rate_limit: Option<FaultRateLimit>,
    /// No fault while so many are active; `None` is no bound.
    pub max_active: Option<u32>,
}

/// Hold requests back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultDelay {
    /// For how long.
    pub by: DelayBy,
    /// Which share of them.
    pub fraction: Fraction,
}

/// How long a delay is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DelayBy {
    /// As long as that.
    Fixed(Duration),
    /// As many milliseconds as the request's `x-envoy-fault-delay-request` says, and of a share that its
    /// `…-percentage` lowers, in this unit.
    Header(Denominator),
}

/// Answer requests with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultAbort {
    /// With which.
    pub by: AbortBy,
    /// Which share of them.
    pub fraction: Fraction,
}

/// The error that an abort answers with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortWith {
    /// An HTTP status.
    Http(StatusCode),
    /// A gRPC status code.
    Grpc(u32),
}

/// Where an abort's error comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortBy {
    /// It is that.
    Fixed(AbortWith),
    /// The HTTP status of the request's `x-envoy-fault-abort-request`, else the gRPC status of its
    /// `x-envoy-fault-abort-grpc-request`, and of a share that `x-envoy-fault-abort-request-percentage`
    /// lowers, in this unit.
    Header(Denominator),
}

/// Let responses trickle: each has its own bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultRateLimit {
    /// How fast they may be.
    pub by: RateBy,
    /// Which share of them.
    pub fraction: Fraction,
}

/// How fast a response may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateBy {
    /// So many KiB a second.
    Fixed(NonZeroU64),
    /// As many KiB a second as the request's `x-envoy-fault-throughput-response` says, and of a share that
    /// its `…-percentage` lowers, in this unit.
    Header(Denominator),
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ForwardClientCert {
    /// Remove it.
    #[default]
    Sanitize,
    /// Pass it on if the connection is mTLS.
    ForwardOnly,
    /// Append the peer's.
    AppendForward,
    /// Replace it by the peer's: `By`, `Hash`, `Subject` and `URI`, as Istio's sidecars do inbound.
    SanitizeSet,
    /// Pass it on in any case.
    AlwaysForwardOnly,
}

/// Istio's `meshConfig.pathNormalization`; each level does what the one before does, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PathNormalization {
    /// Nothing.
    None,
    /// RFC 3986 dot segments and backslashes: Istio's default.
    #[default]
    Base,
    /// And `//` becomes `/`.
    MergeSlashes,
    /// And `%2F` and `%5C` become slashes first.
    DecodeAndMergeSlashes,
}
