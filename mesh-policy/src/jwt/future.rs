//! The keys, if they must be waited for; then the inner answer, or the refusal.

use super::admit::{Admission, Engine};
use super::error::JwtError;
use super::remote::{RemoteKeys, Waiting};
use crate::BoxError;
use http::Request;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tower_service::Service;

pin_project! {
    /// The response of a [`Jwt`](super::Jwt).
    #[must_use = "futures do nothing unless polled"]
    pub struct JwtFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Fetching { keys: Waiting, held: Option<Box<Held<S, B>>> },
        Calling { #[pin] inner: F },
        Refused { error: Option<JwtError> },
    }
}

/// What waits for keys.
struct Held<S, B> {
    service: S,
    request: Request<B>,
    engine: Arc<Engine>,
    /// The issuers whose keys were waited for. Each is once, so that this ends.
    tried: Vec<usize>,
}

impl<S: Service<Request<B>>, B> JwtFuture<S, B> {
    pub(super) fn calling(inner: S::Future) -> Self {
        Self { state: State::Calling { inner } }
    }

    pub(super) fn refused(error: JwtError) -> Self {
        Self { state: State::Refused { error: Some(error) } }
    }

    pub(super) fn fetching(
        issuer: usize,
        keys: RemoteKeys,
        service: S,
        request: Request<B>,
        engine: Arc<Engine>,
    ) -> Self {
        let held = Some(Box::new(Held { service, request, engine, tried: vec![issuer] }));
        Self { state: State::Fetching { keys: keys.refreshed(), held } }
    }
}

impl<S, B> Future for JwtFuture<S, B>
where
    S: Service<Request<B>>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Fetching { keys, held } => {
                    ready!(keys.as_mut().poll(cx));
                    // Taken once: the state changes with it.
                    let Some(mut held) = held.take() else { return Poll::Pending };
                    match held.engine.admit(&mut held.request, &held.tried) {
                        Admission::Pass => State::Calling { inner: held.service.call(held.request) },
                        Admission::Refuse(error) => State::Refused { error: Some(error) },
                        Admission::Fetch(issuer, keys) => {
                            held.tried.push(issuer);
                            State::Fetching { keys: keys.refreshed(), held: Some(held) }
                        }
                    }
                }
                StateProj::Calling { inner } => return inner.poll(cx).map_err(Into::into),
                StateProj::Refused { error } => {
                    return match error.take() {
                        Some(error) => Poll::Ready(Err(error.into())),
                        // Only if polled after it was ready, which no caller may do.
                        None => Poll::Pending,
                    };
                }
            };
            state.set(next);
        }
    }
}

impl<S: Service<Request<B>>, B> fmt::Debug for JwtFuture<S, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fetching { .. } => "fetching",
            State::Calling { .. } => "calling",
            State::Refused { .. } => "refused",
        };
        f.debug_struct("JwtFuture").field("state", &state).finish_non_exhaustive()
    }
}
