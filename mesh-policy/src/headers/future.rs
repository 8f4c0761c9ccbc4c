//! A response whose headers are changed when it comes.

use super::find::{self, Copied};
use super::layer::Changes;
use http::Response;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

pin_project! {
    /// The response of a [`Headers`](super::Headers).
    #[must_use = "futures do nothing unless polled"]
    pub struct HeadersFuture<F> {
        #[pin]
        inner: F,
        // `None` changes nothing.
        changes: Option<Arc<Changes>>,
        request: Option<Box<Copied>>,
    }
}

impl<F> HeadersFuture<F> {
    pub(super) fn pass(inner: F) -> Self {
        Self { inner, changes: None, request: None }
    }

    pub(super) fn change(inner: F, changes: Arc<Changes>, request: Option<Box<Copied>>) -> Self {
        Self { inner, changes: Some(changes), request }
    }
}

impl<F, R, E> Future for HeadersFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(changes) = this.changes {
            let edit = &changes.response;
            edit.remove(response.headers_mut());
            let request = this.request.as_deref();
            let values = edit.evaluate(&changes.metrics, |operator| find::find(operator, &response, request));
            edit.write(response.headers_mut(), values);
        }
        Poll::Ready(Ok(response))
    }
}

impl<F: fmt::Debug> fmt::Debug for HeadersFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HeadersFuture").field("inner", &self.inner).finish_non_exhaustive()
    }
}
