//! Sets, adds and removes headers of requests and responses.
//!
//! ```text
//! request → authz → [headers] → timeout → retry → …
//! ```
//!
//! Istio's `http[].headers`, in Envoy's order: remove, set, add; every value is made of what came before any of
//! them is written. A value that comes to nothing is not written, as in Envoy.
//!
//! Values are Envoy's format strings: `%REQ(x-tenant)%`, with `%%` for a percent sign. What a layer cannot know
//! where it stands is refused when it is made, and never sent as it is written:
//!
//! | Operators | In requests | In responses |
//! |---|---|---|
//! | `REQ`, `PROTOCOL`, `START_TIME` | yes | yes |
//! | `DOWNSTREAM_REMOTE_ADDRESS`, `DOWNSTREAM_DIRECT_REMOTE_ADDRESS`, `DOWNSTREAM_LOCAL_ADDRESS`, each alone and with `_WITHOUT_PORT`; `DOWNSTREAM_REMOTE_PORT` and so on; `REQUESTED_SERVER_NAME` | of the [`Connection`] in the request's extensions | as there |
//! | `DOWNSTREAM_PEER_URI_SAN` | of the [`SpiffeId`] in them | as there |
//! | `RESP`, `RESPONSE_CODE`, `GRPC_STATUS`, `GRPC_STATUS_NUMBER` | no | yes |
//! | `RESPONSE_FLAGS` | no | of the [`ResponseFlags`] in the response's extensions |
//! | `UPSTREAM_HOST`, `UPSTREAM_REMOTE_ADDRESS`, `UPSTREAM_LOCAL_ADDRESS`, `UPSTREAM_CLUSTER` | no | of the [`Upstream`] in them |
//!
//! On axum:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::headers::{HeadersLayer, HeadersSpec};
//! use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let spec: HeadersSpec = serde_json::from_str(
//!     r#"{"response": {"set": {"x-served": "%REQ(:method)% in 100%%"}, "remove": ["server"]}}"#,
//! )?;
//! let app = Router::new()
//!     .route("/", get(|| async { [("server", "secret/1.0")] }))
//!     .layer(HeadersLayer::try_from(spec)?);
//! let response = app.oneshot(Request::get("/").body(Body::empty())?).await?;
//! assert_eq!(response.headers()["x-served"], "GET in 100%");
//! assert!(!response.headers().contains_key("server"));
//! # Ok(()) }
//! ```
//!
//! On tonic, in a client; metadata are headers:
//!
//! ```
//! use mesh_policy::headers::HeadersLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::{Layer, ServiceBuilder};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let layer = HeadersLayer::builder().set_request("x-canary", "yes").build()?;
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let server = ServiceBuilder::new()
//!     .map_request(|call: http::Request<tonic::body::Body>| {
//!         assert_eq!(call.headers()["x-canary"], "yes");
//!         call
//!     })
//!     .service(health);
//! HealthClient::new(layer.layer(server)).check(HealthCheckRequest::default()).await?;
//! # Ok(()) }
//! ```
//!
//! [`SpiffeId`]: mesh_core::identity::SpiffeId
//! [`ResponseFlags`]: mesh_core::response_flag::ResponseFlags

mod builder;
mod edit;
mod find;
mod future;
mod layer;
mod metrics;
mod spec;

pub use crate::connection::Connection;
pub use builder::HeadersBuilder;
pub use find::Upstream;
pub use future::HeadersFuture;
pub use layer::{Headers, HeadersLayer};
pub use mesh_core::decide::rewrite::NewAuthority;
pub use mesh_core::model::route::{HeaderChanges, HeaderEdit};
pub use metrics::{HeadersCounts, HeadersMetrics};
pub use spec::{HeaderOperationsSpec, HeadersSpec};

#[cfg(test)]
mod tests;
