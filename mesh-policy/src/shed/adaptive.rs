//! As many requests at once as a service answers in good time.

pub(super) mod controller;
pub(super) mod future;
pub(super) mod gradient;
pub(super) mod histogram;
pub(super) mod layer;
pub(super) mod permit;
pub(super) mod spec;

#[cfg(test)]
#[cfg(loom)]
mod loom;
#[cfg(test)]
#[cfg(not(loom))]
mod tests;
