//! Bounds what may be open to a cluster, so that a slow one cannot pull its callers down.
//!
//! ```text
//! request → timeout → retry → attempt timeout → [breaker] → balance → endpoint
//! ```
//!
//! Envoy's `circuit_breakers.thresholds`: counts of connections, of requests that wait for one, of requests
//! in flight and of retries, for each of its two priorities. What would exceed a bound fails at once with
//! 503, flag `UO` and `x-envoy-overloaded`. [`BreakerLayer`] bounds requests; pools take the other permits
//! from [`Breaker`]. The breaker of the textbooks, which opens after failures, is [`classic`].
//!
//! # Examples
//!
//! On axum, a route that takes one request at a time:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::breaker::{Breaker, BreakerLayer, CircuitLimits};
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mesh_policy::BoxError> {
//! let breaker = Breaker::new(CircuitLimits { max_requests: 1, ..CircuitLimits::default() });
//! let app = Router::new().route("/report", get(|| async { "a long report" })).layer(
//!     ServiceBuilder::new().layer(RescueLayer::new()).layer(BreakerLayer::new(breaker.clone())),
//! );
//! let request = || Request::get("/report").body(Body::empty());
//!
//! let first = app.clone().oneshot(request()?).await?;
//! let second = app.clone().oneshot(request()?).await?;
//! assert_eq!(second.status(), 503);
//! assert_eq!(second.headers()["x-envoy-overloaded"], "true");
//!
//! drop(first); // Its body was not read yet: until then it kept the place.
//! assert_eq!(app.oneshot(request()?).await?.status(), 200);
//! # Ok(()) }
//! ```
//!
//! On tonic, with places that only calls of high priority may take:
//!
//! ```
//! use mesh_policy::breaker::{Breaker, BreakerLayer, CircuitLimits, Priority};
//! use mesh_policy::rescue::RescueLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let at_most = |max_requests| Breaker::new(CircuitLimits { max_requests, ..CircuitLimits::default() });
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(BreakerLayer::new(at_most(0)).high(at_most(10)));
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().layer(edge.clone()).add_service(health.clone());
//!
//! let mut client = HealthClient::new(edge.service(health));
//! let refused = client.check(HealthCheckRequest::default()).await.unwrap_err();
//! assert_eq!(refused.code(), tonic::Code::Unavailable);
//!
//! let mut urgent = tonic::Request::new(HealthCheckRequest::default());
//! urgent.extensions_mut().insert(Priority::High);
//! assert!(client.check(urgent).await.is_ok());
//! # }
//! ```

pub mod classic;
mod error;
mod future;
mod layer;
mod permit;
mod spec;

pub use error::Overflow;
pub use future::{BreakerBody, BreakerFuture};
pub use layer::{BreakerLayer, BreakerService};
pub use mesh_core::model::cluster::{CircuitLimits, RetryBudget as RetryBudgetLimits};
pub use mesh_core::model::values::{Fraction, Priority};
pub use permit::{Breaker, BreakerCounts, Permit, Resource};
pub use spec::{BreakerSpec, LimitsSpec, RetryBudgetSpec};

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
