//! The proxy as its callers see it: real sockets on loopback, snapshots built in code, no control plane.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod access_log;
mod config;
mod embed;
mod framing;
mod http;
mod inline_routes;
mod mtls;
mod patience;
mod pool;
mod resilience;
mod support;
mod tcp;
mod upgrade;
