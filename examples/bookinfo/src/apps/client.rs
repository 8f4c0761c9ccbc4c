//! An ordinary HTTP/1.1 client: keep-alive connections, and an HTTP proxy if there is one.
//!
//! To a proxy the request line holds the whole URL (`GET http://reviews:9080/reviews/0 HTTP/1.1`), to a
//! server the path alone.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header, uri};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;

/// The longest body that is read.
const MAX_BODY: usize = 64 * 1024 * 1024;
/// Idle connections kept to one address.
const MAX_IDLE: usize = 256;

type Sender = SendRequest<Empty<Bytes>>;

/// A client; its connections are closed when it is dropped.
pub(crate) struct Client {
    proxy: Option<SocketAddr>,
    idle: Mutex<HashMap<SocketAddr, Vec<Sender>>>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    #[error("{0} is not an http URL with a host")]
    Url(String),
    #[error("cannot connect to {to}")]
    Connect {
        to: String,
        #[source]
        cause: io::Error,
    },
    #[error("the connection failed")]
    Http(#[from] hyper::Error),
    #[error("the body could not be read")]
    Body(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no response within {0:?}")]
    Timeout(Duration),
}

/// A response with its whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Bytes,
}

impl Client {
    pub(crate) fn new(proxy: Option<SocketAddr>) -> Self {
        Self { proxy, idle: Mutex::default() }
    }

    /// `GET`s a URL; the timeout spans everything, the last byte of the body included.
    pub(crate) async fn get(
        &self,
        url: &str,
        headers: HeaderMap,
        timeout: Duration,
    ) -> Result<Answer, CallError> {
        let uri: Uri = url.parse().map_err(|_| CallError::Url(url.to_owned()))?;
        match tokio::time::timeout(timeout, self.exchange(&uri, headers)).await {
            Ok(answer) => answer,
            Err(_) => Err(CallError::Timeout(timeout)),
        }
    }

    async fn exchange(&self, uri: &Uri, headers: HeaderMap) -> Result<Answer, CallError> {
        let invalid = || CallError::Url(uri.to_string());
        let authority = uri.authority().filter(|_| uri.scheme() == Some(&uri::Scheme::HTTP));
        let authority = authority.ok_or_else(invalid)?;
        let host = HeaderValue::from_str(authority.as_str()).map_err(|_| invalid())?;
        let (to, target) = match self.proxy {
            Some(proxy) => (proxy, uri.clone()),
            None => {
                let path = uri.path_and_query().cloned().unwrap_or(uri::PathAndQuery::from_static("/"));
                (resolve(authority).await?, path.into())
            }
        };
        let request = || {
            let mut request = Request::new(Empty::new());
            *request.uri_mut() = target.clone();
            *request.headers_mut() = headers.clone();
            request.headers_mut().insert(header::HOST, host.clone());
            request
        };
        while let Some(mut sender) = self.take(to) {
            match sender.send_request(request()).await {
                Ok(response) => return self.finish(to, sender, response).await,
                // The other side has closed it while it was idle; a GET may be sent again.
                Err(error) => tracing::debug!(%error, %to, "an idle connection was gone"),
            }
        }
        let mut sender = connect(to).await?;
        let response = sender.send_request(request()).await?;
        self.finish(to, sender, response).await
    }

    async fn finish(
        &self,
        to: SocketAddr,
        mut sender: Sender,
        response: Response<Incoming>,
    ) -> Result<Answer, CallError> {
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY).collect().await.map_err(CallError::Body)?;
        // Not ready yet, or closing: either way it is not worth waiting for.
        if tokio::time::timeout(Duration::from_millis(5), sender.ready()).await.is_ok_and(|r| r.is_ok()) {
            let mut idle = self.idle.lock();
            let to_it = idle.entry(to).or_default();
            if to_it.len() < MAX_IDLE {
                to_it.push(sender);
            }
        }
        Ok(Answer { status, body: body.to_bytes() })
    }

    /// The connection that was used last, if it is still open.
    fn take(&self, to: SocketAddr) -> Option<Sender> {
        let mut idle = self.idle.lock();
        let to_it = idle.get_mut(&to)?;
        while let Some(sender) = to_it.pop() {
            if sender.is_ready() && !sender.is_closed() {
                return Some(sender);
            }
        }
        None
    }
}

async fn resolve(authority: &uri::Authority) -> Result<SocketAddr, CallError> {
    let host = authority.host().trim_start_matches('[').trim_end_matches(']');
    let failed = |cause| CallError::Connect { to: authority.to_string(), cause };
    let mut found =
        tokio::net::lookup_host((host, authority.port_u16().unwrap_or(80))).await.map_err(failed)?;
    found.next().ok_or_else(|| failed(io::ErrorKind::NotFound.into()))
}

async fn connect(to: SocketAddr) -> Result<Sender, CallError> {
    let stream =
        TcpStream::connect(to).await.map_err(|cause| CallError::Connect { to: to.to_string(), cause })?;
    let _ = stream.set_nodelay(true);
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends by itself when the sender is dropped or the other side closes.
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
    Ok(sender)
}
