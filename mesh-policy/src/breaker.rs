//! Bounds what may be open to a cluster, so that a slow one cannot pull its callers down.
//!
//! ```text
//! request → timeout → retry → attempt timeout → [breaker] → balance → endpoint
//! ```
//!
//! Envoy's `circuit_breakers.thresholds`: counts of connections, of requests that wait for one, of requests
//! in flight and of retries. What would exceed a bound fails at once with 503, flag `UO` and
//! `x-envoy-overloaded`. [`BreakerLayer`] bounds requests; pools take the other permits from [`Breaker`].

mod body;
mod error;
mod future;
mod layer;
mod permit;

pub use body::BreakerBody;
pub use error::Overflow;
pub use future::BreakerFuture;
pub use layer::{BreakerLayer, BreakerService};
pub use permit::{Breaker, BreakerCounts, Permit, Resource};

#[cfg(test)]
mod tests;
