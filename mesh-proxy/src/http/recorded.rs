//! A response on its way out; when its last byte has gone, what happened is told to every sink.

use super::Trail;
use super::connection::InFlight;
use super::idle::{IdleTimer, StreamIdle};
use crate::body::{Body, BoxError};
use crate::outbound::StackBody;
use crate::shared::Shared;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use mesh_core::response_flag::ResponseFlag;
use mesh_policy::{find, flags_of, grpc};
use mesh_telemetry::record::RequestRecord;
use mesh_telemetry::sink::{Sink, Sinks};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::Instant;

pin_project! {
    /// A response's body that tells of itself when it ends.
    pub(crate) struct Recorded {
        #[pin]
        inner: Inner,
        told: Option<Box<Told>>,
        in_flight: Option<InFlight>,
        idle: Option<IdleTimer>,
    }
}

pin_project! {
    #[project = InnerProj]
    enum Inner {
        Local { #[pin] body: Body },
        Stack { #[pin] body: StackBody },
    }
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
        Self::new(Inner::Local { body }, told, idle)
    }

    /// A response of an upstream.
    pub(super) fn stack(body: StackBody, told: Box<Told>, idle: Option<Duration>) -> Self {
        Self::new(Inner::Stack { body }, told, idle)
    }

    fn new(inner: Inner, mut told: Box<Told>, idle: Option<Duration>) -> Self {
        let ends = match &inner {
            Inner::Local { body } => body.is_end_stream(),
            Inner::Stack { body } => body.is_end_stream(),
        };
        // A codec never polls a body that says so; a response to HEAD is another such case, see `over`.
        told.over = ends;
        Self { inner, told: Some(told), in_flight: None, idle: idle.map(IdleTimer::new) }
    }

    /// The response carries no body on the wire, whatever its headers say: HEAD, 204, 304.
    pub(super) fn without_body(mut self) -> Self {
        if let Some(told) = &mut self.told {
            told.over = true;
        }
        self
    }

    /// Holds the mark of a request in flight as long as the body lasts.
    pub(super) fn holding(mut self, in_flight: InFlight) -> Self {
        self.in_flight = Some(in_flight);
        self
    }
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.project();
        let (polled, ends) = match this.inner.project() {
            InnerProj::Local { mut body } => (body.as_mut().poll_frame(cx), body.is_end_stream()),
            InnerProj::Stack { mut body } => (body.as_mut().poll_frame(cx), body.is_end_stream()),
        };
        let polled = match (polled, this.idle.as_mut()) {
            (Poll::Pending, Some(idle)) => {
                ready!(idle.poll(cx));
                Poll::Ready(Some(Err(StreamIdle.into())))
            }
            (Poll::Ready(frame), idle) => {
                if let Some(idle) = idle {
                    idle.touch();
                }
                Poll::Ready(frame)
            }
            (Poll::Pending, None) => Poll::Pending,
        };
        let Poll::Ready(frame) = &polled else { return Poll::Pending };
        if let Some(told) = this.told.as_mut() {
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
                    ends
                }
                Some(Err(error)) => {
                    failed(&mut told.record, &**error);
                    true
                }
                None => true,
            };
            if over {
                told.over = true;
                *this.told = None;
                *this.in_flight = None;
            }
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.inner {
            Inner::Local { body } => body.is_end_stream(),
            Inner::Stack { body } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Local { body } => body.size_hint(),
            Inner::Stack { body } => body.size_hint(),
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
