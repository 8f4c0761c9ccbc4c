use super::*;
use crate::testing::{Frozen, TestCa};
use std::time::SystemTime;

const HOUR: Duration = Duration::from_secs(3600);

fn builder(ca: &TestCa) -> Builder {
    Client::builder(ca.url(), ca.token("web")).clock(ca.clock.clone()).seed(1)
}

#[tokio::test]
async fn a_client_gets_a_credential_for_the_account_of_its_token() {
    let ca = TestCa::start().await;
    let mut watch = Client::connect(ca.url(), ca.token("web")).await.unwrap();
    let credential = watch.ready().await.unwrap();
    assert_eq!(credential.identity.uri(), "spiffe://cluster.local/ns/default/sa/web");
    assert_eq!(credential.roots, crate::pem::certificates(ca.authority.roots_pem()).unwrap());
    let life = credential.remaining(SystemTime::now());
    assert!(life > 23 * HOUR && life <= 24 * HOUR, "{life:?}");
}

#[tokio::test]
async fn over_tls_the_control_plane_must_prove_itself() {
    let ca = TestCa::start_with(true).await;
    let url = format!("https://{}", ca.addr);
    let builder = || Client::builder(url.clone(), ca.token("web"));
    assert!(matches!(builder().build(), Err(ClientError::NoRoot)));

    let trusted = builder().root_cert_pem(ca.authority.roots_pem()).build().unwrap();
    trusted.fetch().await.unwrap();
    let named = builder().root_cert_pem(ca.authority.roots_pem()).server_name("localhost");
    named.build().unwrap().fetch().await.unwrap();

    let other = crate::Authority::in_memory(Default::default()).unwrap();
    let untrusting = builder().root_cert_pem(other.roots_pem()).build().unwrap();
    assert!(matches!(untrusting.fetch().await, Err(FetchError::Connect(_))));
    let misnamed = builder().root_cert_pem(ca.authority.roots_pem()).server_name("elsewhere");
    assert!(matches!(misnamed.build().unwrap().fetch().await, Err(FetchError::Connect(_))));
    assert_eq!(ca.service.metrics().requests(), 2, "no token reached a server that was not trusted");
}

#[tokio::test]
async fn token_and_root_files_are_read_anew_for_every_certificate() {
    let ca = TestCa::start_with(true).await;
    let dir = tempfile::tempdir().unwrap();
    let (token, root) = (dir.path().join("token"), dir.path().join("root-cert.pem"));
    let client =
        Client::builder(format!("https://{}", ca.addr), token.clone()).root_cert_file(&root).build().unwrap();
    assert!(matches!(client.fetch().await, Err(FetchError::Token { .. })));
    std::fs::write(&token, format!("{}\n", ca.token("web"))).unwrap();
    assert!(matches!(client.fetch().await, Err(FetchError::Root { .. })));
    std::fs::write(&root, ca.authority.roots_pem()).unwrap();
    assert_eq!(client.fetch().await.unwrap().identity.service_account(), "web");
    std::fs::write(&token, ca.token("api")).unwrap();
    assert_eq!(client.fetch().await.unwrap().identity.service_account(), "api");
}

#[tokio::test]
async fn an_identity_that_was_insisted_on_must_come_back() {
    let ca = TestCa::start().await;
    let admin = "spiffe://cluster.local/ns/default/sa/admin".parse().unwrap();
    let error = builder(&ca).identity(admin).build().unwrap().fetch().await.unwrap_err();
    assert!(matches!(error, FetchError::Answer(_)), "{error}");
}

#[tokio::test]
async fn a_refusal_carries_the_cas_words() {
    let ca = TestCa::start().await;
    let error = Client::builder(ca.url(), "junk").build().unwrap().fetch().await.unwrap_err();
    let FetchError::Refused { code, message } = &error else { panic!("{error}") };
    assert_eq!(*code, tonic::Code::Unauthenticated);
    assert!(message.contains("malformed"), "{message}");
}

#[test]
fn an_address_that_is_none_is_refused_at_once() {
    for address in ["", "nonsense", "127.0.0.1:15010", "ftp://127.0.0.1", "http://"] {
        assert!(Client::builder(address, "t").build().is_err(), "{address:?}");
    }
    assert!(Client::builder("http://[::1]:15010", "t").build().is_ok());
    assert!(is_loopback("[::1]") && is_loopback("127.9.9.9") && !is_loopback("10.0.0.1"));
}

#[test]
fn nothing_printed_shows_a_token() {
    let builder = Client::builder("http://127.0.0.1:1", "secret-token");
    assert!(!format!("{builder:?}").contains("secret-token"));
    assert!(!format!("{:?}", builder.build().unwrap()).contains("secret-token"));
}

#[tokio::test(start_paused = true)]
async fn a_certificate_is_rotated_at_half_of_its_life_with_a_new_key() {
    let _frozen = Frozen::new();
    let ca = TestCa::start().await;
    let mut watch = builder(&ca).connect().await.unwrap();
    let first = watch.ready().await.unwrap();

    tokio::time::advance(11 * HOUR + HOUR / 2).await;
    // A round trip of someone else: the rotation would have had its chance.
    builder(&ca).build().unwrap().fetch().await.unwrap();
    assert_eq!(ca.service.metrics().requests(), 2, "before half of its life nothing was asked for");
    assert_eq!(watch.current().unwrap().serial, first.serial);

    tokio::time::advance(HOUR).await;
    let second = watch.changed().await.unwrap();
    assert_ne!(second.serial, first.serial);
    assert_ne!(second.key, first.key);
    assert_eq!(second.identity, first.identity);

    tokio::time::advance(12 * HOUR + HOUR / 2).await;
    let third = watch.changed().await.unwrap();
    assert_ne!(third.serial, second.serial);
}

#[tokio::test(start_paused = true)]
async fn a_dead_ca_leaves_the_last_credential_and_is_tried_again() {
    let _frozen = Frozen::new();
    let mut ca = TestCa::start().await;
    let mut watch = builder(&ca).connect().await.unwrap();
    let first = watch.ready().await.unwrap();

    ca.set_dead(true);
    tokio::time::advance(13 * HOUR).await;
    while *ca.dropped.borrow_and_update() < 3 {
        // Past the back-off, which is the only timer that is short.
        tokio::time::advance(Duration::from_secs(1)).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(watch.current().unwrap().serial, first.serial);
    assert!(!first.remaining(crate::clock::Clock::now(&*ca.clock)).is_zero());

    // The rest of one back-off, below a second, in real time.
    ca.set_dead(false);
    tokio::time::resume();
    let second = watch.changed().await.unwrap();
    assert_ne!(second.serial, first.serial);
}

#[tokio::test(start_paused = true)]
async fn the_task_ends_when_no_reader_is_left() {
    let _frozen = Frozen::new();
    let ca = TestCa::start().await;
    let (sender, mut watch) = watch::channel();
    let task = tokio::spawn(rotate::run(builder(&ca).build().unwrap(), sender, Rng::with_seed(1)));
    watch.ready().await.unwrap();
    assert!(!task.is_finished());
    drop(watch);
    task.await.unwrap();
}
