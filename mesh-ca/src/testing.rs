//! What the tests share: a CA on an ephemeral port that can be cut off, and time that moves by hand.

use crate::clock::Clock;
use crate::server::Options;
use crate::{Authority, CertificateService, TokenIssuer};
use mesh_core::identity::TrustDomain;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};

/// A wall clock that moves with tokio's time.
#[derive(Debug)]
pub(crate) struct TokioClock {
    base: SystemTime,
    start: tokio::time::Instant,
}

impl TokioClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { base: SystemTime::now(), start: tokio::time::Instant::now() })
    }
}

impl Clock for TokioClock {
    fn now(&self) -> SystemTime {
        self.base + self.start.elapsed()
    }
}

/// Keeps paused time from moving by itself while real IO is under way: tokio does not advance it as
/// long as a blocking task runs.
pub(crate) struct Frozen {
    _release: std::sync::mpsc::Sender<()>,
}

impl Frozen {
    pub(crate) fn new() -> Self {
        let (release, held) = std::sync::mpsc::channel::<()>();
        tokio::task::spawn_blocking(move || held.recv());
        Self { _release: release }
    }
}

/// A CA service on loopback.
pub(crate) struct TestCa {
    pub(crate) addr: SocketAddr,
    pub(crate) authority: Arc<Authority>,
    pub(crate) issuer: Arc<TokenIssuer>,
    pub(crate) service: CertificateService,
    pub(crate) clock: Arc<TokioClock>,
    dead: Arc<AtomicBool>,
    /// Connections that were dropped while it was dead.
    pub(crate) dropped: watch::Receiver<u64>,
    task: JoinHandle<()>,
}

impl TestCa {
    pub(crate) async fn start() -> Self {
        Self::start_with(false).await
    }

    pub(crate) async fn start_with(tls: bool) -> Self {
        let clock = TokioClock::new();
        let authority = Arc::new(Authority::in_memory(TrustDomain::default()).unwrap());
        let issuer = Arc::new(TokenIssuer::in_memory().unwrap());
        let options = Options { clock: clock.clone(), ..Options::default() };
        let service = CertificateService::with_options(authority.clone(), issuer.clone(), options);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let dead = Arc::new(AtomicBool::new(false));
        let (count, dropped) = watch::channel(0);
        let is_dead = dead.clone();
        let incoming = TcpListenerStream::new(listener).filter(move |_| {
            let dead = is_dead.load(Ordering::SeqCst);
            if dead {
                count.send_modify(|count| *count += 1);
            }
            !dead
        });
        let mut server = Server::builder();
        if tls {
            let own = authority.server_credential(["localhost", "127.0.0.1"], clock.now()).unwrap();
            let identity = Identity::from_pem(own.chain, own.key.as_str());
            server = server.tls_config(ServerTlsConfig::new().identity(identity)).unwrap();
        }
        let serving = server.add_service(service.clone()).serve_with_incoming(incoming);
        let task = tokio::spawn(async move { serving.await.unwrap() });
        Self { addr, authority, issuer, service, clock, dead, dropped, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    pub(crate) fn token(&self, service_account: &str) -> String {
        let day = Duration::from_secs(30 * 24 * 3600);
        self.issuer.issue("default", service_account, day, self.clock.now()).unwrap()
    }

    /// From now on every new connection is dropped, or is served again.
    pub(crate) fn set_dead(&self, dead: bool) {
        self.dead.store(dead, Ordering::SeqCst);
    }
}

impl Drop for TestCa {
    fn drop(&mut self) {
        self.task.abort();
    }
}
