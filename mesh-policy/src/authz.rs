//! Lets a request pass only if policies allow it.
//!
//! ```text
//! TLS (the peer's SpiffeId) → inbound: jwt → [custom] → [authz] → telemetry → app
//! ```
//!
//! The verdict is [`mesh_core::decide::authorize()`]'s, the same that the tools explain. What it needs to
//! know stands in the request's extensions: the caller's [`SpiffeId`](mesh_core::identity::SpiffeId),
//! where a certificate proved one, the [`Connection`], and the [`RequestToken`], where somebody verified one.
//! What is not known denies, wherever a rule asks for it. Envoy's name: `envoy.filters.http.rbac`.
//!
//! Policies are Istio's AuthorizationPolicies, as they are written for `kubectl`; see [`AuthzSpec`]. Rules are
//! held by an index, so that a request costs what the rules cost that can concern it. Policies under
//! `action: CUSTOM` ask an [`Authority`]; those with the annotation `istio.io/dry-run` are judged and counted,
//! and change nothing.
//!
//! On axum:
//!
//! ```
//! use axum::{Router, body::Body, routing::get};
//! use http::Request;
//! use mesh_policy::authz::{AuthzLayer, AuthzSpec, Connection};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[cfg(feature = "rescue")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let policy = "
//! apiVersion: security.istio.io/v1
//! kind: AuthorizationPolicy
//! metadata: {name: read-only, namespace: default}
//! spec:
//!   rules:
//!   - to: [{operation: {methods: [GET], paths: ['/books/{*}']}}]
//! ";
//! let authz = AuthzLayer::try_from(AuthzSpec::from_yaml("authz.yaml", policy)?)?;
//! let app = Router::new().route("/books/{id}", get(|| async { "a book" }).delete(|| async {})).layer(
//!     ServiceBuilder::new()
//!         .layer(RescueLayer::new())
//!         // A server knows its connections; axum's `ConnectInfo` tells the peer.
//!         .map_request(|mut request: Request<Body>| {
//!             let connection = Connection::new(([127, 0, 0, 1], 80).into(), ([127, 0, 0, 1], 4711).into());
//!             request.extensions_mut().insert(connection);
//!             request
//!         })
//!         .layer(authz),
//! );
//! let ask = |method: &str, path: &str| Request::builder().method(method).uri(path).body(Body::empty());
//! assert_eq!(app.clone().oneshot(ask("GET", "/books/7")?).await?.status(), 200);
//! assert_eq!(app.oneshot(ask("DELETE", "/books/7")?).await?.status(), 403);
//! # Ok(()) }
//! # #[cfg(not(feature = "rescue"))] fn main() {}
//! ```
//!
//! On tonic, at a server (`Server::builder().layer(edge)` takes the same layers) and, as here, around one service:
//!
//! ```
//! use mesh_policy::authz::{AuthzLayer, AuthzSpec, Connection};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[cfg(feature = "rescue")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let spec: AuthzSpec = serde_json::from_str(r#"{"policies": [{
//!     "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
//!     "metadata": {"name": "no-watch", "namespace": "default"},
//!     "spec": {"action": "DENY", "rules": [{"to": [{"operation": {"paths": ["*/Check"]}}]}]}
//! }]}"#)?;
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .map_request(|mut request: http::Request<tonic::body::Body>| {
//!         let connection = Connection::new(([127, 0, 0, 1], 80).into(), ([127, 0, 0, 1], 4711).into());
//!         request.extensions_mut().insert(connection);
//!         request
//!     })
//!     .layer(AuthzLayer::try_from(spec)?);
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let mut client = HealthClient::new(edge.service(health));
//! let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::PermissionDenied);
//! # Ok(()) }
//! # #[cfg(not(feature = "rescue"))] fn main() {}
//! ```

pub mod custom;
mod error;
mod facts;
mod future;
mod layer;
mod metrics;
mod spec;

pub use crate::connection::Connection;
pub use crate::token::RequestToken;
pub use custom::{Authority, CheckFuture, CheckResponse, CustomAuthzLayer, CustomDenied};
pub use error::Denied;
pub use future::AuthzFuture;
pub use layer::{Authz, AuthzLayer, Noted};
pub use metrics::{AuthzCounts, AuthzMetrics};
pub use spec::{AuthzSpec, Chain};

#[cfg(test)]
mod tests;
