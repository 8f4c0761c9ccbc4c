//! The inner answer, noted on its way.

use super::host::{Host, Outcome};
use super::layer::Clock;
use crate::failure::blames_nobody;
use crate::{BoxError, Classify, FailureKind, elapsing, grpc};
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of an [`Outlier`](super::Outlier).
    #[must_use = "futures do nothing unless polled"]
    pub struct OutlierFuture<F> {
        #[pin]
        inner: F,
        host: Host,
        classify: Classify,
        clock: Clock,
        answered: bool,
    }

    impl<F> PinnedDrop for OutlierFuture<F> {
        fn drop(this: Pin<&mut Self>) {
            // A time-out further out ends a silent attempt like this. A caller that goes away does, too, but
            // the endpoint is not to blame for that.
            if !this.answered && elapsing::is_elapsing() {
                this.host.record(Outcome::LocalOrigin(FailureKind::Timeout), this.clock);
            }
        }
    }
}

impl<F> OutlierFuture<F> {
    pub(super) fn new(inner: F, host: Host, classify: Classify, clock: Clock) -> Self {
        Self { inner, host, classify, clock, answered: false }
    }
}

impl<F, B, E> Future for OutlierFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
{
    type Output = Result<Response<B>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let clock = *this.clock;
        let answer = ready!(this.inner.poll(cx));
        *this.answered = true;
        // Each arm returns what it has: a response is large, and each step on its way would copy it.
        match answer {
            Ok(response) => {
                this.host.record(Outcome::Connected, clock);
                // Trailers-only gRPC responses are 200 in HTTP and say how they failed in a header.
                let status = grpc::status(response.headers()).map_or(response.status(), grpc::to_http);
                this.host.record(Outcome::Status(status), clock);
                Poll::Ready(Ok(response))
            }
            Err(error) => {
                let error = error.into();
                if !blames_nobody(&*error) {
                    this.host.record(Outcome::LocalOrigin((this.classify)(&*error)), clock);
                }
                Poll::Ready(Err(error))
            }
        }
    }
}

impl<F: fmt::Debug> fmt::Debug for OutlierFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OutlierFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
