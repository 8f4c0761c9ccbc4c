//! Lets pages of other origins use a service, as far as it wants that.
//!
//! ```text
//! request → [cors] → rescue → jwt → authz → …
//! ```
//!
//! Outside of [`rescue`](crate::rescue), or whatever else makes responses of errors: a page cannot read an answer that
//! does not say so, and would take every refusal for a broken network. In Envoy each local reply passes its filter.
//! Outside of authorization: a browser sends no credentials with a preflight, so nobody could authorize one.
//! A preflight of an origin that is allowed is answered here with 200; what other requests of it are answered
//! with says that the page may read it. Envoy's name: `envoy.filters.http.cors`; Istio's: `corsPolicy`. The
//! decision is [`mesh_core::decide::cors`].
//!
//! CORS restrains browsers alone: a request of an origin that is not allowed is sent on, and its answer cannot
//! be read by the page. Who must not be served is for authorization to say.
//!
//! On axum:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::put};
//! use mesh_policy::cors::{CorsLayer, CorsSpec};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let spec: CorsSpec = serde_json::from_str(
//!     r#"{"allowOrigins": [{"exact": "https://shop.example"}], "allowMethods": ["PUT"], "maxAge": "1h"}"#,
//! )?;
//! let app = Router::new().route("/orders", put(|| async { "done" })).layer(CorsLayer::try_from(spec)?);
//!
//! let preflight = Request::options("/orders")
//!     .header("origin", "https://shop.example")
//!     .header("access-control-request-method", "PUT");
//! let response = app.clone().oneshot(preflight.body(Body::empty())?).await?;
//! assert_eq!(response.status(), 200);
//! assert_eq!(response.headers()["access-control-allow-methods"], "PUT");
//! assert_eq!(response.headers()["access-control-max-age"], "3600");
//!
//! let order = Request::put("/orders").header("origin", "https://shop.example");
//! let response = app.oneshot(order.body(Body::empty())?).await?;
//! assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
//! # Ok(()) }
//! ```
//!
//! What other layers refuse can be read by the page as well:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::cors::{CorsLayer, CorsPolicy, StringMatch};
//! use mesh_policy::limits::LimitsLayer;
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let allow_origins = vec![StringMatch::exact("https://shop.example")];
//! let app = Router::new().route("/", get(|| async { "hello" })).layer(
//!     ServiceBuilder::new()
//!         .layer(CorsLayer::new(CorsPolicy { allow_origins, ..CorsPolicy::default() })?)
//!         .layer(RescueLayer::new())
//!         .layer(LimitsLayer::new().max_headers(1))
//!         .map_request(|request: Request<_>| request.map(Body::new)),
//! );
//! let request = Request::get("/").header("origin", "https://shop.example").header("x-one-too", "many");
//! let response = app.oneshot(request.body(Body::empty())?).await?;
//! assert_eq!(response.status(), 431);
//! assert_eq!(response.headers()["access-control-allow-origin"], "https://shop.example");
//! # Ok(()) }
//! ```
//!
//! On tonic, a server that browsers reach by gRPC-Web; they must be let read `grpc-status`. Other gRPC callers
//! have no origin and see nothing of it:
//!
//! ```
//! use mesh_policy::cors::{CorsLayer, CorsPolicy, StringMatch};
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let words = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
//! let cors = CorsLayer::new(CorsPolicy {
//!     allow_origins: vec![StringMatch::exact("https://shop.example")],
//!     allow_methods: words(&["POST"]),
//!     allow_headers: words(&["content-type", "x-grpc-web", "grpc-timeout"]),
//!     expose_headers: words(&["grpc-status", "grpc-message"]),
//!     ..CorsPolicy::default()
//! })?;
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().accept_http1(true).layer(cors.clone());
//!
//! let edge = cors.layer(health);
//! let preflight = http::Request::options("/grpc.health.v1.Health/Check")
//!     .header("origin", "https://shop.example")
//!     .header("access-control-request-method", "POST");
//! let response = edge.clone().oneshot(preflight.body(tonic::body::Body::empty())?).await?;
//! assert_eq!(response.headers()["access-control-allow-headers"], "content-type,x-grpc-web,grpc-timeout");
//! HealthClient::new(edge).check(HealthCheckRequest::default()).await?;
//! # Ok(()) }
//! ```

mod future;
mod layer;
mod metrics;
mod spec;

pub use future::CorsFuture;
pub use layer::{Cors, CorsLayer};
pub use mesh_core::model::cors::{CorsPolicy, UnmatchedPreflights};
pub use mesh_core::model::matcher::StringMatch;
pub use metrics::{CorsCounts, CorsMetrics};
pub use spec::{CorsSpec, UnmatchedPreflightsSpec};

#[cfg(test)]
mod tests;
