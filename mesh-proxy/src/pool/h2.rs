//! HTTP/2: one connection carries many requests, until it is used up or closed.

use super::{Answer, ConnectError, Connected, ConnectionInfo, Failure, Lease, Pool};
use crate::body::{Body, Outgoing};
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::Request;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// What may be buffered for one stream, and for all of a connection: bounded, yet more than the product of
/// a data centre's bandwidth and delay.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const MAX_HEADER_BYTES: u32 = 60 * 1024;

/// A pool's shared connection.
pub(super) enum State {
    Empty,
    Opening(Opening),
    Open(Line),
}

type Opening = Shared<BoxFuture<'static, Result<Line, ConnectError>>>;

/// A connection with room for more requests.
#[derive(Clone)]
pub(super) struct Line {
    sender: SendRequest<Outgoing>,
    info: Arc<ConnectionInfo>,
    /// How many more requests it may carry.
    left: Arc<AtomicU32>,
    /// Held by every request that is on it, so that its count tells whether it is idle.
    busy: Arc<()>,
    used: Instant,
}

impl Line {
    fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.left.load(Ordering::Relaxed) > 0
    }

    fn take(&self) -> bool {
        self.left.try_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
    }
}

impl State {
    pub(super) fn sweep(&mut self, now: Instant, idle_timeout: Duration) {
        if let Self::Open(line) = self {
            if Arc::strong_count(&line.busy) > 1 {
                line.used = now;
            }
            if !line.is_usable() || now.duration_since(line.used) >= idle_timeout {
                *self = Self::Empty;
            }
        }
    }
}

impl Pool {
    pub(super) async fn send_h2(self: &Arc<Self>, mut request: Request<Outgoing>) -> Result<Answer, Failure> {
        *request.version_mut() = http::Version::HTTP_2;
        loop {
            let (line, fresh) = self.line().await?;
            if !line.take() {
                continue;
            }
            let busy = line.busy.clone();
            let mut sender = line.sender.clone();
            match sender.try_send_request(request).await {
                Ok(response) => {
                    let (parts, incoming) = response.into_parts();
                    let body = Body::upstream(incoming, Some(Lease::Shared { _busy: busy }));
                    let response = http::Response::from_parts(parts, body);
                    return Ok(Answer { response, connection: line.info });
                }
                Err(mut failed) => match failed.take_message() {
                    Some(untouched) if !fresh => request = untouched,
                    Some(_) => return Err(Failure::from_hyper(failed.into_error(), false)),
                    None => return Err(Failure::from_hyper(failed.into_error(), true)),
                },
            }
        }
    }

    /// The shared connection, and whether this call waited for it to be opened.
    async fn line(self: &Arc<Self>) -> Result<(Line, bool), Failure> {
        let opening = {
            let mut state = self.shared.lock();
            match &*state {
                State::Open(line) if line.is_usable() => return Ok((line.clone(), false)),
                State::Opening(opening) => opening.clone(),
                State::Open(_) | State::Empty => {
                    let opening = self.clone().open_h2().boxed().shared();
                    *state = State::Opening(opening.clone());
                    opening
                }
            }
        };
        let opened = opening.clone().await;
        let mut state = self.shared.lock();
        // The first of those who waited writes down what came of it.
        if matches!(&*state, State::Opening(current) if current.ptr_eq(&opening)) {
            *state = match &opened {
                Ok(line) => State::Open(line.clone()),
                Err(_) => State::Empty,
            };
        }
        match opened {
            Ok(line) => Ok((line, true)),
            Err(error) => Err(Failure::Connect(error)),
        }
    }

    async fn open_h2(self: Arc<Self>) -> Result<Line, ConnectError> {
        // One connection for each pool is always admitted; a replacement waits only for its predecessor's
        // place, which it does not need to wait for: streams still finish on that one.
        let slot = self.gate.try_connection(&self.open, &self.stats);
        let Connected { io, info } = self.dial().await?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|e| ConnectError::Http(Arc::new(e)))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "an upstream HTTP/2 connection ended");
            }
            drop(slot);
        });
        let left = match self.settings.max_requests {
            0 => u32::MAX,
            n => n,
        };
        Ok(Line {
            sender,
            info,
            left: Arc::new(AtomicU32::new(left)),
            busy: Arc::new(()),
            used: Instant::now(),
        })
    }
}
