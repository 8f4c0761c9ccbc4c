#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod auth;
pub mod authority;
pub mod client;
pub mod clock;
pub mod csr;
pub mod metrics;
pub mod pem;
mod proto;
pub mod rotate;
pub mod sds;
pub mod server;
pub mod signer;
mod state;
#[cfg(test)]
mod testing;
pub mod token;
mod x509;

pub use auth::{Authenticator, Caller};
pub use authority::Authority;
pub use client::{Client, TokenSource};
pub use server::CertificateService;
pub use signer::{Issued, SignError, Signer};
pub use state::{StateError, StateErrorKind};
pub use token::TokenIssuer;
