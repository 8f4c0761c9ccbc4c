//! What the tests share: a loopback network each, real peers as child processes, and patience.
//!
//! A test that fails says what it waited for. Nothing here sleeps for a fixed time: every wait has a
//! condition and a deadline.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a broken harness must fail its test"
)]

pub mod assembled;
pub mod binary;
pub mod bookinfo;
pub mod envoy;
pub mod http;
pub mod live;
pub mod loopback;
pub mod peer;
pub mod terminal;
pub mod upstream;
pub mod wait;

pub use loopback::Loopback;
pub use wait::until;

/// The README's examples compile and run as doctests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
