//! AuthorizationPolicy: who may do what.

use crate::api::value::{Selector, TargetRef};
use serde::Deserialize;

/// The spec of an AuthorizationPolicy.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthorizationPolicy {
    /// The workloads; all of the namespace, or of the mesh in the root namespace, where none is written.
    pub selector: Option<Selector>,
    /// Deprecated form of `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// Or the resources.
    pub target_refs: Vec<TargetRef>,
    /// One of these must match. None matches nothing; an empty one matches all.
    pub rules: Vec<Rule>,
    /// What a match means.
    pub action: Action,
    /// Who is asked, under `CUSTOM`.
    pub provider: Option<ExtensionProvider>,
}

/// What a match means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// Allowed.
    #[default]
    Allow,
    /// Denied.
    Deny,
    /// Written down.
    Audit,
    /// Another one is asked.
    Custom,
}

/// Who is asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProvider {
    /// Its name in the MeshConfig.
    pub name: String,
}

/// From one of these, to one of those, under all of the conditions.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// By whom; empty is anyone.
    pub from: Vec<From>,
    /// What; empty is anything.
    pub to: Vec<To>,
    /// Conditions.
    pub when: Vec<Condition>,
}

/// By whom.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct From {
    /// By whom.
    pub source: Option<Source>,
}

/// What.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct To {
    /// What.
    pub operation: Option<Operation>,
}

/// A caller: all that is written must hold; each list holds if one of it does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    /// Identities of the certificate, without `spiffe://`.
    pub principals: Vec<String>,
    /// Not these.
    pub not_principals: Vec<String>,
    /// Identities of the token, as `issuer/subject`.
    pub request_principals: Vec<String>,
    /// Not these.
    pub not_request_principals: Vec<String>,
    /// Namespaces of the certificate.
    pub namespaces: Vec<String>,
    /// Not these.
    pub not_namespaces: Vec<String>,
    /// Service accounts, as `name` or `namespace/name`.
    pub service_accounts: Vec<String>,
    /// Not these.
    pub not_service_accounts: Vec<String>,
    /// Trust domains of the certificate.
    pub trust_domains: Vec<String>,
    /// Not these.
    pub not_trust_domains: Vec<String>,
    /// Addresses of the connection's peer.
    pub ip_blocks: Vec<String>,
    /// Not these.
    pub not_ip_blocks: Vec<String>,
    /// Addresses by `x-forwarded-for`.
    pub remote_ip_blocks: Vec<String>,
    /// Not these.
    pub not_remote_ip_blocks: Vec<String>,
}

/// A request: all that is written must hold; each list holds if one of it does.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operation {
    /// Hosts.
    pub hosts: Vec<String>,
    /// Not these.
    pub not_hosts: Vec<String>,
    /// Ports of the workload.
    pub ports: Vec<String>,
    /// Not these.
    pub not_ports: Vec<String>,
    /// Methods.
    pub methods: Vec<String>,
    /// Not these.
    pub not_methods: Vec<String>,
    /// Paths.
    pub paths: Vec<String>,
    /// Not these.
    pub not_paths: Vec<String>,
}

/// One condition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// An attribute, such as `request.headers[x-token]`.
    pub key: String,
    /// One of these.
    pub values: Vec<String>,
    /// None of these.
    pub not_values: Vec<String>,
}
