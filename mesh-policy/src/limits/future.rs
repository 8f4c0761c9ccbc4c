//! The inner answer, unless the body breaks its limit before it comes.

use super::error::{Limit, TooLarge};
use super::metrics::LimitsMetrics;
use super::tally::Broken;
use crate::BoxError;
use crate::refused::Refused;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// What a future watches of its request's body.
#[derive(Debug)]
pub(super) struct Watch {
    pub(super) broken: Arc<Broken>,
    pub(super) limit: Limit,
    pub(super) most: u64,
    pub(super) most_ratio: u64,
    pub(super) metrics: LimitsMetrics,
}

impl Watch {
    fn error(&self) -> TooLarge {
        match self.broken.by_ratio() {
            true => TooLarge::new(Limit::UnpackedRatio, self.most_ratio),
            false => TooLarge::new(self.limit, self.most),
        }
    }
}

pin_project! {
    /// The response of a [`Limits`](super::Limits) or an [`UnpackedLimits`](super::UnpackedLimits).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct LimitsFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        Sent { #[pin] inner: F, watch: Option<Watch> },
        Refused { error: Refused<TooLarge> },
    }
}

impl<F> LimitsFuture<F> {
    pub(super) fn sent(inner: F, watch: Option<Watch>) -> Self {
        Self { state: State::Sent { inner, watch } }
    }

    pub(super) fn refused(error: TooLarge) -> Self {
        Self { state: State::Refused { error: Refused::new(error) } }
    }
}

impl<F, R, E> Future for LimitsFuture<F>
where
    F: Future<Output = Result<R, E>>,
    E: Into<BoxError>,
{
    type Output = Result<R, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        let broken = match state.as_mut().project() {
            StateProj::Sent { inner, watch } => {
                let answer = inner.poll(cx).map_err(Into::into);
                // Asked after the inner future, which mostly is what reads the body.
                match watch {
                    Some(watch) if watch.broken.poll(cx.waker()) => {
                        watch.metrics.too_large(watch.limit);
                        watch.error()
                    }
                    _ => return answer,
                }
            }
            StateProj::Refused { error } => return error.poll(),
        };
        let mut error = Refused::new(broken);
        let answer = error.poll();
        // Ends the service where it stands: it shall not go on with half a request.
        state.set(State::Refused { error });
        answer
    }
}
