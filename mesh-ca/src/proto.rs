//! The messages of Istio's CA API, written by hand so that no build needs `protoc`.

/// `istio.v1.auth.IstioCertificateRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IstioCertificateRequest {
    /// PEM PKCS#10.
    #[prost(string, tag = "1")]
    pub(crate) csr: String,
    /// Seconds; the authority's default if not positive.
    #[prost(int64, tag = "3")]
    pub(crate) validity_duration: i64,
    /// Keys such as `CertSigner` and `ImpersonatedIdentity`.
    #[prost(message, optional, tag = "4")]
    pub(crate) metadata: Option<prost_types::Struct>,
}

/// `istio.v1.auth.IstioCertificateResponse`.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct IstioCertificateResponse {
    /// PEM: leaf first, root bundle last.
    #[prost(string, repeated, tag = "1")]
    pub(crate) cert_chain: Vec<String>,
}

/// The service's name on the wire.
pub(crate) const SERVICE: &str = "istio.v1.auth.IstioCertificateService";
/// The method's path on the wire.
pub(crate) const CREATE_CERTIFICATE: &str = "/istio.v1.auth.IstioCertificateService/CreateCertificate";
/// The metadata key by which a node agent asks for another's certificate.
pub(crate) const IMPERSONATED_IDENTITY: &str = "ImpersonatedIdentity";
