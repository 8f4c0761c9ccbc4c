//! The keys, if they must be waited for; then the inner answer, or the refusal.

use super::admit::{Admission, Engine};
use super::error::JwtError;
use super::remote::{RemoteKeys, Waiting};
use crate::BoxError;
use crate::ask::{Asking, Judge, Next};
use http::Request;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower_service::Service;

pin_project! {
    /// The response of a [`Jwt`](super::Jwt).
    #[must_use = "futures do nothing unless polled"]
    pub struct JwtFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        asking: Asking<Waiting, Fetched, S, Request<B>>,
    }
}

/// Who looks at the request again once keys have been fetched.
struct Fetched {
    engine: Arc<Engine>,
    /// The issuers whose keys were waited for. Each is once, so that this ends.
    tried: Vec<usize>,
}

impl<B, R> Judge<Request<B>, R> for Fetched {
    type Word = Waiting;

    fn judge(&mut self, (): (), request: &mut Request<B>) -> Next<Waiting> {
        match self.engine.admit(request, &self.tried) {
            Admission::Pass => Next::Send,
            Admission::Refuse(error) => Next::Refuse(error.into()),
            Admission::Fetch(issuer, keys) => {
                self.tried.push(issuer);
                Next::Ask(keys.refreshed())
            }
        }
    }
}

impl<S: Service<Request<B>>, B> JwtFuture<S, B> {
    pub(super) fn sent(inner: S::Future) -> Self {
        Self { asking: Asking::sent(inner) }
    }

    pub(super) fn refused(error: JwtError) -> Self {
        Self { asking: Asking::refused(error) }
    }

    pub(super) fn fetching(
        issuer: usize,
        keys: &RemoteKeys,
        engine: Arc<Engine>,
        service: &mut S,
        request: Request<B>,
    ) -> Self
    where
        S: Clone,
    {
        let fetched = Fetched { engine, tried: vec![issuer] };
        Self { asking: Asking::hold(keys.refreshed(), fetched, service, request) }
    }
}

impl<S, B> Future for JwtFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().asking.poll(cx)
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for JwtFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JwtFuture").field(&self.asking).finish()
    }
}
