//! A Tower service that sends requests as the mesh says.

use super::Membership;
use crate::body::{Body, BoxError};
use crate::engine::{Filter, ListenerRuntime};
use crate::http::{ConnectionFacts, Manager, Recorded};
use crate::listener::chain_match::Facts;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::HOST;
use http::uri::Authority;
use http::{Request, Response};
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_core::model::http::RouteSource;
use mesh_core::model::listener::{Bind, Direction, Listener, NetworkFilter, Transport};
use pin_project_lite::pin_project;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

/// Istio's name of the routes of an HTTP proxy listener.
const HTTP_PROXY: &str = "http_proxy";

/// Sends requests by the mesh's routes, with its policies and mTLS.
///
/// The listener is found by the request's port, as a captured request's would be: `0.0.0.0_PORT`, else the
/// HTTP proxy's. What goes wrong on the way is a response, as a sidecar would give it: 503 without a healthy
/// endpoint, 404 without a route.
#[derive(Clone)]
pub struct Client {
    membership: Arc<Membership>,
}

/// No listener of the configuration takes requests to this port.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no outbound HTTP listener takes requests to port {port}")]
pub struct NoListener {
    port: u16,
}

impl Client {
    pub(super) fn new(membership: Arc<Membership>) -> Self {
        Self { membership }
    }

    fn manager(&self, port: u16) -> Result<Arc<Manager>, NoListener> {
        let engine = &self.membership.engine;
        let listener = engine
            .listener(&format!("0.0.0.0_{port}"))
            .or_else(|| engine.find_listener(|l| takes_port(l, port)))
            .or_else(|| engine.find_listener(is_http_proxy))
            .ok_or(NoListener { port })?;
        manager_of(&listener, port).ok_or(NoListener { port })
    }

    fn facts(&self, port: u16) -> Arc<ConnectionFacts> {
        let own = self.membership.home.identity.current().map(|c| c.identity.clone());
        Arc::new(ConnectionFacts::new(here(port), here(0), own))
    }
}

fn here(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// Whether a captured request to this port would come here, wherever it went.
fn takes_port(listener: &Listener, port: u16) -> bool {
    let (Bind::Socket(address) | Bind::Unbound(address)) = &listener.bind else { return false };
    listener.direction == Direction::Outbound
        && address.socket().is_some_and(|a| a.port() == port && a.ip().is_unspecified())
        && has_http(listener, |_| true)
}

fn is_http_proxy(listener: &Listener) -> bool {
    listener.direction == Direction::Outbound && has_http(listener, |routes| routes == HTTP_PROXY)
}

fn has_http(listener: &Listener, wanted: impl Fn(&str) -> bool) -> bool {
    listener.filter_chains.iter().chain(&listener.default_chain).any(|chain| match &chain.filter {
        NetworkFilter::Http(http) => match &http.routes {
            RouteSource::Named(name) => wanted(name),
            RouteSource::Inline(table) => wanted(&table.name),
        },
        NetworkFilter::Tcp(_) => false,
    })
}

fn manager_of(listener: &ListenerRuntime, port: u16) -> Option<Arc<Manager>> {
    let facts = Facts {
        destination: here(port),
        source: here(0).ip(),
        transport: Transport::Plain,
        server_name: None,
        protocols: vec!["http/1.1".to_owned()],
    };
    let matched = listener.choose(&facts).into_iter();
    matched.chain(listener.chains()).find_map(|chain| match chain.filter() {
        Filter::Http { manager, .. } => Some(manager.load_full()),
        Filter::Tcp(_) => None,
    })
}

/// The port that a request goes to: of its target, else of `host`, else the scheme's.
fn port<B>(request: &Request<B>) -> u16 {
    let uri = request.uri();
    let host = || {
        let host = request.headers().get(HOST)?;
        Authority::try_from(host.as_bytes()).ok()?.port_u16()
    };
    let implied = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    uri.port_u16().or_else(host).unwrap_or(implied)
}

impl<B> Service<Request<B>> for Client
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ClientBody>;
    type Error = NoListener;
    type Future = BoxFuture<'static, Result<Self::Response, NoListener>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NoListener>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let port = port(&request);
        let manager = self.manager(port);
        let facts = self.facts(port);
        // The configuration is followed as long as a response is read.
        let membership = self.membership.clone();
        let request =
            request.map(|body| if body.is_end_stream() { Body::empty() } else { Body::boxed(body) });
        Box::pin(async move {
            let response = manager?.call(&facts, request).await;
            Ok(response.map(|inner| ClientBody {
                inner: inner.kept_by(&membership.home.responses),
                _membership: membership,
            }))
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

pin_project! {
    /// A response's body. Reading it to its end gives the connection back to its pool.
    pub struct ClientBody {
        #[pin]
        inner: Recorded,
        _membership: Arc<Membership>,
    }
}

impl HttpBody for ClientBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl fmt::Debug for ClientBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBody").finish_non_exhaustive()
    }
}
