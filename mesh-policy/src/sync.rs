//! The atomics that this crate's own state machines are made of; loom's, when loom checks them.

#[cfg(loom)]
pub(crate) use loom::sync::atomic;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic;
