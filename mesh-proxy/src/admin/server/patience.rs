//! A stream that does not wait for ever to be written to.

use pin_project_lite::pin_project;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

pin_project! {
    /// Fails a write that has not got on for the given time.
    pub(super) struct Patient<T> {
        #[pin]
        inner: T,
        // Called when all that was written has been taken.
        flushed: Option<Box<dyn Fn() + Send>>,
        limit: Duration,
        // Runs while the reader takes nothing. Boxed, for hyper moves its streams.
        stalled: Option<Pin<Box<Sleep>>>,
    }
}

impl<T> Patient<T> {
    pub(super) fn new(inner: T, limit: Duration) -> Self {
        Self { inner, flushed: None, limit, stalled: None }
    }

    /// Has `flushed` called whenever the codec has written all that it has.
    pub(super) fn tell(self, flushed: impl Fn() + Send + 'static) -> Self {
        Self { flushed: Some(Box::new(flushed)), ..self }
    }
}

impl<T: AsyncWrite> Patient<T> {
    /// Does one step of writing, and minds the time if it cannot be done yet.
    fn step<R>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        step: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let this = self.project();
        if let Poll::Ready(done) = step(this.inner, cx) {
            *this.stalled = None;
            return Poll::Ready(done);
        }
        let limit = *this.limit;
        let stalled = this.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        ready!(stalled.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the reader takes nothing of its page")))
    }
}

impl<T: AsyncRead> AsyncRead for Patient<T> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.project().inner.poll_read(cx, buf)
    }
}

impl<T: AsyncWrite> AsyncWrite for Patient<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.step(cx, |inner, cx| inner.poll_write(cx, buf))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().step(cx, |inner, cx| inner.poll_flush(cx)))?;
        if let Some(flushed) = &self.flushed {
            flushed();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.step(cx, |inner, cx| inner.poll_shutdown(cx))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.step(cx, |inner, cx| inner.poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test(start_paused = true)]
    async fn a_reader_who_takes_nothing_is_given_up_and_a_slow_one_is_not() {
        let (ours, mut theirs) = tokio::io::duplex(1);
        let mut patient = Patient::new(ours, Duration::from_secs(10));
        let slow = tokio::spawn(async move {
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                theirs.read_u8().await.unwrap();
            }
            theirs
        });
        patient.write_all(b"abcd").await.unwrap();
        let _theirs = slow.await.unwrap();
        let began = tokio::time::Instant::now();
        let stalled = patient.write_all(b"e").await.unwrap_err();
        assert_eq!((stalled.kind(), began.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(10)));
    }
}
