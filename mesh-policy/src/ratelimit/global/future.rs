//! The service's word, and then the inner answer or the refusal.

use super::layer::{Policy, Verdict};
use super::message::RateLimitResponse;
use crate::BoxError;
use crate::ask::{Asking, Judge, Next};
use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::time::Timeout;
use tower_service::Service;

pin_project! {
    /// The response of a [`RateLimiter`](super::super::RateLimiter).
    #[must_use = "futures do nothing unless polled"]
    pub struct RateLimitFuture<S, F, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        asking: Asking<Timeout<F>, Asked<F>, S, Request<B>>,
    }
}

/// Who judges the service's word.
struct Asked<F> {
    policy: Policy,
    /// For the response.
    add: HeaderMap,
    word: PhantomData<fn() -> F>,
}

impl<F, B, C> Judge<Request<B>, Response<C>> for Asked<F>
where
    F: Future<Output = Result<RateLimitResponse, BoxError>>,
{
    type Word = Timeout<F>;

    fn judge(&mut self, word: <Self::Word as Future>::Output, request: &mut Request<B>) -> Next<Self::Word> {
        match self.policy.judge(word.unwrap_or_else(|elapsed| Err(elapsed.into()))) {
            Verdict::Pass { request: lines, response } => {
                for (name, value) in lines {
                    request.headers_mut().append(name, value);
                }
                self.add = response;
                Next::Send
            }
            Verdict::Refuse(error) => Next::Refuse(error),
        }
    }

    fn finish(&mut self, response: &mut Response<C>) {
        let mut last = None;
        for (name, value) in std::mem::take(&mut self.add) {
            // A header's further values come without its name.
            last = name.or(last);
            if let Some(name) = &last {
                response.headers_mut().append(name, value);
            }
        }
    }
}

impl<S: Service<Request<B>>, F, B> RateLimitFuture<S, F, B> {
    pub(super) fn sent(inner: S::Future) -> Self {
        Self { asking: Asking::sent(inner) }
    }
}

impl<S: Service<Request<B>> + Clone, F, B> RateLimitFuture<S, F, B>
where
    F: Future<Output = Result<RateLimitResponse, BoxError>>,
{
    pub(super) fn asking(word: F, policy: Policy, service: &mut S, request: Request<B>) -> Self {
        let word = tokio::time::timeout(policy.timeout(), word);
        let asked = Asked { policy, add: HeaderMap::new(), word: PhantomData };
        Self { asking: Asking::hold(word, asked, service, request) }
    }
}

impl<S, F, B, C> Future for RateLimitFuture<S, F, B>
where
    S: Service<Request<B>, Response = Response<C>>,
    S::Error: Into<BoxError>,
    F: Future<Output = Result<RateLimitResponse, BoxError>>,
{
    type Output = Result<Response<C>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.project().asking.poll(cx)
    }
}

impl<S: Service<Request<B>>, F, B> fmt::Debug for RateLimitFuture<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RateLimitFuture").field(&self.asking).finish()
    }
}
