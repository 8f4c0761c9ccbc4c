//! Changes a request's path and authority on the way.
//!
//! ```text
//! request → authz → [rewrite] → timeout → retry → …
//! ```
//!
//! Inside of whatever decides by the path, since that is meant to see what the caller asked for. Envoy's
//! `prefix_rewrite`, `regex_rewrite` and `host_rewrite_literal`; Istio's `http[].rewrite`. The path as it was
//! stands in `x-envoy-original-path`, the query is kept. [`mesh_core::decide::rewrite`] does the same for the
//! proxy.
//!
//! | What becomes something else | Constructor |
//! |---|---|
//! | a prefix, byte for byte as in Envoy: `/a` by `/` makes `//b` of `/a/b` | [`RewriteLayer::prefix`] |
//! | whole segments, as in the Gateway API: `/a` by `/` makes `/b` of `/a/b` | [`RewriteLayer::segments`] |
//! | the whole path | [`RewriteLayer::full`] |
//! | what a pattern finds | [`RewriteLayer::regex`] |
//! | the authority | [`RewriteLayer::authority`] |
//!
//! On axum, around a router, since a router has chosen its route before its layers run:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::rewrite::RewriteLayer;
//! use tower::{Layer, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let router = Router::new().route("/reviews", get(|request: Request<Body>| async move {
//!     request.uri().query().unwrap_or_default().to_owned()
//! }));
//! let app = RewriteLayer::segments("/v2", "/").layer(router);
//! let response = app.oneshot(Request::get("/v2/reviews?stars=5").body(Body::empty())?).await?;
//! assert_eq!(axum::body::to_bytes(response.into_body(), 100).await?, "stars=5");
//! # Ok(()) }
//! ```
//!
//! On tonic, a client of a service that moved to another package:
//!
//! ```
//! use mesh_policy::rewrite::{Regex, RewriteLayer};
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::{Layer, ServiceBuilder};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let moved = RewriteLayer::regex(&Regex::new("^/old\\.(.*)$")?, "/grpc.\\1")?;
//! let old = RewriteLayer::prefix("/grpc.", "/old.");
//! let mut client = HealthClient::new(ServiceBuilder::new().layer(old).layer(moved).service(health));
//! client.check(HealthCheckRequest::default()).await?;
//! # Ok(()) }
//! ```

mod layer;
mod metrics;
mod spec;

pub use layer::{Rewrite, RewriteLayer};
pub use mesh_core::decide::rewrite::{InvalidRewrite, NewAuthority};
pub use mesh_core::model::matcher::Regex;
pub use metrics::{RewriteCounts, RewriteMetrics};
pub use spec::{RegexRewriteSpec, RewriteSpec, UriMatchSpec};

#[cfg(test)]
mod tests;
