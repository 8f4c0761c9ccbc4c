//! One HTTP connection of a caller: its codec, and what goes around it.

mod life;

pub(super) use life::Activity;
pub(crate) use life::InFlight;

use super::Manager;
use super::head::is_upgrade;
use crate::body::Body;
use crate::drain::{Draining, Phase};
use crate::io::Rewind;
use crate::listener::begins_with_preface;
use crate::tls::Peer;
use arc_swap::ArcSwap;
use http::HeaderValue;
use http::header::CONNECTION;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use mesh_core::identity::SpiffeId;
use mesh_core::model::Name;
use mesh_core::model::http::Codec;
use mesh_core::model::listener::NetworkFilter;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::Sleep;

/// Envoy's bound on the headers of a request; more is answered with 431.
const MAX_HEADER_BYTES: usize = 60 * 1024;
/// Envoy's bound on their number.
const MAX_HEADERS: usize = 100;
/// What the codec buffers of a body before the stack takes it.
const MAX_BUFFER: usize = 64 * 1024;
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 << 20;
const MAX_STREAMS: u32 = 1024;

/// How long a caller may take nothing of what is there for it, where streams may be idle for ever: a socket
/// that is full for so long has nobody behind it.
const PATIENCE: Duration = Duration::from_secs(300);

/// How long, and for how many bytes, a refused connection is read on.
const LINGER: Duration = Duration::from_secs(1);
const MAX_LINGER_BYTES: usize = 1 << 20;

/// What is known of a caller's connection.
#[derive(Debug)]
pub(crate) struct ConnectionFacts {
    /// Where it was sent to.
    pub(crate) local: SocketAddr,
    /// Its other end.
    pub(crate) remote: SocketAddr,
    /// The server name of its TLS hello.
    pub(crate) server_name: Option<Name>,
    /// Whether it is TLS.
    pub(crate) tls: bool,
    /// Who its certificate proved it to be.
    pub(crate) peer: Option<Peer>,
    /// Who this workload is.
    pub(crate) own: Option<SpiffeId>,
    /// What `x-forwarded-client-cert` says of the peer.
    pub(crate) client_cert_element: Option<HeaderValue>,
}

impl ConnectionFacts {
    /// A connection without TLS; `own` is who this workload is.
    pub(crate) fn new(local: SocketAddr, remote: SocketAddr, own: Option<SpiffeId>) -> Self {
        Self { local, remote, server_name: None, tls: false, peer: None, own, client_cert_element: None }
    }

    /// With what a TLS handshake proved.
    pub(crate) fn with_tls(self, server_name: Option<Name>, peer: Option<Peer>) -> Self {
        let client_cert_element = peer.as_ref().and_then(|peer| {
            let mut text = String::new();
            if let Some(own) = &self.own {
                text.push_str("By=");
                text.push_str(own.uri());
                text.push(';');
            }
            text.push_str("Hash=");
            text.push_str(&peer.fingerprint);
            text.push_str(";Subject=\"");
            text.push_str(&peer.subject.replace(['"', '\\'], ""));
            text.push('"');
            if let Some(identity) = &peer.identity {
                text.push_str(";URI=");
                text.push_str(identity.uri());
            }
            HeaderValue::from_str(&text).ok()
        });
        Self { server_name, tls: true, peer, client_cert_element, ..self }
    }
}

/// A stream that notes when bytes arrive, and that does not wait for ever for its reader.
struct Watched<T> {
    inner: T,
    activity: Arc<Activity>,
    /// How long the reader may take nothing. Envoy's `stream_flush_timeout`.
    patience: Duration,
    // Runs while the reader takes nothing.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T: Unpin> Watched<T> {
    /// Does one step of writing, and minds the time if it cannot be done yet.
    fn step<R>(
        &mut self,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        if let Poll::Ready(done) = step(Pin::new(&mut self.inner), cx) {
            self.stalled = None;
            return Poll::Ready(done);
        }
        let patience = self.patience;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the caller reads nothing")))
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if polled.is_ready() {
            self.activity.received();
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.step(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.step(cx, |inner, cx| inner.poll_flush(cx))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.step(cx, |inner, cx| inner.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.step(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

/// Serves a connection until it ends. `version` is what ALPN agreed on, where it did.
pub(crate) async fn serve<T>(
    mut io: T,
    version: Option<http::Version>,
    manager: Arc<ArcSwap<Manager>>,
    facts: Arc<ConnectionFacts>,
    draining: Draining,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (codec, idle, patience) = {
        let manager = manager.load();
        let patience = match &manager.chain().filter {
            NetworkFilter::Http(http) => http.stream_idle_timeout,
            NetworkFilter::Tcp(_) => None,
        };
        (manager.codec(), manager.idle_timeout(), patience.unwrap_or(PATIENCE))
    };
    let http2 = match (codec, version) {
        (Codec::Http1, _) => Some(false),
        (Codec::Http2, _) => Some(true),
        (Codec::Auto, Some(version)) => Some(version == http::Version::HTTP_2),
        (Codec::Auto, None) => None,
    };
    let (http2, prefix) = match http2 {
        Some(known) => (known, bytes::Bytes::new()),
        None => {
            let wait = idle.unwrap_or(Duration::from_secs(3600));
            match tokio::time::timeout(wait, begins_with_preface(&mut io)).await {
                Ok(Ok(found)) => found,
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    if http2 && draining.phase() >= Phase::Closing {
        return;
    }
    let activity = Arc::<Activity>::default();
    let inner = Rewind::new(prefix, io);
    let io = Watched { inner, activity: activity.clone(), patience, stalled: None };
    let service = service_fn({
        let activity = activity.clone();
        let draining = draining.clone();
        move |mut request: http::Request<Incoming>| {
            if is_upgrade(request.headers()) {
                // What the connection becomes must hear of its end, too.
                request.extensions_mut().insert(draining.clone());
            }
            let manager = manager.load_full();
            let facts = facts.clone();
            let in_flight = InFlight::begin(&activity);
            async move {
                let mut response = manager.call(&facts, request.map(Body::from)).await;
                if !http2 && in_flight.is_last() {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response.map(|body| body.holding(in_flight)))
            }
        }
    });
    let ended = if http2 {
        let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(u32::try_from(MAX_HEADER_BYTES).unwrap_or(u32::MAX))
            .max_concurrent_streams(MAX_STREAMS)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .serve_connection(TokioIo::new(io), service);
        let connection = std::pin::pin!(connection);
        life::drive(connection, draining, idle, activity, true, |c| c.graceful_shutdown()).await
    } else {
        let mut connection = hyper::server::conn::http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_headers(MAX_HEADERS)
            .max_header_size(MAX_HEADER_BYTES)
            .max_buf_size(MAX_BUFFER)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let driven = Pin::new(&mut connection);
        let ended = life::drive(driven, draining, idle, activity, false, |c| c.graceful_shutdown()).await;
        if ended.as_ref().is_err_and(hyper::Error::is_parse)
            && let Some(parts) = connection.into_parts()
        {
            linger(parts.io.into_inner()).await;
        }
        ended
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a caller's connection ended");
    }
}

/// Reads on for a while after the last response: a socket that is closed with bytes unread is reset, and
/// the reset would take the response with it. Envoy's `delayed_close_timeout`.
async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut io: T) {
    let reading = async {
        io.shutdown().await?;
        let mut sink = vec![0; 4096];
        let mut left = MAX_LINGER_BYTES;
        while left > 0 {
            match io.read(&mut sink).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        io::Result::Ok(())
    };
    // Whatever ends it, the connection is over.
    let _ = tokio::time::timeout(LINGER, reading).await;
}
