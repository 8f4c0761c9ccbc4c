//! A response's body that may be slow on purpose.

use super::layer::Active;
use crate::gauge::Held;
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

pin_project! {
    /// A body as it is, or no faster than so many bytes a second.
    #[derive(Debug)]
    pub struct FaultBody<B> {
        #[pin]
        inner: B,
        // Boxed, since it is rare and would make every response larger.
        limiter: Option<Box<Limiter>>,
    }
}

/// A bucket of bytes that may pass, and the data that did not yet.
///
/// As Envoy's: filled every 50 ms, at first with what that time brings, and never with more than a second does.
pub(super) struct Limiter {
    bucket: Bucket,
    rest: Bytes,
    sleep: Option<Pin<Box<Sleep>>>,
    /// An active fault until the body has ended.
    held: Option<Held<Active>>,
}

/// How often a bucket is looked at again.
const FILL: Duration = Duration::from_millis(50);

/// Bytes that may pass, in whole ones; what time has not yet brought one stays time.
#[derive(Debug)]
struct Bucket {
    bytes_per_second: u64,
    bytes: u64,
    filled: Instant,
}

impl Bucket {
    fn new(kbps: NonZeroU64, now: Instant) -> Self {
        let bytes_per_second = kbps.get().saturating_mul(1024);
        let bytes = bytes_per_second / 20;
        Self { bytes_per_second, bytes, filled: now }
    }

    /// Takes up to so many bytes; how many.
    fn take(&mut self, wanted: usize, now: Instant) -> usize {
        let rate = u128::from(self.bytes_per_second);
        let nanos = now.saturating_duration_since(self.filled).as_nanos();
        let full = u128::from(self.bytes_per_second.saturating_sub(self.bytes));
        let brought = nanos.saturating_mul(rate) / 1_000_000_000;
        if brought >= full {
            self.bytes = self.bytes_per_second;
            self.filled = now;
        } else {
            self.bytes = self.bytes.saturating_add(u64::try_from(brought).unwrap_or(u64::MAX));
            // Rounded up, so that no part of a byte is counted twice.
            let used = (brought * 1_000_000_000).div_ceil(rate);
            self.filled += Duration::from_nanos(u64::try_from(used).unwrap_or(u64::MAX));
        }
        let taken = usize::try_from(self.bytes).unwrap_or(usize::MAX).min(wanted);
        self.bytes = self.bytes.saturating_sub(u64::try_from(taken).unwrap_or(u64::MAX));
        taken
    }
}

impl Limiter {
    pub(super) fn new(kbps: NonZeroU64, held: Held<Active>) -> Self {
        Self { bucket: Bucket::new(kbps, Instant::now()), rest: Bytes::new(), sleep: None, held: Some(held) }
    }

    /// As much of the rest as may pass now; nothing is left to wait for once it is empty.
    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                ready!(sleep.as_mut().poll(cx));
                self.sleep = None;
            }
            match self.bucket.take(self.rest.len(), Instant::now()) {
                0 => self.sleep = Some(Box::pin(tokio::time::sleep(FILL))),
                n => return Poll::Ready(self.rest.split_to(n)),
            }
        }
    }
}

impl<B> FaultBody<B> {
    pub(super) fn new(inner: B, limiter: Option<Box<Limiter>>) -> Self {
        Self { inner, limiter }
    }

    /// The body that is handed on.
    pub fn get_ref(&self) -> &B {
        &self.inner
    }

    /// The body that is handed on; what is read from it here is not counted.
    pub fn get_mut(&mut self) -> &mut B {
        &mut self.inner
    }
}

impl<B: Body> Body for FaultBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let mut this = self.project();
        let Some(limiter) = this.limiter else {
            return this.inner.poll_frame(cx).map_ok(|frame| frame.map_data(whole));
        };
        if limiter.rest.is_empty() {
            match ready!(this.inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data().map(whole) {
                    Ok(data) if !data.is_empty() => limiter.rest = data,
                    Ok(empty) => return Poll::Ready(Some(Ok(Frame::data(empty)))),
                    Err(trailers) => return Poll::Ready(Some(Ok(trailers.map_data(whole)))),
                },
                end => {
                    limiter.held.take();
                    return Poll::Ready(end.map(|result| result.map(|frame| frame.map_data(whole))));
                }
            }
        }
        let data = ready!(limiter.poll_rest(cx));
        if limiter.rest.is_empty() && this.inner.is_end_stream() {
            limiter.held.take();
        }
        Poll::Ready(Some(Ok(Frame::data(data))))
    }

    fn is_end_stream(&self) -> bool {
        self.limiter.as_ref().is_none_or(|limiter| limiter.rest.is_empty()) && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let mut hint = self.inner.size_hint();
        let rest = self.limiter.as_ref().map_or(0, |limiter| limiter.rest.len());
        let rest = u64::try_from(rest).unwrap_or(u64::MAX);
        // The upper bound first: a lower one above it is refused.
        if let Some(upper) = hint.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(hint.lower().saturating_add(rest));
        hint
    }
}

/// All of a piece of data; of [`Bytes`], without a copy.
fn whole(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl<B: Default> Default for FaultBody<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl fmt::Debug for Limiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limiter").field("bucket", &self.bucket).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_more_passes_than_the_rate_by_more_than_a_second_brings(
            kbps in 1u64..5000,
            steps in prop::collection::vec((0u64..3_000_000_000, 0usize..10_000_000), 1..60),
        ) {
            let start = Instant::now();
            let mut bucket = Bucket::new(NonZeroU64::new(kbps).unwrap(), start);
            let rate = kbps * 1024;
            let mut passed = vec![];
            let mut now = start;
            for (pause, wanted) in steps {
                now += Duration::from_nanos(pause);
                let taken = bucket.take(wanted, now);
                prop_assert!(taken <= wanted);
                passed.push((now, taken as u128));
                // Over every stretch of time that ends now.
                let mut sum = 0;
                for (from, taken) in passed.iter().rev() {
                    sum += taken;
                    let nanos = now.duration_since(*from).as_nanos();
                    prop_assert!(sum <= u128::from(rate) + nanos * u128::from(rate) / 1_000_000_000 + 1);
                }
            }
            let all: u128 = passed.iter().map(|(_, taken)| taken).sum();
            let since = now.duration_since(start).as_nanos();
            prop_assert!(all <= u128::from(rate / 20) + since * u128::from(rate) / 1_000_000_000);
        }
    }
}
