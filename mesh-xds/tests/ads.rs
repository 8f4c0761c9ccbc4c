//! Server and client over loopback gRPC, and raw streams as other clients would open them.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod ads {
    mod client;
    mod delta;
    pub(crate) mod fixture;
    pub(crate) mod model;
    mod server;
    mod sotw;
}
