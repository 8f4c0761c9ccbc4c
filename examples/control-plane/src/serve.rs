//! The gRPC ports: xDS and the CA, in plain text and over TLS.

use crate::{Options, StartError};
use mesh_ca::authority::CONTROL_PLANE_NAMES;
use mesh_ca::{Authority, CertificateService, TokenIssuer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};

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
        servers.spawn(mesh_xds::server::transport(), listener, xds, &ca, stopped.clone());
        if let Some(addr) = options.grpc_tls {
            let (listener, addr) = bind(addr, "grpc-tls").await?;
            servers.grpc_tls = Some(addr);
            let tls = mesh_xds::server::transport()
                .tls_config(tls(authority, addr)?)
                .map_err(|e| StartError::Tls(e.into()))?;
            servers.spawn(tls, listener, xds, &ca, stopped);
        }
        Ok(servers)
    }

    fn spawn(
        &mut self,
        mut builder: Server,
        listener: TcpListener,
        xds: &mesh_xds::Server,
        ca: &CertificateService,
        mut stopped: watch::Receiver<bool>,
    ) {
        let serve = builder.add_service(xds.service()).add_service(ca.clone()).serve_with_incoming_shutdown(
            TcpListenerStream::new(listener),
            async move {
                // An error means that the control plane was dropped, which ends it just as well.
                let _ = stopped.wait_for(|stop| *stop).await;
            },
        );
        self.tasks.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(error = &error as &dyn std::error::Error, "a gRPC port ended");
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

/// The control plane's own certificate, signed by its own CA. It names what proxies may call it by.
fn tls(authority: &Authority, addr: SocketAddr) -> Result<ServerTlsConfig, StartError> {
    let ip = addr.ip().to_string();
    let names = CONTROL_PLANE_NAMES.iter().copied().chain([ip.as_str()]);
    let credential =
        authority.server_credential(names, SystemTime::now()).map_err(|e| StartError::Tls(e.into()))?;
    let identity = Identity::from_pem(&credential.chain, credential.key.as_bytes());
    Ok(ServerTlsConfig::new().identity(identity))
}
