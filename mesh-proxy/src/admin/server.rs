//! The thread that serves the pages, and what keeps a bad reader from harming it.
//!
//! ```text
//! control thread ──serve(socket)──▶ thread "admin": accept → HTTP/1.1 → pages
//! ```
//!
//! A dump of a large mesh takes a while to render, and it must not hold up a worker's requests or the
//! control thread's next snapshot; so it has a thread. How many connections there are is bounded, and one
//! whose reader stands still is closed, so that a forgotten `curl` never keeps Prometheus out. When there
//! are too many, the one that has been idle the longest makes room: whoever opens connections and says
//! nothing cannot keep a probe from its answer.

mod crowd;
mod patience;

use super::Admin;
use super::pages;
use crowd::{Crowd, Member};
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use patience::Patient;
use std::convert::Infallible;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Connections that are served at once.
const MAX_CONNECTIONS: usize = 64;
/// The longest wait for a request, also for the next one on a connection: four scrapes at Prometheus' default.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The same for a probe, which asks at once and once: the kubelet opens a connection for each.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long a reader may take nothing of its page.
const STALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long pages that are being sent may take when the server ends.
const GRACE: Duration = Duration::from_millis(500);
/// How long the end waits for the socket to be closed, if a page is being rendered meanwhile.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long to wait after the process has run out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Why an address is not one for the admin pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{address} can be reached from other machines, and whoever reaches the admin pages can read the \
     configuration and stop the proxy; 127.0.0.1:{} would keep them to this one",
    address.port()
)]
pub(crate) struct NotPrivate {
    address: SocketAddr,
}

/// Whether only this machine reaches an address, which is what the admin pages rely on: they ask nobody who
/// he is.
pub(crate) fn is_private(address: SocketAddr) -> Result<(), NotPrivate> {
    if address.ip().to_canonical().is_loopback() { Ok(()) } else { Err(NotPrivate { address }) }
}

/// Serves a socket until dropped: every page if `whole`, else readiness alone.
///
/// The work is done on a thread of its own; this future only keeps it alive.
pub(crate) async fn serve(socket: TcpListener, admin: Arc<Admin>, whole: bool) {
    let address = socket.local_addr().ok();
    if let (true, Some(Err(open))) = (whole, address.map(is_private)) {
        tracing::warn!("{open}");
    }
    match Server::start(socket, admin, whole) {
        Ok(_alive) => std::future::pending().await,
        Err(error) => tracing::error!(?address, %error, "the admin pages cannot be served"),
    }
}

/// A running server. Dropping it closes the socket; pages that are being sent are finished on the thread.
struct Server {
    stop: Option<watch::Sender<()>>,
    closed: mpsc::Receiver<()>,
}

impl Server {
    fn start(socket: TcpListener, admin: Arc<Admin>, whole: bool) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let (stop, stopped) = watch::channel(());
        let (closing, closed) = mpsc::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let name = if whole { "admin" } else { "status" };
        std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            runtime.block_on(async {
                match tokio::net::TcpListener::from_std(socket) {
                    Ok(socket) => accept(socket, admin, whole, stopped, closing).await,
                    Err(error) => tracing::error!(%error, "the admin pages cannot be served"),
                }
            });
        })?;
        Ok(Self { stop: Some(stop), closed })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop = None;
        // Whoever starts the next proxy at once finds the address free.
        let _ = self.closed.recv_timeout(CLOSE_TIMEOUT);
    }
}

async fn accept(
    socket: tokio::net::TcpListener,
    admin: Arc<Admin>,
    whole: bool,
    mut stopped: watch::Receiver<()>,
    closing: mpsc::Sender<()>,
) {
    let mut connections = JoinSet::new();
    let mut crowd = Crowd::new(MAX_CONNECTIONS);
    loop {
        tokio::select! {
            biased;
            // Its only news is that the other end is gone.
            _ = stopped.changed() => break,
            Some(ended) = connections.join_next() => {
                crowd.forget_ended();
                if let Err(error) = ended && !error.is_cancelled() {
                    tracing::error!(%error, "a page of the admin server failed");
                }
            }
            accepted = socket.accept(), if crowd.has_room() => match accepted {
                Ok((stream, _)) => {
                    crowd.make_room();
                    let member = crowd.member();
                    let serving = connection(stream, admin.clone(), whole, stopped.clone(), member.clone());
                    crowd.enter(member, connections.spawn(serving));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin server cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            // Looked at again: there is one who can make room.
            () = crowd.fell_idle(), if !crowd.has_room() => {}
        }
    }
    drop(socket);
    drop(closing);
    let all = async { while connections.join_next().await.is_some() {} };
    // Whoever still reads by then is cut off.
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn connection(
    stream: TcpStream,
    admin: Arc<Admin>,
    whole: bool,
    mut stopped: watch::Receiver<()>,
    member: Member,
) {
    let _ = stream.set_nodelay(true);
    let asked = member.clone();
    let service = service_fn(|request: Request<Incoming>| {
        asked.is_busy();
        let reply = if whole {
            pages::answer(&admin, request.method(), request.uri(), request.headers())
        } else {
            pages::answer_probe(&admin, request.uri())
        };
        std::future::ready(Ok::<_, Infallible>(reply.into_response()))
    });
    let stream = Patient::new(stream, STALL_TIMEOUT).tell(move || member.is_idle());
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(if whole { REQUEST_TIMEOUT } else { PROBE_TIMEOUT })
        .keep_alive(whole)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        _ = stopped.changed() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the admin server ended early");
    }
}

#[cfg(test)]
mod tests;
