//! What is known of the connection that a request came on.

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
