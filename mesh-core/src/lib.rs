#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod addr;
pub mod analyze;
pub mod api;
pub mod compile;
pub mod credential;
pub mod decide;
pub mod diagnostic;
pub mod format;
pub mod hostname;
pub mod identity;
pub mod merge;
pub mod model;
pub mod node;
pub mod origin;
pub mod registry;
pub mod response_flag;
#[cfg(feature = "source")]
pub mod source;
pub mod validate;
pub mod watch;
pub mod world;
pub mod yaml;
