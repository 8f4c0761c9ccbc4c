//! What an operator such as `%DURATION%` stands for, and how it is found in a record.

use super::date::DateFormat;
use crate::record::{ConnectionRecord, Downstream, Party, RequestRecord, Text, Upstream};
use http::{HeaderMap, HeaderName, Version};
use mesh_core::addr::Address;
use mesh_core::identity::SpiffeId;
use mesh_core::response_flag::ResponseFlags;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

/// How an operator prints an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    WithoutPort,
    Port,
}

/// A request header, or one of HTTP/2's pseudo headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RequestHeader {
    Method,
    Path,
    Authority,
    Scheme,
    Named(HeaderName),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum GrpcStatus {
    Number,
    Camel,
    Snake,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    StartTime(DateFormat),
    Request(RequestHeader, Option<RequestHeader>),
    Response(HeaderName, Option<HeaderName>),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    ConnectionTerminationDetails,
    BytesReceived,
    BytesSent,
    Duration,
    RequestDuration,
    ResponseDuration,
    ResponseTxDuration,
    UpstreamHost(Part),
    UpstreamCluster,
    UpstreamLocal(Part),
    UpstreamTransportFailureReason,
    UpstreamAttempts,
    DownstreamLocal(Part),
    DownstreamRemote(Part),
    DownstreamDirectRemote(Part),
    DownstreamPeerUriSan,
    DownstreamLocalUriSan,
    RequestedServerName,
    RouteName,
    GrpcStatus(GrpcStatus),
}

/// What an operator found.
pub(super) enum Value<'a> {
    Missing,
    Number(u64),
    Bytes(&'a [u8]),
    Text(Cow<'a, str>),
    Date(&'a DateFormat, SystemTime),
}

/// What both kinds of record have.
struct Common<'a> {
    start: SystemTime,
    duration: Duration,
    flags: ResponseFlags,
    termination: Option<&'a str>,
    received: u64,
    sent: u64,
    route_name: Option<&'a str>,
    downstream: &'a Downstream,
    upstream: &'a Upstream,
    source: &'a Party,
    destination: &'a Party,
    reporter_is_source: bool,
}

impl Operator {
    pub(super) fn of_request<'a>(&'a self, r: &'a RequestRecord) -> Value<'a> {
        match self {
            Self::Request(first, second) => {
                let found = request_header(r, first);
                found.or_else(|| request_header(r, second.as_ref()?)).map_or(Value::Missing, Value::Bytes)
            }
            Self::Response(first, second) => match response_header(r, first) {
                Value::Missing => second.as_ref().map_or(Value::Missing, |h| response_header(r, h)),
                found => found,
            },
            Self::Protocol => protocol(r.protocol).map_or(Value::Missing, |p| Value::Text(p.into())),
            Self::ResponseCode => Value::Number(r.response_code.into()),
            Self::ResponseCodeDetails => text(r.response_code_details.as_deref()),
            Self::RequestDuration => millis(r.request_duration),
            Self::ResponseDuration => millis(r.response_duration),
            Self::ResponseTxDuration => {
                millis(r.response_duration.map(|first| r.duration.saturating_sub(first)))
            }
            Self::GrpcStatus(style) => grpc_status(r.grpc_status, *style),
            other => other.of_common(&Common {
                start: r.start,
                duration: r.duration,
                flags: r.response_flags,
                termination: r.connection_termination_details.as_deref(),
                received: r.bytes_received,
                sent: r.bytes_sent,
                route_name: r.route_name.as_deref(),
                downstream: &r.downstream,
                upstream: &r.upstream,
                source: &r.source,
                destination: &r.destination,
                reporter_is_source: r.reporter == crate::record::Reporter::Source,
            }),
        }
    }

    pub(super) fn of_connection<'a>(&'a self, r: &'a ConnectionRecord) -> Value<'a> {
        match self {
            // Envoy prints 0 for a connection that had no response.
            Self::ResponseCode => Value::Number(0),
            other => other.of_common(&Common {
                start: r.start,
                duration: r.duration,
                flags: r.response_flags,
                termination: r.connection_termination_details.as_deref(),
                received: r.bytes_received,
                sent: r.bytes_sent,
                route_name: r.route_name.as_deref(),
                downstream: &r.downstream,
                upstream: &r.upstream,
                source: &r.source,
                destination: &r.destination,
                reporter_is_source: r.reporter == crate::record::Reporter::Source,
            }),
        }
    }

    fn of_common<'a>(&'a self, r: &Common<'a>) -> Value<'a> {
        match self {
            Self::StartTime(format) => Value::Date(format, r.start),
            Self::ResponseFlags => Value::Text(r.flags.to_string().into()),
            Self::ConnectionTerminationDetails => text(r.termination),
            Self::BytesReceived => Value::Number(r.received),
            Self::BytesSent => Value::Number(r.sent),
            Self::Duration => millis(Some(r.duration)),
            Self::UpstreamHost(part) => match &r.upstream.host {
                Some(Address::Socket(a)) => address(Some(*a), *part),
                Some(Address::Unix(path)) if *part != Part::Port => Value::Text((&**path).into()),
                _ => Value::Missing,
            },
            Self::UpstreamCluster => text(r.upstream.cluster.as_deref()),
            Self::UpstreamLocal(part) => address(r.upstream.local, *part),
            Self::UpstreamTransportFailureReason => text(r.upstream.transport_failure_reason.as_deref()),
            Self::UpstreamAttempts => Value::Number(r.upstream.attempts.into()),
            Self::DownstreamLocal(part) => address(r.downstream.local, *part),
            Self::DownstreamRemote(part) => address(r.downstream.remote, *part),
            Self::DownstreamDirectRemote(part) => {
                address(r.downstream.direct_remote.or(r.downstream.remote), *part)
            }
            // The downstream connection is the source's TLS only where the callee's side tells.
            Self::DownstreamPeerUriSan if !r.reporter_is_source => san(r.source),
            Self::DownstreamLocalUriSan if !r.reporter_is_source => san(r.destination),
            Self::RequestedServerName => text(r.downstream.sni.as_deref()),
            Self::RouteName => text(r.route_name),
            _ => Value::Missing,
        }
    }
}

fn text(value: Option<&str>) -> Value<'_> {
    value.filter(|v| !v.is_empty()).map_or(Value::Missing, |v| Value::Text(v.into()))
}

fn san(party: &Party) -> Value<'_> {
    text(party.principal.as_ref().map(SpiffeId::uri))
}

fn millis(duration: Option<Duration>) -> Value<'static> {
    duration.map_or(Value::Missing, |d| Value::Number(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
}

fn address(addr: Option<SocketAddr>, part: Part) -> Value<'static> {
    match (addr, part) {
        (None, _) => Value::Missing,
        (Some(a), Part::Whole) => Value::Text(a.to_string().into()),
        (Some(a), Part::WithoutPort) => Value::Text(a.ip().to_string().into()),
        (Some(a), Part::Port) => Value::Number(a.port().into()),
    }
}

fn protocol(version: Version) -> Option<&'static str> {
    match version {
        Version::HTTP_09 | Version::HTTP_10 => Some("HTTP/1.0"),
        Version::HTTP_11 => Some("HTTP/1.1"),
        Version::HTTP_2 => Some("HTTP/2"),
        Version::HTTP_3 => Some("HTTP/3"),
        _ => None,
    }
}

fn request_header<'a>(r: &'a RequestRecord, header: &RequestHeader) -> Option<&'a [u8]> {
    let text = |t: &'a Option<Text>| t.as_ref().map(Text::as_bytes);
    let value = |v: &'a Option<http::HeaderValue>| v.as_ref().map(http::HeaderValue::as_bytes);
    match header {
        RequestHeader::Method => Some(r.method.as_str().as_bytes()),
        RequestHeader::Path => text(&r.path),
        RequestHeader::Authority => text(&r.authority),
        RequestHeader::Scheme => named(&r.request_headers, "x-forwarded-proto"),
        RequestHeader::Named(name) => match name.as_str() {
            "x-envoy-original-path" => text(&r.original_path),
            "x-request-id" => value(&r.request_id),
            "user-agent" => value(&r.user_agent),
            "x-forwarded-for" => value(&r.forwarded_for),
            "host" => text(&r.authority),
            other => named(&r.request_headers, other),
        },
    }
}

/// The headers that a record has fields for, so that it need not carry them twice.
pub(super) fn is_field(header: &HeaderName) -> bool {
    matches!(
        header.as_str(),
        "x-envoy-original-path" | "x-request-id" | "user-agent" | "x-forwarded-for" | "host"
    )
}

fn response_header<'a>(r: &'a RequestRecord, header: &HeaderName) -> Value<'a> {
    match named(&r.response_headers, header.as_str()) {
        Some(found) => Value::Bytes(found),
        None if header == SERVICE_TIME => match millis(r.upstream.service_time) {
            Value::Number(n) => Value::Text(n.to_string().into()),
            other => other,
        },
        None => Value::Missing,
    }
}

/// Set by the proxy itself, from [`Upstream::service_time`].
pub(super) const SERVICE_TIME: &str = "x-envoy-upstream-service-time";

fn named<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a [u8]> {
    headers.get(name).map(http::HeaderValue::as_bytes)
}

const GRPC_STATUS: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];

fn grpc_status(status: Option<u32>, style: GrpcStatus) -> Value<'static> {
    let Some(status) = status else { return Value::Missing };
    let names = usize::try_from(status).ok().and_then(|i| GRPC_STATUS.get(i));
    match (style, names) {
        (GrpcStatus::Camel, Some((camel, _))) => Value::Text((*camel).into()),
        (GrpcStatus::Snake, Some((_, snake))) => Value::Text((*snake).into()),
        (GrpcStatus::Number, _) => Value::Number(status.into()),
        (_, None) => Value::Text(status.to_string().into()),
    }
}
