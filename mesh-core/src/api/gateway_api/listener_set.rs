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

/// The spec of an XListenerSet: a [`ListenerSet`] as it was while experimental, when HTTP was listened to at port 80
/// and HTTPS at 443 where no port was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(from = "ListenerSet")]
pub struct XListenerSet(pub ListenerSet);

impl From<ListenerSet> for XListenerSet {
    fn from(mut set: ListenerSet) -> Self {
        for listener in set.listeners.iter_mut().filter(|listener| listener.port == 0) {
            listener.port = match listener.protocol.as_str() {
                "HTTP" => 80,
                "HTTPS" => 443,
                _ => 0,
            };
        }
        Self(set)
    }
}

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
