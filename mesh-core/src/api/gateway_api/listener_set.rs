//! ListenerSet: more listeners for a Gateway, in the hands of another team.

use super::GROUP;
use super::gateway::Listener;
use serde::Deserialize;

/// The spec of a ListenerSet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ListenerSet {
    /// The Gateway, which must allow it. Required.
    pub parent_ref: ParentGatewayReference,
    /// The listeners: 1 to 64.
    pub listeners: Vec<Listener>,
}

/// The spec of an XListenerSet: a [`ListenerSet`] as it was while experimental.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct XListenerSet(pub ListenerSet);

/// The Gateway that gets the listeners.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ParentGatewayReference {
    /// API group. Default: `gateway.networking.k8s.io`.
    pub group: String,
    /// Kind. Default: `Gateway`.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Namespace. Default: the ListenerSet's own.
    pub namespace: String,
}

impl Default for ParentGatewayReference {
    fn default() -> Self {
        Self {
            group: GROUP.to_owned(),
            kind: "Gateway".to_owned(),
            name: String::new(),
            namespace: String::new(),
        }
    }
}
