//! The inner answer, judged, or the refusal.

use super::controller::Outcome;
use crate::body::HoldingBody;
use crate::refused::Refused;
use crate::shed::error::Shed;
use crate::{BoxError, grpc};
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

/// A body that is judged by its trailers, if its head could not be.
pub type AdmissionBody<B> = HoldingBody<B, Outcome>;

pin_project! {
    /// The response of an [`AdmissionControlService`](super::super::AdmissionControlService).
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct AdmissionControlFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    #[derive(Debug)]
    enum State<F> {
        // The outcome stands first, so that it is dropped while the layer that lets time run out still says so.
        Sent { outcome: Option<Outcome>, #[pin] inner: F },
        Refused { error: Refused<Shed> },
    }
}

impl<F> AdmissionControlFuture<F> {
    pub(super) fn sent(inner: F, outcome: Outcome) -> Self {
        Self { state: State::Sent { outcome: Some(outcome), inner } }
    }

    pub(super) fn refused(error: Shed) -> Self {
        Self { state: State::Refused { error: Refused::new(error) } }
    }
}

impl<F, B, E> Future for AdmissionControlFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    E: Into<BoxError>,
    B: Body,
{
    type Output = Result<Response<AdmissionBody<B>>, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Sent { outcome, inner } => {
                let answer = ready!(inner.poll(cx));
                let outcome = outcome.take();
                Poll::Ready(match answer {
                    Ok(response) => {
                        let unjudged = outcome.and_then(|outcome| judge(&response, outcome));
                        Ok(response.map(|body| AdmissionBody::new(body, unjudged)))
                    }
                    Err(error) => {
                        let error = error.into();
                        if let Some(outcome) = outcome {
                            outcome.fail(&*error);
                        }
                        Err(error)
                    }
                })
            }
            StateProj::Refused { error } => error.poll(),
        }
    }
}

/// Counts a response; gives back what only its trailers can judge.
fn judge<B>(response: &Response<B>, outcome: Outcome) -> Option<Outcome> {
    let of = outcome.of()?;
    let success = match grpc::is_grpc(response.headers()) {
        true => of.is_grpc_success(response.headers()),
        false => Some(of.is_success(response.status())),
    };
    match success {
        Some(success) => {
            outcome.record(success);
            None
        }
        None => Some(outcome),
    }
}
