//! One connection to an endpoint: TCP or a Unix socket, then mesh TLS where the endpoint takes it.

use crate::io::Conn;
use crate::tls::{ClientTls, Peer, TlsError};
use mesh_core::addr::Address;
use mesh_core::model::cluster::TcpKeepalive;
use rustls_pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

/// How an endpoint is reached.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) address: Address,
    pub(crate) tls: Option<Arc<ClientTls>>,
    pub(crate) timeout: Duration,
    pub(crate) keepalive: Option<TcpKeepalive>,
}

/// A connection that stands.
pub(crate) struct Connected {
    pub(crate) io: Conn,
    pub(crate) info: Arc<ConnectionInfo>,
}

/// What is known of a connection to an endpoint.
#[derive(Debug)]
pub(crate) struct ConnectionInfo {
    /// This side.
    pub(crate) local: Option<SocketAddr>,
    /// Who the endpoint proved to be.
    pub(crate) peer: Option<Peer>,
}

/// Why there is no connection. Cheap to clone: all requests that waited for it learn the same.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum ConnectError {
    /// The network refused.
    #[error("connect: {0}")]
    Io(Arc<io::Error>),
    /// TLS failed, at this end or the other.
    #[error("TLS: {0}")]
    Handshake(Arc<io::Error>),
    /// There is no TLS configuration.
    #[error("TLS: {0}")]
    Tls(TlsError),
    /// It took too long, TLS included.
    #[error("connect: timed out")]
    Timeout,
    /// The first bytes of HTTP/2 were not answered as HTTP/2.
    #[error("HTTP handshake: {0}")]
    Http(Arc<hyper::Error>),
}

impl Connector {
    /// Connects, within the cluster's time-out.
    pub(crate) async fn connect(&self) -> Result<Connected, ConnectError> {
        match tokio::time::timeout(self.timeout, self.dial()).await {
            Ok(done) => done,
            Err(_) => Err(ConnectError::Timeout),
        }
    }

    async fn dial(&self) -> Result<Connected, ConnectError> {
        let refused = |e: io::Error| ConnectError::Io(Arc::new(e));
        let address = match &self.address {
            Address::Unix(path) => {
                let io = UnixStream::connect(&**path).await.map_err(refused)?;
                let info = ConnectionInfo { local: None, peer: None };
                return Ok(Connected { io: Conn::Unix { io }, info: Arc::new(info) });
            }
            Address::Socket(address) => *address,
        };
        let tcp = TcpStream::connect(address).await.map_err(refused)?;
        tcp.set_nodelay(true).map_err(refused)?;
        if let Some(keepalive) = &self.keepalive {
            keep_alive(&tcp, keepalive).map_err(refused)?;
        }
        let local = tcp.local_addr().ok();
        let Some(tls) = &self.tls else {
            let info = ConnectionInfo { local, peer: None };
            return Ok(Connected { io: Conn::Tcp { io: tcp }, info: Arc::new(info) });
        };
        let config = tls.config().await.map_err(ConnectError::Tls)?;
        let name: ServerName<'static> = tls.server_name(address.ip());
        let io = TlsConnector::from(config)
            .connect(name, tcp)
            .await
            .map_err(|e| ConnectError::Handshake(Arc::new(e)))?;
        let session = io.get_ref().1;
        let info = ConnectionInfo { local, peer: Peer::from_chain(session.peer_certificates()) };
        Ok(Connected { io: Conn::Tls { io: Box::new(io) }, info: Arc::new(info) })
    }
}

fn keep_alive(tcp: &TcpStream, want: &TcpKeepalive) -> io::Result<()> {
    let mut params = socket2::TcpKeepalive::new();
    if let Some(time) = want.time {
        params = params.with_time(time);
    }
    if let Some(interval) = want.interval {
        params = params.with_interval(interval);
    }
    if let Some(probes) = want.probes {
        params = params.with_retries(probes);
    }
    socket2::SockRef::from(tcp).set_tcp_keepalive(&params)
}
