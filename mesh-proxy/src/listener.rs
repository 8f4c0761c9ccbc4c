//! From a socket to a filter chain.
//!
//! ```text
//! [accept → original destination → sniff (TLS? HTTP?) → filter chain → TLS] → HTTP or TCP
//! ```
//!
//! Everything before the chain's filter is bounded in time and bytes. A connection keeps the chain that it
//! began with.

pub(crate) mod accept;
pub(crate) mod chain_match;
mod sniff;
pub(crate) mod socket;

pub(crate) use sniff::begins_with_preface;
