//! TLS at both ends of the mesh: which names are offered, which peers are believed.

use super::names;
use super::report::Report;
use super::scope::Scope;
use crate::api::networking::destination_rule::{ClientTls, TlsMode};
use crate::merge::destination_rule::Said;
use crate::model::cluster::{ClusterTransport, UpstreamProtocol};
use crate::model::matcher::StringMatch;
use crate::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls, secret};
use crate::registry::{Location, Port, Service, Workload};
use std::collections::BTreeSet;

/// ALPN by which a sidecar's mTLS is told from an application's TLS, whatever is inside.
pub(super) const MESH_ALPN: [&str; 5] =
    ["istio", "istio-peer-exchange", "istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// ALPN of mesh mTLS with HTTP inside.
pub(super) const MESH_HTTP_ALPN: [&str; 3] = ["istio-http/1.0", "istio-http/1.1", "istio-h2"];
/// ALPN of mesh mTLS with other bytes inside.
pub(super) const MESH_TCP_ALPN: [&str; 2] = ["istio-peer-exchange", "istio"];

fn list(of: &[&str]) -> Vec<String> {
    of.iter().map(|s| (*s).to_owned()).collect()
}

/// What callers offer. Istio's proxies rewrite ALPN per request; a stock Envoy cannot, so that the cluster
/// says what it is (see the guide), and the peer's chain for HTTP or for other bytes is chosen by it.
fn alpn(port: &Port, protocol: UpstreamProtocol) -> Vec<String> {
    match protocol {
        UpstreamProtocol::Http2 => list(&["istio-h2", "istio", "h2"]),
        UpstreamProtocol::Http1 if port.protocol.is_http() => list(&["istio-http/1.1", "istio", "http/1.1"]),
        // Either version may come: `h2` in the handshake would promise one of them.
        UpstreamProtocol::SameAsCaller if port.protocol.is_http() => list(&["istio-http/1.1", "istio"]),
        UpstreamProtocol::Http1 | UpstreamProtocol::SameAsCaller => list(&["istio"]),
    }
}

/// How bytes are carried to a service's port.
pub(super) fn transport(
    scope: &Scope<'_>,
    said: Option<Said<'_, ClientTls>>,
    service: &Service,
    port: &Port,
    subset: &str,
    protocol: UpstreamProtocol,
    report: &mut Report,
) -> ClusterTransport {
    let mesh_tls = |tls: Option<&ClientTls>| {
        let own_sni = tls.map(|t| t.sni.clone()).filter(|s| !s.is_empty());
        let own_names = tls.map(|t| t.subject_alt_names.as_slice()).unwrap_or_default();
        UpstreamTls {
            certificate: Some(secret::DEFAULT.into()),
            server: PeerValidation {
                roots: secret::ROOT_CA.into(),
                subject_alt_names: server_names(scope, service, port.number, own_names),
            },
            sni: own_sni.unwrap_or_else(|| names::sni(port.number, subset, service.host.as_str())),
            alpn: alpn(port, protocol),
        }
    };
    let Some(said) = said else {
        let auto = scope.mesh.enable_auto_mtls
            && service.location == Location::MeshInternal
            && !scope.node.is_proxyless_grpc();
        return if auto { ClusterTransport::AutoMtls(mesh_tls(None)) } else { ClusterTransport::Plain };
    };
    match said.value.mode {
        TlsMode::Disable => ClusterTransport::Plain,
        TlsMode::IstioMutual => ClusterTransport::Tls(mesh_tls(Some(said.value))),
        TlsMode::Simple | TlsMode::Mutual => {
            let path = super::unsupported::path_of_tls(said.rule, said.value);
            report.not_honoured(
                said.rule,
                path,
                "TLS origination with files or credentials",
                "connections fail until it is; ISTIO_MUTUAL and DISABLE work",
            );
            ClusterTransport::Tls(own_tls(said.value, protocol))
        }
    }
}

/// TLS with the user's own certificates, under istiod's names of secrets. Nobody serves these secrets yet,
/// so that connections fail: better than sending in the clear what was to be encrypted.
fn own_tls(tls: &ClientTls, protocol: UpstreamProtocol) -> UpstreamTls {
    let (certificate, roots) = if tls.credential_name.is_empty() {
        let files = format!("file-cert:{}~{}", tls.client_certificate, tls.private_key);
        let roots = if tls.ca_certificates.is_empty() { "system" } else { &tls.ca_certificates };
        (files, format!("file-root:{roots}"))
    } else {
        let secret = format!("kubernetes://{}", tls.credential_name);
        (secret.clone(), format!("{secret}-cacert"))
    };
    UpstreamTls {
        certificate: (tls.mode == TlsMode::Mutual).then(|| certificate.into()),
        server: PeerValidation {
            roots: roots.into(),
            subject_alt_names: tls
                .subject_alt_names
                .iter()
                .map(|name| SanMatch::Dns(StringMatch::exact(name.as_str())))
                .collect(),
        },
        sni: tls.sni.clone(),
        alpn: if protocol == UpstreamProtocol::Http2 { list(&["h2"]) } else { vec![] },
    }
}

/// The identities that a service's instances may show. Where none is known, any of the mesh: an empty list
/// would believe whatever the roots sign.
fn server_names(scope: &Scope<'_>, service: &Service, port: u16, own: &[String]) -> Vec<SanMatch> {
    let exact = |uri: &str| SanMatch::Uri(StringMatch::exact(uri));
    if !own.is_empty() {
        return own.iter().map(|name| exact(name)).collect();
    }
    let mut names: BTreeSet<String> = service.subject_alt_names.iter().cloned().collect();
    let domains = scope.trust_domains();
    for instance in scope.registry.instances(service, port, &Default::default()) {
        let Workload { namespace, service_account, .. } = &*instance.workload;
        if service_account.is_empty() {
            continue;
        }
        for domain in &domains {
            names.insert(format!("spiffe://{domain}/ns/{namespace}/sa/{service_account}"));
        }
    }
    if names.is_empty() {
        return trusted(scope);
    }
    names.iter().map(|uri| exact(uri)).collect()
}

/// Any identity of our trust domains.
fn trusted(scope: &Scope<'_>) -> Vec<SanMatch> {
    let prefix = |domain: String| SanMatch::Uri(StringMatch::prefix(format!("spiffe://{domain}/")));
    scope.trust_domains().into_iter().map(prefix).collect()
}

/// Mesh mTLS as a server.
pub(super) fn server(scope: &Scope<'_>, http: bool) -> DownstreamTls {
    DownstreamTls {
        certificate: secret::DEFAULT.into(),
        client: ClientAuth::Required(PeerValidation {
            roots: secret::ROOT_CA.into(),
            subject_alt_names: trusted(scope),
        }),
        // Never one of the mesh's own names: Envoy takes what was negotiated for the HTTP version.
        alpn: if http { list(&["h2", "http/1.1"]) } else { list(&["istio"]) },
    }
}
