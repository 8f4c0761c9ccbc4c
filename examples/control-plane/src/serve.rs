//! The gRPC ports: xDS and the CA, in plain text and over TLS.

mod tls;

use crate::{Options, StartError};
use mesh_ca::clock::SystemClock;
use mesh_ca::{Authority, CertificateService, TokenIssuer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::Certificate;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::server::{Connected, TcpConnectInfo, TlsConnectInfo};

/// The running ports.
#[derive(Debug)]
pub(crate) struct Servers {
    pub(crate) grpc: SocketAddr,
    pub(crate) grpc_tls: Option<SocketAddr>,
    pub(crate) ca: CertificateService,
    xds: mesh_xds::Server,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

/// How long open streams may take to end once the control plane stops.
const STOP_WITHIN: Duration = Duration::from_millis(300);
/// TLS connections that wait for the server to take them; it does so at once.
const QUEUE: usize = 16;

impl Servers {
    pub(crate) async fn start(
        options: &Options,
        xds: &mesh_xds::Server,
        authority: &Arc<Authority>,
        tokens: &Arc<TokenIssuer>,
    ) -> Result<Self, StartError> {
        let ca = CertificateService::new(authority.clone(), tokens.clone());
        let (stop, stopped) = watch::channel(false);
        let mut servers = Self {
            grpc: options.grpc,
            grpc_tls: None,
            ca: ca.clone(),
            xds: xds.clone(),
            stop,
            tasks: JoinSet::new(),
        };

        let (listener, addr) = bind(options.grpc, "grpc").await?;
        servers.grpc = addr;
        servers.serve(TcpListenerStream::new(listener), stopped.clone());
        if let Some(addr) = options.grpc_tls {
            let (listener, addr) = bind(addr, "grpc-tls").await?;
            servers.grpc_tls = Some(addr);
            let certificate = Certificate::issue(authority.clone(), addr.ip(), Arc::new(SystemClock))
                .map_err(StartError::Tls)?;
            let acceptor = certificate.acceptor().map_err(StartError::Tls)?;
            let (to, incoming) = mpsc::channel(QUEUE);
            servers.spawn_until(stopped.clone(), certificate.renew());
            servers.spawn_until(stopped.clone(), tls::accept(listener, acceptor, to));
            servers.serve(ReceiverStream::new(incoming), stopped);
        }
        Ok(servers)
    }

    fn serve<I, IO, E>(&mut self, incoming: I, stopped: watch::Receiver<bool>)
    where
        I: Stream<Item = Result<IO, E>> + Send + 'static,
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>> + Send + 'static,
    {
        let serve = mesh_xds::server::transport()
            .add_service(self.xds.service())
            .add_service(self.ca.clone())
            .serve_with_incoming_shutdown(incoming, wait(stopped));
        self.tasks.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(error = &error as &dyn std::error::Error, "a gRPC port ended");
            }
        });
    }

    fn spawn_until(
        &mut self,
        stopped: watch::Receiver<bool>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        self.tasks.spawn(async move {
            tokio::select! {
                () = wait(stopped) => {}
                () = task => {}
            }
        });
    }

    pub(crate) async fn stop(&mut self) {
        self.stop.send_replace(true);
        self.xds.shutdown();
        let ended = async { while self.tasks.join_next().await.is_some() {} };
        // A client may keep its connection open; it reconnects elsewhere when it is cut.
        if tokio::time::timeout(STOP_WITHIN, ended).await.is_err() {
            self.tasks.shutdown().await;
        }
    }
}

async fn bind(addr: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let error = |cause| StartError::Bind { addr, flag, cause };
    let listener = TcpListener::bind(addr).await.map_err(error)?;
    let bound = listener.local_addr().map_err(error)?;
    Ok((listener, bound))
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // An error means that the control plane was dropped, which ends it just as well.
    let _ = stopped.wait_for(|stop| *stop).await;
}

/// Whether the request came over TLS: the CA and xDS ask for more on such a port, where others can call.
pub(crate) fn is_tls(extensions: &tonic::Extensions) -> bool {
    extensions.get::<TlsConnectInfo<TcpConnectInfo>>().is_some()
}
