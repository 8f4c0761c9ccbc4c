//! PeerAuthentication: whether a workload takes mTLS, plain text or both.

use crate::api::value::Selector;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a PeerAuthentication.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PeerAuthentication {
    /// The workloads; all of the namespace, or of the mesh in the root namespace, where none is written.
    pub selector: Option<Selector>,
    /// For all ports.
    pub mtls: Option<MutualTls>,
    /// For single ports of the workload.
    pub port_level_mtls: BTreeMap<u16, MutualTls>,
}

/// A mode.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MutualTls {
    /// Which.
    pub mode: MtlsMode,
}

/// What a workload takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MtlsMode {
    /// What the parent says.
    #[default]
    Unset,
    /// Plain text.
    Disable,
    /// Both.
    Permissive,
    /// mTLS.
    Strict,
}
