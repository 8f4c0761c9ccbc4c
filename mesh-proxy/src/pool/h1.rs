//! HTTP/1.1: one request at a time on each connection.

use super::{Answer, Connected, ConnectionInfo, Failure, Lease, Pool, Slot};
use crate::body::{Body, Outgoing};
use crate::io::Guarded;
use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderValue, Request, StatusCode};
use http_body::Body as _;
use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// More than Envoy's 60 KiB of headers are refused by the codec.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// A connection that can carry the next request.
pub(crate) struct Kept {
    sender: SendRequest<Outgoing>,
    info: Arc<ConnectionInfo>,
    /// How many more requests it may carry.
    left: u32,
    since: Instant,
}

/// What the pool has for a request.
enum Found {
    Kept(Box<Kept>),
    Room(Slot),
}

impl Kept {
    /// Whether it must not be used any more.
    pub(super) fn is_spent(&self, now: Instant, idle_timeout: Duration) -> bool {
        self.sender.is_closed() || now.duration_since(self.since) >= idle_timeout
    }

    /// Marks it as idle from now on; false if it has carried all that it may.
    pub(super) fn touch(&mut self) -> bool {
        self.since = Instant::now();
        self.left > 0 && !self.sender.is_closed()
    }
}

/// Says that a body of unknown length is chunked: hyper sends none with a GET that does not say so, and
/// what a caller said of its framing ended at its own connection.
fn frame(request: &mut Request<Outgoing>) {
    let body = request.body();
    let unknown = !body.is_end_stream() && body.size_hint().exact().is_none();
    let headers = request.headers_mut();
    if unknown && !headers.contains_key(CONTENT_LENGTH) && !headers.contains_key(TRANSFER_ENCODING) {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

impl Pool {
    pub(super) async fn send_h1(self: &Arc<Self>, mut request: Request<Outgoing>) -> Result<Answer, Failure> {
        frame(&mut request);
        loop {
            let found = match self.idle_h1() {
                Some(kept) => Found::Kept(kept),
                None => {
                    self.gate
                        .wait(|| {
                            self.idle_h1().map(Found::Kept).or_else(|| {
                                self.gate.try_connection(&self.open, &self.stats).map(Found::Room)
                            })
                        })
                        .await?
                }
            };
            let (mut kept, fresh) = match found {
                Found::Kept(kept) => (kept, false),
                Found::Room(slot) => (self.open_h1(slot).await?, true),
            };
            kept.left = kept.left.saturating_sub(1);
            match kept.sender.try_send_request(request).await {
                Ok(response) => return Ok(self.answer(response, kept)),
                Err(mut failed) => match failed.take_message() {
                    Some(untouched) if !fresh => request = untouched,
                    Some(_) => return Err(Failure::from_hyper(failed.into_error(), false)),
                    None => return Err(Failure::from_hyper(failed.into_error(), true)),
                },
            }
        }
    }

    fn answer(self: &Arc<Self>, response: http::Response<hyper::body::Incoming>, kept: Box<Kept>) -> Answer {
        let connection = kept.info.clone();
        // After an upgrade the connection is no longer HTTP.
        let lease = (response.status() != StatusCode::SWITCHING_PROTOCOLS)
            .then(|| Lease::Own { pool: self.clone(), kept });
        Answer { response: response.map(|incoming| Body::upstream(incoming, lease)), connection }
    }

    /// The newest idle connection that is still good.
    fn idle_h1(&self) -> Option<Box<Kept>> {
        let mut found = self.idle.pop()?;
        let now = Instant::now();
        let timeout = self.settings.idle_timeout;
        // A connection may still be sending the rest of a request that was answered early; such a one
        // goes back to its place until it is ready or closed.
        let mut busy = Vec::new();
        let ready = loop {
            if found.is_spent(now, timeout) {
                drop(found);
            } else if found.sender.is_ready() {
                break Some(found);
            } else {
                busy.push(found);
            }
            match self.idle.pop() {
                Some(next) => found = next,
                None => break None,
            }
        };
        self.idle.put_back(busy);
        ready
    }

    async fn open_h1(&self, slot: Slot) -> Result<Box<Kept>, Failure> {
        let Connected { io, info } = self.dial().await.map_err(Failure::Connect)?;
        let (sender, connection) = Builder::new()
            .max_header_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(Guarded::new(io, slot)))
            .await
            .map_err(|e| Failure::Connect(super::ConnectError::Http(Arc::new(e))))?;
        tokio::spawn(async move {
            // Its end reaches whoever sent a request on it; there is nobody else to tell.
            let ended = connection.with_upgrades().await;
            if let Err(error) = ended {
                tracing::debug!(%error, "an upstream HTTP/1.1 connection ended");
            }
        });
        let left = match self.settings.max_requests {
            0 => u32::MAX,
            n => n,
        };
        Ok(Box::new(Kept { sender, info, left, since: Instant::now() }))
    }
}
