//! The breaker of the textbooks: opens after failures, lets probes through after a while, closes if they
//! succeed.
//!
//! ```text
//! closed ──so many failures in a row, or too large a share of a window──▶ open
//!   ▲                                                                      │ its time is over
//!   └──── every probe succeeded ──── half-open ◀───────────────────────────┘
//!                                        └── one failed, or took too long: open again, for longer
//! ```
//!
//! For a service that calls one dependency without a balancer. Where there are several endpoints,
//! [`outlier`](crate::outlier) does the same for each of them, and the others take over. Envoy has no such
//! breaker; what it refuses is a [`CircuitOpen`], told like an overflow: 503, `UO`, `x-envoy-overloaded`.
//!
//! Silence is a failure when one of this crate's time-outs ends it. One that `tower::timeout` or `tokio::time::timeout`
//! ends looks from here like a caller that went away, and counts as nothing. Probes that nothing ends have failed
//! after [`CircuitBuilder::max_half_open_time`].
//!
//! The state is one atomic word and a change of it one compare-and-swap, so that no two requests can both
//! open or both probe, and an answer that belongs to an earlier state changes nothing.
//!
//! # Examples
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use mesh_policy::breaker::classic::{Circuit, CircuitLayer, CircuitOpen, CircuitState};
//! use std::time::Duration;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mesh_policy::BoxError> {
//! let circuit = Circuit::builder().consecutive_failures(2).open_time(Duration::from_secs(5)).build();
//! let down = tower::service_fn(|_: Request<()>| async {
//!     let mut response = Response::new(());
//!     *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
//!     Ok::<_, mesh_policy::BoxError>(response)
//! });
//! let client = ServiceBuilder::new().layer(CircuitLayer::new(circuit.clone())).service(down);
//! for _ in 0..2 {
//!     assert_eq!(client.clone().oneshot(Request::new(())).await?.status(), 500);
//! }
//! let refused = client.oneshot(Request::new(())).await.unwrap_err();
//! let refused = mesh_policy::find::<CircuitOpen>(&*refused).unwrap();
//! assert!(refused.retry_after() > Duration::from_secs(4));
//! assert!(matches!(circuit.state(), CircuitState::Open { .. }));
//! # Ok(()) }
//! ```
//!
//! On axum, in front of a handler whose database is down:
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use mesh_policy::breaker::classic::{Circuit, CircuitLayer};
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mesh_policy::BoxError> {
//! let circuit = CircuitLayer::new(Circuit::builder().consecutive_failures(1).build());
//! let app = Router::new()
//!     .route("/orders", get(|| async { StatusCode::BAD_GATEWAY }))
//!     .layer(ServiceBuilder::new().layer(RescueLayer::new()).layer(circuit));
//! let request = || Request::get("/orders").body(Body::empty());
//! assert_eq!(app.clone().oneshot(request()?).await?.status(), 502);
//! assert_eq!(app.oneshot(request()?).await?.status(), 503);
//! # Ok(()) }
//! ```
//!
//! On tonic; a status of gRPC fails as its HTTP equal does:
//!
//! ```
//! use mesh_policy::breaker::classic::{Circuit, CircuitLayer};
//! use mesh_policy::rescue::RescueLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let circuit = CircuitLayer::new(Circuit::builder().consecutive_failures(1).build());
//! let edge = ServiceBuilder::new().layer(RescueLayer::new()).layer(circuit);
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().layer(edge.clone()).add_service(health);
//!
//! let broken = tower::service_fn(|_: http::Request<tonic::body::Body>| async {
//!     let status = tonic::Status::data_loss("the disk is gone");
//!     Ok::<_, std::convert::Infallible>(status.into_http::<tonic::body::Body>())
//! });
//! let mut client = HealthClient::new(edge.service(broken));
//! let ask = HealthCheckRequest::default;
//! assert_eq!(client.check(ask()).await.unwrap_err().code(), tonic::Code::DataLoss);
//! assert_eq!(client.check(ask()).await.unwrap_err().message(), "circuit breaker open");
//! # }
//! ```

mod circuit;
mod error;
mod future;
mod layer;
mod metrics;
mod spec;
mod state;
mod window;

pub use circuit::{Circuit, CircuitBuilder, CircuitState, Pass};
pub use error::CircuitOpen;
pub use future::CircuitFuture;
pub use layer::{CircuitLayer, CircuitService, Judge};
pub use mesh_core::model::values::Fraction;
pub use metrics::{CircuitCounts, CircuitMetrics};
pub use spec::{CircuitSpec, FailureRateSpec};

#[cfg(test)]
#[cfg(loom)]
mod loom;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
