//! The facts of one request, and of one connection: filled once along the path, read by every sink.
//!
//! ```text
//! listener ─▶ inbound or outbound stack ─▶ the last byte ─▶ [record] ─▶ metrics, access log, any Sink
//! ```
//!
//! Texts are held as the data plane already holds them ([`Text`]), and names that outlive a request are
//! shared, so that filling a record for known peers allocates nothing. Whoever fills it decides what is
//! true; the sinks only print.

use crate::peer::Peer;
use http::uri::{Authority, PathAndQuery};
use http::{HeaderMap, HeaderValue, Method, Version};
use mesh_core::addr::Address;
use mesh_core::identity::SpiffeId;
use mesh_core::model::Name;
use mesh_core::model::cluster::ServiceRef;
use mesh_core::response_flag::ResponseFlags;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A text of a request in the type that the HTTP stack already has it in; cloning it copies no bytes.
#[derive(Clone, Debug)]
pub enum Text {
    /// A header's value.
    Header(HeaderValue),
    /// An authority, such as HTTP/2's `:authority`.
    Authority(Authority),
    /// A path with its query.
    Path(PathAndQuery),
    /// A shared name.
    Name(Name),
    /// A constant.
    Static(&'static str),
}

impl Text {
    /// The bytes as they came; not always UTF-8.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Header(v) => v.as_bytes(),
            Self::Authority(v) => v.as_str().as_bytes(),
            Self::Path(v) => v.as_str().as_bytes(),
            Self::Name(v) => v.as_bytes(),
            Self::Static(v) => v.as_bytes(),
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Text {}

macro_rules! text_from {
    ($($from:ty => $variant:ident),*) => {$(
        impl From<$from> for Text {
            fn from(v: $from) -> Self {
                Self::$variant(v)
            }
        }
    )*};
}
text_from!(HeaderValue => Header, Authority => Authority, PathAndQuery => Path, Name => Name, &'static str => Static);

/// Which side of the hop tells. Istio's label `reporter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reporter {
    /// The caller's proxy, and every gateway.
    Source,
    /// The callee's proxy.
    Destination,
}

impl Reporter {
    /// Istio's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Destination => "destination",
        }
    }
}

/// Whether the hop was mesh mTLS. Istio's label `connection_security_policy`.
///
/// Istio's source reporter says [`Self::Unknown`] for HTTP: only the callee's side knows what it accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ConnectionSecurity {
    /// Both sides showed a certificate of the mesh.
    MutualTls,
    /// They did not.
    None,
    /// Nobody looked.
    #[default]
    Unknown,
}

impl ConnectionSecurity {
    /// Istio's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual_tls",
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

/// One end of the hop.
#[derive(Clone, Debug, Default)]
pub struct Party {
    /// The workload, from its own configuration, the endpoint's metadata or metadata exchange.
    pub peer: Option<Arc<Peer>>,
    /// The identity that its certificate proved; never one that it merely claimed.
    pub principal: Option<SpiffeId>,
}

/// The side that the request came from.
#[derive(Clone, Debug, Default)]
pub struct Downstream {
    /// Where it was accepted, or where it was going before it was redirected.
    pub local: Option<SocketAddr>,
    /// The caller; from `x-forwarded-for` where hops are trusted.
    pub remote: Option<SocketAddr>,
    /// The connection's other end.
    pub direct_remote: Option<SocketAddr>,
    /// The server name that the caller's TLS asked for.
    pub sni: Option<Name>,
}

/// The side that the request went to.
#[derive(Clone, Debug, Default)]
pub struct Upstream {
    /// The endpoint of the last attempt.
    pub host: Option<Address>,
    /// The cluster.
    pub cluster: Option<Name>,
    /// This side of the connection.
    pub local: Option<SocketAddr>,
    /// From sending the request to the response's head: `x-envoy-upstream-service-time`.
    pub service_time: Option<Duration>,
    /// Why no connection came to be.
    pub transport_failure_reason: Option<Cow<'static, str>>,
    /// How often the request was sent; 0 if it never was.
    pub attempts: u32,
}

/// The facts of one HTTP request.
#[derive(Clone, Debug)]
pub struct RequestRecord {
    /// When its head was complete, by the wall clock.
    pub start: SystemTime,
    /// From there to the last byte of the response.
    pub duration: Duration,
    /// From the start to the last byte of the request.
    pub request_duration: Option<Duration>,
    /// From the start to the response's head.
    pub response_duration: Option<Duration>,
    /// Which side tells.
    pub reporter: Reporter,
    /// The HTTP version that the caller spoke.
    pub protocol: Version,
    /// Whether it was gRPC, by its content type.
    pub grpc: bool,
    /// Method.
    pub method: Method,
    /// The path that was forwarded, with its query.
    pub path: Option<Text>,
    /// The path that came, where it was rewritten: `x-envoy-original-path`.
    pub original_path: Option<Text>,
    /// `Host` or `:authority`.
    pub authority: Option<Text>,
    /// `x-request-id`.
    pub request_id: Option<HeaderValue>,
    /// `user-agent`.
    pub user_agent: Option<HeaderValue>,
    /// `x-forwarded-for`.
    pub forwarded_for: Option<HeaderValue>,
    /// Further request headers, for formats that name them: see
    /// [`crate::access_log::Format::request_headers`].
    pub request_headers: HeaderMap,
    /// Further response headers, for formats that name them.
    pub response_headers: HeaderMap,
    /// Status; 0 if no response was sent.
    pub response_code: u16,
    /// Why it is as it is.
    pub response_flags: ResponseFlags,
    /// Who answered, in Envoy's words, such as `via_upstream`.
    pub response_code_details: Option<Cow<'static, str>>,
    /// Why the proxy closed the caller's connection.
    pub connection_termination_details: Option<Cow<'static, str>>,
    /// Trailer `grpc-status`.
    pub grpc_status: Option<u32>,
    /// Body bytes of the request.
    pub bytes_received: u64,
    /// Body bytes of the response.
    pub bytes_sent: u64,
    /// The route that matched.
    pub route_name: Option<Name>,
    /// Where it came from.
    pub downstream: Downstream,
    /// Where it went.
    pub upstream: Upstream,
    /// Whether the hop was mTLS.
    pub connection_security: ConnectionSecurity,
    /// The workload that called.
    pub source: Party,
    /// The workload that was called.
    pub destination: Party,
    /// The service that was called.
    pub service: Option<ServiceRef>,
}

impl RequestRecord {
    /// A record of a request of which nothing is known yet.
    pub fn new(reporter: Reporter, start: SystemTime) -> Self {
        Self {
            start,
            duration: Duration::ZERO,
            request_duration: None,
            response_duration: None,
            reporter,
            protocol: Version::HTTP_11,
            grpc: false,
            method: Method::GET,
            path: None,
            original_path: None,
            authority: None,
            request_id: None,
            user_agent: None,
            forwarded_for: None,
            request_headers: HeaderMap::new(),
            response_headers: HeaderMap::new(),
            response_code: 0,
            response_flags: ResponseFlags::default(),
            response_code_details: None,
            connection_termination_details: None,
            grpc_status: None,
            bytes_received: 0,
            bytes_sent: 0,
            route_name: None,
            downstream: Downstream::default(),
            upstream: Upstream::default(),
            connection_security: ConnectionSecurity::Unknown,
            source: Party::default(),
            destination: Party::default(),
            service: None,
        }
    }
}

/// What happened to a connection since it was last told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionEvent {
    /// It was opened and both ends are known.
    Opened,
    /// It carried bytes; told every few seconds for long-lived connections.
    Progress,
    /// It ended.
    Closed,
}

/// The facts of one TCP connection that is not HTTP to the proxy.
#[derive(Clone, Debug)]
pub struct ConnectionRecord {
    /// When it was accepted, by the wall clock.
    pub start: SystemTime,
    /// How long it has lasted.
    pub duration: Duration,
    /// Which side tells.
    pub reporter: Reporter,
    /// What is told.
    pub event: ConnectionEvent,
    /// Bytes from the caller, in all.
    pub bytes_received: u64,
    /// Bytes to the caller, in all.
    pub bytes_sent: u64,
    /// Bytes from the caller that no earlier record of this connection told of.
    pub new_bytes_received: u64,
    /// Bytes to the caller that no earlier record of this connection told of.
    pub new_bytes_sent: u64,
    /// Why it is as it is.
    pub response_flags: ResponseFlags,
    /// Why the proxy closed it.
    pub connection_termination_details: Option<Cow<'static, str>>,
    /// The route or filter chain that took it.
    pub route_name: Option<Name>,
    /// Where it came from.
    pub downstream: Downstream,
    /// Where it went.
    pub upstream: Upstream,
    /// Whether it was mTLS.
    pub connection_security: ConnectionSecurity,
    /// The workload that called.
    pub source: Party,
    /// The workload that was called.
    pub destination: Party,
    /// The service that was called.
    pub service: Option<ServiceRef>,
}

impl ConnectionRecord {
    /// A record of a connection of which nothing is known yet.
    pub fn new(reporter: Reporter, event: ConnectionEvent, start: SystemTime) -> Self {
        Self {
            start,
            duration: Duration::ZERO,
            reporter,
            event,
            bytes_received: 0,
            bytes_sent: 0,
            new_bytes_received: 0,
            new_bytes_sent: 0,
            response_flags: ResponseFlags::default(),
            connection_termination_details: None,
            route_name: None,
            downstream: Downstream::default(),
            upstream: Upstream::default(),
            connection_security: ConnectionSecurity::Unknown,
            source: Party::default(),
            destination: Party::default(),
            service: None,
        }
    }
}
