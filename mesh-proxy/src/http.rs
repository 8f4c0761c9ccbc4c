//! HTTP: from an accepted connection to the last byte of its last response.
//!
//! ```text
//! connection → codec → head (refuse, normalise, forwarded headers)
//!            → authorization → fault → route → forward (see `outbound`) → endpoint
//!            ← rescue (errors become responses) ← response headers ← recorded body
//! ```
//!
//! [`Manager`] is Envoy's HTTP connection manager: one for each filter chain, swapped whole when its
//! configuration changes, so that the next request on an open connection meets the new one.

pub(crate) mod connection;
mod forwarded;
mod head;
mod idle;
pub(crate) mod manager;
mod mirror;
mod recorded;
pub(crate) mod rescue;
pub(crate) mod trail;
mod upgrade;
mod watch;

pub(crate) use connection::{ConnectionFacts, serve};
pub(crate) use manager::Manager;
pub(crate) use mirror::Mirrors;
pub(crate) use recorded::Recorded;
pub(crate) use trail::Trail;
pub(crate) use watch::{LongResponses, Watchlist};
