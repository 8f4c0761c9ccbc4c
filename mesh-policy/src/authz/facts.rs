//! What is known of a request's caller.

use crate::token::RequestToken;
use http::{Request, header};
use mesh_core::decide::{RequestFacts, Token};
use mesh_core::identity::SpiffeId;
use mesh_core::model::matcher::RequestHead;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The connection that a request came on. Whoever accepts connections puts it into each request's
/// extensions; nothing that a caller sends can set it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Where it was made to: the original destination where traffic is captured.
    pub local: SocketAddr,
    /// Its peer.
    pub remote: SocketAddr,
    /// The caller by `x-forwarded-for`, where that is trusted; else `None`, and the peer is the caller.
    pub client: Option<IpAddr>,
    /// The server name of the TLS hello.
    pub server_name: Option<Arc<str>>,
}

impl Connection {
    /// A connection without proxies in front and without TLS.
    pub fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self { local, remote, client: None, server_name: None }
    }
}

/// A request's facts; `None` if nothing is known of its connection.
pub(super) fn facts<B>(request: &Request<B>) -> Option<RequestFacts<'_>> {
    let connection: &Connection = request.extensions().get()?;
    let uri = request.uri();
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => request.headers().get(header::HOST).and_then(|h| h.to_str().ok()).unwrap_or_default(),
    };
    Some(RequestFacts {
        head: Some(RequestHead {
            method: request.method(),
            scheme: uri.scheme_str().unwrap_or("http"),
            authority,
            path: uri.path_and_query().map_or("/", |path| path.as_str()),
            headers: request.headers(),
        }),
        token: RequestToken::facts(request.extensions().get()),
        ..of_connection(connection, request.extensions().get())
    })
}

/// What is known where no request is seen.
pub(super) fn of_connection<'a>(connection: &'a Connection, peer: Option<&'a SpiffeId>) -> RequestFacts<'a> {
    RequestFacts {
        head: None,
        peer,
        token: Token::Unverified,
        destination: connection.local,
        direct_remote: connection.remote.ip(),
        remote: connection.client.unwrap_or(connection.remote.ip()),
        server_name: connection.server_name.as_deref(),
    }
}
