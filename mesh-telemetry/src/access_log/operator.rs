//! How what an operator stands for is found in a record.

use crate::record::{ConnectionRecord, Downstream, Party, RequestRecord, Text, Upstream};
use http::{HeaderMap, HeaderName};
use mesh_core::addr::Address;
use mesh_core::format::{Operator, Part, RequestHeader, Value, grpc_status};
use mesh_core::identity::SpiffeId;
use mesh_core::response_flag::ResponseFlags;
use std::time::{Duration, SystemTime};

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

/// In the record of a request.
pub(super) fn of_request<'a>(operator: &'a Operator, r: &'a RequestRecord) -> Value<'a> {
    match operator {
        Operator::Request(first, second) => {
            let found = request_header(r, first);
            found.or_else(|| request_header(r, second.as_ref()?)).map_or(Value::Missing, Value::Bytes)
        }
        Operator::Response(first, second) => match response_header(r, first) {
            Value::Missing => second.as_ref().map_or(Value::Missing, |h| response_header(r, h)),
            found => found,
        },
        Operator::Protocol => Value::protocol(r.protocol),
        Operator::ResponseCode => Value::Number(r.response_code.into()),
        Operator::ResponseCodeDetails => Value::text(r.response_code_details.as_deref()),
        Operator::RequestDuration => millis(r.request_duration),
        Operator::ResponseDuration => millis(r.response_duration),
        Operator::ResponseTxDuration => {
            millis(r.response_duration.map(|first| r.duration.saturating_sub(first)))
        }
        Operator::GrpcStatus(style) => grpc_status(r.grpc_status, *style),
        other => of_common(
            other,
            &Common {
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
            },
        ),
    }
}

/// In the record of a connection.
pub(super) fn of_connection<'a>(operator: &'a Operator, r: &'a ConnectionRecord) -> Value<'a> {
    match operator {
        // Envoy prints 0 for a connection that had no response.
        Operator::ResponseCode => Value::Number(0),
        other => of_common(
            other,
            &Common {
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
            },
        ),
    }
}

fn of_common<'a>(operator: &'a Operator, r: &Common<'a>) -> Value<'a> {
    match operator {
        Operator::StartTime(format) => Value::Date(format, r.start),
        Operator::ResponseFlags => Value::Text(r.flags.to_string().into()),
        Operator::ConnectionTerminationDetails => Value::text(r.termination),
        Operator::BytesReceived => Value::Number(r.received),
        Operator::BytesSent => Value::Number(r.sent),
        Operator::Duration => millis(Some(r.duration)),
        Operator::UpstreamHost(part) => match &r.upstream.host {
            Some(Address::Socket(a)) => Value::address(Some(*a), *part),
            Some(Address::Unix(path)) if *part != Part::Port => Value::Text((&**path).into()),
            _ => Value::Missing,
        },
        Operator::UpstreamCluster => Value::text(r.upstream.cluster.as_deref()),
        Operator::UpstreamLocal(part) => Value::address(r.upstream.local, *part),
        Operator::UpstreamTransportFailureReason => {
            Value::text(r.upstream.transport_failure_reason.as_deref())
        }
        Operator::UpstreamAttempts => Value::Number(r.upstream.attempts.into()),
        Operator::DownstreamLocal(part) => Value::address(r.downstream.local, *part),
        Operator::DownstreamRemote(part) => Value::address(r.downstream.remote, *part),
        Operator::DownstreamDirectRemote(part) => {
            Value::address(r.downstream.direct_remote.or(r.downstream.remote), *part)
        }
        // The downstream connection is the source's TLS only where the callee's side tells.
        Operator::DownstreamPeerUriSan if !r.reporter_is_source => san(r.source),
        Operator::DownstreamLocalUriSan if !r.reporter_is_source => san(r.destination),
        Operator::RequestedServerName => Value::text(r.downstream.sni.as_deref()),
        Operator::RouteName => Value::text(r.route_name),
        _ => Value::Missing,
    }
}

fn san(party: &Party) -> Value<'_> {
    Value::text(party.principal.as_ref().map(SpiffeId::uri))
}

fn millis(duration: Option<Duration>) -> Value<'static> {
    duration.map_or(Value::Missing, |d| Value::Number(u64::try_from(d.as_millis()).unwrap_or(u64::MAX)))
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
