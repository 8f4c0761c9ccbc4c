#![cfg_attr(feature = "config", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "config"),
    doc = "The [`model`] of a mesh and what is [decided](decide) on it. The"
)]
#![cfg_attr(
    not(feature = "config"),
    doc = "rest, which reads what people write, comes with the feature `config`."
)]
#![cfg_attr(not(test), warn(clippy::panic))]

pub mod addr;
#[cfg(feature = "config")]
pub mod analyze;
#[cfg(feature = "config")]
pub mod api;
#[cfg(feature = "config")]
pub mod compile;
pub mod credential;
pub mod decide;
#[cfg(feature = "config")]
pub mod diagnostic;
pub mod format;
pub mod hostname;
pub mod identity;
#[cfg(feature = "config")]
pub mod merge;
pub mod model;
pub mod node;
pub mod origin;
#[cfg(feature = "config")]
pub mod registry;
pub mod response_flag;
#[cfg(feature = "source")]
pub mod source;
#[cfg(feature = "config")]
pub mod validate;
pub mod watch;
#[cfg(feature = "config")]
pub mod world;
#[cfg(feature = "config")]
pub mod yaml;

/// Values as Istio's and Kubernetes' kinds write them; the kinds themselves come with the feature `config`.
#[cfg(not(feature = "config"))]
pub mod api {
    pub mod value;
}
