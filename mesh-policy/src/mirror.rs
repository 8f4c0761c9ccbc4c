//! Sends a copy of requests somewhere else, to see how it would do.
//!
//! ```text
//! request → rewrite → [mirror] → timeout → retry → …
//!                         └─▶ copy → its own stack → another service; its answer is thrown away
//! ```
//!
//! Inside of everything that changes a request, outside of retry: one request is copied once. Istio's
//! `http[].mirrors`, Envoy's `request_mirror_policies`.
//!
//! What becomes of a copy is nobody's concern. It is sent by a task of its own, which an [`Executor`] drives
//! (tokio's runtime unless told otherwise). Its body is fed while the request's own is read: never faster, and
//! never holding it up; a copy that falls behind by more than a bound is broken off and counted. No more copies
//! run at a time than a bound allows, and none for longer than a timeout. Nothing of it reaches the caller: no
//! error, no delay, and no difference in the response.
//!
//! A copy's authority says that it is one, `reviews-shadow:9080`, so that logs can tell. Requests that become
//! tunnels (`CONNECT`, upgrades) are not copied.
//!
//! On axum; the layer changes the request's body, so a router below wants it boxed again:
//!
//! ```
//! use axum::{Router, body::Body, http::{Request, StatusCode}, routing::post};
//! use mesh_policy::mirror::{CopyBody, MirrorLayer, TeeBody};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let (tell, mut told) = tokio::sync::mpsc::channel(1);
//! let canary = tower::service_fn(move |copy: Request<CopyBody>| {
//!     let tell = tell.clone();
//!     async move {
//!         let host = copy.headers()["host"].clone();
//!         let body = axum::body::to_bytes(Body::new(copy.into_body()), 100).await;
//!         tell.send((host, body)).await.ok();
//!         Err::<axum::response::Response, _>("the canary is broken")
//!     }
//! });
//! let app = Router::new().route("/", post(|body: String| async move { body })).layer(
//!     ServiceBuilder::new()
//!         .layer(MirrorLayer::new(canary))
//!         .map_request(|request: Request<TeeBody<Body>>| request.map(Body::new)),
//! );
//! let request = Request::post("/").header("host", "shop:80").body(Body::from("one coffee"))?;
//! assert_eq!(app.oneshot(request).await?.status(), StatusCode::OK);
//! let (host, body) = told.recv().await.ok_or("no copy")?;
//! assert_eq!((host.to_str()?, &*body?), ("shop-shadow:80", &b"one coffee"[..]));
//! # Ok(()) }
//! ```
//!
//! On tonic, in a client; the same around a server:
//!
//! ```
//! use mesh_policy::mirror::{CopyBody, MirrorLayer, TeeBody};
//! use tonic::body::Body;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let canary = ServiceBuilder::new()
//!     .map_request(|copy: http::Request<CopyBody>| copy.map(Body::new))
//!     .service(health.clone());
//! let mirror = MirrorLayer::new(canary);
//! let mut client = HealthClient::new(
//!     ServiceBuilder::new()
//!         .layer(mirror.clone())
//!         .map_request(|call: http::Request<TeeBody<Body>>| call.map(Body::new))
//!         .service(health),
//! );
//! client.check(HealthCheckRequest::default()).await?;
//! assert_eq!(mirror.counts().sent, 1);
//! # Ok(()) }
//! ```

mod body;
mod executor;
mod layer;
mod metrics;
mod spec;
mod task;

pub use body::{CopyBody, Lagged, TeeBody};
pub use executor::{Executor, MirrorTask, TokioExecutor};
pub use layer::{Mirror, MirrorLayer};
pub use metrics::{MirrorCounts, MirrorMetrics};
pub use spec::MirrorSpec;

#[cfg(test)]
mod tests;
