//! Makes requests late or wrong on purpose.
//!
//! ```text
//! request → route table → [fault] → timeout → retry → …
//! ```
//!
//! Outside of the route's timeout and of its retries, as in Envoy: an injected delay does not use up the
//! route's budget, an injected abort is not retried. Both have their own share of requests; one that is
//! late may then be wrong, too. Envoy's name: `envoy.filters.http.fault`.

mod error;
mod future;
mod layer;
mod metrics;

pub use error::{Aborted, Delayed};
pub use future::FaultFuture;
pub use layer::{FaultLayer, FaultService};
pub use metrics::{FaultCounts, FaultMetrics};

#[cfg(test)]
mod tests;
