//! The edge of a stack: every error of the layers below becomes a response.
//!
//! ```text
//! caller → [rescue] → authz → timeout → retry → …
//! ```
//!
//! Layers fail with errors, because only the edge knows what a response is made of there. Servers such as axum
//! and tonic have no place for errors: they want a service that always answers. This layer stands between the
//! two. It asks [`local_reply`] what an error says, and answers in the caller's terms: text for HTTP, a
//! `grpc-status` for gRPC, with Envoy's status, words and (in the response's extensions) flags.
//!
//! What adds to every answer, local replies among them, stands further out: [`cors`](crate::cors), without whose
//! headers a page learns no more of a 403 or a 504 than that something went wrong, and
//! [`headers`](crate::headers). Both leave errors as they are, so they need no second rescue.
//!
//! ```text
//! caller → cors → headers → [rescue] → authz → timeout → …
//! ```
//!
//! On axum:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::rescue::RescueLayer;
//! # #[cfg(feature = "timeout")] mod limited {
//! # use super::*;
//! use mesh_policy::timeout::TimeoutLayer;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! let app = Router::new().route("/", get(std::future::pending::<()>)).layer(
//!     ServiceBuilder::new()
//!         .layer(RescueLayer::new())
//!         .layer(TimeoutLayer::new(Duration::from_millis(10))),
//! );
//! let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
//! assert_eq!(response.status(), 504);
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(feature = "timeout")]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(limited::run())?;
//! # Ok(()) }
//! ```
//!
//! On tonic, at a server (`Server::builder().layer(edge)` takes the same layer) and, as here, around one service:
//!
//! ```
//! # #[cfg(feature = "timeout")] mod limited {
//! use mesh_policy::rescue::RescueLayer;
//! use mesh_policy::timeout::TimeoutLayer;
//! use std::time::Duration;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(TimeoutLayer::new(Duration::from_millis(10)));
//! let _server = tonic::transport::Server::builder().layer(edge.clone());
//!
//! let hangs = tower::service_fn(|_: http::Request<tonic::body::Body>| {
//!     std::future::pending::<Result<http::Response<tonic::body::Body>, std::convert::Infallible>>()
//! });
//! let mut client = HealthClient::new(edge.service(hangs));
//! let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
//! assert_eq!(status.message(), "upstream request timeout");
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(feature = "timeout")]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(limited::run())?;
//! # Ok(()) }
//! ```
//!
//! For pages of other origins:
//!
//! ```
//! # #[cfg(all(feature = "cors", feature = "timeout"))] mod pages {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::cors::{CorsLayer, CorsSpec};
//! use mesh_policy::rescue::{RescueLayer, RescueMetrics};
//! use mesh_policy::timeout::TimeoutLayer;
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # pub async fn run() -> Result<(), mesh_policy::BoxError> {
//! let spec: CorsSpec = serde_json::from_str(r#"{"allowOrigins": [{"exact": "https://shop.example"}]}"#)?;
//! let metrics = RescueMetrics::default();
//! let app = Router::new().route("/", get(std::future::pending::<()>)).layer(
//!     ServiceBuilder::new()
//!         .layer(CorsLayer::try_from(spec)?)
//!         .layer(RescueLayer::new().metrics(metrics.clone()))
//!         .layer(TimeoutLayer::new(Duration::from_millis(10))),
//! );
//! let request = Request::get("/").header("origin", "https://shop.example").body(Body::empty())?;
//! let response = app.oneshot(request).await?;
//! assert_eq!(response.status(), 504);
//! assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
//! let flags: Vec<_> = metrics.snapshot().flags().map(|(flag, count)| (flag.as_str(), count)).collect();
//! assert_eq!(flags, [("UT", 1)]);
//! # Ok(()) }}
//! # fn main() -> Result<(), mesh_policy::BoxError> {
//! # #[cfg(all(feature = "cors", feature = "timeout"))]
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(pages::run())?;
//! # Ok(()) }
//! ```

mod body;
mod future;
mod layer;
mod metrics;
mod reply;

pub use body::RescueBody;
pub use future::RescueFuture;
pub use layer::{Rescue, RescueLayer};
pub use metrics::{RescueCounts, RescueMetrics};
pub use reply::{ForeignReply, local_reply};

#[cfg(test)]
mod tests;
