//! The proxy as its callers see it: real sockets on loopback, snapshots built in code, no control plane.

mod access_log;
mod config;
mod embed;
mod http;
mod mtls;
mod resilience;
mod support;
mod tcp;
