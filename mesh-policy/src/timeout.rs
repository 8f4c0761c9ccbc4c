//! Bounds how long a request may take.
//!
//! ```text
//! request → [timeout] → retry → [attempt timeout] → balance → endpoint
//! ```
//!
//! [`TimeoutLayer`] is Envoy's `route.timeout`: one budget for all attempts, until the response's last
//! byte. [`AttemptTimeoutLayer`] is `retry_policy.per_try_timeout`: a fresh budget for each attempt, until
//! the response's head; what follows the head belongs to the route's budget, since it can no longer be
//! tried again. Without a budget no timer is made.
//!
//! | What | Layer | Envoy's |
//! |---|---|---|
//! | the request, all attempts and the whole response | [`TimeoutLayer::new`] | `route.timeout` |
//! | one attempt, to the response's head | [`AttemptTimeoutLayer`] | `retry_policy.per_try_timeout` |
//! | the endpoint's silence within an attempt | [`TimeoutLayer::per_try_idle`] | `retry_policy.per_try_idle_timeout` |
//! | silence of both sides | [`TimeoutLayer::idle`] | `route.idle_timeout`, `stream_idle_timeout` |
//! | the stream's whole life | [`TimeoutLayer::max_stream_duration`] | an upstream's `max_stream_duration` |
//! | the caller's deadline, `grpc-timeout` | [`DeadlineLayer`], [`PropagateDeadlineLayer`] | a route's `max_stream_duration` |
//! | a new connection | [`ConnectTimeoutLayer`] | `cluster.connect_timeout` |
//!
//! Budgets run from dispatch, or, as Envoy's, from the end of the request where a [`Begin`] says when that is:
//! without one, a slow upload cannot be told from a slow endpoint. What runs out of time is dropped at once, a
//! response's body too, and outlier detection further in learns why, unless it was the caller's own deadline or the
//! caller that was waited for ([`Elapsed::blames_endpoint`]). A response that has begun ends with the error in its
//! body, which servers turn into a reset of the stream.
//!
//! On axum:
//!
//! ```
//! # #[cfg(feature = "rescue")] mod on_axum {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::{rescue::RescueLayer, timeout::TimeoutLayer};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! let app = Router::new()
//!     .route("/", get(|| async { "hello" }))
//!     .route("/slow", get(std::future::pending::<()>))
//!     .layer(
//!         ServiceBuilder::new()
//!             .layer(RescueLayer::new())
//!             .layer(TimeoutLayer::new(Duration::from_millis(20)))
//!             .layer(TimeoutLayer::idle(Duration::from_millis(10))),
//!     );
//! let ask = |path| app.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
//! assert_eq!(ask("/").await?.status(), 200);
//! assert_eq!(ask("/slow").await?.status(), 504);
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(feature = "rescue")]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(on_axum::run())?;
//! # Ok(()) }
//! ```
//!
//! On tonic, a server that keeps its callers' deadlines:
//!
//! ```
//! # #[cfg(feature = "rescue")] mod on_tonic {
//! use mesh_policy::{rescue::RescueLayer, timeout::DeadlineLayer};
//! use std::time::Duration;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(DeadlineLayer::new().grpc_timeout_header_max(Duration::from_secs(30)));
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().layer(edge.clone()).add_service(health.clone());
//!
//! // Watching has no end of its own.
//! let mut client = HealthClient::new(edge.service(health));
//! let mut request = tonic::Request::new(HealthCheckRequest::default());
//! request.set_timeout(Duration::from_millis(20));
//! let mut statuses = client.watch(request).await?.into_inner();
//! assert!(statuses.message().await?.is_some());
//! let ended = statuses.message().await.unwrap_err();
//! assert!(ended.to_string().contains("caller's"), "{ended}");
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(feature = "rescue")]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(on_tonic::run())?;
//! # Ok(()) }
//! ```

mod begin;
mod body;
mod deadline;
mod error;
mod future;
mod headers;
mod layer;
mod metrics;
mod spec;

pub use begin::{AtDispatch, Begin, FromExtensions, Progress, ProgressBody, ProgressLayer, RequestProgress};
pub use body::TimeoutBody;
pub use deadline::{Deadline, DeadlineLayer, DeadlineService, PropagateDeadline, PropagateDeadlineLayer};
pub use error::{Elapsed, Scope};
pub use future::{AttemptFuture, TimeoutFuture, ToEnd, ToHead};
pub use headers::{encode_grpc_timeout, grpc_timeout, upstream_rq_timeout};
pub use layer::{
    AttemptTimeout, AttemptTimeoutLayer, ConnectTimeout, ConnectTimeoutLayer, Timeout, TimeoutLayer,
};
pub use metrics::{TimeoutCounts, TimeoutMetrics};
pub use spec::{MaxStreamDurationSpec, TimeoutSpec, Timeouts};

#[cfg(test)]
mod tests;
