//! What an operator such as `%DURATION%` stands for, its name, and how what it found is printed.

use super::Fault;
use super::date::DateFormat;
use http::{HeaderName, Version};
use std::borrow::Cow;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::SystemTime;

/// How an operator prints an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The IP address and the port.
    Whole,
    /// The IP address.
    WithoutPort,
    /// The port.
    Port,
}

/// A request header, or one of HTTP/2's pseudo headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestHeader {
    /// `:method`.
    Method,
    /// `:path`, with the query.
    Path,
    /// `:authority`.
    Authority,
    /// `:scheme`.
    Scheme,
    /// An ordinary header.
    Named(HeaderName),
}

/// How a gRPC status is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcStatus {
    /// `14`.
    Number,
    /// `Unavailable`.
    Camel,
    /// `UNAVAILABLE`.
    Snake,
}

/// What stands between two percent signs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operator {
    /// When the request began.
    StartTime(DateFormat),
    /// A request header, or another where it is missing.
    Request(RequestHeader, Option<RequestHeader>),
    /// A response header, or another where it is missing.
    Response(HeaderName, Option<HeaderName>),
    /// `HTTP/1.1`, `HTTP/2` and so on.
    Protocol,
    /// The status.
    ResponseCode,
    /// Who made the response, and why.
    ResponseCodeDetails,
    /// Why the response is as it is; see [`crate::response_flag`].
    ResponseFlags,
    /// Why the connection was ended.
    ConnectionTerminationDetails,
    /// Bytes of the request's body.
    BytesReceived,
    /// Bytes of the response's body.
    BytesSent,
    /// From the first byte of the request to the last of the response, in milliseconds.
    Duration,
    /// To the last byte of the request, in milliseconds.
    RequestDuration,
    /// To the first byte of the response, in milliseconds.
    ResponseDuration,
    /// From the first to the last byte of the response, in milliseconds.
    ResponseTxDuration,
    /// The endpoint.
    UpstreamHost(Part),
    /// The cluster.
    UpstreamCluster,
    /// Our side of the connection to the endpoint.
    UpstreamLocal(Part),
    /// Why the connection to the endpoint failed.
    UpstreamTransportFailureReason,
    /// How often the request was sent.
    UpstreamAttempts,
    /// Our side of the caller's connection.
    DownstreamLocal(Part),
    /// The caller.
    DownstreamRemote(Part),
    /// The peer of the caller's connection.
    DownstreamDirectRemote(Part),
    /// The identity in the caller's certificate.
    DownstreamPeerUriSan,
    /// The identity in our certificate.
    DownstreamLocalUriSan,
    /// The server name of the TLS hello.
    RequestedServerName,
    /// The route.
    RouteName,
    /// The gRPC status.
    GrpcStatus(GrpcStatus),
}

/// What an operator found.
#[derive(Clone, Debug)]
pub enum Value<'a> {
    /// Nothing.
    Missing,
    /// A number.
    Number(u64),
    /// Bytes as they came.
    Bytes(&'a [u8]),
    /// Text.
    Text(Cow<'a, str>),
    /// A moment, and how it is printed.
    Date(&'a DateFormat, SystemTime),
}

impl<'a> Value<'a> {
    /// A text; an empty one is missing.
    pub fn text(value: Option<&'a str>) -> Self {
        value.filter(|v| !v.is_empty()).map_or(Self::Missing, |v| Self::Text(v.into()))
    }

    /// Of an address, the part that is asked for.
    pub fn address(addr: Option<SocketAddr>, part: Part) -> Self {
        match (addr, part) {
            (None, _) => Self::Missing,
            (Some(a), Part::Whole) => Self::Text(a.to_string().into()),
            (Some(a), Part::WithoutPort) => Self::Text(a.ip().to_string().into()),
            (Some(a), Part::Port) => Self::Number(a.port().into()),
        }
    }

    /// A version of HTTP, as Envoy names it.
    pub fn protocol(version: Version) -> Self {
        Self::text(protocol(version))
    }

    /// Appends it, cut off at a length; what is missing is printed as `missing`.
    pub fn write(&self, limit: Option<usize>, missing: &[u8], out: &mut Vec<u8>) {
        let from = out.len();
        match self {
            Value::Missing => out.extend_from_slice(missing),
            // Writing to memory does not fail.
            Value::Number(n) => _ = write!(out, "{n}"),
            Value::Bytes(bytes) => out.extend_from_slice(bytes),
            Value::Text(text) => out.extend_from_slice(text.as_bytes()),
            Value::Date(format, at) => format.write(*at, out),
        }
        if let Some(limit) = limit {
            out.truncate(from.saturating_add(limit));
        }
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

/// A gRPC status, as it is asked for.
pub fn grpc_status(status: Option<u32>, style: GrpcStatus) -> Value<'static> {
    let Some(status) = status else { return Value::Missing };
    let names = usize::try_from(status).ok().and_then(|i| GRPC_STATUS.get(i));
    match (style, names) {
        (GrpcStatus::Camel, Some((camel, _))) => Value::Text((*camel).into()),
        (GrpcStatus::Snake, Some((_, snake))) => Value::Text((*snake).into()),
        (GrpcStatus::Number, _) => Value::Number(status.into()),
        (_, None) => Value::Text(status.to_string().into()),
    }
}

/// The operator of this name.
pub(super) fn operator(name: &str, argument: Option<&str>) -> Result<Operator, Fault> {
    use Operator as O;
    let required = || argument.filter(|a| !a.is_empty()).ok_or_else(|| Fault::NoArgument(name.to_owned()));
    match name {
        "START_TIME" => {
            let format = match argument {
                None | Some("") => DateFormat::rfc3339_millis(),
                Some(a) => DateFormat::parse(a).map_err(|_| Fault::Date(a.to_owned()))?,
            };
            return Ok(O::StartTime(format));
        }
        "REQ" => {
            let (first, second) = alternatives(required()?, request_header)?;
            return Ok(O::Request(first, second));
        }
        "RESP" => {
            let (first, second) = alternatives(required()?, header)?;
            return Ok(O::Response(first, second));
        }
        "GRPC_STATUS" => {
            return Ok(O::GrpcStatus(match argument {
                None | Some("" | "CAMEL_STRING") => GrpcStatus::Camel,
                Some("SNAKE_STRING") => GrpcStatus::Snake,
                Some("NUMBER") => GrpcStatus::Number,
                Some(other) => return Err(Fault::GrpcStyle(other.to_owned())),
            }));
        }
        _ => {}
    }
    let found = match name {
        "PROTOCOL" => O::Protocol,
        "RESPONSE_CODE" => O::ResponseCode,
        "RESPONSE_CODE_DETAILS" => O::ResponseCodeDetails,
        "RESPONSE_FLAGS" => O::ResponseFlags,
        "CONNECTION_TERMINATION_DETAILS" => O::ConnectionTerminationDetails,
        "BYTES_RECEIVED" => O::BytesReceived,
        "BYTES_SENT" => O::BytesSent,
        "DURATION" => O::Duration,
        "REQUEST_DURATION" => O::RequestDuration,
        "RESPONSE_DURATION" => O::ResponseDuration,
        "RESPONSE_TX_DURATION" => O::ResponseTxDuration,
        "UPSTREAM_HOST" | "UPSTREAM_REMOTE_ADDRESS" => O::UpstreamHost(Part::Whole),
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => O::UpstreamHost(Part::WithoutPort),
        "UPSTREAM_REMOTE_PORT" => O::UpstreamHost(Part::Port),
        "UPSTREAM_CLUSTER" | "UPSTREAM_CLUSTER_RAW" => O::UpstreamCluster,
        "UPSTREAM_LOCAL_ADDRESS" => O::UpstreamLocal(Part::Whole),
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => O::UpstreamLocal(Part::WithoutPort),
        "UPSTREAM_LOCAL_PORT" => O::UpstreamLocal(Part::Port),
        "UPSTREAM_TRANSPORT_FAILURE_REASON" => O::UpstreamTransportFailureReason,
        "UPSTREAM_REQUEST_ATTEMPT_COUNT" => O::UpstreamAttempts,
        "DOWNSTREAM_LOCAL_ADDRESS" => O::DownstreamLocal(Part::Whole),
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => O::DownstreamLocal(Part::WithoutPort),
        "DOWNSTREAM_LOCAL_PORT" => O::DownstreamLocal(Part::Port),
        "DOWNSTREAM_REMOTE_ADDRESS" => O::DownstreamRemote(Part::Whole),
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => O::DownstreamRemote(Part::WithoutPort),
        "DOWNSTREAM_REMOTE_PORT" => O::DownstreamRemote(Part::Port),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS" => O::DownstreamDirectRemote(Part::Whole),
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT" => O::DownstreamDirectRemote(Part::WithoutPort),
        "DOWNSTREAM_DIRECT_REMOTE_PORT" => O::DownstreamDirectRemote(Part::Port),
        "DOWNSTREAM_PEER_URI_SAN" => O::DownstreamPeerUriSan,
        "DOWNSTREAM_LOCAL_URI_SAN" => O::DownstreamLocalUriSan,
        "REQUESTED_SERVER_NAME" => O::RequestedServerName,
        "ROUTE_NAME" => O::RouteName,
        "GRPC_STATUS_NUMBER" => O::GrpcStatus(GrpcStatus::Number),
        other => return Err(Fault::Unknown(other.to_owned())),
    };
    match argument {
        None => Ok(found),
        Some(_) => Err(Fault::Argument(name.to_owned())),
    }
}

fn alternatives<H>(argument: &str, parse: fn(&str) -> Result<H, Fault>) -> Result<(H, Option<H>), Fault> {
    match argument.split_once('?') {
        Some((first, second)) => Ok((parse(first)?, Some(parse(second)?))),
        None => Ok((parse(argument)?, None)),
    }
}

fn header(name: &str) -> Result<HeaderName, Fault> {
    HeaderName::from_bytes(name.as_bytes()).map_err(|_| Fault::Header(name.to_owned()))
}

fn request_header(name: &str) -> Result<RequestHeader, Fault> {
    Ok(match name.to_ascii_lowercase().as_str() {
        ":method" => RequestHeader::Method,
        ":path" => RequestHeader::Path,
        ":authority" => RequestHeader::Authority,
        ":scheme" => RequestHeader::Scheme,
        _ => RequestHeader::Named(header(name)?),
    })
}
