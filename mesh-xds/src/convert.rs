//! The snapshot as Envoy v3 resources, and back.
//!
//! ```text
//! Snapshot ──encode──▶ protobuf ──▶ server ──▶ Envoy, gRPC clients, our proxy
//! Snapshot ◀──decode── protobuf ◀── client ◀── any xDS server
//! ```
//!
//! [`encode`] is total: every part of a snapshot has a form that a real Envoy accepts, shaped as Istio's
//! control plane shapes it, so that tools which read `/config_dump` recognise it. [`decode`] is total in the
//! other way: what we do not support and what would change how traffic is treated is a [`ConvertError`] with
//! the path of the field, never a silent loss. For every part `decode(encode(x)) == x`, with the exceptions
//! that [`encode`] lists.

pub mod decode;
pub mod encode;
mod error;
mod names;
mod pb;

pub use error::ConvertError;

#[cfg(test)]
pub(crate) mod tests;
