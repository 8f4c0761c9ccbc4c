//! Takes endpoints that fail out of the choice for a while.
//!
//! ```text
//! balance (skips ejected hosts) → endpoint: [outlier] → pool → connection
//! ```
//!
//! Passive health checking, Envoy's `outlier_detection`: each [`Host`] counts what its endpoint answers. A
//! row of failures ejects it at once; [`Detector::check`], called every interval, ejects who does worse than
//! the others or than a bound, and lets hosts return whose stay is over. State belongs to the endpoint, so
//! that all routes to it see the same. Nothing in here reads a clock but the layer, whose clock can be
//! replaced, and [`Detector::run`].
//!
//! A time-out further out that ends a silent attempt is held against its endpoint; but only this crate's, since a
//! `tower::timeout` or a `tokio::time::timeout` looks from here like a caller that went away, for which no endpoint is
//! to blame.
//!
//! What happens is told to an [`Observer`]: who is ejected, why and for how long, who returns, and when so
//! few are left that a balancer takes all ([`panics`]).
//!
//! # Examples
//!
//! In front of one axum server, here in the same process:
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::get};
//! use mesh_policy::outlier::{Detector, OutlierDetection, OutlierLayer};
//! use std::time::{Duration, Instant};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), mesh_policy::BoxError> {
//! let config = OutlierDetection { consecutive_gateway_errors: 1, ..OutlierDetection::default() };
//! let detector = Detector::new(config, Instant::now());
//! tokio::spawn(detector.run()); // Lets hosts return in time.
//!
//! let app = Router::new().route("/", get(|| async { StatusCode::BAD_GATEWAY }));
//! let endpoint = detector.host("10.0.0.1:8080");
//! let server = ServiceBuilder::new().layer(OutlierLayer::new(endpoint.clone())).service(app);
//! assert_eq!(server.oneshot(Request::get("/").body(Body::empty())?).await?.status(), 502);
//! assert!(endpoint.is_ejected() && detector.ejected() == 1);
//! # Ok(()) }
//! ```
//!
//! In front of one tonic server, which a balancer would pass over while it is ejected:
//!
//! ```
//! use mesh_policy::outlier::{Detector, Event, OutlierDetection, OutlierLayer};
//! use mesh_policy::rescue::RescueLayer;
//! use std::sync::{Arc, atomic::{AtomicU32, Ordering}};
//! use std::time::Instant;
//! use tonic::Code;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let config = OutlierDetection { consecutive_5xx: 2, ..OutlierDetection::default() };
//! let detector = Detector::new(config, Instant::now());
//! let ejections = Arc::new(AtomicU32::new(0));
//! let seen = ejections.clone();
//! detector.observe(move |event: &Event| {
//!     if let Event::Ejected { endpoint, .. } = event {
//!         assert_eq!(&**endpoint, "10.0.0.1:50051");
//!         seen.fetch_add(1, Ordering::Relaxed);
//!     }
//! });
//!
//! // The service in the place of a connection: each of its answers is "unavailable".
//! let endpoint = detector.host("10.0.0.1:50051");
//! let server = tower::service_fn(|_: http::Request<tonic::body::Body>| async {
//!     let status = tonic::Status::unavailable("shutting down");
//!     Ok::<_, mesh_policy::BoxError>(status.into_http::<tonic::body::Body>())
//! });
//! let server = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(OutlierLayer::new(endpoint.clone()))
//!     .service(server);
//! let mut client = HealthClient::new(server);
//! for _ in 0..2 {
//!     let answer = client.check(HealthCheckRequest::default()).await;
//!     assert_eq!(answer.unwrap_err().code(), Code::Unavailable);
//! }
//! assert!(endpoint.is_ejected());
//! assert_eq!(ejections.load(Ordering::Relaxed), 1);
//! # }
//! ```

mod detector;
mod event;
mod future;
mod host;
mod layer;
mod metrics;
mod rates;
mod share;
mod spec;
mod stage;

pub use detector::Detector;
pub use event::{Event, Observer};
pub use future::OutlierFuture;
pub use host::{Ejection, EjectionKind, Host, Outcome};
pub use layer::{Clock, Outlier, OutlierLayer};
pub use mesh_core::model::cluster::{FailurePercentage, OutlierDetection, SuccessRate};
pub use mesh_core::model::values::Fraction;
pub use metrics::{OutlierCounts, OutlierMetrics};
pub use rates::{Rate, success_rate_threshold};
pub use share::{may_be_out, panics};
pub use spec::OutlierSpec;

#[cfg(test)]
#[cfg(loom)]
mod loom;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
