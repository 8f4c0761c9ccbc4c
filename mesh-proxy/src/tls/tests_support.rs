//! A CA for the unit tests of this crate.

use super::{AlpnFilter, ClientTls, ServerTls};
use mesh_core::credential::Credential;
use mesh_core::model::matcher::StringMatch;
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls, secret};
use mesh_core::watch::Watch;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, IsCa, Issuer, KeyPair, SanType};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

pub(crate) fn uri(account: &str) -> String {
    format!("spiffe://cluster.local/ns/default/sa/{account}")
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// With these URI names, the first of which is the credential's identity.
    pub(crate) fn issue(&self, uris: &[&str]) -> Arc<Credential> {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = uris.iter().map(|u| SanType::URI((*u).try_into().unwrap())).collect();
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        Arc::new(Credential {
            identity: uris[0].parse().unwrap(),
            chain: vec![leaf.der().to_vec()],
            key: key.serialize_der().into(),
            roots: vec![self.root.clone()],
            not_before: SystemTime::now(),
            not_after: SystemTime::now() + Duration::from_secs(3600),
            serial: "01".to_owned(),
        })
    }

    pub(crate) fn validation(accepted: &str) -> PeerValidation {
        PeerValidation {
            roots: secret::ROOT_CA.into(),
            subject_alt_names: vec![SanMatch::Uri(StringMatch::exact(uri(accepted)))],
        }
    }

    /// Shows `client`, accepts `server`.
    pub(crate) fn client_tls(&self, server: &str) -> ClientTls {
        Self::client(self.issue(&[&uri("client")]), server)
    }

    pub(crate) fn client(credential: Arc<Credential>, server: &str) -> ClientTls {
        let spec = UpstreamTls {
            certificate: Some(secret::DEFAULT.into()),
            server: Self::validation(server),
            sni: "outbound_.80_._.server".to_owned(),
            alpn: vec!["istio-h2".to_owned(), "istio-http/1.1".to_owned(), "istio".to_owned()],
        };
        ClientTls::new(spec, AlpnFilter::Http1, Watch::fixed(credential)).unwrap()
    }

    pub(crate) fn server(identity: Watch<Credential>, client: &str) -> ServerTls {
        let spec = DownstreamTls {
            certificate: secret::DEFAULT.into(),
            client: ClientAuth::Required(Self::validation(client)),
            alpn: vec!["istio-h2".to_owned(), "istio-http/1.1".to_owned()],
        };
        ServerTls::new(spec, identity).unwrap()
    }
}
