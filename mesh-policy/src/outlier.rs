//! Takes endpoints that fail out of the choice for a while.
//!
//! ```text
//! balance (skips ejected hosts) → endpoint: [outlier] → pool → connection
//! ```
//!
//! Passive health checking, Envoy's `outlier_detection`: each [`Host`] counts what its endpoint answers; a
//! row of failures ejects it; [`Detector::check`], called every interval, lets it return when its stay is
//! over. State belongs to the endpoint, so that all routes to it see the same. Nothing in here reads a
//! clock but the layer, whose clock can be replaced.

mod detector;
mod future;
mod host;
mod layer;
mod metrics;

pub use detector::Detector;
pub use future::OutlierFuture;
pub use host::{Ejection, EjectionKind, Host, Outcome};
pub use layer::{Clock, Outlier, OutlierLayer};
pub use metrics::{OutlierCounts, OutlierMetrics};

#[cfg(test)]
mod tests;
