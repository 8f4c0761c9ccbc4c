//! Gateway: what the proxies at the mesh's edge listen on.

use super::Port;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// What is listened on.
    pub servers: Vec<Server>,
    /// Labels of the proxies that do.
    pub selector: BTreeMap<String, String>,
}

/// One port with its hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// Port and protocol.
    pub port: Port,
    /// Address to bind; all where none is written.
    pub bind: String,
    /// Hosts, as `host` or `namespace/host`.
    pub hosts: Vec<String>,
    /// TLS.
    pub tls: Option<ServerTls>,
    /// Not implemented by Istio either.
    pub default_endpoint: String,
    /// Name.
    pub name: String,
}

/// TLS as a server.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerTls {
    /// Answer plain HTTP by a redirect to HTTPS.
    pub https_redirect: bool,
    /// Which.
    pub mode: Option<ServerTlsMode>,
    /// File of the certificate.
    pub server_certificate: String,
    /// File of its key.
    pub private_key: String,
    /// File of the callers' roots.
    pub ca_certificates: String,
    /// File of revoked certificates.
    pub ca_crl: String,
    /// Secret that holds them.
    pub credential_name: String,
    /// Secrets, such as one RSA and one ECDSA.
    pub credential_names: Vec<String>,
    /// Secret that holds the callers' roots.
    pub ca_cert_credential_name: String,
    /// Files, several.
    pub tls_certificates: Vec<TlsCertificate>,
    /// Callers must have one of these.
    pub subject_alt_names: Vec<String>,
    /// Callers' keys by hash.
    pub verify_certificate_spki: Vec<String>,
    /// Callers' certificates by hash.
    pub verify_certificate_hash: Vec<String>,
    /// Least version.
    pub min_protocol_version: Option<TlsVersion>,
    /// Greatest version.
    pub max_protocol_version: Option<TlsVersion>,
    /// Ciphers.
    pub cipher_suites: Vec<String>,
    /// Accept any caller's certificate.
    pub insecure_skip_verify: Option<bool>,
}

/// Files of a certificate.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsCertificate {
    /// The certificate.
    pub server_certificate: String,
    /// Its key.
    pub private_key: String,
    /// Callers' roots.
    pub ca_certificates: String,
}

/// Which TLS a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// Bytes are passed on by server name.
    Passthrough,
    /// The server shows a certificate.
    Simple,
    /// Both do.
    Mutual,
    /// Passed on by server name, without a VirtualService.
    AutoPassthrough,
    /// Both do, with the mesh's.
    IstioMutual,
    /// The caller may.
    OptionalMutual,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(non_camel_case_types)]
pub enum TlsVersion {
    /// The default.
    TLS_AUTO,
    /// 1.0.
    TLSV1_0,
    /// 1.1.
    TLSV1_1,
    /// 1.2.
    TLSV1_2,
    /// 1.3.
    TLSV1_3,
}
