//! A program's own service behind the mesh's inbound chain.

use super::Mesh;
use crate::body::{Body, BoxError};
use crate::drain::Phase;
use crate::engine::{Engine, ListenerRuntime};
use crate::http::manager::LocalService;
use crate::listener::accept;
use crate::worker::spawn;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as HttpBody;
use mesh_core::addr::Address;
use mesh_core::model::listener::{Bind, Direction, Listener};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower_service::Service;

/// Istio's name of the listener that takes whatever no other does.
const VIRTUAL_INBOUND: &str = "virtualInbound";
/// How long accepting rests when the process is out of files.
const REST: Duration = Duration::from_millis(50);

/// Connections drain when serving ends.
struct DrainOnDrop(Arc<Engine>);

impl Drop for DrainOnDrop {
    fn drop(&mut self) {
        self.0.drain(Phase::Draining);
    }
}

impl Mesh {
    /// Serves connections of a listener as the inbound chain for its address says: mTLS, authorization,
    /// telemetry, then the service. The caller's identity is in the extensions of each request.
    ///
    /// A connection that no inbound listener or chain takes is closed. Runs until it is dropped; then
    /// connections drain.
    ///
    /// # Errors
    /// If the listener's address cannot be read.
    pub async fn serve<S, B>(&self, listener: TcpListener, service: S) -> io::Result<()>
    where
        S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Future: Send,
        S::Error: Into<BoxError>,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let address = listener.local_addr()?;
        let engine = self.0.home.engine(Some(local(service)));
        let _drain = DrainOnDrop(engine.clone());
        loop {
            match listener.accept().await {
                Ok((stream, remote)) => {
                    let Some(runtime) = inbound(&engine, address) else {
                        tracing::warn!(%address, "no inbound listener takes a connection");
                        continue;
                    };
                    let shared = engine.surroundings().shared.clone();
                    spawn(&shared, accept::serve(engine.clone(), runtime, stream, remote));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    tracing::warn!(%error, "accepting rests");
                    tokio::time::sleep(REST).await;
                }
            }
        }
    }
}

fn local<S, B>(service: S) -> LocalService
where
    S: Service<Request<Body>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    Arc::new(move |request| {
        let mut service = service.clone();
        Box::pin(async move {
            std::future::poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into)?;
            let response = service.call(request).await.map_err(Into::into)?;
            Ok(response.map(|body| if body.is_end_stream() { Body::empty() } else { Body::boxed(body) }))
        })
    })
}

/// The inbound listener for an address: its own, else one for its port, else the one for everything.
fn inbound(engine: &Engine, address: SocketAddr) -> Option<Arc<ListenerRuntime>> {
    let bound = |listener: &Listener| match &listener.bind {
        Bind::Socket(Address::Socket(a)) | Bind::Unbound(Address::Socket(a))
            if listener.direction == Direction::Inbound =>
        {
            Some(*a)
        }
        _ => None,
    };
    engine
        .find_listener(|l| bound(l) == Some(address))
        .or_else(|| engine.find_listener(|l| bound(l).is_some_and(|a| a.port() == address.port())))
        .or_else(|| engine.listener(VIRTUAL_INBOUND))
}
