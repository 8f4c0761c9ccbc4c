//! A response on its way out; when its last byte has gone, what happened is told to every sink.
//!
//! Most responses are over with their first frame. What is longer is known to its connection as a [`Long`], since
//! a codec whose caller stops to read does not poll, and so lets no timer in here run: then the connection
//! lets go of it in time. A program that asks by itself may not even begin to read, so its membership knows of
//! each response from the start. Whoever works on a long response takes it out of its place and puts it back.

use super::Trail;
use super::connection::InFlight;
use super::idle::{IdleTimer, StreamIdle};
use super::watch::LongResponses;
use crate::body::{Body, BoxError};
use crate::outbound::StackBody;
use crate::shared::Shared;
use bytes::Bytes;
use crossbeam_utils::atomic::AtomicCell;
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_core::response_flag::ResponseFlag;
use mesh_policy::{find, flags_of, grpc};
use mesh_telemetry::record::RequestRecord;
use mesh_telemetry::sink::{Sink, Sinks};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

/// How soon a response is looked at again whose own timers are to end it.
const LOOK: Duration = Duration::from_secs(1);

/// A response's body that tells of itself when it ends.
pub(crate) struct Recorded {
    state: State,
}

#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the common one, and a box would cost each response"
)]
enum State {
    Own(Live),
    Long(Arc<Long>),
}

/// A response that its keeper watches. Away while somebody works on it.
pub(crate) struct Long {
    live: AtomicCell<Option<Box<Live>>>,
    /// The codec has its last frame.
    ended: AtomicBool,
}

/// A response under way.
struct Live {
    inner: Inner,
    told: Option<Box<Told>>,
    keeper: Option<Keeper>,
    idle: Option<IdleTimer>,
    /// When the codec last took something.
    taken: Instant,
    /// Whoever reads waits for the body, not for a caller: the timers in the body do run.
    waiting: bool,
}

/// Who lets go of a response in time if it is not read.
enum Keeper {
    /// Its connection, on which it is in flight.
    Connection(InFlight),
    /// The program's membership.
    Program(Arc<LongResponses>),
}

enum Inner {
    Local(Body),
    Stack(StackBody),
    /// It was let go; the codec is still to learn why.
    Cut(Option<BoxError>),
}

/// What is told when a response ends; told as well if it never does.
pub(crate) struct Told {
    pub(super) record: RequestRecord,
    pub(super) sinks: Sinks,
    pub(super) started: Instant,
    pub(super) trail: Arc<Trail>,
    pub(super) shared: Arc<Shared>,
    /// The last frame has been handed to the codec, or the proxy itself ended the response.
    over: bool,
}

impl Told {
    pub(super) fn new(
        record: RequestRecord,
        sinks: Sinks,
        started: Instant,
        trail: Arc<Trail>,
        shared: Arc<Shared>,
    ) -> Self {
        shared.counters.requests_active.fetch_add(1, Ordering::Relaxed);
        Self { record, sinks, started, trail, shared, over: false }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.shared.counters.requests_active.fetch_sub(1, Ordering::Relaxed);
        let record = &mut self.record;
        record.duration = self.started.elapsed();
        let (received, complete) = self.trail.request_body();
        record.bytes_received = received;
        record.request_duration = complete;
        if !self.over && record.response_flags.is_empty() {
            // Dropped by the codec before its end: the caller has gone.
            record.response_flags.insert(ResponseFlag::DownstreamConnectionTermination);
            record.response_code_details = Some("downstream_remote_disconnect".into());
        }
        self.sinks.request(record);
    }
}

impl Recorded {
    /// A response that the proxy gives itself.
    pub(super) fn local(body: Body, told: Box<Told>, idle: Option<Duration>) -> Self {
        Self::new(Inner::Local(body), told, idle)
    }

    /// A response of an upstream.
    pub(super) fn stack(body: StackBody, told: Box<Told>, idle: Option<Duration>) -> Self {
        Self::new(Inner::Stack(body), told, idle)
    }

    fn new(inner: Inner, mut told: Box<Told>, idle: Option<Duration>) -> Self {
        // A codec never polls a body that says so; a response to HEAD is another such case, see `over`.
        told.over = inner.is_end_stream();
        Self {
            state: State::Own(Live {
                inner,
                taken: Instant::now(),
                told: Some(told),
                keeper: None,
                idle: idle.map(IdleTimer::new),
                waiting: false,
            }),
        }
    }

    /// Before it is polled, so nobody else has it.
    fn change(mut self, change: impl FnOnce(&mut Live)) -> Self {
        if let State::Own(live) = &mut self.state {
            change(live);
        }
        self
    }

    /// The response carries no body on the wire, whatever its headers say: HEAD, 204, 304.
    pub(super) fn without_body(self) -> Self {
        self.change(|live| {
            if let Some(told) = &mut live.told {
                told.over = true;
            }
        })
    }

    /// Holds the mark of a request in flight as long as the body lasts.
    pub(super) fn holding(self, in_flight: InFlight) -> Self {
        self.change(|live| live.keeper = Some(Keeper::Connection(in_flight)))
    }

    /// Ends in time even if the program that asked never reads it.
    pub(crate) fn kept_by(self, program: &Arc<LongResponses>) -> Self {
        let mut kept = self.change(|live| live.keeper = Some(Keeper::Program(program.clone())));
        let is_over = |live: &Live| live.told.as_ref().is_none_or(|told| told.over);
        if matches!(&kept.state, State::Own(live) if !is_over(live)) {
            kept.watch();
        }
        kept
    }

    /// From now on the response ends in time even if nobody reads it, where it is bounded at all.
    fn watch(&mut self) {
        let State::Own(live) = &mut self.state else { return };
        if live.ends_at().is_none() {
            return;
        }
        let Some(keeper) = live.keeper.take() else { return };
        let nothing = Live { inner: Inner::Cut(None), told: None, keeper: None, idle: None, ..*live };
        let mut live = Box::new(std::mem::replace(live, nothing));
        let responses = keeper.responses().clone();
        live.keeper = Some(keeper);
        let long = Arc::new(Long { live: AtomicCell::new(Some(live)), ended: AtomicBool::new(false) });
        responses.announce(Arc::downgrade(&long));
        self.state = State::Long(long);
    }
}

impl Keeper {
    fn responses(&self) -> &Arc<LongResponses> {
        match self {
            Self::Connection(in_flight) => in_flight.activity().long(),
            Self::Program(responses) => responses,
        }
    }
}

impl Long {
    /// Lets go of the response if it is overdue while its codec does not ask for more of it. When to look
    /// again, unless it is over.
    pub(super) fn look(&self, now: Instant) -> Option<Instant> {
        // Else the codec is just reading it, on another thread.
        let Some(mut live) = self.live.take() else { return Some(now + LOOK) };
        let next = live.ends_at().and_then(|until| {
            if until > now {
                Some(until)
            } else if live.waiting && now < until + LOOK {
                // Its own timers end it, unless whoever waited for it does so no more.
                Some(now + LOOK)
            } else {
                live.cut(now);
                None
            }
        });
        self.live.store(Some(live));
        next
    }
}

impl Inner {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Local(body) => body.is_end_stream(),
            Self::Stack(body) => body.is_end_stream(),
            Self::Cut(error) => error.is_none(),
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self {
            Self::Local(body) => Pin::new(body).poll_frame(cx),
            Self::Stack(body) => Pin::new(body).poll_frame(cx),
            Self::Cut(error) => Poll::Ready(error.take().map(Err)),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Local(body) => body.size_hint(),
            Self::Stack(body) => body.size_hint(),
            Self::Cut(_) => SizeHint::default(),
        }
    }
}

impl Live {
    /// When the response is overdue if nothing happens until then; `None` if it never is.
    fn ends_at(&mut self) -> Option<Instant> {
        let told = self.told.as_ref()?;
        let idle = self.idle.as_mut().and_then(|idle| {
            if idle.has_received(&told.trail) {
                self.taken = Instant::now();
                idle.touch();
            }
            self.taken.checked_add(idle.idle())
        });
        let deadline = match &self.inner {
            Inner::Stack(body) => body.get_ref().deadline(),
            Inner::Local(_) | Inner::Cut(_) => None,
        };
        [idle, deadline].into_iter().flatten().min()
    }

    /// Gives back all that the response holds.
    fn cut(&mut self, now: Instant) {
        let elapsed = match &mut self.inner {
            Inner::Stack(body) if body.get_ref().deadline().is_some_and(|deadline| deadline <= now) => {
                body.get_mut().elapse()
            }
            _ => None,
        };
        let error = elapsed.unwrap_or_else(|| StreamIdle.into());
        if let Some(mut told) = self.told.take() {
            failed(&mut told.record, &*error);
            told.over = true;
        }
        self.inner = Inner::Cut(Some(error));
        if let Some(Keeper::Connection(in_flight)) = self.keeper.take() {
            in_flight.cut();
        }
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = self.inner.poll_frame(cx);
        let polled = match (polled, self.idle.as_mut(), self.told.as_ref()) {
            (Poll::Pending, Some(idle), Some(told)) => {
                self.waiting = true;
                ready!(idle.poll(cx, &told.trail));
                Poll::Ready(Some(Err(StreamIdle.into())))
            }
            (polled, ..) => polled,
        };
        self.waiting = polled.is_pending();
        let Poll::Ready(frame) = &polled else { return Poll::Pending };
        self.taken = Instant::now();
        if let Some(idle) = &mut self.idle {
            idle.touch();
        }
        if let Some(told) = self.told.as_mut() {
            let over = match frame {
                Some(Ok(frame)) => {
                    if let Some(data) = frame.data_ref() {
                        told.record.bytes_sent += u64::try_from(data.len()).unwrap_or(0);
                    }
                    if let Some(trailers) = frame.trailers_ref()
                        && told.record.grpc
                    {
                        told.record.grpc_status = grpc::status(trailers);
                    }
                    self.inner.is_end_stream()
                }
                Some(Err(error)) => {
                    failed(&mut told.record, &**error);
                    true
                }
                None => true,
            };
            if over {
                told.over = true;
                self.told = None;
                self.keeper = None;
            }
        }
        polled
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.state {
            State::Own(live) => {
                let polled = live.poll_frame(cx);
                if polled.is_ready() {
                    self.watch();
                }
                polled
            }
            State::Long(long) => {
                let Some(mut live) = long.live.take() else {
                    // Its keeper is just looking at it, on another thread.
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                };
                let polled = live.poll_frame(cx);
                long.ended.store(live.inner.is_end_stream(), Ordering::Relaxed);
                long.live.store(Some(live));
                polled
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.state {
            State::Own(live) => live.inner.is_end_stream(),
            State::Long(long) => long.ended.load(Ordering::Relaxed),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.state {
            State::Own(live) => live.inner.size_hint(),
            State::Long(_) => SizeHint::default(),
        }
    }
}

/// The upstream broke off in the middle of a response.
fn failed(record: &mut RequestRecord, error: &(dyn std::error::Error + 'static)) {
    if find::<StreamIdle>(error).is_some() {
        record.response_flags.insert(ResponseFlag::StreamIdleTimeout);
        record.response_code_details = Some("stream_idle_timeout".into());
        return;
    }
    let mut flags = flags_of(error);
    if flags.is_empty() {
        flags.insert(ResponseFlag::UpstreamConnectionTermination);
    }
    for flag in flags.iter() {
        record.response_flags.insert(flag);
    }
    let timeout = find::<mesh_policy::timeout::Elapsed>(error).is_some();
    let details = if timeout {
        "response_timeout"
    } else {
        "upstream_reset_after_response_started{connection_termination}"
    };
    record.response_code_details = Some(details.into());
}
