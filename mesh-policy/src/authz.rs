//! Lets a request pass only if policies allow it.
//!
//! ```text
//! TLS (the peer's SpiffeId) → inbound: jwt → [custom] → [authz] → telemetry → app
//! ```
//!
//! The verdict is [`mesh_core::decide::authorize()`]'s, the same that the tools explain. What it needs to
//! know stands in the request's extensions: the caller's [`SpiffeId`],
//! where a certificate proved one, the [`Connection`] (see [`ConnectionLayer`]), and the [`RequestToken`], where somebody verified one.
//! What is not known denies, wherever a rule asks for it. Envoy's name: `envoy.filters.http.rbac`.
//!
//! Policies are Istio's AuthorizationPolicies, as they are written for `kubectl`; see [`AuthzSpec`]. Rules are
//! held by an index, so that a request costs what the rules cost that can concern it. Policies under
//! `action: CUSTOM` ask an [`Authority`]; those with the annotation `istio.io/dry-run` are judged and counted,
//! and change nothing.
//!
//! On axum, around the router: what [`Router::layer`](https://docs.rs/axum/latest/axum/struct.Router.html#method.layer)
//! adds comes after the route is chosen, too late to make its path canonical by a [`NormalizePathLayer`].
//!
//! ```
//! use axum::{Router, body::Body, extract::ConnectInfo, http::Request, routing::get};
//! use mesh_policy::authz::{AuthzLayer, AuthzSpec, Connection, ConnectionLayer, NormalizePathLayer};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use std::net::SocketAddr;
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
//! let here = SocketAddr::from(([127, 0, 0, 1], 80));
//! let stack = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(ConnectionLayer::from_extension(move |of: &ConnectInfo<SocketAddr>| Connection::new(here, of.0)))
//!     .layer(NormalizePathLayer::default())
//!     .layer(authz)
//!     .service(Router::new().route("/books/{id}", get(|| async { "a book" }).delete(|| async {})));
//! let app = Router::new().fallback_service(stack);
//! // To be served by `into_make_service_with_connect_info::<SocketAddr>()`, which tells of each connection so:
//! let ask = |method: &str, path: &str| {
//!     let peer = ConnectInfo(SocketAddr::from(([192, 0, 2, 7], 4711)));
//!     Request::builder().method(method).uri(path).extension(peer).body(Body::empty())
//! };
//! assert_eq!(app.clone().oneshot(ask("GET", "/books/7")?).await?.status(), 200);
//! assert_eq!(app.clone().oneshot(ask("GET", "/x/../%62ooks/7")?).await?.status(), 200);
//! assert_eq!(app.oneshot(ask("DELETE", "/books/7")?).await?.status(), 403);
//! # Ok(()) }
//! # #[cfg(not(feature = "rescue"))] fn main() {}
//! ```
//!
//! On tonic, at a server (`Server::builder().layer(edge)` takes the same layers) and, as here, around one service:
//!
//! ```
//! use mesh_policy::authz::{AuthzLayer, AuthzSpec, Connection, ConnectionLayer};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use tonic::transport::server::TcpConnectInfo;
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
//!     .layer(ConnectionLayer::from_extension(|of: &TcpConnectInfo| {
//!         Some(Connection::new(of.local_addr()?, of.remote_addr()?))
//!     }))
//!     .layer(AuthzLayer::try_from(spec)?);
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let _server = tonic::transport::Server::builder().layer(edge.clone()).add_service(health.clone());
//!
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
mod normalize;
mod spec;

pub use crate::connection::{Connection, ConnectionLayer};
pub use crate::token::RequestToken;
pub use custom::{
    Authority, CheckFuture, CheckResponse, CustomAuthzCounts, CustomAuthzLayer, CustomAuthzMetrics,
    CustomAuthzSpec, CustomDenied,
};
pub use error::Denied;
pub use future::AuthzFuture;
pub use layer::{Authz, AuthzLayer, Noted};
pub use metrics::{AuthzCounts, AuthzMetrics};
pub use normalize::{InvalidPath, NormalizePath, NormalizePathFuture, NormalizePathLayer, NormalizePathSpec};
pub use spec::{AuthzSpec, Chain};

// What users of these layers name of mesh-core, so that they need not depend on it.
pub use mesh_core::api::mesh::Normalization;
pub use mesh_core::decide::Claims;
pub use mesh_core::decide::authorize::{Condition, Explanation, NearMiss};
pub use mesh_core::identity::{SpiffeId, TrustDomain};
pub use mesh_core::model::http::PathNormalization;
pub use mesh_core::model::matcher::{HeaderKey, HeaderMatch, Pattern, Regex, StringMatch, ValueMatch};
pub use mesh_core::model::rbac::{
    EnforcementMode, MetadataMatch, MetadataValue, Permission, Principal, Rbac, RbacAction, RbacPolicy,
};

#[cfg(test)]
mod tests;
