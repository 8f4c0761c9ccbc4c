//! Lets a request pass only if policies allow it.
//!
//! ```text
//! TLS (the peer's SpiffeId) → inbound: [authz] → telemetry → app
//! ```
//!
//! The verdict is [`mesh_core::decide::authorize()`]'s, the same that the tools explain. What it needs to
//! know stands in the request's extensions: the caller's [`SpiffeId`](mesh_core::identity::SpiffeId),
//! where a certificate proved one, and the [`Connection`]. Envoy's name: `envoy.filters.http.rbac`.

mod error;
mod facts;
mod future;
mod layer;
mod metrics;

pub use error::Denied;
pub use crate::connection::Connection;
pub use future::AuthzFuture;
pub use layer::{Authz, AuthzLayer};
pub use metrics::{AuthzCounts, AuthzMetrics};

#[cfg(test)]
mod tests;
