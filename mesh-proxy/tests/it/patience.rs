//! Who is waited for, and for how long: callers that do not read, uploads that take their time, endpoints
//! that never answer.

use crate::support::*;
use ::http::{Method, Request, StatusCode};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use mesh_core::model::Snapshot;
use mesh_core::model::cluster::OutlierDetection;
use mesh_core::model::http::HttpManager;
use mesh_core::model::listener::Direction;
use mesh_core::model::route::{Forward, RetryPolicy};
use mesh_core::model::values::Fraction;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// An upstream whose response never ends, and how many such responses are still wanted.
pub(crate) async fn endless() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind(any_port()).await.unwrap();
    let (addr, open) = (listener.local_addr().unwrap(), Arc::<AtomicUsize>::default());
    let counted = open.clone();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let open = counted.clone();
            open.fetch_add(1, Ordering::SeqCst);
            tokio::spawn(async move {
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10000000000\r\n\r\n").await;
                let chunk = vec![b'x'; 64 * 1024];
                while stream.write_all(&chunk).await.is_ok() {}
                open.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (addr, open)
}

fn with_manager(forward_to: Forward, addr: SocketAddr, change: impl Fn(&mut HttpManager)) -> Snapshot {
    let mut snapshot = outbound(vec![route("/", forward(forward_to))], vec![cluster("c", &[addr])]);
    let mut manager = manager("routes");
    change(&mut manager);
    let chains = vec![chain("http", http_filter(manager))];
    add_listener(&mut snapshot, listener("out", Direction::Outbound, chains));
    snapshot
}

/// Asks, reads the response's head, and then nothing more.
async fn ask_and_stop(to: SocketAddr) -> TcpStream {
    let mut caller = TcpStream::connect(to).await.unwrap();
    caller.write_all(b"GET / HTTP/1.1\r\nhost: service\r\n\r\n").await.unwrap();
    let mut head = [0; 12];
    caller.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200");
    caller
}

/// Reads what is on its way still; whether the proxy closed the connection.
async fn closes(mut caller: TcpStream) -> bool {
    let mut sink = vec![0; 1 << 20];
    let reading = async { while matches!(caller.read(&mut sink).await, Ok(n) if n > 0) {} };
    tokio::time::timeout(Duration::from_secs(10), reading).await.is_ok()
}

#[tokio::test]
async fn a_caller_that_stops_to_read_holds_nothing_beyond_the_routes_budget() {
    let (addr, open) = endless().await;
    let to = Forward { timeout: Some(millis(300)), ..Forward::to("c") };
    let proxy = Running::start(with_manager(to, addr, |_| {})).await;
    let caller = ask_and_stop(proxy.addr("out")).await;
    assert_eq!(open.load(Ordering::SeqCst), 1);
    until(|| open.load(Ordering::SeqCst) == 0).await;
    assert!(closes(caller).await, "the caller's own connection ends, too");
    proxy.stop().await;
}

#[tokio::test]
async fn a_caller_that_stops_to_read_is_idle() {
    let (addr, open) = endless().await;
    let idle = |manager: &mut HttpManager| manager.stream_idle_timeout = Some(millis(300));
    let proxy = Running::start(with_manager(Forward::to("c"), addr, idle)).await;
    let caller = ask_and_stop(proxy.addr("out")).await;
    until(|| open.load(Ordering::SeqCst) == 0).await;
    assert!(closes(caller).await);
    proxy.stop().await;
}

#[tokio::test]
async fn an_http2_stream_that_is_not_read_lets_go_of_its_upstream_and_of_no_other() {
    let (addr, open) = endless().await;
    let to = Forward { timeout: Some(millis(300)), ..Forward::to("c") };
    let mut snapshot = with_manager(to, addr, |_| {});
    let fine = Upstream::saying("fine").await;
    add_cluster(&mut snapshot, cluster("fine", &[fine.addr]));
    let routes = vec![
        route("/fine", to_fine()),
        route("/", forward(Forward { timeout: Some(millis(300)), ..Forward::to("c") })),
    ];
    add_table(&mut snapshot, table("routes", routes));
    let proxy = Running::start(snapshot).await;
    let mut caller = Caller::http2(proxy.addr("out")).await;
    let get = |path: &str| {
        let mut request = request(path);
        *request.uri_mut() = format!("http://service{path}").parse().unwrap();
        request
    };
    let unread = caller.try_send(get("/")).await.unwrap();
    assert_eq!(unread.status(), StatusCode::OK);
    until(|| open.load(Ordering::SeqCst) == 0).await;
    assert_eq!(caller.send(get("/fine")).await.body, "fine");
    drop(unread);
    proxy.stop().await;
}

#[tokio::test]
async fn a_connection_is_not_idle_while_a_long_response_is_on_it() {
    let upstream = Upstream::http1(|_| async move {
        let parts = futures_util::stream::unfold(0, |n| async move {
            tokio::time::sleep(millis(100)).await;
            (n < 10).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from("part"))), n + 1))
        });
        ::http::Response::new(StreamBody::new(parts).boxed_unsync())
    })
    .await;
    let to = Forward { timeout: Some(Duration::from_secs(30)), ..Forward::to("c") };
    let idle = |manager: &mut HttpManager| manager.idle_timeout = Some(millis(150));
    let proxy = Running::start(with_manager(to, upstream.addr, idle)).await;
    assert_eq!(get(proxy.addr("out"), "/").await.body, "part".repeat(10));
    proxy.stop().await;
}

fn to_fine() -> mesh_core::model::route::Action {
    to("fine")
}

#[tokio::test]
async fn a_budget_runs_from_the_end_of_an_upload() {
    let upstream =
        Upstream::http1(|seen| async move { text(StatusCode::OK, seen.body.len().to_string()) }).await;
    let per_try = RetryPolicy { per_try_timeout: Some(millis(250)), ..RetryPolicy::default() };
    let routes = vec![
        route("/whole", forward(Forward { timeout: Some(millis(250)), ..Forward::to("c") })),
        route("/each", forward(Forward { retry: Some(per_try), ..Forward::to("c") })),
    ];
    let proxy = Running::start(outbound(routes, vec![cluster("c", &[upstream.addr])])).await;
    for path in ["/whole", "/each"] {
        let parts = futures_util::stream::unfold(0, |n| async move {
            tokio::time::sleep(millis(100)).await;
            (n < 6).then(|| (Ok::<_, Infallible>(Frame::data(Bytes::from_static(b"part"))), n + 1))
        });
        let upload = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "service")
            .body(StreamBody::new(parts).boxed_unsync())
            .unwrap();
        let answer = send(proxy.addr("out"), upload).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "24"), "{path}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_never_answers_is_ejected() {
    let hung = Upstream::http1(|_| std::future::pending()).await;
    let good = Upstream::saying("good").await;
    let mut c = cluster("c", &[hung.addr, good.addr]);
    c.outlier = Some(OutlierDetection {
        consecutive_5xx: 2,
        max_ejection_percent: Fraction::ONE,
        ..OutlierDetection::default()
    });
    let action = forward(Forward { timeout: Some(millis(50)), ..Forward::to("c") });
    let proxy = Running::start(outbound(vec![route("/", action)], vec![c])).await;
    let mut timed_out = 0;
    for _ in 0..20 {
        match get(proxy.addr("out"), "/").await.status {
            StatusCode::GATEWAY_TIMEOUT => timed_out += 1,
            status => assert_eq!(status, StatusCode::OK),
        }
    }
    assert_eq!(timed_out, 2, "then it was out");
    assert_eq!(hung.requests(), 2);
    proxy.stop().await;
}
