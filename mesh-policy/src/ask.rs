//! Ask somebody, then call the service that was held back meanwhile: what a rate limit, an external authorizer and
//! keys that must be fetched have in common.
//!
//! ```text
//! request ─▶ [asking … the word is judged] ─▶ the service ─▶ response, finished
//!                         └─ asked again, or refused
//! ```
//!
//! The service that is held is the one that was made ready; dropping the future drops the question, the service and
//! the request, and nothing was sent.

use crate::BoxError;
use crate::refused::Refused;
use pin_project_lite::pin_project;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tower_service::Service;

/// Judges what was said, and finishes the response.
pub(crate) trait Judge<Req, Res> {
    /// What is waited for.
    type Word: Future;

    /// What follows from it; may change the request.
    fn judge(&mut self, word: <Self::Word as Future>::Output, request: &mut Req) -> Next<Self::Word>;

    /// Adds to the response what was said for it.
    fn finish(&mut self, response: &mut Res) {
        let _ = response;
    }
}

/// What follows from a word.
pub(crate) enum Next<W> {
    /// The request is sent.
    Send,
    /// Somebody else must be asked first.
    #[cfg_attr(not(feature = "jwt"), expect(dead_code, reason = "only a token has several to ask"))]
    Ask(W),
    /// It is not sent.
    Refuse(BoxError),
}

pin_project! {
    /// The response of a service that asks first.
    pub(crate) struct Asking<W, J, S, Req>
    where
        S: Service<Req>,
    {
        #[pin]
        state: State<W, J, S, Req, S::Future>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<W, J, S, Req, F> {
        Asking { #[pin] word: W, held: Option<Box<Held<J, S, Req>>> },
        Sent { #[pin] inner: F, judge: Option<J> },
        Refused { error: Refused<BoxError> },
    }
}

/// What waits for the word.
struct Held<J, S, Req> {
    judge: J,
    service: S,
    request: Req,
}

impl<W, J, S: Service<Req>, Req> Asking<W, J, S, Req> {
    /// There was nothing to ask.
    pub(crate) fn sent(inner: S::Future) -> Self {
        Self { state: State::Sent { inner, judge: None } }
    }

    /// It is refused without asking.
    #[cfg(any(feature = "authz", feature = "jwt"))]
    pub(crate) fn refused(error: impl Into<BoxError>) -> Self {
        Self { state: State::Refused { error: Refused::new(error.into()) } }
    }

    /// Asks, and holds the ready one of a service's clones until then; a fresh one takes its place.
    pub(crate) fn hold(word: W, judge: J, service: &mut S, request: Req) -> Self
    where
        S: Clone,
    {
        let fresh = service.clone();
        let service = std::mem::replace(service, fresh);
        Self { state: State::Asking { word, held: Some(Box::new(Held { judge, service, request })) } }
    }
}

impl<W, J, S, Req> Future for Asking<W, J, S, Req>
where
    W: Future,
    J: Judge<Req, S::Response, Word = W>,
    S: Service<Req>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Asking { word, held } => {
                    let said = ready!(word.poll(cx));
                    // Taken once: the state changes with it.
                    let Some(mut held) = held.take() else { return Poll::Pending };
                    match held.judge.judge(said, &mut held.request) {
                        Next::Ask(word) => State::Asking { word, held: Some(held) },
                        Next::Refuse(error) => State::Refused { error: Refused::new(error) },
                        Next::Send => {
                            let Held { judge, mut service, request } = *held;
                            State::Sent { inner: service.call(request), judge: Some(judge) }
                        }
                    }
                }
                StateProj::Sent { inner, judge } => {
                    let mut answer = ready!(inner.poll(cx)).map_err(Into::into);
                    if let (Ok(response), Some(judge)) = (&mut answer, judge) {
                        judge.finish(response);
                    }
                    return Poll::Ready(answer);
                }
                StateProj::Refused { error } => return error.poll(),
            };
            state.set(next);
        }
    }
}

impl<W, J, S: Service<Req>, Req> fmt::Debug for Asking<W, J, S, Req> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.state {
            State::Asking { .. } => "asking",
            State::Sent { .. } => "sent",
            State::Refused { .. } => "refused",
        })
    }
}
