//! Whom the mesh trusts, and how it encrypts.

use crate::api::networking::destination_rule::ClientTls;
use crate::api::value::Span;
use serde::Deserialize;

/// Roots beside those of the mesh's own authority: one of `pem` and `spiffeBundleUrl`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateData {
    /// Certificates, PEM.
    pub pem: Option<String>,
    /// Where a SPIFFE bundle is served over HTTPS.
    pub spiffe_bundle_url: Option<String>,
    /// Kubernetes' signers that they are for; all where none is written.
    pub cert_signers: Vec<String>,
    /// Trust domains that they are for; the mesh's own where none is written.
    pub trust_domains: Vec<String>,
}

/// An authority outside that signs for the mesh.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CertificateAuthority {
    /// Where it is, as `host:port`; required.
    pub address: String,
    /// TLS to it.
    pub tls_settings: Option<ClientTls>,
    /// Longest time that a request may take; 10s where none is written.
    pub request_timeout: Option<Span>,
    /// Whether the control plane asks it, instead of proxies; yes where nothing is written.
    pub istiod_side: Option<bool>,
}

/// How TLS is spoken.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsConfig {
    /// Least version; 1.2 where none is written.
    pub min_protocol_version: MeshTlsVersion,
    /// Curves for the key exchange, such as `P-256`; not for the mesh's own mTLS.
    pub ecdh_curves: Vec<String>,
    /// Cipher suites for TLS 1.2, by OpenSSL's names.
    pub cipher_suites: Vec<String>,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MeshTlsVersion {
    /// The proxy's default.
    #[default]
    #[serde(rename = "TLS_AUTO")]
    Auto,
    /// 1.2.
    #[serde(rename = "TLSV1_2")]
    V1_2,
    /// 1.3.
    #[serde(rename = "TLSV1_3")]
    V1_3,
}

/// Certificates for DNS names. Deprecated.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DnsCertificate {
    /// Secret that they are put into.
    pub secret_name: String,
    /// The names.
    pub dns_names: Vec<String>,
}
