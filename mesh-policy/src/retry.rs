//! Sends a request again where that is safe and likely to help.
//!
//! ```text
//! request → timeout → [retry] → attempt timeout → breaker → balance → endpoint
//! ```
//!
//! Envoy's `retry_policy`: what counts as failed is the policy's `retry_on`; between attempts a fully
//! jittered, exponential back-off. The route's timeout is around all attempts, a fresh per-try timeout
//! inside each.
//!
//! A [`Hedge`] sends what stays unanswered once more without giving the first attempt up.
//!
//! Two bounds hold whatever the policy asks for. A **budget** keeps retries to a share of the requests in
//! flight, so that they cannot multiply an overload. And a request that **may have been executed** is
//! repeated only if its method is idempotent or the policy names that very answer; see [`Repeat`].
//!
//! The body is sent on while it arrives and kept for a second attempt up to a bound; a larger one is not
//! held up, it just cannot be retried.
//!
//! A policy is made of plain values ([`RetryLayer::on`] and what follows it), of a file ([`RetrySpec`]), or of the
//! mesh's own [`RetryPolicy`] ([`RetryLayer::new`]).
//!
//! On axum, in front of a handler that another attempt may reach in a better moment:
//!
//! ```
//! # #[cfg(feature = "rescue")] mod on_axum {
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use mesh_policy::rescue::RescueLayer;
//! use mesh_policy::retry::{ReplayBody, RetryCondition, RetryLayer};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! static ASKED: AtomicU32 = AtomicU32::new(0);
//! async fn handler() -> StatusCode {
//!     match ASKED.fetch_add(1, Ordering::Relaxed) {
//!         0 => StatusCode::SERVICE_UNAVAILABLE,
//!         _ => StatusCode::OK,
//!     }
//! }
//! let retry = RetryLayer::on([RetryCondition::ConnectFailure, RetryCondition::GatewayError]);
//! let app = Router::new().route("/", get(handler)).layer(
//!     ServiceBuilder::new()
//!         .layer(RescueLayer::new())
//!         .layer(retry)
//!         .map_request(|request: Request<ReplayBody<Body>>| request.map(Body::new)),
//! );
//! let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
//! assert_eq!((response.status(), ASKED.load(Ordering::Relaxed)), (StatusCode::OK, 2));
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(feature = "rescue")]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(on_axum::run())?;
//! # Ok(()) }
//! ```
//!
//! On tonic, in a client. `unavailable` is a condition that names the answer, so calls, which are POSTs, are
//! sent again:
//!
//! ```
//! use mesh_policy::retry::{ReplayBody, RetryLayer, RetrySpec};
//! use std::sync::atomic::{AtomicU32, Ordering};
//! use tonic::body::Body;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! static ASKED: AtomicU32 = AtomicU32::new(0);
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! // Stands for a channel.
//! let server = tower::service_fn(move |call: http::Request<Body>| {
//!     let health = health.clone();
//!     async move {
//!         match ASKED.fetch_add(1, Ordering::Relaxed) {
//!             0 => Ok(tonic::Status::unavailable("not yet").into_http()),
//!             _ => health.oneshot(call).await,
//!         }
//!     }
//! });
//! let mut client = HealthClient::new(
//!     ServiceBuilder::new()
//!         .layer(RetryLayer::try_from(RetrySpec::default())?)
//!         .map_request(|call: http::Request<ReplayBody<Body>>| call.map(Body::new))
//!         .service(server),
//! );
//! client.check(HealthCheckRequest::default()).await?;
//! assert_eq!(ASKED.load(Ordering::Relaxed), 2);
//! # Ok::<(), mesh_policy::BoxError>(())
//! # })?;
//! # Ok::<(), mesh_policy::BoxError>(())
//! ```

mod attempt;
mod body;
mod builder;
mod error;
mod future;
mod hedge;
mod kept;
mod layer;
mod metrics;
mod rules;
mod spec;

pub use attempt::{Attempt, Tried};
pub use body::ReplayBody;
pub use error::{GaveUp, RetryReport, Stop, Superseded};
pub use future::RetryFuture;
pub use hedge::Hedge;
pub use layer::{Retry, RetryLayer};
pub use metrics::{RetryCounts, RetryMetrics};
pub use rules::Repeat;
pub use spec::{
    HedgeSpec, RateLimitedBackoffSpec, RepeatSpec, ResetFormatSpec, ResetHeaderSpec, RetryBudgetSpec,
    RetrySpec,
};

pub use crate::budget::{RetryBudget, RetryPermit};
pub use mesh_core::model::matcher::{HeaderKey, HeaderMatch, ValueMatch};
pub use mesh_core::model::route::{
    RateLimitedBackoff, ResetFormat, ResetHeader, RetryCondition, RetryOn, RetryPolicy,
};
pub use mesh_core::model::values::Fraction;

#[cfg(test)]
#[cfg(loom)]
mod loom;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
