#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod client;
pub mod convert;
#[cfg(feature = "json")]
pub mod envoy_filter;
#[cfg(feature = "json")]
pub mod json;
pub mod node;
mod resource_type;
pub mod server;

pub use client::Client;
pub use resource_type::ResourceType;
pub use server::Server;
