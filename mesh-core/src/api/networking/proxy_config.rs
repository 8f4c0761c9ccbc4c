//! ProxyConfig: settings of the proxies of a namespace or of some of its workloads.

use crate::api::value::Selector;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a ProxyConfig.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyConfig {
    /// The workloads; all of the namespace where none is written, or of the mesh in the root namespace.
    pub selector: Option<Selector>,
    /// Worker threads; 2 where none is written, 0 for one per processor.
    pub concurrency: Option<i32>,
    /// Environment variables of the proxy.
    pub environment_variables: BTreeMap<String, String>,
    /// Image of the proxy.
    pub image: Option<ProxyImage>,
}

/// Image of the proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyImage {
    /// `default`, `debug`, `distroless` or another that the registry of images has.
    pub image_type: String,
}
