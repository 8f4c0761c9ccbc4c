//! How what an operator stands for is found in requests and responses.

use super::Connection;
use crate::grpc;
use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, Uri, Version};
use mesh_core::decide::rewrite::authority;
use mesh_core::format::{Operator, RequestHeader, Value, grpc_status};
use mesh_core::identity::SpiffeId;
use mesh_core::response_flag::ResponseFlags;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

/// Where a response came from. Whoever sends requests to endpoints puts it into each response's extensions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upstream {
    /// The endpoint.
    pub host: Option<SocketAddr>,
    /// Our side of the connection to it.
    pub local: Option<SocketAddr>,
    /// The cluster.
    pub cluster: Option<Arc<str>>,
}

/// Whose headers are changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
}

impl Side {
    /// Whether an operator can be found there.
    pub(super) fn knows(self, operator: &Operator) -> bool {
        use Operator as O;
        match operator {
            O::StartTime(_)
            | O::Request(..)
            | O::Protocol
            | O::DownstreamLocal(_)
            | O::DownstreamRemote(_)
            | O::DownstreamDirectRemote(_)
            | O::DownstreamPeerUriSan
            | O::RequestedServerName => true,
            O::Response(..)
            | O::ResponseCode
            | O::ResponseFlags
            | O::GrpcStatus(_)
            | O::UpstreamHost(_)
            | O::UpstreamLocal(_)
            | O::UpstreamCluster => self == Self::Response,
            O::ResponseCodeDetails
            | O::ConnectionTerminationDetails
            | O::BytesReceived
            | O::BytesSent
            | O::Duration
            | O::RequestDuration
            | O::ResponseDuration
            | O::ResponseTxDuration
            | O::UpstreamTransportFailureReason
            | O::UpstreamAttempts
            | O::DownstreamLocalUriSan
            | O::RouteName => false,
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Request => "requests",
            Self::Response => "responses",
        })
    }
}

/// What formats read of a request.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    method: &'a Method,
    uri: &'a Uri,
    version: Version,
    headers: &'a HeaderMap,
    connection: Option<&'a Connection>,
    peer: Option<&'a SpiffeId>,
    start: SystemTime,
}

impl<'a> Seen<'a> {
    pub(super) fn of(parts: &'a Parts, start: SystemTime) -> Self {
        Self {
            method: &parts.method,
            uri: &parts.uri,
            version: parts.version,
            headers: &parts.headers,
            connection: parts.extensions.get(),
            peer: parts.extensions.get(),
            start,
        }
    }

    pub(super) fn find(&self, operator: &'a Operator) -> Value<'a> {
        let connection = self.connection;
        let direct = connection.map(|c| c.remote);
        match operator {
            Operator::StartTime(format) => Value::Date(format, self.start),
            Operator::Request(first, second) => {
                let found = self.header(first).or_else(|| self.header(second.as_ref()?));
                found.map_or(Value::Missing, Value::Bytes)
            }
            Operator::Protocol => Value::protocol(self.version),
            Operator::DownstreamLocal(part) => Value::address(connection.map(|c| c.local), *part),
            Operator::DownstreamDirectRemote(part) => Value::address(direct, *part),
            Operator::DownstreamRemote(part) => {
                // As in Envoy, an address out of `x-forwarded-for` has port 0.
                let caller = connection.and_then(|c| c.client).map(|ip| SocketAddr::new(ip, 0));
                Value::address(caller.or(direct), *part)
            }
            Operator::DownstreamPeerUriSan => Value::text(self.peer.map(SpiffeId::uri)),
            Operator::RequestedServerName => Value::text(connection.and_then(|c| c.server_name.as_deref())),
            _ => Value::Missing,
        }
    }

    fn header(&self, header: &RequestHeader) -> Option<&'a [u8]> {
        match header {
            RequestHeader::Method => Some(self.method.as_str().as_bytes()),
            RequestHeader::Path => Some(self.uri.path_and_query()?.as_str().as_bytes()),
            RequestHeader::Authority => authority(self.uri, self.headers).map(str::as_bytes),
            RequestHeader::Scheme => match self.uri.scheme_str() {
                Some(scheme) => Some(scheme.as_bytes()),
                None => self.headers.get("x-forwarded-proto").map(HeaderValue::as_bytes),
            },
            RequestHeader::Named(name) => self.headers.get(name).map(HeaderValue::as_bytes),
        }
    }
}

/// What a response's formats want of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    any: bool,
    headers: Vec<HeaderName>,
}

impl Wanted {
    pub(super) fn of<'a>(operators: impl Iterator<Item = &'a Operator>) -> Self {
        let mut wanted = Self::default();
        for operator in operators.filter(|operator| Side::Request.knows(operator)) {
            wanted.any = true;
            let Operator::Request(first, second) = operator else { continue };
            wanted.headers.extend([Some(first), second.as_ref()].into_iter().flatten().filter_map(
                |header| match header {
                    RequestHeader::Named(name) => Some(name.clone()),
                    RequestHeader::Authority => Some(HOST),
                    RequestHeader::Scheme => Some(HeaderName::from_static("x-forwarded-proto")),
                    RequestHeader::Method | RequestHeader::Path => None,
                },
            ));
        }
        wanted
    }

    /// A copy of that; `None` if nothing is wanted, which costs nothing.
    pub(super) fn copy<B>(&self, request: &Request<B>, start: SystemTime) -> Option<Box<Copied>> {
        if !self.any {
            return None;
        }
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = request.method().clone();
        parts.uri = request.uri().clone();
        parts.version = request.version();
        for name in &self.headers {
            if let Some(value) = request.headers().get(name) {
                parts.headers.insert(name.clone(), value.clone());
            }
        }
        let extensions = request.extensions();
        parts.extensions.extend_some(extensions.get::<Connection>());
        parts.extensions.extend_some(extensions.get::<SpiffeId>());
        Some(Box::new(Copied { parts, start }))
    }
}

trait ExtendSome {
    fn extend_some<T: Clone + Send + Sync + 'static>(&mut self, value: Option<&T>);
}

impl ExtendSome for http::Extensions {
    fn extend_some<T: Clone + Send + Sync + 'static>(&mut self, value: Option<&T>) {
        if let Some(value) = value {
            self.insert(value.clone());
        }
    }
}

/// What a response's formats read of the request, kept until there is a response.
pub(super) struct Copied {
    parts: Parts,
    start: SystemTime,
}

/// Finds in a response, else in its request.
pub(super) fn find<'a, B>(
    operator: &'a Operator,
    response: &'a Response<B>,
    request: Option<&'a Copied>,
) -> Value<'a> {
    let upstream = response.extensions().get::<Upstream>();
    let header = |name| response.headers().get(name).map(HeaderValue::as_bytes);
    match operator {
        Operator::Response(first, second) => {
            let found = header(first).or_else(|| header(second.as_ref()?));
            found.map_or(Value::Missing, Value::Bytes)
        }
        Operator::ResponseCode => Value::Number(response.status().as_u16().into()),
        Operator::ResponseFlags => {
            let flags = response.extensions().get::<ResponseFlags>().copied().unwrap_or_default();
            Value::Text(flags.to_string().into())
        }
        Operator::GrpcStatus(style) => grpc_status(grpc::status(response.headers()), *style),
        Operator::UpstreamHost(part) => Value::address(upstream.and_then(|u| u.host), *part),
        Operator::UpstreamLocal(part) => Value::address(upstream.and_then(|u| u.local), *part),
        Operator::UpstreamCluster => Value::text(upstream.and_then(|u| u.cluster.as_deref())),
        other => request.map_or(Value::Missing, |r| Seen::of(&r.parts, r.start).find(other)),
    }
}
