//! Namespace: only its labels matter.

use serde::Deserialize;

/// The spec of a Namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct Namespace {}
