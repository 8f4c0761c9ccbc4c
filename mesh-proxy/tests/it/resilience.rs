//! What happens when endpoints do not do what they should.

use crate::support::*;
use ::http::{Method, StatusCode};
use futures_util::future::Either;
use mesh_core::model::cluster::{CircuitLimits, OutlierDetection};
use mesh_core::model::endpoint::{Endpoint, Health};
use mesh_core::model::http::{AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay};
use mesh_core::model::route::{Forward, RetryCondition, RetryPolicy};
use mesh_core::model::values::Fraction;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// An address that nobody listens on.
async fn dead() -> SocketAddr {
    tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn retry(on: &[RetryCondition]) -> Option<RetryPolicy> {
    Some(RetryPolicy {
        on: on.iter().copied().collect(),
        retries: 2,
        backoff_base: Duration::from_millis(1),
        backoff_max: Duration::from_millis(2),
        avoid_previous_hosts: 5,
        ..RetryPolicy::default()
    })
}

#[tokio::test]
async fn a_failed_attempt_is_tried_on_another_endpoint() {
    let bad = Upstream::failing(StatusCode::SERVICE_UNAVAILABLE).await;
    let good = Upstream::http1(|seen| async move {
        text(StatusCode::OK, seen.headers["x-envoy-attempt-count"].to_str().unwrap())
    })
    .await;
    let policy = retry(&[RetryCondition::GatewayError, RetryCondition::ConnectFailure]);
    let action = forward(Forward { retry: policy, ..Forward::to("c") });
    let c = cluster("c", &[bad.addr, dead().await, good.addr]);
    let proxy = Running::start(outbound(vec![route("/", action)], vec![c])).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    for _ in 0..9 {
        let answer = caller.send(request("/")).await;
        assert_eq!(answer.status, StatusCode::OK);
        assert!(matches!(answer.body.as_str(), "1" | "2" | "3"));
    }
    assert_eq!(good.requests(), 9);
    assert!(bad.requests() >= 3);
    proxy.stop().await;
}

#[tokio::test]
async fn retries_come_to_an_end_and_a_post_is_not_repeated() {
    let bad = Upstream::failing(StatusCode::BAD_GATEWAY).await;
    let action = forward(Forward { retry: retry(&[RetryCondition::FiveXx]), ..Forward::to("c") });
    let proxy = Running::start(outbound(vec![route("/", action)], vec![cluster("c", &[bad.addr])])).await;
    assert_eq!(get(proxy.addr("out"), "/").await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(bad.requests(), 3);
    let mut post = request("/");
    *post.method_mut() = Method::POST;
    assert_eq!(send(proxy.addr("out"), post).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(bad.requests(), 4);
    proxy.stop().await;
}

#[tokio::test]
async fn silence_past_the_time_out_is_504() {
    let silent = Upstream::http1(|_| std::future::pending()).await;
    let timeout = Some(Duration::from_millis(50));
    let whole = forward(Forward { timeout, ..Forward::to("c") });
    let per_try = RetryPolicy { per_try_timeout: timeout, ..retry(&[RetryCondition::FiveXx]).unwrap() };
    let each = forward(Forward { retry: Some(per_try), ..Forward::to("c") });
    let routes = vec![route("/whole", whole), route("/each", each)];
    let proxy = Running::start(outbound(routes, vec![cluster("c", &[silent.addr])])).await;
    for (path, attempts) in [("/whole", 1), ("/each", 3)] {
        let before = silent.requests();
        let answer = get(proxy.addr("out"), path).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (StatusCode::GATEWAY_TIMEOUT, "upstream request timeout")
        );
        assert_eq!(silent.requests() - before, attempts, "{path}");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn faults_are_injected_as_the_route_says() {
    let upstream = Upstream::saying("fine").await;
    let with = |prefix: &str, fault: Fault| mesh_core::model::route::Route {
        fault: Some(fault),
        ..route(prefix, to("c"))
    };
    let abort =
        FaultAbort { by: AbortBy::Fixed(AbortWith::Http(StatusCode::IM_A_TEAPOT)), fraction: Fraction::ONE };
    let delay = FaultDelay { by: DelayBy::Fixed(Duration::from_millis(120)), fraction: Fraction::ONE };
    let routes = vec![
        with("/abort", Fault { abort: Some(abort), ..Fault::default() }),
        with("/delay", Fault { delay: Some(delay), ..Fault::default() }),
    ];
    let proxy = Running::start(outbound(routes, vec![cluster("c", &[upstream.addr])])).await;
    let answer = get(proxy.addr("out"), "/abort").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::IM_A_TEAPOT, "fault filter abort"));
    assert_eq!(upstream.requests(), 0);
    let begun = Instant::now();
    assert_eq!(get(proxy.addr("out"), "/delay").await.body, "fine");
    assert!(begun.elapsed() >= Duration::from_millis(120));
    proxy.stop().await;
}

#[tokio::test]
async fn without_an_endpoint_or_a_cluster_the_answer_says_so() {
    let mut gone = cluster("gone", &[dead().await]);
    gone.name = name("gone");
    let unhealthy = Endpoint { health: Health::Unhealthy, ..Endpoint::at(dead().await) };
    let draining = Endpoint { health: Health::Draining, ..Endpoint::at(dead().await) };
    let routes =
        vec![route("/refused", to("gone")), route("/sick", to("sick")), route("/unknown", to("unknown"))];
    let clusters = vec![gone, cluster_of("sick", vec![unhealthy, draining])];
    let proxy = Running::start(outbound(routes, clusters)).await;
    let at = proxy.addr("out");
    let answer = get(at, "/refused").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let words =
        "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure";
    assert!(answer.body.starts_with(words), "{}", answer.body);
    let answer = get(at, "/sick").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "no healthy upstream")
    );
    let answer = get(at, "/unknown").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::SERVICE_UNAVAILABLE, ""));

    let mut grpc = request("/sick");
    grpc.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = send(at, grpc).await;
    assert_eq!((answer.status, &answer.headers["grpc-status"]), (StatusCode::OK, &"14".parse().unwrap()));
    proxy.stop().await;
}

#[tokio::test]
async fn an_endpoint_that_fails_in_a_row_is_left_out() {
    let bad = Upstream::failing(StatusCode::INTERNAL_SERVER_ERROR).await;
    let good = Upstream::saying("fine").await;
    let mut c = cluster("c", &[bad.addr, good.addr]);
    c.outlier = Some(OutlierDetection {
        consecutive_5xx: 3,
        max_ejection_percent: Fraction::ONE,
        ..OutlierDetection::default()
    });
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![c])).await;
    let mut failures = 0;
    for _ in 0..40 {
        let answer = get(proxy.addr("out"), "/").await;
        failures += usize::from(answer.status != StatusCode::OK);
    }
    assert_eq!((failures, bad.requests()), (3, 3));
    proxy.stop().await;
}

#[tokio::test]
async fn a_full_breaker_refuses_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let slow = Upstream::http1(move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            text(StatusCode::OK, "late")
        }
    })
    .await;
    let mut c = cluster("c", &[slow.addr]);
    c.limits = CircuitLimits { max_requests: 2, ..CircuitLimits::default() };
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![c])).await;
    let at = proxy.addr("out");
    let waiting: Vec<_> = (0..2).map(|_| tokio::spawn(async move { get(at, "/").await })).collect();
    until(|| slow.requests() == 2).await;
    let answer = get(at, "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.headers["x-envoy-overloaded"], "true");
    gate.add_permits(2);
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap().body, "late");
    }
    gate.add_permits(1);
    assert_eq!(get(at, "/").await.body, "late");
    proxy.stop().await;
}

#[tokio::test]
async fn a_copy_over_its_clusters_limit_is_dropped_and_counted() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let slow = Upstream::http1(move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            text(StatusCode::OK, "late")
        }
    })
    .await;
    let upstream = Upstream::saying("the real one").await;
    let mut shadow = cluster("shadow", &[slow.addr]);
    shadow.limits = CircuitLimits { max_requests: 1, ..CircuitLimits::default() };
    let mirror = mesh_core::model::route::Mirror {
        cluster: name("shadow"),
        fraction: mesh_core::model::values::Fraction::ONE,
    };
    let action = forward(Forward { mirrors: vec![mirror], ..Forward::to("c") });
    let snapshot = outbound(vec![route("/", action)], vec![cluster("c", &[upstream.addr]), shadow]);
    let proxy = Running::with(snapshot, mesh_core::watch::channel().1, |s| s.admin = Some(any_port())).await;
    let (at, admin) = (proxy.addr("out"), proxy.handle.admin_addr().unwrap());
    assert_eq!(get(at, "/").await.body, "the real one");
    until(|| slow.requests() == 1).await;
    for _ in 0..3 {
        assert_eq!(get(at, "/").await.body, "the real one");
    }
    let counted = "cluster.shadow.upstream_rq_pending_overflow: 3";
    let wait = async {
        while !get(admin, "/stats").await.body.lines().any(|line| line == counted) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), wait).await.expect("the copies are counted");
    assert_eq!(slow.requests(), 1);
    gate.add_permits(1);
    proxy.stop().await;
}

#[tokio::test]
async fn requests_wait_for_one_of_few_connections_but_not_too_many() {
    let gate = Arc::new(Semaphore::new(0));
    let held = gate.clone();
    let slow = Upstream::http1(move |_| {
        let held = held.clone();
        async move {
            held.acquire().await.unwrap().forget();
            text(StatusCode::OK, "late")
        }
    })
    .await;
    let mut c = cluster("c", &[slow.addr]);
    c.limits = CircuitLimits { max_connections: 1, max_pending_requests: 1, ..CircuitLimits::default() };
    let snapshot = outbound(vec![route("/", to("c"))], vec![c]);
    let proxy = Running::with(snapshot, mesh_core::watch::channel().1, |s| s.workers = 1).await;
    let at = proxy.addr("out");
    let first = tokio::spawn(async move { get(at, "/").await });
    until(|| slow.requests() == 1).await;
    // Of two more, one may wait and the other is too many, whichever comes first.
    let (one, two) = (get(at, "/"), get(at, "/"));
    tokio::pin!(one, two);
    let (refused, waiting) = match futures_util::future::select(one, two).await {
        Either::Left((refused, waiting)) | Either::Right((refused, waiting)) => (refused, waiting),
    };
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    gate.add_permits(2);
    assert_eq!(first.await.unwrap().body, "late");
    assert_eq!(waiting.await.body, "late");
    assert_eq!(slow.connections(), 1);
    proxy.stop().await;
}

#[tokio::test]
async fn a_connection_that_the_endpoint_closed_costs_no_request() {
    // Each connection is closed after one response, without a word.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut seen = Vec::new();
                while !seen.ends_with(b"\r\n\r\n") {
                    seen.push(stream.read_u8().await.unwrap());
                }
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
            });
        }
    });
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![cluster("c", &[addr])])).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    for _ in 0..50 {
        let mut post = request("/");
        *post.method_mut() = Method::POST;
        assert_eq!(caller.send(post).await.body, "ok");
    }
    server.abort();
    proxy.stop().await;
}
