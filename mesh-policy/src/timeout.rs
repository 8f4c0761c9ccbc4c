//! Bounds how long a request may take.
//!
//! ```text
//! request → [timeout] → retry → [attempt timeout] → balance → endpoint
//! ```
//!
//! [`TimeoutLayer`] is Envoy's `route.timeout`: one budget for all attempts, until the response's last
//! byte. [`AttemptTimeoutLayer`] is `retry_policy.per_try_timeout`: a fresh budget for each attempt, until
//! the response's head; what follows the head belongs to the route's budget, since it can no longer be
//! tried again. Without a budget no timer is made.
//!
//! Budgets run from dispatch, or, as Envoy's, from the end of the request where a [`Begin`] says when that
//! is. What runs out of time is dropped at once, and outlier detection further in learns why.

mod begin;
mod body;
mod error;
mod future;
mod headers;
mod layer;
mod metrics;

pub use begin::{AtDispatch, Begin, FromExtensions, ProgressBody, RequestProgress};
pub use body::TimeoutBody;
pub use error::{Elapsed, Scope};
pub use future::{AttemptFuture, TimeoutFuture};
pub use headers::{grpc_timeout, upstream_rq_timeout};
pub use layer::{AttemptTimeout, AttemptTimeoutLayer, Timeout, TimeoutLayer};
pub use metrics::{TimeoutCounts, TimeoutMetrics};

#[cfg(test)]
mod tests;
