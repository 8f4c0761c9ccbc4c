//! The mesh inside a program.

use crate::patience::endless;
use crate::support::*;
use ::http::{Request, Response, StatusCode};
use bytes::Bytes;
use futures_util::FutureExt as _;
use http_body_util::{BodyExt as _, Empty, Full};
use mesh_core::identity::SpiffeId;
use mesh_core::model::Snapshot;
use mesh_core::model::cluster::ClusterTransport;
use mesh_core::model::endpoint::{Endpoint, TlsMode};
use mesh_core::model::listener::{Bind, Direction};
use mesh_core::model::route::Forward;
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, UpstreamTls, secret};
use mesh_core::watch::Watch;
use mesh_proxy::{Body, Mesh};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::{ServiceExt as _, service_fn};

fn validation() -> PeerValidation {
    PeerValidation { roots: name(secret::ROOT_CA), subject_alt_names: vec![] }
}

fn get(uri: &str) -> Request<Empty<Bytes>> {
    Request::get(uri).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn two_programs_talk_mtls_without_a_sidecar() {
    let ca = Authority::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();

    let mut inbound = Snapshot::default();
    let mut tls = chain("tls", http_filter(manager("unused")));
    tls.tls = Some(DownstreamTls {
        certificate: name(secret::DEFAULT),
        client: ClientAuth::Required(validation()),
        alpn: vec!["istio-h2".into()],
    });
    let mut own = crate::support::listener("in", Direction::Inbound, vec![tls]);
    own.bind = Bind::Unbound(address.into());
    add_listener(&mut inbound, own);
    let server = Mesh::new(Watch::fixed(Arc::new(inbound)), Watch::fixed(ca.issue("server")));
    server.ready().await.unwrap();
    let app = service_fn(|request: Request<Body>| async move {
        let caller = request.extensions().get::<SpiffeId>().unwrap().principal().to_owned();
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(caller))))
    });
    let serving = tokio::spawn(async move { server.serve(listener, app).await });

    let endpoint = Endpoint { tls_mode: TlsMode::Istio, ..Endpoint::at(address) };
    let mut c = cluster_of("c", vec![endpoint]);
    c.http.protocol = mesh_core::model::cluster::UpstreamProtocol::Http2;
    c.transport = ClusterTransport::AutoMtls(UpstreamTls {
        certificate: Some(name(secret::DEFAULT)),
        server: validation(),
        sni: String::new(),
        alpn: vec!["istio-h2".into(), "istio".into()],
    });
    let mut outbound = outbound(vec![route("/", to("c"))], vec![c]);
    let mut by_port = http_listener("0.0.0.0_9080", Direction::Outbound, "routes");
    by_port.bind = Bind::Unbound("0.0.0.0:9080".parse().unwrap());
    add_listener(&mut outbound, by_port);
    let client = Mesh::new(Watch::fixed(Arc::new(outbound)), Watch::fixed(ca.issue("client")));
    client.ready().await.unwrap();

    let response = client.client().oneshot(get("http://service:9080/")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "cluster.local/ns/default/sa/client");
    assert!(client.registry().render().contains("istio_requests_total"));
    serving.abort();
}

#[tokio::test]
async fn a_request_takes_the_listener_of_its_port_or_the_http_proxy() {
    let upstream = Upstream::saying("found").await;
    let mut snapshot = outbound(vec![], vec![cluster("c", &[upstream.addr])]);
    add_table(&mut snapshot, table("http_proxy", vec![route("/", to("c"))]));
    let nowhere = Mesh::new(Watch::fixed(Arc::new(Snapshot::default())), mesh_core::watch::channel().1);
    nowhere.ready().await.unwrap();
    let error = nowhere.client().oneshot(get("http://service:81/")).await.unwrap_err();
    assert_eq!(error.to_string(), "no outbound HTTP listener takes requests to port 81");

    add_listener(&mut snapshot, http_listener("127.0.0.1_15007", Direction::Outbound, "http_proxy"));
    let mesh = Mesh::new(Watch::fixed(Arc::new(snapshot)), mesh_core::watch::channel().1);
    mesh.ready().await.unwrap();
    let response = mesh.client().oneshot(get("http://service:81/")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "found");
}

#[tokio::test]
async fn a_source_that_ends_early_is_told_to_whoever_waits() {
    let mesh = Mesh::new(mesh_core::watch::channel().1, mesh_core::watch::channel().1);
    assert!(mesh.ready().await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_threads_of_a_program_share_its_connections() {
    const TASKS: usize = 8;
    for http2 in [false, true] {
        let upstream = if http2 {
            Upstream::http2(|seen| async move { text(StatusCode::OK, String::from_utf8_lossy(&seen.body)) })
                .await
        } else {
            Upstream::http1(|seen| async move { text(StatusCode::OK, String::from_utf8_lossy(&seen.body)) })
                .await
        };
        let mut c = cluster("c", &[upstream.addr]);
        if http2 {
            c.http.protocol = mesh_core::model::cluster::UpstreamProtocol::Http2;
        }
        let mut snapshot = outbound(vec![], vec![c]);
        add_table(&mut snapshot, table("http_proxy", vec![route("/", to("c"))]));
        add_listener(&mut snapshot, http_listener("127.0.0.1_15007", Direction::Outbound, "http_proxy"));
        let mesh = Mesh::new(Watch::fixed(Arc::new(snapshot)), mesh_core::watch::channel().1);
        mesh.ready().await.unwrap();
        let calls = (0..TASKS).map(|task| {
            let client = mesh.client();
            tokio::spawn(async move {
                for n in 0..250 {
                    let said = format!("{task}/{n}");
                    let request = Request::post("http://service/").body(Full::new(Bytes::from(said.clone())));
                    let response = client.clone().oneshot(request.unwrap()).await.unwrap();
                    assert_eq!(response.status(), StatusCode::OK);
                    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), said);
                }
            })
        });
        futures_util::future::try_join_all(calls.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(upstream.requests(), TASKS * 250);
        // On HTTP/1.1 one that is not quite back yet is not waited for.
        let most = if http2 { 1 } else { 4 * TASKS };
        assert!(upstream.connections() <= most, "{} connections for {TASKS} tasks", upstream.connections());
    }
}

/// An upstream that begins a response and then says nothing, and whether its connection is open.
async fn stalling() -> (std::net::SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (addr, open) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counted = open.clone();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        counted.fetch_add(1, Ordering::SeqCst);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nbegun").await.unwrap();
        let mut sink = [0; 4096];
        while matches!(stream.read(&mut sink).await, Ok(n) if n > 0) {}
        counted.fetch_sub(1, Ordering::SeqCst);
    });
    (addr, open)
}

/// A member whose requests go to one address and may take 300 ms.
async fn bounded_member(addr: std::net::SocketAddr) -> Mesh {
    let bounded = Forward { timeout: Some(Duration::from_millis(300)), ..Forward::to("c") };
    let mut snapshot = outbound(vec![], vec![cluster("c", &[addr])]);
    add_table(&mut snapshot, table("http_proxy", vec![route("/", forward(bounded))]));
    add_listener(&mut snapshot, http_listener("127.0.0.1_15007", Direction::Outbound, "http_proxy"));
    let mesh = Mesh::new(Watch::fixed(Arc::new(snapshot)), mesh_core::watch::channel().1);
    mesh.ready().await.unwrap();
    mesh
}

#[tokio::test]
async fn a_response_that_a_program_does_not_read_lets_go_of_its_upstream() {
    let (addr, open) = endless().await;
    let mesh = bounded_member(addr).await;
    let untouched = mesh.client().oneshot(get("http://service/")).await.unwrap();
    let mut begun = mesh.client().oneshot(get("http://service/")).await.unwrap();
    assert!(begun.body_mut().frame().await.unwrap().is_ok());
    assert_eq!(open.load(Ordering::SeqCst), 2);
    until(|| open.load(Ordering::SeqCst) == 0).await;
    for response in [untouched, begun] {
        let error = response.into_body().collect().await.unwrap_err();
        assert!(mesh_policy::find::<mesh_policy::timeout::Elapsed>(&*error).is_some(), "{error}");
    }
}

#[tokio::test]
async fn a_response_that_a_program_waits_for_no_more_lets_go_of_its_upstream() {
    let (addr, open) = stalling().await;
    let mesh = bounded_member(addr).await;
    let mut response = mesh.client().oneshot(get("http://service/")).await.unwrap();
    assert_eq!(response.body_mut().frame().await.unwrap().unwrap().into_data().unwrap(), "begun");
    assert!(response.body_mut().frame().now_or_never().is_none(), "it has to wait, and does not");
    assert_eq!(open.load(Ordering::SeqCst), 1);
    until(|| open.load(Ordering::SeqCst) == 0).await;
    assert!(response.body_mut().frame().await.unwrap().is_err());
}
