//! TLS for the gRPC ports, under a certificate that is renewed while connections come and go.
//!
//! ```text
//! Authority ─issue, again at half of its life─▶ [Certificate] ─▶ each new handshake
//!                       TcpListener ─▶ [accept] ─handshakes side by side─▶ tonic
//! ```
//!
//! tonic's own TLS takes one certificate for as long as the server lives, which is longer than the CA signs
//! for. What is handed on is a plain `TlsStream`, so that tonic tells services of it as of its own.

use arc_swap::ArcSwap;
use mesh_ca::Authority;
use mesh_ca::authority::CONTROL_PLANE_NAMES;
use mesh_ca::clock::Clock;
use mesh_ca::rotate::{self, Backoff, GRACE_RATIO};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion};
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a client may take for its handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How many handshakes go on at once; further connections wait in the kernel's queue.
const MAX_HANDSHAKES: usize = 512;
/// After an error of `accept`, mostly that no file descriptor is left: time for some to be closed.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// The longest wait between two attempts to renew: half of a life is left for them.
const RENEW_AGAIN: Duration = Duration::from_secs(60);
/// Timers stand still while a machine sleeps, the wall clock does not: look at it this often.
const MAX_SLEEP: Duration = Duration::from_secs(60);

static VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

pub(super) type Error = Box<dyn std::error::Error + Send + Sync>;
/// What tonic is given; nothing that fails gets that far.
pub(super) type Incoming = Result<TlsStream<TcpStream>, Infallible>;

/// The control plane's certificate as it is now. Each handshake takes the newest.
pub(super) struct Certificate {
    authority: Arc<Authority>,
    /// The address that proxies may call it by, besides its names.
    ip: String,
    provider: Arc<CryptoProvider>,
    clock: Arc<dyn Clock>,
    current: ArcSwap<Current>,
}

struct Current {
    key: Arc<CertifiedKey>,
    renew_at: SystemTime,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("ip", &self.ip)
            .field("renew_at", &self.current.load().renew_at)
            .finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current.load().key.clone())
    }
}

impl Certificate {
    /// Issues the first one.
    pub(super) fn issue(
        authority: Arc<Authority>,
        ip: IpAddr,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let ip = ip.to_string();
        let first = issue(&authority, &ip, &provider, clock.now())?;
        Ok(Arc::new(Self { authority, ip, provider, clock, current: ArcSwap::from_pointee(first) }))
    }

    /// Terminates TLS for HTTP/2, with whatever certificate is the newest.
    pub(super) fn acceptor(self: &Arc<Self>) -> Result<TlsAcceptor, Error> {
        let mut config = ServerConfig::builder_with_provider(self.provider.clone())
            .with_protocol_versions(VERSIONS)?
            .with_no_client_auth()
            .with_cert_resolver(self.clone());
        config.alpn_protocols = vec![b"h2".to_vec()];
        // A resumed session shows no certificate; streams live long, so that resuming saves nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Keeps it fresh; never returns.
    pub(super) async fn renew(self: Arc<Self>) {
        let mut rng = fastrand::Rng::new();
        let mut backoff = Backoff::new(RENEW_AGAIN);
        loop {
            self.sleep_until(self.current.load().renew_at).await;
            match issue(&self.authority, &self.ip, &self.provider, self.clock.now()) {
                Ok(next) => {
                    self.current.store(Arc::new(next));
                    backoff.reset();
                    tracing::info!("renewed the control plane's own certificate");
                }
                Err(error) => {
                    let wait = backoff.next(&mut rng);
                    tracing::error!(
                        error = &*error as &dyn std::error::Error,
                        retry_in = ?wait,
                        "cannot renew the control plane's own certificate"
                    );
                    tokio::time::sleep(wait).await;
                }
            }
        }
    }

    async fn sleep_until(&self, at: SystemTime) {
        while let Ok(left) = at.duration_since(self.clock.now())
            && !left.is_zero()
        {
            tokio::time::sleep(left.min(MAX_SLEEP)).await;
        }
    }
}

fn issue(
    authority: &Authority,
    ip: &str,
    provider: &CryptoProvider,
    now: SystemTime,
) -> Result<Current, Error> {
    let names = CONTROL_PLANE_NAMES.iter().copied().chain([ip]);
    let credential = authority.server_credential(names, now)?;
    let chain = CertificateDer::pem_slice_iter(credential.chain.as_bytes()).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(credential.key.as_bytes())?;
    let key = CertifiedKey::from_der(chain, key, provider)?;
    let renew_at = rotate::plan(now, credential.not_after, now, GRACE_RATIO);
    Ok(Current { key: Arc::new(key), renew_at })
}

/// Accepts connections until nobody takes them any more. A client that is slow with its handshake, or
/// never begins one, holds up no other.
pub(super) async fn accept(listener: TcpListener, acceptor: TlsAcceptor, to: mpsc::Sender<Incoming>) {
    let mut handshakes = JoinSet::new();
    loop {
        tokio::select! {
            () = to.closed() => return,
            Some(_) = handshakes.join_next() => {}
            accepted = listener.accept(), if handshakes.len() < MAX_HANDSHAKES => match accepted {
                Ok((tcp, peer)) => {
                    handshakes.spawn(handshake(acceptor.clone(), tcp, peer, to.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    }
}

async fn handshake(acceptor: TlsAcceptor, tcp: TcpStream, peer: SocketAddr, to: mpsc::Sender<Incoming>) {
    // Small messages in both directions: waiting to fill a segment only delays them.
    if let Err(error) = tcp.set_nodelay(true) {
        tracing::debug!(%peer, %error, "the connection was gone at once");
        return;
    }
    match timeout(HANDSHAKE_WITHIN, acceptor.accept(tcp)).await {
        // An error means that the server has ended.
        Ok(Ok(tls)) => _ = to.send(Ok(tls)).await,
        Ok(Err(error)) => tracing::debug!(%peer, %error, "a TLS handshake failed"),
        Err(_) => tracing::debug!(%peer, within = ?HANDSHAKE_WITHIN, "a TLS handshake took too long"),
    }
}

#[cfg(test)]
mod tests;
