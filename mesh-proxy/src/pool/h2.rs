//! HTTP/2: a connection carries as many requests as the endpoint takes on it; then another is opened.

mod line;

pub(crate) use line::Stream;

use super::{Answer, ConnectError, Connected, Failure, Lease, Pool, Reset, Slot};
use crate::body::{Body, Outgoing};
use http::Request;
use hyper::client::conn::http2::Builder;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use line::{Line, LineState, Room, Taken, Upload};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// What may be buffered for one stream, and for all of a connection: bounded, yet more than the product of
/// a data centre's bandwidth and delay.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 8 << 20;
const MAX_HEADER_BYTES: u32 = 60 * 1024;

/// A pool's connections, and the one that is being opened. Replaced as a whole when one comes or goes.
#[derive(Clone, Default)]
pub(super) struct Lines {
    open: Vec<Arc<Line>>,
    opening: Option<Opening>,
}

/// Tells those who wait what came of it; nobody needs to wait for it to go on.
type Opening = watch::Receiver<Option<Opened>>;
type Opened = Result<Arc<LineState>, ConnectError>;

/// What the pool has for a request.
enum Found {
    Place(Taken),
    Unsettled(Arc<LineState>),
    Opening(Opening),
}

impl Lines {
    /// A place on the oldest connection that has one, so that what is not needed falls idle; and whether a
    /// connection was met on the way that is of no use any more.
    fn take(&self) -> (Option<Found>, bool) {
        let (mut unsettled, mut useless) = (None, false);
        for line in &self.open {
            if line.is_usable() {
                match line.take() {
                    Room::Taken(taken) => {
                        // The place may have been its last.
                        return (Some(Found::Place(taken)), useless || !line.is_usable());
                    }
                    Room::Unsettled(state) => unsettled = Some(Found::Unsettled(state)),
                    Room::None => {}
                }
            }
            useless = useless || !line.is_usable();
        }
        (unsettled, useless)
    }

    fn opening(&self) -> Option<Found> {
        // It has no sender any more if its task was dropped with the runtime.
        self.opening.clone().filter(|o| o.has_changed().is_ok()).map(Found::Opening)
    }
}

impl Pool {
    pub(super) async fn send_h2(self: &Arc<Self>, mut request: Request<Outgoing>) -> Result<Answer, Failure> {
        *request.version_mut() = http::Version::HTTP_2;
        loop {
            let (Taken { mut sender, info, stream }, fresh) = self.place().await?;
            let carried = request.map(|body| Upload::new(body, stream.clone()));
            match sender.try_send_request(carried).await {
                Ok(response) => {
                    let (parts, incoming) = response.into_parts();
                    let body = Body::upstream(incoming, Some(Lease::Shared { _stream: stream }));
                    let response = http::Response::from_parts(parts, body);
                    return Ok(Answer { response, connection: info });
                }
                Err(mut failed) => match failed.take_message() {
                    Some(untouched) if !fresh => request = untouched.map(Upload::into_inner),
                    Some(_) => return Err(Failure::from_hyper(failed.into_error(), false)),
                    None => return Err(Failure::from_hyper(failed.into_error(), true)),
                },
            }
        }
    }

    /// A place on a connection, and whether this call waited for it to be opened.
    async fn place(self: &Arc<Self>) -> Result<(Taken, bool), Failure> {
        let mut opened: Option<Arc<LineState>> = None;
        loop {
            // Where the cluster may have no more connections, the request is pending until one of its
            // streams or connections ends.
            match self.gate.wait(|| self.find_h2()).await? {
                Found::Place(taken) => {
                    let fresh = opened.is_some_and(|state| taken.stream.is_on(&state));
                    return Ok((taken, fresh));
                }
                Found::Unsettled(state) => state.settle().await,
                Found::Opening(mut opening) => {
                    let state = match opening.wait_for(Option::is_some).await.as_deref() {
                        Ok(Some(Ok(state))) => state.clone(),
                        Ok(Some(Err(error))) => return Err(Failure::Connect(error.clone())),
                        Ok(None) | Err(_) => return Err(closed("the connection was given up")),
                    };
                    // To try again and again would be to dial for ever.
                    if state.is_stillborn() {
                        return Err(closed("the connection was closed as soon as it was open"));
                    }
                    opened = Some(state);
                }
            }
        }
    }

    fn find_h2(self: &Arc<Self>) -> Option<Found> {
        loop {
            let lines = self.lines.load();
            let (place, useless) = lines.take();
            let found = place.or_else(|| lines.opening());
            if useless {
                // As long as it is listed it stays open, and keeps its place in the cluster's limit.
                drop(lines);
                self.drop_lines(|line| !line.is_usable());
                match found {
                    Some(_) => return found,
                    None => continue,
                }
            }
            if found.is_some() {
                return found;
            }
            let slot = self.gate.try_connection(&self.open, &self.stats)?;
            let (tell, opening) = watch::channel(None);
            let next = Lines { opening: Some(opening.clone()), ..Lines::clone(&lines) };
            let before = self.lines.compare_and_swap(&lines, Arc::new(next));
            // Else another thread was faster: there is something new to look at.
            if Arc::ptr_eq(&before, &lines) {
                tokio::spawn(self.clone().open_line(slot, tell));
                return Some(Found::Opening(opening));
            }
        }
    }

    /// Takes connections off the list; each ends when its last stream does.
    fn drop_lines(&self, gone: impl Fn(&Line) -> bool) {
        self.lines.rcu(|lines| {
            let mut left = Lines::clone(lines);
            left.open.retain(|line| !gone(line));
            left
        });
    }

    /// Opens a connection for whoever waits. A task of its own: a caller who goes away takes nothing from the
    /// others.
    async fn open_line(self: Arc<Self>, slot: Slot, tell: watch::Sender<Option<Opened>>) {
        let outcome = self.open_h2(slot).await.map(Arc::new);
        self.lines.rcu(|lines| {
            let mut open = lines.open.clone();
            open.extend(outcome.iter().cloned());
            // Whoever comes after a failure tries anew.
            Lines { open, opening: None }
        });
        tell.send_replace(Some(outcome.map(|line| line.state().clone())));
    }

    pub(super) fn sweep_h2(&self, now: Instant, idle_timeout: Duration) {
        let spent = |line: &Line| line.is_spent(now, idle_timeout);
        if self.lines.load().open.iter().any(|line| spent(line)) {
            self.drop_lines(spent);
        }
    }

    async fn open_h2(&self, slot: Slot) -> Result<Line, ConnectError> {
        let Connected { io, info } = self.dial().await?;
        let (sender, codec) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_BYTES)
            // None until the endpoint says how many, which it does at once: the codec holds the first
            // request back for so long.
            .initial_max_send_streams(0)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|e| ConnectError::Http(Arc::new(e)))?;
        let max_requests = self.settings.max_requests;
        let (line, driver) = Line::new(sender, codec, info, slot, self.gate.clone(), max_requests);
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                tracing::debug!(%error, "an upstream HTTP/2 connection ended");
            }
        });
        Ok(line)
    }
}

fn closed(why: &'static str) -> Failure {
    Failure::Reset { reset: Reset::ConnectionClosed, sent: false, source: why.into() }
}
