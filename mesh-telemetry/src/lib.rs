#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod access_log;
pub mod metrics;
pub mod peer;
mod read_mostly;
pub mod record;
pub mod sink;

pub use access_log::AccessLog;
pub use metrics::{Registry, Shard};
pub use peer::Peer;
pub use record::{ConnectionRecord, RequestRecord};
pub use sink::Sink;
