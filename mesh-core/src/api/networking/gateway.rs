//! Gateway: what the proxies at the mesh's edge listen on.

use super::Port;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The spec of a Gateway.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Gateway {
    /// What the gateway's proxies listen on; at least one.
    pub servers: Vec<Server>,
    /// Labels of the proxies that listen, all of them; in any namespace.
    pub selector: BTreeMap<String, String>,
}

/// One port with its hosts.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Server {
    /// The port that is listened on, with its protocol and a name that no other server's port has.
    pub port: Port,
    /// IP address to bind, or `unix:///path` with port number 0; all addresses where none is written.
    pub bind: String,
    /// Hosts that are served, as `host` or `namespace/host`: a full name, `*.example.com`, `*` or an IP address.
    /// The namespace says whose VirtualServices may bind: a name, `*` (the default) or `.` for the gateway's own.
    pub hosts: Vec<String>,
    /// TLS towards callers; required for protocols HTTPS and TLS.
    pub tls: Option<ServerTls>,
    /// Where connections go that no VirtualService takes. Istio does not implement it either.
    pub default_endpoint: String,
    /// A name for the server.
    pub name: String,
}

/// TLS towards callers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerTls {
    /// Answer plain HTTP by 301 to HTTPS. For servers of protocol HTTP.
    pub https_redirect: bool,
    /// Who terminates TLS and whose certificates are asked for; `PASSTHROUGH` where none is written.
    pub mode: Option<ServerTlsMode>,
    /// File of the server's certificate chain, PEM.
    pub server_certificate: String,
    /// File of the server's private key, PEM.
    pub private_key: String,
    /// File of the roots that callers' certificates are verified by, PEM. For MUTUAL and OPTIONAL_MUTUAL.
    pub ca_certificates: String,
    /// File of the callers' certificates that are revoked, PEM. For MUTUAL and OPTIONAL_MUTUAL.
    pub ca_crl: String,
    /// Secret with the certificate and its key, and perhaps the callers' roots; instead of files.
    pub credential_name: String,
    /// Up to two such Secrets, such as one RSA and one ECDSA.
    pub credential_names: Vec<String>,
    /// Secret or ConfigMap with the callers' roots, where they are not in `credentialName`.
    pub ca_cert_credential_name: String,
    /// Up to two certificates by files, such as one RSA and one ECDSA.
    pub tls_certificates: Vec<TlsCertificate>,
    /// A caller's certificate must have one of these subject alternative names.
    pub subject_alt_names: Vec<String>,
    /// A caller's public key must have one of these SHA-256 hashes (SPKI), base64.
    pub verify_certificate_spki: Vec<String>,
    /// A caller's certificate must have one of these SHA-256 hashes, hexadecimal.
    pub verify_certificate_hash: Vec<String>,
    /// Least version of TLS; 1.2 where none is written.
    pub min_protocol_version: Option<TlsVersion>,
    /// Greatest version of TLS; 1.3 where none is written.
    pub max_protocol_version: Option<TlsVersion>,
    /// Cipher suites for TLS 1.2 and below, by OpenSSL's names.
    pub cipher_suites: Vec<String>,
    /// Curves for the key exchange, such as `P-256` and `X25519`.
    pub ecdh_curves: Vec<String>,
    /// Verify a caller's certificate, but let it pass even if that fails.
    pub insecure_skip_verify: Option<bool>,
}

/// Files of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsCertificate {
    /// File of the certificate chain, PEM.
    pub server_certificate: String,
    /// File of its private key, PEM.
    pub private_key: String,
    /// File of the callers' roots, PEM.
    pub ca_certificates: String,
}

/// Who terminates TLS, and whose certificates are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ServerTlsMode {
    /// The service behind: bytes are passed on to the one that a VirtualService routes the server name to.
    Passthrough,
    /// The gateway, with its own certificate.
    Simple,
    /// The gateway, and callers must show certificates too.
    Mutual,
    /// The service behind, found by its server name alone, between networks of one mesh.
    AutoPassthrough,
    /// The gateway, and callers must show certificates; all of them the mesh's.
    IstioMutual,
    /// The gateway, and callers may show certificates.
    OptionalMutual,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[allow(non_camel_case_types)]
pub enum TlsVersion {
    /// The proxy's default.
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
