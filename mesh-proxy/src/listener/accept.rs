//! One accepted connection, up to its filter.

use super::chain_match::Facts;
use super::sniff::{Found, Inspect, sniff};
use crate::engine::{ChainRuntime, Engine, Filter, ListenerRuntime};
use crate::http::{self, ConnectionFacts};
use crate::io::Rewind;
use crate::shared::Shared;
use crate::tcp;
use crate::tls::Peer;
use ::http::Version;
use bytes::BytesMut;
use mesh_core::model::listener::Listener;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Envoy's default for inspection.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(15);
/// A handshake that takes longer holds memory for nobody.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(15);

/// Counts a connection as long as it lives.
pub(crate) struct Open(Arc<Shared>);

impl Open {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.connections_accepted.fetch_add(1, Ordering::Relaxed);
        shared.counters.connections_active.fetch_add(1, Ordering::Relaxed);
        Self(shared.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.connections_active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Serves a connection until it ends.
pub(crate) async fn serve(
    engine: Arc<Engine>,
    listener: Arc<ListenerRuntime>,
    mut stream: TcpStream,
    remote: SocketAddr,
) {
    let shared = engine.surroundings().shared.clone();
    let _open = Open::new(&shared);
    // Small answers must not wait for an acknowledgement; without the option they would merely be slower.
    let _ = stream.set_nodelay(true);
    let config = listener.config();
    let Ok(local) = destination(&stream, config) else { return };
    let mut seen = BytesMut::new();
    let Some(found) = inspect(config, &mut stream, &mut seen, &shared).await else { return };
    let remote = canonical(remote);
    let facts = Facts {
        destination: local,
        source: remote.ip(),
        transport: found.transport,
        server_name: found.server_name.clone(),
        protocols: found.protocols.clone(),
    };
    let Some(chain) = listener.choose(&facts).cloned() else {
        shared.counters.no_chain.fetch_add(1, Ordering::Relaxed);
        tracing::debug!(listener = %config.name, ?facts, "no filter chain takes a connection");
        return;
    };
    let stream = Rewind::new(seen.freeze(), stream);
    let connection = ConnectionFacts::new(local, remote, own(&engine));
    match chain.tls() {
        None => {
            let version = found.protocols.first().and_then(|p| version(p.as_bytes()));
            run(stream, version, &chain, engine, Arc::new(connection)).await;
        }
        Some(Err(_)) => {}
        Some(Ok(tls)) => {
            let done = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await;
            let stream = match done {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => {
                    shared.counters.handshake_failures.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%error, %remote, chain = %chain.name(), "a TLS handshake failed");
                    return;
                }
                Err(_) => {
                    shared.counters.handshake_failures.fetch_add(1, Ordering::Relaxed);
                    return;
                }
            };
            let session = stream.get_ref().1;
            let version = session.alpn_protocol().and_then(version);
            let name = session.server_name().map(Into::into);
            let connection = connection.with_tls(name, Peer::from_chain(session.peer_certificates()));
            run(stream, version, &chain, engine, Arc::new(connection)).await;
        }
    }
}

/// Who this workload is, by the credential of the moment.
fn own(engine: &Engine) -> Option<mesh_core::identity::SpiffeId> {
    engine.surroundings().identity.current().map(|c| c.identity.clone())
}

async fn run<T>(
    stream: T,
    version: Option<Version>,
    chain: &Arc<ChainRuntime>,
    engine: Arc<Engine>,
    facts: Arc<ConnectionFacts>,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let draining = chain.drain.subscribe();
    match chain.filter() {
        Filter::Http { manager, .. } => http::serve(stream, version, manager.clone(), facts, draining).await,
        Filter::Tcp(tcp) => {
            let runtime = tcp.load_full();
            tcp::serve(stream, runtime, engine, facts, draining).await;
        }
    }
}

/// The HTTP version that an ALPN name, or what the HTTP inspector found, stands for.
fn version(protocol: &[u8]) -> Option<Version> {
    match protocol {
        b"h2" | b"istio-h2" | b"h2c" => Some(Version::HTTP_2),
        b"http/1.1" | b"http/1.0" | b"istio-http/1.1" | b"istio-http/1.0" => Some(Version::HTTP_11),
        _ => None,
    }
}

/// Where the connection was sent to, before a redirect if the listener says so.
fn destination(stream: &TcpStream, listener: &Listener) -> io::Result<SocketAddr> {
    if listener.original_destination {
        let socket = socket2::SockRef::from(stream);
        let original = socket.original_dst_v4().or_else(|_| socket.original_dst_v6());
        if let Some(address) = original.ok().and_then(|a| a.as_socket()) {
            return Ok(canonical(address));
        }
    }
    stream.local_addr().map(canonical)
}

/// IPv4 that came through an IPv6 socket is IPv4 to every rule.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// What the first bytes say; `None` if the connection is to be closed.
async fn inspect(
    listener: &Listener,
    stream: &mut TcpStream,
    seen: &mut BytesMut,
    shared: &Shared,
) -> Option<Found> {
    let inspect = Inspect { tls: listener.tls_inspector, http: listener.http_inspector };
    if !inspect.tls && !inspect.http {
        return Some(Found::plain());
    }
    let patience = listener.inspect_timeout.unwrap_or(INSPECT_TIMEOUT);
    // Zero is Envoy's way to say that it may take for ever; ours is a day.
    let patience = if patience.is_zero() { Duration::from_secs(86_400) } else { patience };
    match tokio::time::timeout(patience, sniff(stream, inspect, seen)).await {
        Ok(Ok(found)) => Some(found),
        Ok(Err(_)) => None,
        Err(_) => {
            shared.counters.inspect_timeouts.fetch_add(1, Ordering::Relaxed);
            listener.continue_on_inspect_timeout.then(Found::plain)
        }
    }
}
