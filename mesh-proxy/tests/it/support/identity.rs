//! A CA that issues mesh identities.

use mesh_core::credential::Credential;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    SanType,
};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A root.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: Vec<u8>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(vec![]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let root = params.self_signed(&key).unwrap().der().to_vec();
        Self { issuer: Issuer::new(params, key), root }
    }

    /// A credential of `spiffe://cluster.local/ns/default/sa/ACCOUNT`.
    pub(crate) fn issue(&self, account: &str) -> Arc<Credential> {
        let uri = format!("spiffe://cluster.local/ns/default/sa/{account}");
        let mut params = CertificateParams::new(vec![]).unwrap();
        // A mesh certificate has no subject: its URI says who it is.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = vec![SanType::URI(uri.as_str().try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate().unwrap();
        let leaf = params.signed_by(&key, &self.issuer).unwrap();
        let now = SystemTime::now();
        Arc::new(Credential {
            identity: uri.parse().unwrap(),
            chain: vec![leaf.der().to_vec()],
            key: key.serialize_der().into(),
            roots: vec![self.root.clone()],
            not_before: now,
            not_after: now + Duration::from_secs(3600),
            serial: "01".to_owned(),
        })
    }
}
