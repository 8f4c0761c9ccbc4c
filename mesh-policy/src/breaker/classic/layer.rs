//! The layer that asks a circuit before each request.

use super::circuit::Circuit;
use super::future::CircuitFuture;
use crate::failure::classify;
use crate::{BoxError, Classify, grpc};
use http::{HeaderMap, Request, Response, StatusCode};
use std::fmt;
use std::task::{Context, Poll};
use tower_layer::Layer;
use tower_service::Service;

/// Whether a response is a failure of the dependency.
pub type Judge = fn(StatusCode, &HeaderMap) -> bool;

/// A 5xx, or a gRPC status that stands for one.
fn is_server_error(status: StatusCode, headers: &HeaderMap) -> bool {
    // Trailers-only gRPC responses are 200 in HTTP and say how they failed in a header.
    grpc::status(headers).map_or(status, grpc::to_http).is_server_error()
}

/// Lets requests pass while a circuit is closed, and tells it how they went.
#[derive(Clone)]
pub struct CircuitLayer {
    pub(super) circuit: Circuit,
    pub(super) judge: Judge,
    pub(super) classify: Classify,
}

impl CircuitLayer {
    /// Under a circuit, which others may share.
    pub fn new(circuit: Circuit) -> Self {
        Self { circuit, judge: is_server_error, classify }
    }

    /// Tells failures among the responses like this, instead of by 5xx.
    #[must_use]
    pub fn judge(self, judge: Judge) -> Self {
        Self { judge, ..self }
    }

    /// Reads errors like this. All are failures, but for those that no dependency is to blame for.
    #[must_use]
    pub fn classify(self, classify: Classify) -> Self {
        Self { classify, ..self }
    }

    /// The circuit.
    pub fn circuit(&self) -> &Circuit {
        &self.circuit
    }
}

impl<S> Layer<S> for CircuitLayer {
    type Service = CircuitService<S>;

    fn layer(&self, inner: S) -> CircuitService<S> {
        CircuitService { inner, layer: self.clone() }
    }
}

/// Lets requests pass while a circuit is closed, and tells it how they went.
#[derive(Clone, Debug)]
pub struct CircuitService<S> {
    inner: S,
    layer: CircuitLayer,
}

impl<S, B, R> Service<Request<B>> for CircuitService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: Into<BoxError>,
{
    type Response = Response<R>;
    type Error = BoxError;
    type Future = CircuitFuture<S::Future>;

    /// Asks no more than the inner service: whether the circuit is closed is asked when there is a request.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        match self.layer.circuit.try_pass() {
            Ok(pass) => {
                CircuitFuture::sent(self.inner.call(req), pass, self.layer.judge, self.layer.classify)
            }
            Err(open) => CircuitFuture::refused(open),
        }
    }
}

impl fmt::Debug for CircuitLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CircuitLayer").field("circuit", &self.circuit).finish_non_exhaustive()
    }
}
