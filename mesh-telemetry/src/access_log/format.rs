//! Envoy's format strings, compiled once.
//!
//! ```text
//! [%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH):80%" %RESPONSE_CODE%
//! ```
//!
//! An operator is `%NAME%`, `%NAME(ARGUMENT)%` or either with `:LENGTH` before the closing percent sign;
//! `%%` is a percent sign. What is missing prints as `-` in text and as `null` in JSON. In JSON a value that
//! is one operator and nothing else keeps its type.

use super::date::DateFormat;
use super::operator::{GrpcStatus, Operator, Part, RequestHeader, SERVICE_TIME, Value, is_field};
use crate::record::{ConnectionRecord, RequestRecord};
use http::HeaderName;
use mesh_core::model::access_log::LogFormat;
use std::io::Write as _;

/// A compiled format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Format {
    shape: Shape,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Text(Vec<Piece>),
    /// Keys as JSON strings, quotes included.
    Json(Vec<(String, Vec<Piece>)>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(String),
    Operator(Operator, Option<usize>),
}

/// What is wrong with a format string.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}byte {at}: {fault}")]
pub struct FormatError {
    place: String,
    at: usize,
    fault: Fault,
}

impl FormatError {
    /// Offset in the format string of the operator that is wrong.
    pub fn at(&self) -> usize {
        self.at
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("an operator is not closed by '%'")]
    Unclosed,
    #[error("{0:?} is not an operator that is known here")]
    Unknown(String),
    #[error("{0:?} is not a header's name")]
    Header(String),
    #[error("{0:?} is not a length")]
    Length(String),
    #[error("{0} takes no argument")]
    Argument(String),
    #[error("{0} needs an argument in parentheses")]
    NoArgument(String),
    #[error("the date format {0:?} has a letter that is not known here")]
    Date(String),
    #[error("{0:?} is not CAMEL_STRING, SNAKE_STRING or NUMBER")]
    GrpcStyle(String),
}

impl Format {
    /// Compiles what the model carries.
    ///
    /// # Errors
    /// The first operator that is not known, with its position.
    pub fn compile(format: &LogFormat) -> Result<Self, FormatError> {
        match format {
            LogFormat::Text(text) => Self::text(text),
            LogFormat::Json(fields) => Self::json(fields.iter().map(|(k, v)| (k.as_str(), v.as_str()))),
        }
    }

    /// Compiles a text format. It should end with a line break: none is added.
    ///
    /// # Errors
    /// The first operator that is not known, with its position.
    pub fn text(format: &str) -> Result<Self, FormatError> {
        let pieces = parse(format).map_err(|(at, fault)| FormatError { place: String::new(), at, fault })?;
        Ok(Self::new(Shape::Text(pieces)))
    }

    /// Compiles a JSON object's fields; each record becomes one line.
    ///
    /// # Errors
    /// The first operator that is not known, with its key and position.
    pub fn json<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, FormatError> {
        let mut compiled = Vec::new();
        for (key, format) in fields {
            let pieces =
                parse(format).map_err(|(at, fault)| FormatError { place: format!("{key}: "), at, fault })?;
            compiled.push((serde_json::Value::from(key).to_string(), pieces));
        }
        Ok(Self::new(Shape::Json(compiled)))
    }

    fn new(shape: Shape) -> Self {
        let pieces: Vec<&Piece> = match &shape {
            Shape::Text(pieces) => pieces.iter().collect(),
            Shape::Json(fields) => fields.iter().flat_map(|(_, pieces)| pieces).collect(),
        };
        let (mut request_headers, mut response_headers) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Operator(Operator::Request(first, second), _) => {
                    for header in [Some(first), second.as_ref()].into_iter().flatten() {
                        match header {
                            RequestHeader::Named(name) if !is_field(name) => {
                                request_headers.push(name.clone());
                            }
                            RequestHeader::Scheme => {
                                request_headers.push(HeaderName::from_static("x-forwarded-proto"));
                            }
                            _ => {}
                        }
                    }
                }
                Piece::Operator(Operator::Response(first, second), _) => {
                    let named = [Some(first), second.as_ref()].into_iter().flatten();
                    response_headers.extend(named.filter(|n| *n != SERVICE_TIME).cloned());
                }
                _ => {}
            }
        }
        for names in [&mut request_headers, &mut response_headers] {
            names.sort_by(|a, b| a.as_str().cmp(b.as_str()));
            names.dedup();
        }
        Self { shape, request_headers, response_headers }
    }

    /// The request headers that a record must carry in
    /// [`request_headers`](RequestRecord::request_headers) for this format, beyond its own fields.
    pub fn request_headers(&self) -> &[HeaderName] {
        &self.request_headers
    }

    /// The response headers that a record must carry for this format.
    pub fn response_headers(&self) -> &[HeaderName] {
        &self.response_headers
    }

    /// Appends the line of a request.
    pub fn request(&self, record: &RequestRecord, out: &mut Vec<u8>) {
        self.write(out, |operator| operator.of_request(record));
    }

    /// Appends the line of a connection; what only HTTP has is missing.
    pub fn connection(&self, record: &ConnectionRecord, out: &mut Vec<u8>) {
        self.write(out, |operator| operator.of_connection(record));
    }

    fn write<'a>(&'a self, out: &mut Vec<u8>, find: impl Fn(&'a Operator) -> Value<'a>) {
        match &self.shape {
            Shape::Text(pieces) => write_text(pieces, out, &find),
            Shape::Json(fields) => {
                let mut scratch = Vec::new();
                out.push(b'{');
                for (i, (key, pieces)) in fields.iter().enumerate() {
                    if i > 0 {
                        out.push(b',');
                    }
                    out.extend_from_slice(key.as_bytes());
                    out.push(b':');
                    scratch.clear();
                    if let [Piece::Operator(operator, limit)] = pieces.as_slice() {
                        match find(operator) {
                            Value::Missing => {
                                out.extend_from_slice(b"null");
                                continue;
                            }
                            Value::Number(n) => {
                                _ = write!(out, "{n}");
                                continue;
                            }
                            value => write_value(&value, *limit, &mut scratch),
                        }
                    } else {
                        write_text(pieces, &mut scratch, &find);
                    }
                    let text = String::from_utf8_lossy(&scratch);
                    // A string serialises without fail.
                    _ = serde_json::to_writer(&mut *out, &text);
                }
                out.extend_from_slice(b"}\n");
            }
        }
    }
}

fn write_text<'a>(pieces: &'a [Piece], out: &mut Vec<u8>, find: &impl Fn(&'a Operator) -> Value<'a>) {
    for piece in pieces {
        match piece {
            Piece::Literal(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Operator(operator, limit) => write_value(&find(operator), *limit, out),
        }
    }
}

fn write_value(value: &Value<'_>, limit: Option<usize>, out: &mut Vec<u8>) {
    let from = out.len();
    match value {
        Value::Missing => out.push(b'-'),
        Value::Number(n) => _ = write!(out, "{n}"),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Text(text) => out.extend_from_slice(text.as_bytes()),
        Value::Date(format, at) => format.write(*at, out),
    }
    if let Some(limit) = limit {
        out.truncate(from.saturating_add(limit));
    }
}

fn parse(format: &str) -> Result<Vec<Piece>, (usize, Fault)> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        literal.push_str(before);
        let at = format.len() - after.len() - 1;
        if let Some(after) = after.strip_prefix('%') {
            literal.push('%');
            rest = after;
            continue;
        }
        let (piece, after) = parse_operator(after).map_err(|fault| (at, fault))?;
        if !literal.is_empty() {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
        }
        pieces.push(piece);
        rest = after;
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    Ok(pieces)
}

/// What stands behind an opening percent sign, and the rest behind the closing one.
fn parse_operator(text: &str) -> Result<(Piece, &str), Fault> {
    let end = text.find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let (name, mut rest) = text.split_at(end.ok_or(Fault::Unclosed)?);
    let mut argument = None;
    if let Some(inner) = rest.strip_prefix('(') {
        // A date format holds percent signs, so the parenthesis decides where the argument ends.
        let (inside, after) = inner.split_once(')').ok_or(Fault::Unclosed)?;
        argument = Some(inside);
        rest = after;
    }
    let mut limit = None;
    if let Some(after) = rest.strip_prefix(':') {
        let (digits, _) = after.split_once('%').ok_or(Fault::Unclosed)?;
        limit = Some(digits.parse().map_err(|_| Fault::Length(digits.to_owned()))?);
        rest = after.get(digits.len()..).unwrap_or_default();
    }
    let Some(rest) = rest.strip_prefix('%') else {
        let shown: String = text.chars().take_while(|c| *c != '%').take(60).collect();
        return Err(if text.contains('%') { Fault::Unknown(shown) } else { Fault::Unclosed });
    };
    Ok((Piece::Operator(operator(name, argument)?, limit), rest))
}

fn operator(name: &str, argument: Option<&str>) -> Result<Operator, Fault> {
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
    if let Some(argument) = argument {
        let _ = argument;
        return Err(Fault::Argument(name.to_owned()));
    }
    Ok(match name {
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
    })
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
