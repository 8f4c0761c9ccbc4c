//! The one body type of the proxy: what was received, streamed on as it comes.
//!
//! ```text
//! caller ──Incoming──▶ stacks ──Body──▶ pool ──▶ endpoint
//! caller ◀──Body── rescue, stacks ◀──Upstream── pool ◀── endpoint
//! ```
//!
//! An enum rather than a boxed trait object, so that the common bodies cost no allocation and no
//! indirect call. Nothing is gathered: a frame is asked for only when the other side can take it.

use crate::http::Trail;
use crate::pool::Lease;
use crate::shared::InFlight;
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

pub use mesh_policy::BoxError;

/// A request's body on its way out: the retry layer's, which can be read once more.
pub(crate) type Outgoing = mesh_policy::retry::ReplayBody<Body>;

pin_project! {
    /// A request's or a response's body.
    #[derive(Debug)]
    pub struct Body {
        #[pin]
        kind: Kind,
    }
}

pin_project! {
    #[project = KindProj]
    enum Kind {
        Empty,
        Full { bytes: Option<Bytes> },
        Incoming { #[pin] incoming: Incoming, meter: Option<Arc<Trail>> },
        Upstream { #[pin] incoming: Incoming, lease: Option<Lease>, active: Option<InFlight> },
        Boxed { #[pin] inner: UnsyncBoxBody<Bytes, BoxError> },
    }
}

impl std::fmt::Debug for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "Empty",
            Self::Full { .. } => "Full",
            Self::Incoming { .. } => "Incoming",
            Self::Upstream { .. } => "Upstream",
            Self::Boxed { .. } => "Boxed",
        })
    }
}

impl Body {
    /// No bytes.
    pub fn empty() -> Self {
        Self { kind: Kind::Empty }
    }

    /// These bytes.
    pub fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        if bytes.is_empty() { Self::empty() } else { Self { kind: Kind::Full { bytes: Some(bytes) } } }
    }

    /// Another kind of body, behind a pointer.
    pub fn boxed<B>(body: B) -> Self
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Self { kind: Kind::Boxed { inner: body.map_err(Into::into).boxed_unsync() } }
    }

    /// Counts what is received of a caller's request.
    pub(crate) fn metered(mut self, trail: &Arc<Trail>) -> Self {
        if let Kind::Incoming { meter, .. } = &mut self.kind {
            *meter = Some(trail.clone());
        }
        self
    }

    /// A response from the pool; the connection goes back to it when the last frame was read.
    pub(crate) fn upstream(incoming: Incoming, mut lease: Option<Lease>) -> Self {
        if incoming.is_end_stream()
            && let Some(lease) = lease.take()
        {
            lease.give_back();
        }
        Self { kind: Kind::Upstream { incoming, lease, active: None } }
    }

    /// Counts as a request at the endpoint until it ends, or is dropped: after an upgrade a body without a
    /// byte stands for the connection.
    pub(crate) fn holding(mut self, mark: InFlight) -> Self {
        if let Kind::Upstream { active, .. } = &mut self.kind {
            *active = Some(mark);
        }
        self
    }
}

impl Default for Body {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Self { kind: Kind::Incoming { incoming, meter: None } }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::full(text)
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::full(bytes)
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.project().kind.project() {
            KindProj::Empty => Poll::Ready(None),
            KindProj::Full { bytes } => Poll::Ready(bytes.take().map(|b| Ok(Frame::data(b)))),
            KindProj::Incoming { incoming, meter } => {
                let polled = incoming.poll_frame(cx);
                if let (Some(trail), Poll::Ready(frame)) = (meter, &polled) {
                    trail.received(frame.as_ref().and_then(|f| f.as_ref().ok()));
                }
                polled.map_err(Into::into)
            }
            KindProj::Upstream { mut incoming, lease, active } => {
                let polled = incoming.as_mut().poll_frame(cx);
                let over = match &polled {
                    Poll::Ready(None) => true,
                    Poll::Ready(Some(Ok(_))) => incoming.is_end_stream(),
                    Poll::Ready(Some(Err(_))) => {
                        // A connection that failed in the middle of a response is not used again.
                        *lease = None;
                        *active = None;
                        false
                    }
                    Poll::Pending => false,
                };
                if over {
                    *active = None;
                    if let Some(lease) = lease.take() {
                        lease.give_back();
                    }
                }
                polled.map_err(Into::into)
            }
            KindProj::Boxed { inner } => inner.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full { bytes } => bytes.is_none(),
            Kind::Incoming { incoming, .. } | Kind::Upstream { incoming, .. } => incoming.is_end_stream(),
            Kind::Boxed { inner } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |b| u64::try_from(b.len()).unwrap_or(u64::MAX)))
            }
            Kind::Incoming { incoming, .. } | Kind::Upstream { incoming, .. } => incoming.size_hint(),
            Kind::Boxed { inner } => inner.size_hint(),
        }
    }
}
