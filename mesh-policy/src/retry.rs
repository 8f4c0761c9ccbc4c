//! Sends a request again where that is safe and likely to help.
//!
//! ```text
//! request → timeout → [retry] → attempt timeout → breaker → balance → endpoint
//! ```
//!
//! Envoy's `retry_policy`: what counts as failed is the policy's `retry_on`; between attempts a fully
//! jittered, exponential back-off. The route's timeout is around all attempts, a fresh per-try timeout
//! inside each.
//!
//! Two bounds hold whatever the policy asks for. A **budget** keeps retries to a share of the requests in
//! flight, so that they cannot multiply an overload. And a request that **may have been executed** is
//! repeated only if its method is idempotent or the policy names that very answer; see [`Repeat`].
//!
//! The body is sent on while it arrives and kept for a second attempt up to a bound; a larger one is not
//! held up, it just cannot be retried.

mod attempt;
mod body;
mod error;
mod future;
mod hedge;
mod layer;
mod metrics;
mod rules;

pub use attempt::{Attempt, Tried};
pub use body::{ReplayBody, Superseded};
pub use error::{GaveUp, RetryReport, Stop};
pub use future::RetryFuture;
pub use hedge::Hedge;
pub use layer::{Retry, RetryLayer};
pub use metrics::{RetryCounts, RetryMetrics};
pub use rules::Repeat;

pub use crate::budget::{ActiveRequest, RetryBudget, RetryPermit};

#[cfg(test)]
mod tests;
