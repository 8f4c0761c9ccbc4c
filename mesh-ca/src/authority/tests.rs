use super::*;
use crate::csr::Request;
use std::fs;
use std::os::unix::fs::MetadataExt;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

const HOUR: Duration = Duration::from_secs(3600);

fn td() -> TrustDomain {
    TrustDomain::default()
}

fn web() -> SpiffeId {
    SpiffeId::new(&td(), "default", "web").unwrap()
}

fn csr() -> Csr {
    Csr::from_pem(&Request::generate(None).unwrap().csr_pem).unwrap()
}

fn der(pem_text: &str) -> Vec<u8> {
    pem::certificates(pem_text).unwrap().remove(0)
}

#[test]
fn a_leaf_carries_the_identity_and_nothing_else() {
    let ca = Authority::in_memory(td()).unwrap();
    let issued = ca.sign(&csr(), &web(), HOUR, SystemTime::now()).unwrap();
    let leaf_der = der(&issued.chain[0]);
    let (_, leaf) = X509Certificate::from_der(&leaf_der).unwrap();
    assert_eq!(leaf.subject().iter().count(), 0);
    let san = leaf.subject_alternative_name().unwrap().unwrap();
    assert!(san.critical, "with an empty subject the SAN is critical");
    assert_eq!(san.value.general_names, [GeneralName::URI(web().uri())]);
    let usage = leaf.key_usage().unwrap().unwrap().value;
    assert!(usage.digital_signature() && usage.key_encipherment() && !usage.key_cert_sign());
    let extended = leaf.extended_key_usage().unwrap().unwrap().value;
    assert!(extended.server_auth && extended.client_auth && !extended.any);
    assert!(!leaf.is_ca());
}

#[test]
fn the_root_is_last_and_signs_the_leaf() {
    let ca = Authority::in_memory(td()).unwrap();
    let issued = ca.sign(&csr(), &web(), HOUR, SystemTime::now()).unwrap();
    assert_eq!(issued.chain.len(), 2);
    let (leaf, root) = (der(&issued.chain[0]), der(&issued.chain[1]));
    assert_eq!(issued.chain[1], ca.roots_pem());
    assert_eq!(x509::path(&leaf, &[], std::slice::from_ref(&root)).unwrap(), Vec::<Vec<u8>>::new());
    let (_, root) = X509Certificate::from_der(&root).unwrap();
    assert_eq!(root.subject().to_string(), "O=cluster.local");
    assert!(root.is_ca());
    let years = (root.validity().not_after.timestamp() - root.validity().not_before.timestamp()) / 31_536_000;
    assert_eq!(years, 10);
}

#[test]
fn validity_is_dated_back_by_the_clock_skew_and_bounded() {
    let ca = Authority::in_memory(td()).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let issued = ca.sign(&csr(), &web(), HOUR, now).unwrap();
    assert_eq!(issued.not_before, now - CLOCK_SKEW);
    assert_eq!(issued.not_after, now + HOUR);
    assert!(matches!(ca.sign(&csr(), &web(), MAX_TTL + Duration::from_secs(1), now), Err(SignError::Ttl(_))));
    assert!(matches!(ca.sign(&csr(), &web(), Duration::ZERO, now), Err(SignError::Ttl(_))));
}

#[test]
fn a_leaf_never_outlives_its_ca_and_an_expired_ca_signs_nothing() {
    let ca = Authority::in_memory(td()).unwrap();
    let late = Signer::not_after(&ca) - HOUR;
    let issued = ca.sign(&csr(), &web(), MAX_TTL, late).unwrap();
    assert_eq!(issued.not_after, Signer::not_after(&ca));
    let after = Signer::not_after(&ca) + HOUR;
    assert!(matches!(ca.sign(&csr(), &web(), HOUR, after), Err(SignError::CaExpired)));
}

#[test]
fn an_identity_of_another_trust_domain_is_not_signed() {
    let ca = Authority::in_memory(td()).unwrap();
    let other = "spiffe://evil.example/ns/default/sa/web".parse().unwrap();
    assert!(matches!(ca.sign(&csr(), &other, HOUR, SystemTime::now()), Err(SignError::TrustDomain { .. })));
}

#[test]
fn two_certificates_for_one_key_have_different_serials() {
    let ca = Authority::in_memory(td()).unwrap();
    let csr = csr();
    let now = SystemTime::now();
    let [a, b] = [(); 2].map(|()| ca.sign(&csr, &web(), HOUR, now).unwrap().serial);
    assert_ne!(a, b);
}

#[test]
fn a_server_credential_carries_dns_and_ip_names() {
    let ca = Authority::in_memory(td()).unwrap();
    let names = CONTROL_PLANE_NAMES.iter().copied().chain(["127.0.0.1", "::1"]);
    let server = ca.server_credential(names, SystemTime::now()).unwrap();
    let cert_der = der(&server.chain);
    let (_, cert) = X509Certificate::from_der(&cert_der).unwrap();
    let san = cert.subject_alternative_name().unwrap().unwrap().value;
    assert!(san.general_names.contains(&GeneralName::DNSName("istiod.istio-system.svc")));
    assert!(san.general_names.contains(&GeneralName::IPAddress(&[127, 0, 0, 1])));
    assert!(pem::private_key(server.key.as_bytes()).is_ok());
    assert!(!format!("{server:?}").contains("PRIVATE"));
    assert!(ca.server_credential([], SystemTime::now()).is_err());
}

#[test]
fn a_reopened_authority_is_the_same_and_its_key_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::open(dir.path(), td()).unwrap().roots_pem().to_owned();
    let again = Authority::open(dir.path(), td()).unwrap();
    assert_eq!(again.roots_pem(), first);
    let issued = again.sign(&csr(), &web(), HOUR, SystemTime::now()).unwrap();
    assert!(x509::path(&der(&issued.chain[0]), &[], &[der(&first)]).is_ok());
    for (name, mode) in [
        (store::CA_KEY, 0o600),
        (store::LOCK, 0o600),
        (store::CA_CERT, 0o644),
        (store::CERT_CHAIN, 0o644),
        (store::ROOT_CERT, 0o644),
    ] {
        // The umask may take from it.
        let beyond = fs::metadata(dir.path().join(name)).unwrap().mode() & 0o777 & !mode;
        assert_eq!(beyond, 0, "{name}");
    }
}

#[test]
fn a_second_writer_is_refused_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let first = Authority::open(dir.path(), td()).unwrap();
    assert_eq!(Authority::open(dir.path(), td()).unwrap_err().kind(), StateErrorKind::Locked);
    drop(first);
    assert!(Authority::open(dir.path(), td()).is_ok());
}

/// Damages a fresh state and returns the error of the next start, having checked that the start changed
/// no file.
fn refused(damage: impl FnOnce(&Path)) -> StateError {
    let dir = tempfile::tempdir().unwrap();
    drop(Authority::open(dir.path(), td()).unwrap());
    damage(dir.path());
    let snapshot = || {
        let mut files: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = snapshot();
    let error = Authority::open(dir.path(), td()).unwrap_err();
    assert_eq!(snapshot(), before, "a refused state is left as it is");
    error
}

#[test]
fn an_incomplete_state_is_refused_and_never_replaced() {
    let error = refused(|dir| fs::remove_file(dir.join(store::CA_KEY)).unwrap());
    assert_eq!(error.kind(), StateErrorKind::Partial);
    assert!(error.to_string().contains("ca-key.pem missing"), "{error}");
}

#[test]
fn a_corrupted_state_is_refused_and_never_replaced() {
    for name in [store::CA_CERT, store::CA_KEY, store::CERT_CHAIN, store::ROOT_CERT] {
        for bytes in [&b""[..], b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nMII"] {
            let error = refused(|dir| fs::write(dir.join(name), bytes).unwrap());
            assert_eq!(error.kind(), StateErrorKind::Corrupt, "{name}");
            assert!(error.to_string().contains(name), "{error}");
        }
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let other = tempfile::tempdir().unwrap();
    drop(Authority::open(other.path(), td()).unwrap());
    let copy = |name: &str, dir: &Path| {
        fs::copy(other.path().join(name), dir.join(name)).unwrap();
    };
    let error = refused(|dir| copy(store::CA_KEY, dir));
    assert!(error.to_string().contains("the key is not that of the certificate"), "{error}");
    let error = refused(|dir| copy(store::ROOT_CERT, dir));
    assert!(error.to_string().contains("no path to a root"), "{error}");
}

#[test]
fn an_expired_ca_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400);
    store::save(&state, &Material::self_signed(&td(), long_ago).unwrap()).unwrap();
    assert_eq!(Authority::open(dir.path(), td()).unwrap_err().kind(), StateErrorKind::Expired);
}

#[test]
fn a_plugged_in_intermediate_in_istios_layout_signs_with_its_chain() {
    let now = SystemTime::now();
    let root = Material::self_signed(&td(), now).unwrap();
    let root_issuer =
        Issuer::from_ca_cert_der(&CertificateDer::from(root.ca_cert.as_slice()), &root.ca_key).unwrap();
    let key = CaKey(KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap());
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "intermediate");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params.not_after = (now + Duration::from_secs(86_400 * 365)).into();
    let intermediate = params.signed_by(&key, &root_issuer).unwrap().der().to_vec();

    let dir = tempfile::tempdir().unwrap();
    let state = StateDir::open(dir.path()).unwrap();
    // Istio's own Makefile writes the signing certificate and the root into cert-chain.pem.
    let material = Material {
        ca_key: key,
        chain: vec![intermediate.clone(), root.ca_cert.clone()],
        roots: vec![root.ca_cert.clone()],
        ca_cert: intermediate.clone(),
    };
    store::save(&state, &material).unwrap();

    let ca = Authority::open(dir.path(), td()).unwrap();
    let issued = ca.sign(&csr(), &web(), HOUR, now).unwrap();
    let chain: Vec<_> = issued.chain.iter().map(|text| der(text)).collect();
    assert_eq!(chain[1..], [intermediate, root.ca_cert]);
    assert!(x509::path(&chain[0], &chain[1..2], &chain[2..]).is_ok());
}

#[test]
fn nothing_printed_shows_a_key() {
    let ca = Authority::in_memory(td()).unwrap();
    let text = format!("{ca:?}");
    assert!(text.contains("cluster.local") && !text.to_lowercase().contains("key"), "{text}");
}
