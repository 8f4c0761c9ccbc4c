//! Ends streams on which nothing happens. Envoy's `stream_idle_timeout`.
//!
//! The timer is made when a stream first has to wait, and looked at only when it fires: a busy stream does
//! not pay for it.

use super::rescue::reject;
use super::trail::Trail;
use http::StatusCode;
use mesh_core::response_flag::ResponseFlag;
use mesh_policy::Rejection;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// Nothing happened for too long after the response had begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("stream timeout")]
pub(crate) struct StreamIdle;

/// A timer that is moved lazily.
#[derive(Debug)]
pub(super) struct IdleTimer {
    idle: Duration,
    last: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, last: None, sleep: None }
    }

    /// Something happened.
    pub(super) fn touch(&mut self) {
        self.last = None;
    }

    /// Ready once nothing has happened for the idle time; to be polled when there is nothing to do.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let last = *self.last.get_or_insert_with(Instant::now);
        let Some(deadline) = last.checked_add(self.idle) else { return Poll::Pending };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        while sleep.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// Waits for an answer as long as the request's body makes progress, else for the idle time.
pub(super) async fn bounded<T>(
    answer: impl Future<Output = Result<T, Box<Rejection>>>,
    idle: Duration,
    trail: &Trail,
) -> Result<T, Box<Rejection>> {
    let mut answer = std::pin::pin!(answer);
    let mut timer = IdleTimer::new(idle);
    let mut received = 0;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        let (bytes, complete) = trail.request_body();
        if std::mem::replace(&mut received, bytes) != bytes {
            timer.touch();
        }
        match timer.poll(cx) {
            Poll::Pending => Poll::Pending,
            // The body is read by another task, so its progress is seen here only now.
            Poll::Ready(()) if trail.request_body().0 != received => {
                timer.touch();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Poll::Ready(()) => {
                let status = match complete {
                    Some(_) => StatusCode::GATEWAY_TIMEOUT,
                    None => StatusCode::REQUEST_TIMEOUT,
                };
                let flag = Some(ResponseFlag::StreamIdleTimeout);
                Poll::Ready(Err(Box::new(reject(status, "stream timeout", "stream_idle_timeout", flag))))
            }
        }
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    #[tokio::test(start_paused = true)]
    async fn silence_is_504_after_the_whole_request_and_408_before() {
        let trail = Trail::new(Instant::now());
        let silent = || std::future::pending::<Result<(), Box<Rejection>>>();
        let begun = Instant::now();
        let error = bounded(silent(), secs(5), &trail).await.unwrap_err();
        assert_eq!((error.status, begun.elapsed()), (StatusCode::REQUEST_TIMEOUT, secs(5)));
        trail.complete();
        let error = bounded(silent(), secs(5), &trail).await.unwrap_err();
        assert_eq!((error.status, error.flags.to_string().as_str()), (StatusCode::GATEWAY_TIMEOUT, "SI"));
    }

    #[tokio::test(start_paused = true)]
    async fn an_upload_that_goes_on_keeps_the_stream() {
        let trail = Trail::new(Instant::now());
        let upload = async {
            for _ in 0..4 {
                tokio::time::sleep(secs(4)).await;
                trail.received(Some(&http_body::Frame::data(bytes::Bytes::from_static(b"more"))));
            }
            Ok(())
        };
        assert!(bounded(upload, secs(5), &trail).await.is_ok());
    }
}
