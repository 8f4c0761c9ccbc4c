//! An application for other people's proxies: it echoes bodies, and makes some of any size.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::StreamExt;

type Body = BoxBody<Bytes, hyper::Error>;

/// A running application; it ends when it is dropped.
///
/// `POST /echo` answers with what it got, as it comes; `GET /bytes/N` with N bytes, chunked; `GET /status/N`
/// with that status; everything else with `name` and the request's path and headers.
#[derive(Debug)]
pub struct Upstream {
    /// Where it listens.
    pub addr: SocketAddr,
    task: JoinHandle<()>,
}

impl Upstream {
    /// Starts one that answers with this name.
    pub async fn start(name: &'static str) -> Self {
        Self::at("127.0.0.1:0".parse().expect("an address"), name).await
    }

    /// Starts one at an address.
    pub async fn at(addr: SocketAddr, name: &'static str) -> Self {
        let listener = TcpListener::bind(addr).await.expect("a free address");
        let addr = listener.local_addr().expect("an address");
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let service =
                        service_fn(
                            move |request| async move { Ok::<_, hyper::Error>(answer(name, request)) },
                        );
                    // A caller that goes away is the caller's business.
                    let _ = auto::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Self { addr, task }
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn answer(name: &str, request: Request<Incoming>) -> Response<Body> {
    let path = request.uri().path().to_owned();
    let number = |prefix: &str| path.strip_prefix(prefix).and_then(|n| n.parse::<u64>().ok());
    if path == "/echo" {
        return Response::new(request.into_body().boxed());
    }
    if let Some(size) = number("/bytes/") {
        return Response::new(bytes_of(size));
    }
    if let Some(status) = number("/status/").and_then(|n| u16::try_from(n).ok()) {
        let mut response = Response::new(text(format!("{status}\n")));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
        return response;
    }
    let mut page = format!("{name} {} {}\n", request.method(), request.uri());
    for (header, value) in request.headers() {
        page.push_str(&format!("{header}: {}\n", String::from_utf8_lossy(value.as_bytes())));
    }
    Response::new(text(page))
}

fn text(text: String) -> Body {
    Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed()
}

/// So many bytes in pieces of 64 KiB, made when they are asked for.
fn bytes_of(size: u64) -> Body {
    const PIECE: u64 = 64 * 1024;
    let piece = Bytes::from(vec![b'x'; 64 * 1024]);
    let pieces = (0..size.div_ceil(PIECE)).map(move |n| {
        let len = (size - n * PIECE).min(PIECE);
        Ok(Frame::data(piece.slice(..usize::try_from(len).expect("at most 64 KiB"))))
    });
    BodyExt::boxed(StreamBody::new(tokio_stream::iter(pieces).map(|frame| frame)))
}
