//! Bounds what one request may bring: headers, a body, and what the body unpacks to.
//!
//! ```text
//! request → [limits] → decompression → [unpacked limits] → app
//! ```
//!
//! [`LimitsLayer`] is what Envoy's connection manager and buffer filter check: too many or too long headers are
//! answered with 431, too long a body with 413, at once if its length is declared, else as soon as too many bytes
//! have come. [`UnpackedLimitsLayer`] stands below a layer that decompresses request bodies and bounds what comes
//! out of it, by its size and by its ratio to what went in: a kilobyte of zip can hold a gigabyte of zeros.
//!
//! A limit that breaks while the service already reads the body ends the request there and then: the layer drops
//! the service's future and fails, whatever the service would have made of a broken body.
#![doc = include_str!("limits/docs/examples.md")]

mod body;
mod error;
mod future;
mod layer;
mod metrics;
mod spec;
mod tally;

pub use body::LimitedBody;
pub use error::{Limit, TooLarge};
pub use future::LimitsFuture;
pub use layer::{Limits, LimitsLayer, UnpackedLimits, UnpackedLimitsLayer};
pub use metrics::{LimitsCounts, LimitsMetrics};
pub use spec::{LimitsSpec, UnpackedLimitsSpec};

#[cfg(test)]
mod tests;
