//! ReferenceGrant: which other namespaces may refer to resources of its own.

use serde::Deserialize;

/// The spec of a ReferenceGrant: every `from` may refer to every `to`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReferenceGrant {
    /// Who may refer: 1 to 16 kinds with their namespaces.
    pub from: Vec<ReferenceGrantFrom>,
    /// To what in the grant's namespace: 1 to 16 kinds.
    pub to: Vec<ReferenceGrantTo>,
}

/// Who may refer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReferenceGrantFrom {
    /// API group; `""` is the core group. Required, though it may be empty.
    pub group: Option<String>,
    /// Kind, such as `HTTPRoute` or `Gateway`. Required.
    pub kind: String,
    /// Namespace. Required.
    pub namespace: String,
}

/// To what.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ReferenceGrantTo {
    /// API group; `""` is the core group. Required, though it may be empty.
    pub group: Option<String>,
    /// Kind, such as `Service` or `Secret`. Required.
    pub kind: String,
    /// Name. Default: all of the kind.
    pub name: String,
}
