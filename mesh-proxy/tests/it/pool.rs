//! Connections to endpoints: how many requests each carries, who waits, and what is told on them.

use crate::support::*;
use ::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body::Frame;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use mesh_core::model::cluster::{CircuitLimits, Cluster, ClusterTransport, UpstreamProtocol};
use mesh_core::model::endpoint::{Endpoint, TlsMode};
use mesh_core::model::listener::Direction;
use mesh_core::model::matcher::StringMatch;
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls, secret};
use mesh_core::watch::{self, Watch};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

/// An HTTP/2 server that takes one stream on each connection, and answers `/long` when it may.
struct Narrow {
    addr: SocketAddr,
    connections: Arc<AtomicUsize>,
    long: Arc<AtomicUsize>,
    end: Arc<Semaphore>,
}

impl Narrow {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (connections, long) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let end = Arc::new(Semaphore::new(0));
        let (opened, begun, may) = (connections.clone(), long.clone(), end.clone());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                opened.fetch_add(1, Ordering::SeqCst);
                let (begun, may) = (begun.clone(), may.clone());
                let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                    let (begun, may) = (begun.clone(), may.clone());
                    async move {
                        if request.uri().path() == "/long" {
                            begun.fetch_add(1, Ordering::SeqCst);
                            may.acquire().await.unwrap().forget();
                        }
                        Ok::<_, Infallible>(::http::Response::new(Full::new(Bytes::from_static(b"done"))))
                    }
                });
                let mut builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                builder.max_concurrent_streams(1);
                tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { addr, connections, long, end }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn over_http2(mut cluster: Cluster) -> Cluster {
    cluster.http.protocol = UpstreamProtocol::Http2;
    cluster
}

async fn one_worker(clusters: Vec<Cluster>) -> Running {
    let snapshot = outbound(vec![route("/", to("c"))], clusters);
    Running::with(snapshot, watch::channel().1, |settings| settings.workers = 1).await
}

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("it hangs")
}

#[tokio::test]
async fn a_connection_that_has_carried_all_it_may_makes_room_at_once() {
    let upstream = Upstream::http2(|_| async move { text(StatusCode::OK, "") }).await;
    let mut c = over_http2(cluster("c", &[upstream.addr]));
    c.http.max_requests_per_connection = 1;
    c.limits = CircuitLimits { max_connections: 1, ..CircuitLimits::default() };
    let proxy = one_worker(vec![c]).await;
    let out = proxy.addr("out");
    let begun = std::time::Instant::now();
    for _ in 0..12 {
        assert_eq!(soon(get(out, "/")).await.status, StatusCode::OK);
    }
    // The pools are swept once a second: eleven sweeps, if it were for them.
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(upstream.connections(), 12);
    proxy.stop().await;
}

#[tokio::test]
async fn a_stream_over_the_endpoints_limit_goes_on_another_connection() {
    let upstream = Narrow::start().await;
    let proxy = one_worker(vec![over_http2(cluster("c", &[upstream.addr]))]).await;
    let out = proxy.addr("out");
    let long = tokio::spawn(async move { get(out, "/long").await.status });
    until(|| upstream.long.load(Ordering::SeqCst) == 1).await;
    for _ in 0..3 {
        assert_eq!(soon(get(out, "/")).await.status, StatusCode::OK);
    }
    assert_eq!(upstream.connections(), 2, "the second connection is used again");
    upstream.end.add_permits(1);
    assert_eq!(soon(long).await.unwrap(), StatusCode::OK);
    proxy.stop().await;
}

#[tokio::test]
async fn requests_at_once_are_not_refused_before_the_limit_is_known() {
    let upstream = Narrow::start().await;
    let proxy = one_worker(vec![over_http2(cluster("c", &[upstream.addr]))]).await;
    let out = proxy.addr("out");
    let all = futures_util::future::join_all((0..8).map(|_| get(out, "/")));
    let answers = soon(all).await;
    assert!(answers.iter().all(|a| a.status == StatusCode::OK), "{answers:?}");
    proxy.stop().await;
}

#[tokio::test]
async fn many_requests_share_a_connection_that_takes_them() {
    let may = Arc::new(Semaphore::new(0));
    let wait = may.clone();
    let upstream = Upstream::http2(move |_| {
        let wait = wait.clone();
        async move {
            wait.acquire().await.unwrap().forget();
            text(StatusCode::OK, "")
        }
    })
    .await;
    let proxy = one_worker(vec![over_http2(cluster("c", &[upstream.addr]))]).await;
    let out = proxy.addr("out");
    let all: Vec<_> = (0..20).map(|_| tokio::spawn(async move { get(out, "/").await.status })).collect();
    until(|| upstream.requests() == 20).await;
    assert_eq!(upstream.connections(), 1);
    may.add_permits(20);
    for one in all {
        assert_eq!(soon(one).await.unwrap(), StatusCode::OK);
    }
    proxy.stop().await;
}

#[tokio::test]
async fn where_no_other_connection_is_allowed_a_stream_waits_or_overflows() {
    let upstream = Narrow::start().await;
    let mut limited = over_http2(cluster("c", &[upstream.addr]));
    limited.limits =
        CircuitLimits { max_connections: 1, max_pending_requests: 1, ..CircuitLimits::default() };
    let proxy = one_worker(vec![limited]).await;
    let out = proxy.addr("out");
    let long = tokio::spawn(async move { get(out, "/long").await.status });
    until(|| upstream.long.load(Ordering::SeqCst) == 1).await;
    // One of the two waits, the other is one too many; which one, the scheduler says.
    let (one, other) = (tokio::spawn(get(out, "/")), tokio::spawn(get(out, "/")));
    let (first, rest) = match soon(futures_util::future::select(one, other)).await {
        futures_util::future::Either::Left(x) => x,
        futures_util::future::Either::Right(x) => x,
    };
    let first = first.unwrap();
    assert_eq!(first.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(first.headers.contains_key("x-envoy-overloaded"), "{first:?}");
    upstream.end.add_permits(1);
    assert_eq!(soon(long).await.unwrap(), StatusCode::OK);
    assert_eq!(soon(rest).await.unwrap().status, StatusCode::OK);
    assert_eq!(upstream.connections(), 1);
    proxy.stop().await;
}

fn validation() -> PeerValidation {
    PeerValidation {
        roots: name(secret::ROOT_CA),
        subject_alt_names: vec![SanMatch::Uri(StringMatch::prefix("spiffe://cluster.local/"))],
    }
}

#[tokio::test]
async fn a_connect_that_its_caller_abandons_fails_nobody_else() {
    let ca = Authority::new();
    let app = Upstream::saying("here").await;
    let mut inbound = outbound(vec![route("/", to("c"))], vec![cluster("c", &[app.addr])]);
    let mut tls = chain("tls", http_filter(manager("routes")));
    tls.tls = Some(DownstreamTls {
        certificate: name(secret::DEFAULT),
        client: ClientAuth::Required(validation()),
        alpn: vec!["istio-h2".into()],
    });
    add_listener(&mut inbound, listener("in", Direction::Inbound, vec![tls]));
    let server = Running::with(inbound, Watch::fixed(ca.issue("server")), |_| {}).await;

    // Its first connection is never answered, the others lead to the server.
    let front = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, behind) = (front.local_addr().unwrap(), server.addr("in"));
    let (begun, ended) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let (tell_begun, tell_ended) = (begun.clone(), ended.clone());
    tokio::spawn(async move {
        let (mut silent, _) = front.accept().await.unwrap();
        tell_begun.add_permits(1);
        tokio::spawn(async move {
            while silent.read(&mut [0; 1024]).await.is_ok_and(|n| n > 0) {}
            tell_ended.add_permits(1);
        });
        loop {
            let (mut caller, _) = front.accept().await.unwrap();
            let mut to = TcpStream::connect(behind).await.unwrap();
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut caller, &mut to).await });
        }
    });

    let mut c = cluster_of("c", vec![Endpoint { tls_mode: TlsMode::Istio, ..Endpoint::at(address) }]);
    c.connect_timeout = Duration::from_millis(500);
    c.transport = ClusterTransport::AutoMtls(UpstreamTls {
        certificate: Some(name(secret::DEFAULT)),
        server: validation(),
        sni: "outbound_.80_._.c".into(),
        alpn: vec!["istio-h2".into()],
    });
    let snapshot = outbound(vec![route("/", to("c"))], vec![over_http2(c)]);
    let proxy = Running::with(snapshot, Watch::fixed(ca.issue("client")), |s| s.workers = 1).await;
    let out = proxy.addr("out");

    let abandoned = tokio::spawn(async move { Caller::http2(out).await.send(request("/")).await });
    soon(begun.acquire()).await.unwrap().forget();
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    soon(ended.acquire()).await.unwrap().forget();
    let answer = soon(get(out, "/")).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "here"));
    proxy.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_body_of_unknown_length_reaches_an_http1_endpoint_whatever_the_method() {
    let upstream = Upstream::http1(|seen| async move {
        text(StatusCode::OK, String::from_utf8(seen.body.to_vec()).unwrap())
    })
    .await;
    let proxy = one_worker(vec![cluster("c", &[upstream.addr])]).await;
    let out = proxy.addr("out");
    let unsized_request = |http2: bool| {
        let frames =
            ["hel", "lo"].map(|part| Ok::<_, Infallible>(Frame::data(Bytes::from_static(part.as_bytes()))));
        let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
        let request = Request::get("http://service/").header(header::HOST, "service");
        let request = if http2 { request } else { request.header(header::TRANSFER_ENCODING, "chunked") };
        request.body(body).unwrap()
    };
    let mut caller = Caller::http1(out).await;
    let chunked = soon(caller.send(unsized_request(false))).await;
    assert_eq!(chunked.body, "hello");
    let mut caller = Caller::http2(out).await;
    let data = soon(caller.send(unsized_request(true))).await;
    assert_eq!(data.body, "hello");
    proxy.stop().await;
}

#[tokio::test]
async fn what_a_workload_says_of_itself_stays_in_the_mesh() {
    let upstream = Upstream::http1(|seen| async move {
        let told = seen.headers.keys().any(|name| name.as_str().starts_with("x-envoy-peer-metadata"));
        text(StatusCode::OK, told.to_string())
    })
    .await;
    // A MESH_EXTERNAL service entry may well name a workload.
    let endpoint = Endpoint { workload: Some(workload("outside")), ..Endpoint::at(upstream.addr) };
    let proxy = one_worker(vec![cluster_of("c", vec![endpoint])]).await;
    let mut said = request("/");
    said.headers_mut().insert("x-envoy-peer-metadata", "AAAA".parse().unwrap());
    said.headers_mut().insert("x-envoy-peer-metadata-id", "someone".parse().unwrap());
    for request in [request("/"), said] {
        assert_eq!(send(proxy.addr("out"), request).await.body, "false");
    }
    proxy.stop().await;
}
