//! ProxyConfig: settings of the proxies of a namespace or workload.

use crate::api::value::Selector;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a ProxyConfig.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// The workloads; all of the namespace where none is written.
    pub selector: Option<Selector>,
    /// Worker threads.
    pub concurrency: Option<u32>,
    /// Environment of the proxy.
    pub environment_variables: BTreeMap<String, String>,
    /// Image of the proxy.
    pub image: Option<ProxyImage>,
}

/// Image of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyImage {
    /// `default`, `debug` or `distroless`.
    pub image_type: String,
}
