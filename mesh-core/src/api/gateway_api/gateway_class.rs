//! GatewayClass: which controller serves a Gateway.

use super::reference::ObjectReference;
use serde::Deserialize;

/// The spec of a GatewayClass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GatewayClass {
    /// Controller, as a domain and a path, such as `istio.io/gateway-controller`. Required, and never changed.
    pub controller_name: String,
    /// Resource with settings of the controller; its namespace is left out if it has none.
    pub parameters_ref: Option<ObjectReference>,
    /// What the class is for, in at most 64 bytes.
    pub description: String,
}
