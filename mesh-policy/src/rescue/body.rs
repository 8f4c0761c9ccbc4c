//! A response's body: the service's own, or the text of a local reply.

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll};

pin_project! {
    /// What a [`Rescue`](super::Rescue) answers with.
    #[derive(Debug)]
    pub struct RescueBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProj]
    #[derive(Debug)]
    enum Kind<B> {
        Inner { #[pin] inner: B },
        // Empty once it was read.
        Text { text: Bytes },
    }
}

impl<B> RescueBody<B> {
    /// The service's own body.
    pub(super) fn inner(inner: B) -> Self {
        Self { kind: Kind::Inner { inner } }
    }

    /// Whether it is the text of a local reply, and nothing that the service below made.
    pub fn is_local_reply(&self) -> bool {
        matches!(self.kind, Kind::Text { .. })
    }
}

impl<B> From<String> for RescueBody<B> {
    fn from(text: String) -> Self {
        Self { kind: Kind::Text { text: text.into() } }
    }
}

impl<B> Default for RescueBody<B> {
    fn default() -> Self {
        Self::from(String::new())
    }
}

impl<B> Body for RescueBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        match self.project().kind.project() {
            KindProj::Inner { inner } => inner.poll_frame(cx),
            KindProj::Text { text } if text.is_empty() => Poll::Ready(None),
            KindProj::Text { text } => Poll::Ready(Some(Ok(Frame::data(std::mem::take(text).into())))),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { inner } => inner.is_end_stream(),
            Kind::Text { text } => text.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { inner } => inner.size_hint(),
            Kind::Text { text } => SizeHint::with_exact(u64::try_from(text.len()).unwrap_or(u64::MAX)),
        }
    }
}
