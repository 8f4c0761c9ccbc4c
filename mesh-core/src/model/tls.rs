//! TLS at both ends of a connection: which certificate is shown, which peer is accepted.

use super::Name;
use super::matcher::StringMatch;

/// The secrets that Istio's proxies ask for by these names (SDS).
pub mod secret {
    /// The workload's own certificate and key.
    pub const DEFAULT: &str = "default";
    /// The trust bundle of the mesh.
    pub const ROOT_CA: &str = "ROOTCA";
}

/// TLS as a server. Envoy's `DownstreamTlsContext`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownstreamTls {
    /// Secret that holds the certificate to show.
    pub certificate: Name,
    /// Which callers are accepted.
    pub client: ClientAuth,
    /// Protocols offered, most wanted first.
    pub alpn: Vec<String>,
}

/// Which callers a server accepts. Without a default: the choice must be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// A certificate is required and must be as said.
    Required(PeerValidation),
    /// None is asked for.
    NotAsked,
}

/// TLS as a client. Envoy's `UpstreamTlsContext`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Secret that holds the certificate to show; `None` shows none.
    pub certificate: Option<Name>,
    /// Which server is accepted.
    pub server: PeerValidation,
    /// Server name sent; empty sends none.
    pub sni: String,
    /// Protocols offered, most wanted first.
    pub alpn: Vec<String>,
}

/// What a peer's certificate must be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerValidation {
    /// Secret that holds the roots.
    pub roots: Name,
    /// One of its SANs must match one of these; empty accepts every SAN under the roots.
    pub subject_alt_names: Vec<SanMatch>,
}

/// A matcher of one kind of subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SanMatch {
    /// A URI, such as a SPIFFE id.
    Uri(StringMatch),
    /// A DNS name.
    Dns(StringMatch),
}
