//! A response's body that holds something of its request's until it ends.
//!
//! A place under a limit, or a verdict that is still open: what several layers keep beyond the response's head, and
//! each gives back once.

use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// What a [`HoldingBody`] holds.
pub trait Hold {
    /// The body has ended. If it is dropped before that, so is what it holds, without this call.
    fn end(self, end: End<'_>);
}

/// How a body ended.
#[derive(Clone, Copy, Debug)]
pub enum End<'a> {
    /// With its last byte, or its trailers.
    Complete(Option<&'a HeaderMap>),
    /// With an error.
    Failed,
}

pin_project! {
    /// A body that gives back what it holds at its end, at an error, or when it is dropped.
    ///
    /// Servers do not ask a body that is at its end from the beginning, and neither does this layer's owner have to:
    /// such a one has ended when it is dropped. It may stand for a connection that was upgraded, so not before.
    ///
    /// ```
    /// use http_body_util::{BodyExt, Full};
    /// use mesh_policy::body::{End, Hold, HoldingBody};
    /// use std::sync::Arc;
    ///
    /// struct Place(Arc<()>);
    /// impl Hold for Place {
    ///     fn end(self, _: End<'_>) {
    ///         drop(self.0);
    ///     }
    /// }
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let places = Arc::new(());
    /// let mut body = HoldingBody::new(Full::new(&b"all of it"[..]), Some(Place(places.clone())));
    /// assert_eq!(Arc::strong_count(&places), 2);
    /// body.frame().await;
    /// assert_eq!(Arc::strong_count(&places), 1);
    /// # }).unwrap();
    /// ```
    #[derive(Debug)]
    pub struct HoldingBody<B, T: Hold> {
        #[pin]
        inner: B,
        held: Option<T>,
        ended: bool,
    }

    impl<B, T: Hold> PinnedDrop for HoldingBody<B, T> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(held) = this.held.take() && *this.ended {
                held.end(End::Complete(None));
            }
        }
    }
}

impl<B: Body, T: Hold> HoldingBody<B, T> {
    /// With something to hold, or nothing any more.
    pub fn new(inner: B, held: Option<T>) -> Self {
        let ended = inner.is_end_stream();
        Self { inner, held, ended }
    }
}

impl<B: Body, T: Hold> Body for HoldingBody<B, T> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.inner.as_mut().poll_frame(cx));
        let end = match &frame {
            Some(Ok(data)) if data.is_data() && !this.inner.is_end_stream() => None,
            Some(Ok(last)) => Some(End::Complete(last.trailers_ref())),
            Some(Err(_)) => Some(End::Failed),
            None => Some(End::Complete(None)),
        };
        if let Some(end) = end
            && let Some(held) = this.held.take()
        {
            held.end(end);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default, T: Hold> Default for HoldingBody<B, T> {
    /// Holds nothing.
    fn default() -> Self {
        Self { inner: B::default(), held: None, ended: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::{FutureExt, stream};
    use http_body_util::{BodyExt, Empty, Full, StreamBody};
    use std::cell::RefCell;
    use std::rc::Rc;

    /// Notes how it ended, or that it was dropped.
    struct Note(Rc<RefCell<Vec<&'static str>>>, bool);

    impl Hold for Note {
        fn end(mut self, end: End<'_>) {
            self.1 = true;
            self.0.borrow_mut().push(match end {
                End::Complete(Some(_)) => "trailers",
                End::Complete(None) => "complete",
                End::Failed => "failed",
            });
        }
    }

    impl Drop for Note {
        fn drop(&mut self) {
            if !self.1 {
                self.0.borrow_mut().push("dropped");
            }
        }
    }

    /// What a body gave back after so many frames, and what it had given back by its own drop.
    fn after<B: Body + Unpin>(body: B, frames: usize) -> (Vec<&'static str>, Vec<&'static str>) {
        let notes = Rc::default();
        let mut body = HoldingBody::new(body, Some(Note(Rc::clone(&notes), false)));
        for _ in 0..frames {
            let _ = body.frame().now_or_never().expect("it is there at once");
        }
        let before = notes.borrow().clone();
        drop(body);
        (before, Rc::try_unwrap(notes).expect("nobody else notes").into_inner())
    }

    #[test]
    fn what_is_held_is_given_back_once_at_the_first_sign_of_the_end() {
        let full = || Full::new(Bytes::from_static(b"all"));
        assert_eq!(after(full(), 0), (vec![], vec!["dropped"]));
        assert_eq!(
            after(full(), 1),
            (vec!["complete"], vec!["complete"]),
            "with the last byte, before the end"
        );
        assert_eq!(after(full(), 2), (vec!["complete"], vec!["complete"]));
        let trailers = || full().with_trailers(std::future::ready(Some(Ok(HeaderMap::new()))));
        assert_eq!(after(trailers(), 1), (vec![], vec!["dropped"]));
        assert_eq!(after(trailers(), 2), (vec!["trailers"], vec!["trailers"]));
        let frame = |frame: Result<&'static [u8], &'static str>| frame.map(Frame::data);
        let broken = || StreamBody::new(stream::iter([Ok(&b"half"[..]), Err("gone")].map(frame)));
        assert_eq!(after(broken(), 1), (vec![], vec!["dropped"]));
        assert_eq!(after(broken(), 2), (vec!["failed"], vec!["failed"]));
        let endless = StreamBody::new(stream::iter([Ok::<_, &str>(&b"all"[..])].map(frame)));
        assert_eq!(after(endless, 2), (vec!["complete"], vec!["complete"]));
    }

    #[test]
    fn a_body_that_is_at_its_end_from_the_beginning_ends_when_it_is_dropped() {
        assert_eq!(after(Empty::<Bytes>::new(), 0), (vec![], vec!["complete"]));
        assert_eq!(after(Empty::<Bytes>::new(), 1), (vec!["complete"], vec!["complete"]));
    }
}
