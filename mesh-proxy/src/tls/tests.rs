use super::tests_support::{Authority, uri};
use super::*;
use mesh_core::model::tls::{ClientAuth, DownstreamTls};
use mesh_core::watch::{self, Watch};
use std::io;
use tokio_rustls::TlsConnector;

/// What each end learns of the other, and the ALPN that was agreed on.
async fn meet(
    client: &ClientTls,
    server: &ServerTls,
) -> (io::Result<Peer>, io::Result<Peer>, Option<Vec<u8>>) {
    let (near, far) = tokio::io::duplex(16 * 1024);
    let name = client.server_name([127, 0, 0, 1].into());
    let connector = TlsConnector::from(client.config().await.unwrap());
    let (mine, theirs) = tokio::join!(connector.connect(name, near), server.accept(far));
    let alpn = theirs.as_ref().ok().and_then(|s| s.get_ref().1.alpn_protocol().map(<[u8]>::to_vec));
    (
        mine.map(|s| Peer::from_chain(s.get_ref().1.peer_certificates()).unwrap()),
        theirs.map(|s| Peer::from_chain(s.get_ref().1.peer_certificates()).unwrap()),
        alpn,
    )
}

#[tokio::test]
async fn both_ends_learn_who_the_other_is_and_alpn_is_what_is_spoken() {
    let ca = Authority::new();
    let server = Authority::server(Watch::fixed(ca.issue(&[&uri("server")])), "client");
    let (seen, caller, alpn) = meet(&ca.client_tls("server"), &server).await;
    assert_eq!(seen.unwrap().identity.unwrap().uri(), uri("server"));
    let caller = caller.unwrap();
    assert_eq!(caller.identity.unwrap().uri(), uri("client"));
    assert_eq!(caller.fingerprint.len(), 64);
    // HTTP/2's name was not offered by a pool that speaks HTTP/1.1.
    assert_eq!(alpn.as_deref(), Some(&b"istio-http/1.1"[..]));
}

#[tokio::test]
async fn a_wrong_name_or_a_wrong_root_is_refused_by_either_end() {
    let (ca, stranger) = (Authority::new(), Authority::new());
    let own = || Watch::fixed(ca.issue(&[&uri("server")]));
    let (seen, ..) = meet(&ca.client_tls("another"), &Authority::server(own(), "client")).await;
    let error = seen.unwrap_err().to_string();
    assert!(error.contains(&uri("server")), "{error}");
    let (_, caller, _) = meet(&ca.client_tls("server"), &Authority::server(own(), "another")).await;
    assert!(caller.is_err());
    let (seen, ..) = meet(&stranger.client_tls("server"), &Authority::server(own(), "client")).await;
    assert!(seen.is_err());
}

#[tokio::test]
async fn a_certificate_with_two_uris_has_no_identity() {
    let ca = Authority::new();
    let two = ca.issue(&[&uri("client"), &uri("admin")]);
    let server = Authority::server(Watch::fixed(ca.issue(&[&uri("server")])), "client");
    let (_, caller, _) = meet(&Authority::client(two, "server"), &server).await;
    assert!(caller.unwrap().identity.is_none());
}

#[tokio::test]
async fn the_next_handshake_takes_the_newest_credential() {
    let ca = Authority::new();
    let (rotate, identity) = watch::channel();
    let server = Authority::server(identity, "client");
    rotate.send(ca.issue(&[&uri("server")]));
    let before = server.built().await.unwrap();
    assert!(std::sync::Arc::ptr_eq(&before, &server.built().await.unwrap()), "made once for each credential");
    rotate.send(ca.issue(&[&uri("server")]));
    assert!(!std::sync::Arc::ptr_eq(&before, &server.built().await.unwrap()));
    assert!(meet(&ca.client_tls("server"), &server).await.0.is_ok());
}

#[tokio::test]
async fn a_secret_that_the_proxy_does_not_hold_is_named() {
    let spec = DownstreamTls {
        certificate: "kubernetes://shop-cert".into(),
        client: ClientAuth::NotAsked,
        alpn: vec![],
    };
    let error = ServerTls::new(spec, watch::channel().1).err().unwrap();
    assert_eq!(error.to_string(), "certificate: this proxy holds no secret \"kubernetes://shop-cert\"");
}

#[tokio::test]
async fn without_a_source_of_credentials_there_is_no_handshake() {
    let server = Authority::server(watch::channel().1, "client");
    assert!(matches!(server.built().await, Err(TlsError::NoCredential)));
}

#[test]
fn a_hash_is_what_openssl_prints() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(super::peer::sha256_hex(b""), empty);
}
