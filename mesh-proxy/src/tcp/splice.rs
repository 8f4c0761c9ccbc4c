//! Bytes both ways until both directions have ended.
//!
//! A side that sends no more is told so to the other, which may go on sending (half-close). A connection
//! without a byte in either direction for the idle time ends as a whole.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// What is held of one direction; the reader waits while the writer cannot take it.
const BUFFER: usize = 16 * 1024;

/// Bytes that were carried.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    from_caller: AtomicU64,
    to_caller: AtomicU64,
}

impl Meter {
    /// From the caller, to the caller.
    pub(super) fn read(&self) -> (u64, u64) {
        (self.from_caller.load(Ordering::Relaxed), self.to_caller.load(Ordering::Relaxed))
    }
}

struct Direction {
    buffer: Box<[u8]>,
    from: usize,
    upto: usize,
    unflushed: bool,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Copying,
    Ending,
    Ended,
}

impl Direction {
    fn new() -> Self {
        Self {
            buffer: vec![0; BUFFER].into_boxed_slice(),
            from: 0,
            upto: 0,
            unflushed: false,
            state: State::Copying,
        }
    }

    /// Copies until one side has nothing more to do; whether a byte was moved.
    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        reader: &mut R,
        writer: &mut W,
        count: &AtomicU64,
        moved: &mut bool,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        loop {
            match self.state {
                State::Copying => {
                    while self.from < self.upto {
                        let rest = self.buffer.get(self.from..self.upto).unwrap_or_default();
                        let n = ready!(Pin::new(&mut *writer).poll_write(cx, rest))?;
                        if n == 0 {
                            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                        }
                        self.from += n;
                        self.unflushed = true;
                        *moved = true;
                        count.fetch_add(u64::try_from(n).unwrap_or(0), Ordering::Relaxed);
                    }
                    let mut buf = ReadBuf::new(&mut self.buffer);
                    match Pin::new(&mut *reader).poll_read(cx, &mut buf)? {
                        Poll::Ready(()) => {
                            (self.from, self.upto) = (0, buf.filled().len());
                            if self.upto == 0 {
                                self.state = State::Ending;
                            }
                        }
                        Poll::Pending => {
                            if self.unflushed {
                                ready!(Pin::new(&mut *writer).poll_flush(cx))?;
                                self.unflushed = false;
                            }
                            return Poll::Pending;
                        }
                    }
                }
                State::Ending => {
                    ready!(Pin::new(&mut *writer).poll_shutdown(cx))?;
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }
}

/// Copies both ways.
pub(crate) async fn both_ways<A, B>(
    caller: &mut A,
    upstream: &mut B,
    idle: Option<Duration>,
    meter: &Meter,
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut back) = (Direction::new(), Direction::new());
    let mut timer: Option<Pin<Box<Sleep>>> = idle.map(|idle| Box::pin(tokio::time::sleep(idle)));
    let mut last = Instant::now();
    std::future::poll_fn(|cx| {
        let mut moved = false;
        let forth = there.poll(cx, caller, upstream, &meter.from_caller, &mut moved)?;
        let back = back.poll(cx, upstream, caller, &meter.to_caller, &mut moved)?;
        if forth.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(()));
        }
        if let (Some(timer), Some(idle)) = (&mut timer, idle) {
            if moved {
                last = Instant::now();
            }
            // The timer is moved only when it fires: a busy connection would move it for every byte.
            while timer.as_mut().poll(cx).is_ready() {
                let deadline = last + idle;
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "idle timeout")));
                }
                timer.as_mut().reset(deadline);
            }
        }
        Poll::Pending
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

    #[tokio::test]
    async fn one_side_may_end_while_the_other_goes_on() {
        let (mut client, mut caller) = duplex(64);
        let (mut upstream, mut server) = duplex(64);
        let meter = Meter::default();
        let copy = both_ways(&mut caller, &mut upstream, None, &meter);
        let talk = async {
            client.write_all(b"question").await.unwrap();
            client.shutdown().await.unwrap();
            let mut question = String::new();
            server.read_to_string(&mut question).await.unwrap();
            assert_eq!(question, "question");
            server.write_all(b"a longer answer").await.unwrap();
            server.shutdown().await.unwrap();
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer, "a longer answer");
        };
        let (copied, ()) = tokio::join!(copy, talk);
        copied.unwrap();
        assert_eq!(meter.read(), (8, 15));
    }

    #[tokio::test(start_paused = true)]
    async fn silence_past_the_idle_time_ends_it() {
        let (mut client, mut caller) = duplex(64);
        let (mut upstream, _server) = duplex(64);
        let meter = Meter::default();
        let begun = Instant::now();
        let talk = async {
            tokio::time::sleep(Duration::from_secs(8)).await;
            client.write_all(b"x").await.unwrap();
            std::future::pending::<()>().await;
        };
        let copy = both_ways(&mut caller, &mut upstream, Some(Duration::from_secs(10)), &meter);
        tokio::select! {
            ended = copy => assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut),
            () = talk => {}
        }
        assert_eq!(begun.elapsed(), Duration::from_secs(18));
    }
}
