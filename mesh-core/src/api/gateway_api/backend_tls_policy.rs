//! BackendTLSPolicy: TLS from a gateway to the backends of its routes.

use super::reference::LocalObjectReference;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a BackendTLSPolicy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendTlsPolicy {
    /// Services of the policy's namespace, or ports of them: 1 to 16.
    pub target_refs: Vec<PolicyTargetReference>,
    /// How the backend proves who it is. Required.
    pub validation: BackendTlsPolicyValidation,
    /// Settings of the implementation, under names with a domain.
    pub options: BTreeMap<String, String>,
}

/// What the policy is for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PolicyTargetReference {
    /// API group; `""` for a Service. Required, though it may be empty.
    pub group: Option<String>,
    /// Kind, such as `Service`. Required.
    pub kind: String,
    /// Name. Required.
    pub name: String,
    /// Name of the Service's port. Default: all ports.
    pub section_name: String,
}

/// How a backend proves who it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BackendTlsPolicyValidation {
    /// ConfigMaps with roots under `ca.crt`, at most 8. Either these or `wellKnownCACertificates`.
    #[serde(rename = "caCertificateRefs")]
    pub ca_certificate_refs: Vec<LocalObjectReference>,
    /// The roots that the system trusts. Either this or `caCertificateRefs`.
    #[serde(rename = "wellKnownCACertificates")]
    pub well_known_ca_certificates: Option<WellKnownCaCertificates>,
    /// Server name that is sent and, without `subjectAltNames`, the name that the certificate must have. Required.
    pub hostname: String,
    /// Names of which the certificate must have one, at most 5.
    pub subject_alt_names: Vec<SubjectAltName>,
}

/// Well known roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum WellKnownCaCertificates {
    /// Those that the system trusts.
    System,
}

/// A name that a certificate must have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SubjectAltName {
    /// Which of the two is written. Required.
    pub r#type: Option<SubjectAltNameType>,
    /// For `Hostname`: a DNS name, perhaps with a leading `*.`.
    pub hostname: String,
    /// For `URI`: a URI with its scheme, such as `spiffe://cluster.local/ns/shop/sa/cart`.
    pub uri: String,
}

/// The sort of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SubjectAltNameType {
    /// A DNS name.
    Hostname,
    /// A URI.
    #[serde(rename = "URI")]
    Uri,
}
