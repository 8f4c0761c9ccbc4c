//! One copy, from its place in the queue to the end of its answer.

use super::body::CopyBody;
use super::metrics::MirrorMetrics;
use crate::BoxError;
use http::{Request, Response};
use http_body::Body;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;
use tower_service::Service;

/// Sends a copy and throws its answer away; `held` is its place among those that run.
pub(super) async fn run<M, R>(
    shadow: M,
    copy: Request<CopyBody>,
    patience: Option<Duration>,
    outcome: Outcome,
    held: impl Send,
) where
    M: Service<Request<CopyBody>, Response = Response<R>>,
    M::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    let sent = match patience {
        Some(patience) => tokio::time::timeout(patience, send(shadow, copy)).await.ok(),
        None => Some(send(shadow, copy).await),
    };
    drop(held);
    outcome.is(sent);
}

async fn send<M, R>(mut shadow: M, copy: Request<CopyBody>) -> Result<(), BoxError>
where
    M: Service<Request<CopyBody>, Response = Response<R>>,
    M::Error: Into<BoxError>,
    R: Body,
    R::Error: Into<BoxError>,
{
    poll_fn(|cx| shadow.poll_ready(cx)).await.map_err(Into::into)?;
    let response = shadow.call(copy).await.map_err(Into::into)?;
    let mut body = pin!(response.into_body());
    loop {
        let next = poll_fn(|cx| body.as_mut().poll_frame(cx).map(|frame| frame.map(read)));
        let Some(frame) = next.await else { return Ok(()) };
        frame?;
        // An answer that never ends and never waits must not keep others from running.
        tokio::task::consume_budget().await;
    }
}

/// A frame of the answer, thrown away.
fn read<T, E: Into<BoxError>>(frame: Result<T, E>) -> Result<(), BoxError> {
    frame.map(drop).map_err(Into::into)
}

/// Counts how a copy ended, whatever happens to its task.
pub(super) struct Outcome(Option<MirrorMetrics>);

impl Outcome {
    pub(super) fn new(metrics: MirrorMetrics) -> Self {
        Self(Some(metrics))
    }

    /// `None` if it took too long.
    fn is(mut self, sent: Option<Result<(), BoxError>>) {
        let Some(metrics) = self.0.take() else { return };
        match sent {
            None => metrics.timed_out(),
            Some(Ok(())) => metrics.completed(),
            Some(Err(_)) => metrics.failed(),
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if let Some(metrics) = &self.0 {
            metrics.abandoned();
        }
    }
}
