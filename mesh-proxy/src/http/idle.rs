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
use std::task::{Context, Poll, ready};
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
    /// Bytes of the request at the last look.
    received: u64,
    last: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl IdleTimer {
    pub(super) fn new(idle: Duration) -> Self {
        Self { idle, received: 0, last: None, sleep: None }
    }

    /// How long nothing may happen.
    pub(super) fn idle(&self) -> Duration {
        self.idle
    }

    /// Something happened.
    pub(super) fn touch(&mut self) {
        self.last = None;
    }

    /// Whether more of the request came since the last look.
    pub(super) fn has_received(&mut self, trail: &Trail) -> bool {
        let (bytes, _) = trail.request_body();
        std::mem::replace(&mut self.received, bytes) != bytes
    }

    /// Ready once nothing has happened for the idle time; to be polled when there is nothing to do.
    ///
    /// The request's body is read by another task, so its progress is looked for whenever time is up.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, trail: &Trail) -> Poll<()> {
        loop {
            if self.has_received(trail) {
                self.touch();
            }
            ready!(self.poll_timer(cx));
            if !self.has_received(trail) {
                return Poll::Ready(());
            }
            self.touch();
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
    std::future::poll_fn(|cx| {
        if let Poll::Ready(answer) = answer.as_mut().poll(cx) {
            return Poll::Ready(answer);
        }
        ready!(timer.poll(cx, trail));
        let status = match trail.request_body().1 {
            Some(_) => StatusCode::GATEWAY_TIMEOUT,
            None => StatusCode::REQUEST_TIMEOUT,
        };
        let flag = Some(ResponseFlag::StreamIdleTimeout);
        Poll::Ready(Err(Box::new(reject(status, "stream timeout", "stream_idle_timeout", flag))))
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
