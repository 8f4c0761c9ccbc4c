//! Buckets of this process.

pub(super) mod future;
pub(super) mod header_match;
pub(super) mod layer;
pub(super) mod limiter;
pub(super) mod spec;

#[cfg(test)]
mod tests;
