//! Makes requests late or wrong, and responses slow, on purpose.
//!
//! ```text
//! request → route table → [fault] → timeout → retry → …
//! ```
//!
//! Outside of the route's timeout and of its retries, as in Envoy: an injected delay does not use up the
//! route's budget, an injected abort is not retried. Each fault has its own share of requests; one that is
//! late may then be wrong, too. Envoy's name: `envoy.filters.http.fault`.
//!
//! A fault may leave its numbers to the request's headers, `x-envoy-fault-delay-request` and its like. Since
//! any caller could send them, they are not read before
//! [`dangerous_trust_headers`](FaultLayer::dangerous_trust_headers) says so.
//!
//! # Examples
//!
//! On axum, where one request in ten thousand is to fail, and here each:
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use mesh_core::model::http::AbortWith;
//! use mesh_core::model::values::Fraction;
//! use mesh_policy::fault::FaultLayer;
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mesh_policy::BoxError> {
//! let fault = |share| FaultLayer::none().abort(AbortWith::Http(StatusCode::IM_A_TEAPOT), share);
//! let app = |share| {
//!     Router::new()
//!         .route("/", get(|| async { "hello" }))
//!         .layer(ServiceBuilder::new().layer(RescueLayer::new()).layer(fault(share)))
//! };
//! let request = || Request::get("/").body(Body::empty());
//! let _seldom = app(Fraction::millionths(100)).oneshot(request()?).await?;
//! assert_eq!(app(Fraction::ONE).oneshot(request()?).await?.status(), 418);
//! # Ok(()) }
//! ```
//!
//! On tonic, late and then wrong, as a request's own headers ask:
//!
//! ```
//! use mesh_core::model::http::{AbortBy, DelayBy, Fault, FaultAbort, FaultDelay};
//! use mesh_core::model::values::{Denominator, Fraction};
//! use mesh_policy::fault::FaultLayer;
//! use mesh_policy::rescue::RescueLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let fault = Fault {
//!     delay: Some(FaultDelay { by: DelayBy::Header(Denominator::Hundred), fraction: Fraction::ONE }),
//!     abort: Some(FaultAbort { by: AbortBy::Header(Denominator::Hundred), fraction: Fraction::ONE }),
//!     ..Fault::default()
//! };
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(FaultLayer::new(fault).dangerous_trust_headers());
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().layer(edge.clone()).add_service(health.clone());
//!
//! let mut client = HealthClient::new(edge.service(health));
//! assert!(client.check(HealthCheckRequest::default()).await.is_ok());
//!
//! let mut wanted = tonic::Request::new(HealthCheckRequest::default());
//! wanted.metadata_mut().insert("x-envoy-fault-delay-request", "5".parse().unwrap());
//! wanted.metadata_mut().insert("x-envoy-fault-abort-grpc-request", "8".parse().unwrap());
//! let status = client.check(wanted).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::ResourceExhausted);
//! assert_eq!(status.message(), "fault filter abort");
//! # }
//! ```

mod body;
mod error;
mod future;
pub mod headers;
mod layer;
mod metrics;
mod plan;
mod spec;

pub use body::FaultBody;
pub use error::{Aborted, Delayed};
pub use future::FaultFuture;
pub use layer::{FaultLayer, FaultService};
pub use metrics::{FaultCounts, FaultMetrics};
pub use spec::{AbortSpec, DelaySpec, FaultSpec, FixedLimitSpec, HeaderSpec, PercentageSpec, RateLimitSpec};

#[cfg(test)]
#[cfg(not(loom))]
mod tests;
