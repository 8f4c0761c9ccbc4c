//! The authority's answer, then the inner one's; or the denial.

use super::error::CustomDenied;
use super::{CheckFuture, CustomAuthzLayer};
use crate::BoxError;
use crate::ask::{Asking, Judge, Next};
use http::Request;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Timeout;
use tower_service::Service;

pin_project! {
    /// The response of a [`CustomAuthz`](super::CustomAuthz).
    #[must_use = "futures do nothing unless polled"]
    pub struct CustomAuthzFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        asking: Asking<Timeout<CheckFuture>, Asked, S, Request<B>>,
    }
}

/// Who judges the authority's answer.
struct Asked(CustomAuthzLayer);

impl<B, R> Judge<Request<B>, R> for Asked {
    type Word = Timeout<CheckFuture>;

    fn judge(
        &mut self,
        answer: <Self::Word as Future>::Output,
        request: &mut Request<B>,
    ) -> Next<Self::Word> {
        match self.0.apply(answer, request) {
            Ok(()) => Next::Send,
            Err(denied) => Next::Refuse(denied.into()),
        }
    }
}

impl<S: Service<Request<B>>, B> CustomAuthzFuture<S, B> {
    pub(super) fn sent(inner: S::Future) -> Self {
        Self { asking: Asking::sent(inner) }
    }

    pub(super) fn denied(error: CustomDenied) -> Self {
        Self { asking: Asking::refused(error) }
    }

    pub(super) fn asking(
        check: CheckFuture,
        layer: &CustomAuthzLayer,
        service: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let check = tokio::time::timeout(layer.timeout, check);
        Self { asking: Asking::hold(check, Asked(layer.clone()), service, request) }
    }
}

impl<S, B> Future for CustomAuthzFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().asking.poll(cx)
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for CustomAuthzFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CustomAuthzFuture").field(&self.asking).finish()
    }
}
