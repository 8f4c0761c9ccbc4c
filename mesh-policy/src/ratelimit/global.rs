//! A limit that many processes share: Envoy's rate-limit protocol, without its transport.

pub(super) mod error;
pub(super) mod future;
pub(super) mod layer;
pub(super) mod message;
pub(super) mod metrics;
pub(super) mod spec;

#[cfg(test)]
mod tests;
