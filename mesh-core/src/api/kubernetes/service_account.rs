//! ServiceAccount: only its name matters.

use serde::Deserialize;

/// A ServiceAccount.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ServiceAccount {}
