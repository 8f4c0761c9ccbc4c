//! Verifies the tokens of requests: JSON Web Tokens, by their issuers' keys.
//!
//! ```text
//! TLS → inbound: [jwt] → custom → authz → telemetry → app
//! ```
//!
//! A request without a token passes and is nobody's; one with a bad token gets 401, whatever other tokens it
//! has. What a good token says stands in the request's extensions as a [`RequestToken`], where the layers of
//! `authz` look for it. Envoy's name: `envoy.filters.http.jwt_authn`, as Istio's
//! RequestAuthentication sets it up.
//!
//! Signatures are RS, PS, ES and EdDSA only. Each key is bound to the algorithms of its type when it is read, so
//! that no token can choose another; there is no value for `none` or for a shared secret.
//!
//! On axum:
//!
//! ```
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use mesh_policy::jwt::{JwtLayer, JwtSpec};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # #[cfg(feature = "rescue")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let spec: JwtSpec = serde_json::from_str(r#"{"jwtRules": [{
//!     "issuer": "https://issuer.example",
//!     "audiences": ["bookshop"],
//!     "jwks": "{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\", \"kid\": \"1\", \"x\": \"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}"
//! }]}"#)?;
//! let app = Router::new().route("/", get(|| async { "hello" })).layer(
//!     ServiceBuilder::new().layer(RescueLayer::new()).layer(JwtLayer::try_from(spec)?),
//! );
//! let without = Request::get("/").body(Body::empty())?;
//! assert_eq!(app.clone().oneshot(without).await?.status(), 200);
//! let bad = Request::get("/").header("authorization", "Bearer not.a.token").body(Body::empty())?;
//! let response = app.oneshot(bad).await?;
//! assert_eq!(response.status(), 401);
//! assert!(response.headers()["www-authenticate"].to_str()?.ends_with("error=\"invalid_token\""));
//! # Ok(()) }
//! # #[cfg(not(feature = "rescue"))] fn main() {}
//! ```
//!
//! On tonic, at a server (`Server::builder().layer(edge)` takes the same layers) and, as here, around one service:
//!
//! ```
//! use mesh_policy::jwt::{Issuer, JwtLayer, KeySet};
//! # #[cfg(feature = "rescue")]
//! use mesh_policy::rescue::RescueLayer;
//! use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
//! use tower::ServiceBuilder;
//!
//! # #[cfg(feature = "rescue")]
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), mesh_policy::BoxError> {
//! let keys = KeySet::from_json(
//!     br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#,
//! )?;
//! let edge = ServiceBuilder::new()
//!     .layer(RescueLayer::new())
//!     .layer(JwtLayer::new([Issuer::new("https://issuer.example", keys).required()]));
//! let (_reporter, health) = tonic_health::server::health_reporter();
//! let mut client = HealthClient::new(edge.service(health));
//! let status = client.check(HealthCheckRequest::default()).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::Unauthenticated);
//! assert_eq!(status.message(), "Jwt is missing");
//! # Ok(()) }
//! # #[cfg(not(feature = "rescue"))] fn main() {}
//! ```

mod admit;
mod cache;
mod clock;
mod error;
mod future;
mod issuer;
mod keys;
mod layer;
mod location;
mod metrics;
mod parse;
pub mod remote;
mod spec;

pub use crate::token::RequestToken;
pub use clock::{Clock, SystemClock};
pub use error::{JwtError, JwtStatus};
pub use future::JwtFuture;
pub use issuer::{Issuer, KeySource};
pub use keys::{Algorithm, InvalidKeySet, KeySet};
pub use layer::{Jwt, JwtLayer};
pub use metrics::{JwtCounts, JwtMetrics};
pub use remote::{AddressBounds, Fetch, FetchFuture, FetchRequest, JwksCounts, JwksMetrics, RemoteKeys};
pub use spec::JwtSpec;

#[cfg(test)]
mod tests;
