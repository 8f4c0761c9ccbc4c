#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::panic))]

mod admin;
mod balance;
mod body;
mod cluster;
mod control;
mod dns;
mod drain;
mod embed;
mod engine;
mod http;
mod io;
mod listener;
mod outbound;
mod pool;
mod proxy;
mod route;
mod shared;
mod shelf;
mod tcp;
mod telemetry;
mod tls;
mod worker;

pub use body::{Body, BoxError};
pub use embed::{Client, ClientBody, Mesh, NoListener};
pub use proxy::{ConfigDump, Proxy, ProxyHandle, SetLogLevel, Settings, StartError};
