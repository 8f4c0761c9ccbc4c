//! Refuses what would most likely fail anyhow.

pub(super) mod controller;
pub(super) mod future;
pub(super) mod layer;
pub(super) mod probability;
pub(super) mod spec;
pub(super) mod window;

#[cfg(test)]
mod tests;
