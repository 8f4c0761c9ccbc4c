//! A body that counts, and fails at its limit.

use super::error::{Limit, TooLarge};
use super::tally::{Broken, Packed};
use crate::BoxError;
use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

/// How much a body may unpack to, in relation to what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ratio {
    pub(super) most: u64,
    /// Bytes that may come out before the ratio counts.
    pub(super) floor: u64,
}

pin_project! {
    /// A body of at most so many bytes of data; what would exceed them fails with [`TooLarge`].
    ///
    /// Also alone, for the body of a response that a client does not trust:
    ///
    /// ```
    /// use http_body_util::{BodyExt, Full};
    /// use mesh_policy::limits::{LimitedBody, TooLarge};
    ///
    /// # futures_util::FutureExt::now_or_never(async {
    /// let body = LimitedBody::new(Full::new(&b"longer than that"[..]), 10);
    /// let error = body.collect().await.unwrap_err();
    /// assert!(mesh_policy::find::<TooLarge>(&*error).is_some());
    /// # });
    /// ```
    #[derive(Debug)]
    pub struct LimitedBody<B> {
        #[pin]
        inner: B,
        seen: u64,
        most: u64,
        limit: Limit,
        ratio: Option<Ratio>,
        // Counts what comes in, or says what came in where this counts what comes out.
        packed: Option<Packed>,
        broken: Option<Arc<Broken>>,
        ended: bool,
    }
}

impl<B> LimitedBody<B> {
    /// With at most so many bytes.
    pub fn new(inner: B, most: u64) -> Self {
        Self::counting(inner, most, Limit::BodyBytes)
    }

    pub(super) fn counting(inner: B, most: u64, limit: Limit) -> Self {
        Self { inner, seen: 0, most, limit, ratio: None, packed: None, broken: None, ended: false }
    }

    pub(super) fn ratio(self, ratio: Option<Ratio>) -> Self {
        Self { ratio, ..self }
    }

    pub(super) fn packed(self, packed: Option<Packed>) -> Self {
        Self { packed, ..self }
    }

    pub(super) fn telling(self, broken: Option<Arc<Broken>>) -> Self {
        Self { broken, ..self }
    }

    /// How many bytes of data have come so far.
    pub fn seen(&self) -> u64 {
        self.seen
    }
}

/// What a count exceeds, if anything.
fn exceeded(seen: u64, most: u64, limit: Limit, ratio: Option<(Ratio, u64)>) -> Option<TooLarge> {
    if seen > most {
        return Some(TooLarge::new(limit, most));
    }
    let (ratio, packed) = ratio?;
    // An empty or unread input can have made at most the floor.
    let over = seen > ratio.floor && seen > ratio.most.saturating_mul(packed);
    over.then(|| TooLarge::new(Limit::UnpackedRatio, ratio.most))
}

impl<B> Body for LimitedBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        let frame = match ready!(this.inner.poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                *this.ended = true;
                return Poll::Ready(Some(Err(error.into())));
            }
            None => {
                *this.ended = true;
                return Poll::Ready(None);
            }
        };
        if let Some(data) = frame.data_ref() {
            let bytes = data.remaining() as u64;
            *this.seen = this.seen.saturating_add(bytes);
            let ratio = match (&this.ratio, &this.packed) {
                (Some(ratio), Some(packed)) => Some((*ratio, packed.bytes())),
                (None, Some(packed)) => {
                    packed.add(bytes);
                    None
                }
                _ => None,
            };
            if let Some(error) = exceeded(*this.seen, *this.most, *this.limit, ratio) {
                *this.ended = true;
                if let Some(broken) = this.broken {
                    broken.tell(&error);
                }
                return Poll::Ready(Some(Err(error.into())));
            }
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || self.inner.is_end_stream()
    }

    /// The inner body's: one that is known to be too long has been refused before.
    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl<B: Default> Default for LimitedBody<B> {
    /// Without a limit.
    fn default() -> Self {
        Self::new(B::default(), u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// More never passes where less did not.
        #[test]
        fn limits_are_monotonic(
            seen in any::<u64>(), less in any::<u64>(), most in any::<u64>(),
            times in 1_u64..2000, floor in any::<u64>(), packed in any::<u64>(),
        ) {
            let ratio = Some((Ratio { most: times, floor }, packed));
            let refused = |seen| exceeded(seen, most, Limit::UnpackedBytes, ratio).is_some();
            prop_assert!(!refused(seen.min(less)) || refused(seen.max(less)));
            prop_assert!(refused(seen) || seen <= most);
        }
    }
}
