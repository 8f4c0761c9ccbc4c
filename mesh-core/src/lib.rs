//! The vocabulary of the mesh, and the pure functions that everything else calls.
//!
//! ```text
//!  files, Kubernetes, …  ─▶ source ─▶ World ──compile──▶ model::Snapshot ─▶ xDS server, proxy, tools
//!                                                             │
//!                                   decide::route, decide::authorize: one answer for every engine
//! ```
//!
//! Nothing in here speaks HTTP, TLS or gRPC. IO happens in [`source`] alone, behind a feature.
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod addr;
pub mod api;
pub mod credential;
pub mod decide;
pub mod diagnostic;
pub mod hostname;
pub mod identity;
pub mod model;
pub mod node;
pub mod origin;
pub mod response_flag;
pub mod watch;
