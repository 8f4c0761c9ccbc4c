//! AuthorizationPolicy: who may do what.

use crate::api::Meta;
use crate::api::value::{Selector, TargetRef};
use serde::Deserialize;

/// The annotation that puts a policy on trial: it is not enforced.
pub const DRY_RUN: &str = "istio.io/dry-run";

/// Whether a policy is on trial; `None` where its annotation is neither true nor false, as Go reads them.
pub fn is_on_trial(meta: &Meta) -> Option<bool> {
    match meta.annotations.get(DRY_RUN).map(String::as_str) {
        Some("1" | "t" | "T" | "true" | "True" | "TRUE") => Some(true),
        None | Some("0" | "f" | "F" | "false" | "False" | "FALSE") => Some(false),
        Some(_) => None,
    }
}

/// The spec of an AuthorizationPolicy: which requests a workload takes.
///
/// Of all policies that hold for a workload, `CUSTOM` ones are asked first, then `DENY`. A request that none
/// of them stops is allowed if no `ALLOW` policy holds for the workload, or if one of them matches.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AuthorizationPolicy {
    /// The workloads that it holds for, by their labels. Without it (and without `targetRefs`) it holds for
    /// all workloads of its namespace; in the root namespace, of the mesh.
    pub selector: Option<Selector>,
    /// Deprecated: use `targetRefs`.
    pub target_ref: Option<TargetRef>,
    /// The Gateways, GatewayClasses, Services or ServiceEntries that it is attached to, instead of a
    /// selector. At most 16.
    pub target_refs: Vec<TargetRef>,
    /// A request matches if one of these does. No rule matches nothing: under `ALLOW` that denies all. `[{}]`
    /// matches everything. At most 512.
    pub rules: Vec<Rule>,
    /// What becomes of a request that matches. `ALLOW` where none is written.
    pub action: Action,
    /// The external authorizer, under action `CUSTOM` only.
    pub provider: Option<ExtensionProvider>,
}

/// What becomes of a request that matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Action {
    /// It is allowed; what no `ALLOW` policy matches is denied.
    #[default]
    Allow,
    /// It is denied.
    Deny,
    /// It is marked to be audited; it is neither allowed nor denied by that.
    Audit,
    /// An external authorizer is asked, before all else.
    Custom,
}

/// An external authorizer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtensionProvider {
    /// Its name in `extensionProviders` of the MeshConfig.
    pub name: String,
}

/// Matches a request from one of `from`, to one of `to`, under all conditions of `when`. An empty rule
/// matches everything.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Rule {
    /// Who calls: one of these. Anybody where it is left out. At most 512.
    pub from: Vec<From>,
    /// What is called: one of these. Anything where it is left out.
    pub to: Vec<To>,
    /// What else must hold: all of these.
    pub when: Vec<Condition>,
}

/// Who calls.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct From {
    /// The caller.
    pub source: Option<Source>,
}

/// What is called.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct To {
    /// The request.
    pub operation: Option<Operation>,
}

/// A caller. All fields that are written must hold; a list holds if one of its values does, a `not…` list if
/// none does.
///
/// Texts are compared as a whole; `abc*` is a prefix, `*abc` a suffix, and `*` any value that is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Source {
    /// Identities of the caller's certificate, as `TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT`, without
    /// `spiffe://`. Needs mutual TLS.
    pub principals: Vec<String>,
    /// None of these identities.
    pub not_principals: Vec<String>,
    /// Identities of the request's token, as `ISSUER/SUBJECT`. Needs a RequestAuthentication.
    pub request_principals: Vec<String>,
    /// None of these identities.
    pub not_request_principals: Vec<String>,
    /// Namespaces of the caller's certificate. Needs mutual TLS.
    pub namespaces: Vec<String>,
    /// None of these namespaces.
    pub not_namespaces: Vec<String>,
    /// Service accounts of the caller's certificate, as `NAMESPACE/ACCOUNT`, or `ACCOUNT` in the policy's own
    /// namespace. No wildcards; not beside `principals` or `namespaces`. At most 16. Needs mutual TLS.
    pub service_accounts: Vec<String>,
    /// None of these service accounts. At most 16.
    pub not_service_accounts: Vec<String>,
    /// Trust domains of the caller's certificate. Needs mutual TLS.
    pub trust_domains: Vec<String>,
    /// None of these trust domains.
    pub not_trust_domains: Vec<String>,
    /// Addresses or networks of the connection's peer, such as `10.1.2.3` or `10.0.0.0/8`.
    pub ip_blocks: Vec<String>,
    /// None of these addresses.
    pub not_ip_blocks: Vec<String>,
    /// Addresses or networks of the original client, by `x-forwarded-for` or the PROXY protocol.
    pub remote_ip_blocks: Vec<String>,
    /// None of these addresses.
    pub not_remote_ip_blocks: Vec<String>,
}

/// A request. All fields that are written must hold; a list holds if one of its values does, a `not…` list if
/// none does.
///
/// Texts are compared as a whole; `abc*` is a prefix, `*abc` a suffix, and `*` any value that is there.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Operation {
    /// Hosts of HTTP requests, in any case. One without a port means every port.
    pub hosts: Vec<String>,
    /// None of these hosts.
    pub not_hosts: Vec<String>,
    /// Ports of the workload, from 1 to 65535, as texts: `["8080"]`.
    pub ports: Vec<String>,
    /// None of these ports.
    pub not_ports: Vec<String>,
    /// Methods of HTTP requests, such as `GET`; of gRPC always `POST`.
    pub methods: Vec<String>,
    /// None of these methods.
    pub not_methods: Vec<String>,
    /// Paths of HTTP requests after normalisation, without the query; of gRPC `/package.Service/Method`. In a
    /// template `{*}` stands for one part of the path and `{**}` for any number of them.
    pub paths: Vec<String>,
    /// None of these paths.
    pub not_paths: Vec<String>,
}

/// One more condition: the attribute has one of `values`, and none of `notValues`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Condition {
    /// An attribute, such as `request.headers[x-token]`, `request.auth.claims[groups]`, `source.ip` or
    /// `connection.sni`.
    pub key: String,
    /// One of these.
    pub values: Vec<String>,
    /// None of these.
    pub not_values: Vec<String>,
}
