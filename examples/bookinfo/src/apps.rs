//! The Bookinfo application: four small HTTP services with the paths and answers of the public sample.
//!
//! ```text
//! productpage ─▶ details
//!      └───────▶ reviews v1 (no stars), v2 (black), v3 (red) ─▶ ratings
//! ```
//!
//! They know nothing of the mesh. They call each other by name, through the HTTP proxy that they are told
//! of, and pass on the headers that a trace needs.

pub(crate) mod client;
mod details;
mod productpage;
mod ratings;
mod reply;
mod reviews;
#[cfg(test)]
mod tests;

use client::Client;
use http::{HeaderMap, HeaderName, Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use reply::Reply;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What one service is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// `productpage`, `details`, `reviews` or `ratings`.
    pub app: String,
    /// `v1`, `v2` or `v3`; only reviews differs by it.
    pub version: String,
    /// What it calls itself; the sample's `HOSTNAME`.
    pub pod_name: String,
    /// The proxy that its calls go through; without one they go to where the name resolves to.
    pub http_proxy: Option<SocketAddr>,
}

/// Answers requests until `shutdown` is ready, then lets those in flight end for a moment.
pub async fn serve(listener: TcpListener, config: Config, shutdown: impl Future<Output = ()>) {
    let service = Arc::new(Service { client: Client::new(config.http_proxy), config });
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        while connections.try_join_next().is_some() {}
        match accepted {
            Ok((stream, _)) => {
                // A delayed acknowledgement would cost a keep-alive connection 40 ms per request.
                let _ = stream.set_nodelay(true);
                connections.spawn(connection(TokioIo::new(stream), service.clone(), stopping.clone()));
            }
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to come back rather than spin.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let drained = async { while connections.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(Duration::from_millis(500), drained).await;
}

async fn connection(
    io: TokioIo<tokio::net::TcpStream>,
    service: Arc<Service>,
    mut stopping: watch::Receiver<bool>,
) {
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request).await) }
    });
    let served =
        hyper::server::conn::http1::Builder::new().timer(TokioTimer::new()).serve_connection(io, answer);
    tokio::pin!(served);
    let ended = tokio::select! {
        ended = &mut served => ended,
        () = async { drop(stopping.wait_for(|stop| *stop).await) } => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

struct Service {
    config: Config,
    client: Client,
}

impl Service {
    async fn answer(&self, request: Request<Incoming>) -> Reply {
        match self.config.app.as_str() {
            "productpage" => productpage::answer(self, request).await,
            "details" => details::answer(&request),
            "reviews" => reviews::answer(self, &request).await,
            "ratings" => ratings::answer(&request),
            other => reply::json(
                StatusCode::NOT_FOUND,
                &serde_json::json!({"error": format!("{other} is not a service of Bookinfo")}),
            ),
        }
    }
}

/// The part of a path behind a prefix, if there is one.
fn below<'a>(path: &'a str, prefix: &str) -> Option<&'a str> {
    path.strip_prefix(prefix).filter(|rest| !rest.is_empty() && !rest.contains('/'))
}

/// What a service passes on from the request that it got to those that it makes: what belongs together
/// can only be told by the application.
fn forwarded(incoming: &HeaderMap) -> HeaderMap {
    const NAMES: [HeaderName; 22] = [
        HeaderName::from_static("x-request-id"),
        HeaderName::from_static("traceparent"),
        HeaderName::from_static("tracestate"),
        HeaderName::from_static("baggage"),
        HeaderName::from_static("b3"),
        HeaderName::from_static("x-b3-traceid"),
        HeaderName::from_static("x-b3-spanid"),
        HeaderName::from_static("x-b3-parentspanid"),
        HeaderName::from_static("x-b3-sampled"),
        HeaderName::from_static("x-b3-flags"),
        HeaderName::from_static("x-ot-span-context"),
        HeaderName::from_static("x-datadog-trace-id"),
        HeaderName::from_static("x-datadog-parent-id"),
        HeaderName::from_static("x-datadog-sampling-priority"),
        HeaderName::from_static("x-cloud-trace-context"),
        HeaderName::from_static("grpc-trace-bin"),
        HeaderName::from_static("sw8"),
        HeaderName::from_static("user-agent"),
        HeaderName::from_static("end-user"),
        HeaderName::from_static("cookie"),
        HeaderName::from_static("authorization"),
        HeaderName::from_static("jwt"),
    ];
    let mut headers = HeaderMap::new();
    for name in NAMES {
        for value in incoming.get_all(&name) {
            headers.append(name.clone(), value.clone());
        }
    }
    headers
}
