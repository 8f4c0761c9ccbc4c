use super::*;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::net::Ipv4Addr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

const DAY: Duration = Duration::from_secs(86_400);

/// Moves with tokio's time.
#[derive(Debug)]
struct VirtualClock {
    start: SystemTime,
    since: Instant,
}

impl Clock for VirtualClock {
    fn now(&self) -> SystemTime {
        self.start + self.since.elapsed()
    }
}

fn authority() -> Arc<Authority> {
    Arc::new(Authority::in_memory(mesh_core::identity::TrustDomain::default()).unwrap())
}

fn clock_at(start: SystemTime) -> Arc<VirtualClock> {
    Arc::new(VirtualClock { start, since: Instant::now() })
}

fn certificate(authority: &Arc<Authority>) -> Arc<Certificate> {
    Certificate::issue(authority.clone(), Ipv4Addr::LOCALHOST.into(), clock_at(SystemTime::now())).unwrap()
}

fn connector(authority: &Authority) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(authority.roots_pem().as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(VERSIONS)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    TlsConnector::from(Arc::new(config))
}

/// Shakes hands as a proxy does, and returns the leaf that the server showed.
async fn leaf<S: AsyncRead + AsyncWrite + Unpin>(connector: &TlsConnector, stream: S) -> Vec<u8> {
    let name = ServerName::try_from("istiod.istio-system.svc").unwrap();
    let tls = connector.connect(name, stream).await.unwrap();
    let (_, session) = tls.get_ref();
    assert_eq!(session.alpn_protocol(), Some(&b"h2"[..]));
    session.peer_certificates().unwrap()[0].to_vec()
}

async fn leaf_in_memory(acceptor: &TlsAcceptor, connector: &TlsConnector) -> Vec<u8> {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let (served, leaf) = tokio::join!(acceptor.accept(server), leaf(connector, client));
    served.unwrap();
    leaf
}

#[tokio::test(start_paused = true)]
async fn a_handshake_after_half_of_the_certificates_life_gets_a_new_one() {
    let authority = authority();
    // The client checks validity by the real time, which both certificates' lives contain.
    let clock = clock_at(SystemTime::now() - 46 * DAY);
    let certificate =
        Certificate::issue(authority.clone(), Ipv4Addr::LOCALHOST.into(), clock.clone()).unwrap();
    let (acceptor, connector) = (certificate.acceptor().unwrap(), connector(&authority));
    let mut tasks = JoinSet::new();
    tasks.spawn(certificate.renew());

    let first = leaf_in_memory(&acceptor, &connector).await;
    tokio::time::sleep(44 * DAY).await;
    assert_eq!(leaf_in_memory(&acceptor, &connector).await, first, "not before half of its life");
    tokio::time::sleep(2 * DAY).await;
    let second = leaf_in_memory(&acceptor, &connector).await;
    assert_ne!(second, first);
    assert_eq!(leaf_in_memory(&acceptor, &connector).await, second);
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_keeps_the_certificate_and_is_tried_again_after_a_pause() {
    let authority = authority();
    // The root lives for ten years: beyond them nothing can be signed, however often it is tried.
    let start = SystemTime::now() + 3649 * DAY;
    let certificate =
        Certificate::issue(authority.clone(), Ipv4Addr::LOCALHOST.into(), clock_at(start)).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(certificate.clone().renew());
    tokio::time::sleep(2 * DAY).await;
    assert!(tasks.try_join_next().is_none(), "the task goes on");
    assert!(certificate.current.load().renew_at <= start + DAY + Duration::from_secs(2));
    assert!(issue(&authority, "127.0.0.1", &certificate.provider, certificate.clock.now()).is_err());
}

#[tokio::test]
async fn a_client_that_never_begins_its_handshake_holds_up_no_other() {
    let authority = authority();
    let acceptor = certificate(&authority).acceptor().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (to, mut incoming) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, acceptor, to));

    let _silent = TcpStream::connect(addr).await.unwrap();
    let stream = TcpStream::connect(addr).await.unwrap();
    let local = stream.local_addr().unwrap();
    leaf(&connector(&authority), stream).await;
    let Ok(served) = incoming.recv().await.unwrap();
    assert_eq!(served.get_ref().0.peer_addr().unwrap(), local);

    drop(incoming);
    tasks.join_next().await.unwrap().unwrap();
    assert!(TcpStream::connect(addr).await.is_err(), "the port is closed with its server");
}

#[tokio::test]
async fn tonic_tells_a_tls_stream_from_a_plain_one() {
    use tonic::transport::server::Connected;
    let authority = authority();
    let acceptor = certificate(&authority).acceptor().unwrap();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let (to, mut incoming) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(accept(listener, acceptor, to));
    let stream = TcpStream::connect(addr).await.unwrap();
    let mut plain = tonic::Extensions::new();
    plain.insert(stream.connect_info());
    leaf(&connector(&authority), stream).await;
    let Ok(served) = incoming.recv().await.unwrap();
    let mut secure = tonic::Extensions::new();
    secure.insert(served.connect_info());
    assert!(crate::serve::is_tls(&secure));
    assert!(!crate::serve::is_tls(&plain));
}

#[tokio::test]
async fn a_workload_gets_its_certificate_over_tls_and_the_control_plane_stops_at_once() {
    let config = tempfile::tempdir().unwrap();
    let free = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut control_plane = crate::ControlPlane::start(crate::Options {
        config: config.path().to_owned(),
        state: None,
        grpc: free,
        grpc_tls: Some(free),
        http: None,
        print_findings: false,
    })
    .await
    .unwrap();
    let addr = control_plane.grpc_tls_addr().unwrap();
    let token = control_plane.token("default", "reviews", Duration::from_secs(60)).unwrap();
    let mut identity = mesh_ca::Client::builder(format!("https://{addr}"), token)
        .root_cert_pem(control_plane.authority().roots_pem())
        .connect()
        .await
        .unwrap();
    let credential = identity.ready().await.unwrap();
    assert_eq!(credential.identity.uri(), "spiffe://cluster.local/ns/default/sa/reviews");
    control_plane.stop().await;
    assert!(TcpStream::connect(addr).await.is_err());
}
