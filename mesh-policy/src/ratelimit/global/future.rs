//! The service's word, and then the inner answer or the refusal.

use super::layer::{Judge, Verdict};
use super::message::RateLimitResponse;
use crate::BoxError;
use http::{HeaderMap, Request, Response};
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
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
        state: State<S, F, B, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B, I> {
        Asking { #[pin] word: Timeout<F>, held: Option<Held<S, B>> },
        Sent { #[pin] inner: I, add: HeaderMap },
        Refused { error: Option<BoxError> },
    }
}

/// A request until the service has spoken.
struct Held<S, B> {
    judge: Judge,
    service: S,
    request: Request<B>,
}

impl<S: Service<Request<B>>, F, B> RateLimitFuture<S, F, B> {
    pub(super) fn sent(inner: S::Future) -> Self {
        Self { state: State::Sent { inner, add: HeaderMap::new() } }
    }
}

impl<S: Service<Request<B>>, F, B> RateLimitFuture<S, F, B>
where
    F: Future<Output = Result<RateLimitResponse, BoxError>>,
{
    pub(super) fn asking(word: F, judge: Judge, service: S, request: Request<B>) -> Self {
        let word = tokio::time::timeout(judge.timeout(), word);
        Self { state: State::Asking { word, held: Some(Held { judge, service, request }) } }
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
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Asking { word, held } => {
                    let word = match ready!(word.poll(cx)) {
                        Ok(answer) => answer,
                        Err(elapsed) => Err(elapsed.into()),
                    };
                    let Some(Held { judge, mut service, mut request }) = held.take() else {
                        return Poll::Pending;
                    };
                    match judge.judge(word) {
                        Verdict::Pass { request: lines, response } => {
                            for (name, value) in lines {
                                request.headers_mut().append(name, value);
                            }
                            State::Sent { inner: service.call(request), add: response }
                        }
                        Verdict::Refuse(error) => State::Refused { error: Some(error) },
                    }
                }
                StateProj::Sent { inner, add } => {
                    let mut answer = ready!(inner.poll(cx)).map_err(Into::into);
                    if let Ok(response) = &mut answer
                        && !add.is_empty()
                    {
                        append(response.headers_mut(), std::mem::take(add));
                    }
                    return Poll::Ready(answer);
                }
                StateProj::Refused { error } => {
                    // Without one it is polled after it was ready, which no caller may do.
                    return error.take().map_or(Poll::Pending, |error| Poll::Ready(Err(error)));
                }
            };
            state.set(next);
        }
    }
}

fn append(headers: &mut HeaderMap, add: HeaderMap) {
    let mut last = None;
    for (name, value) in add {
        // A header's further values come without its name.
        last = name.or(last);
        if let Some(name) = &last {
            headers.append(name, value);
        }
    }
}

impl<S: Service<Request<B>>, F, B> fmt::Debug for RateLimitFuture<S, F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Asking { .. } => "RateLimitFuture(asking)",
            State::Sent { .. } => "RateLimitFuture(sent)",
            State::Refused { .. } => "RateLimitFuture(refused)",
        })
    }
}
