//! So many requests in a minute, an hour, a day: a rate-limit service over a store of counts.
//!
//! ```text
//! RateLimitLayer → [quotas] → store: this process, or Redis for many of them
//! ```
//!
//! What Envoy's reference service does, as a [`RateLimitService`] in this process: no further hop but the store's. A
//! quota counts in *fixed* windows (all of it again when the next minute begins) or in a *sliding* one, which weighs
//! the last window by how much of it still lies in the past minute. A request that is refused counts nowhere.

pub(super) mod memory;
pub(super) mod metrics;
#[cfg(feature = "redis")]
pub(super) mod redis;
pub(super) mod service;
pub(super) mod spec;
pub(super) mod store;

#[cfg(test)]
mod tests;
