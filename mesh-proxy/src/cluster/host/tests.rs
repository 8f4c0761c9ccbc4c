use super::*;
use crate::cluster::Surroundings;
use crate::shared::Shared;
use crate::tls::tests_support::Authority;
use mesh_core::model::Name;
use mesh_core::model::cluster::{Balance, CircuitLimits, Cluster, Discovery, UpstreamHttp};
use mesh_core::model::endpoint::{Endpoints, Locality};
use mesh_core::model::values::Fraction;
use mesh_core::node::{Node, NodeKind};
use mesh_core::watch;

fn mesh_tls(certificate: Option<&str>) -> UpstreamTls {
    UpstreamTls {
        certificate: certificate.map(Name::from),
        server: Authority::validation("server"),
        sni: String::new(),
        alpn: vec![],
    }
}

fn cluster(transport: ClusterTransport, endpoint: Endpoint) -> Arc<ClusterRuntime> {
    let endpoints = Endpoints {
        name: "c".into(),
        localities: vec![Locality { endpoints: vec![endpoint], ..Locality::default() }],
    };
    let config = Cluster {
        name: "c".into(),
        discovery: Discovery::Eds("c".into()),
        balance: Balance::RoundRobin,
        connect_timeout: Duration::from_secs(5),
        limits: CircuitLimits::default(),
        high_limits: None,
        outlier: None,
        transport,
        http: UpstreamHttp::default(),
        panic_threshold: Fraction::ZERO,
        keepalive: None,
        services: vec![],
        origin: None,
    };
    let node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "test-v1", "default");
    let surroundings = Surroundings {
        shared: Arc::<Shared>::default(),
        identity: watch::channel().1,
        exchange: Some(Arc::new(Exchange::of(&node).unwrap())),
    };
    ClusterRuntime::new(Arc::new(config), &endpoints, None, &surroundings).unwrap()
}

#[tokio::test]
async fn a_connection_is_counted_where_the_admin_pages_look() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let cluster = cluster(ClusterTransport::Plain, Endpoint::at(address));
    let (_connection, _slot) = cluster.pick(None).unwrap().connect().await.unwrap();
    let seen = cluster.shared.known_host(&address.into()).unwrap();
    assert_eq!(seen.pool.connects.load(Ordering::Relaxed), 1);
    assert_eq!(seen.pool.open.load(Ordering::Relaxed), 1);
}

#[test]
fn only_an_endpoint_that_proves_to_be_of_the_mesh_is_told_who_calls() {
    let told = |transport: ClusterTransport, tls_mode| {
        let workload = Some(mesh_core::model::endpoint::WorkloadRef::default());
        let endpoint =
            Endpoint { tls_mode, workload, ..Endpoint::at(std::net::SocketAddr::from(([127, 0, 0, 1], 80))) };
        cluster(transport, endpoint).pick(None).unwrap().exchange.is_some()
    };
    let mutual = || mesh_tls(Some(secret::DEFAULT));
    assert!(told(ClusterTransport::AutoMtls(mutual()), TlsMode::Istio));
    assert!(told(ClusterTransport::Tls(mutual()), TlsMode::Disabled), "ISTIO_MUTUAL");
    assert!(!told(ClusterTransport::AutoMtls(mutual()), TlsMode::Disabled), "it is reached in plain text");
    assert!(!told(ClusterTransport::Tls(mesh_tls(None)), TlsMode::Istio), "SIMPLE");
    assert!(!told(ClusterTransport::Plain, TlsMode::Istio));
}
