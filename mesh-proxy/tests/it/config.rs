//! Configuration that changes under traffic.

use crate::support::*;
use ::http::StatusCode;
use mesh_core::model::listener::Direction;
use mesh_core::model::route::{Forward, HeaderChanges, Target, WeightedCluster};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn split(a: u32, b: u32) -> mesh_core::model::route::Action {
    let entry = |cluster: &str, weight| WeightedCluster {
        cluster: name(cluster),
        weight,
        headers: HeaderChanges::default(),
    };
    forward(Forward { to: Target::Weighted(vec![entry("a", a), entry("b", b)]), ..Forward::to("a") })
}

#[tokio::test]
async fn traffic_is_split_by_weight() {
    let (a, b) = (Upstream::saying("a").await, Upstream::saying("b").await);
    let clusters = vec![cluster("a", &[a.addr]), cluster("b", &[b.addr])];
    let proxy = Running::start(outbound(vec![route("/", split(90, 10))], clusters)).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    for _ in 0..200 {
        caller.send(request("/")).await;
    }
    assert!((17..=23).contains(&b.requests()), "{} of 200 went to 10%", b.requests());
    proxy.stop().await;
}

#[tokio::test]
async fn no_request_fails_while_everything_changes() {
    let (a, b) = (Upstream::saying("a").await, Upstream::saying("b").await);
    let snapshot = |weights: (u32, u32), extra: u32| {
        let mut b_cluster = cluster("b", &[b.addr]);
        // Changes what connections are made like, so that pools are made anew.
        b_cluster.connect_timeout = Duration::from_secs(5 + u64::from(extra % 3));
        let mut snapshot =
            outbound(vec![route("/", split(weights.0, weights.1))], vec![cluster("a", &[a.addr]), b_cluster]);
        let mut changed = manager("routes");
        changed.stat_prefix = format!("generation-{extra}").as_str().into();
        add_listener(
            &mut snapshot,
            listener("out", Direction::Outbound, vec![chain("http", http_filter(changed))]),
        );
        snapshot
    };
    let proxy = Running::start(snapshot((100, 0), 0)).await;
    let at = proxy.addr("out");
    let stop = Arc::new(AtomicBool::new(false));
    let served = Arc::new(AtomicUsize::new(0));
    let mut load = Vec::new();
    for i in 0..4 {
        let (stop, served) = (stop.clone(), served.clone());
        load.push(tokio::spawn(async move {
            let mut caller = if i % 2 == 0 { Caller::http1(at).await } else { Caller::http2(at).await };
            let uri = if i % 2 == 0 { "/" } else { "http://service/" };
            while !stop.load(Ordering::SeqCst) {
                let answer = caller.send(request(uri)).await;
                assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
                served.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for generation in 1..30_u32 {
        let weights = if generation % 2 == 0 { (100, 0) } else { (50, 50) };
        proxy.push(snapshot(weights, generation), &generation.to_string()).await;
        let before = served.load(Ordering::SeqCst);
        until(|| served.load(Ordering::SeqCst) > before + 4).await;
    }
    stop.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert!(b.requests() > 0);
    proxy.stop().await;
}

#[tokio::test]
async fn a_push_that_changes_nothing_drains_nothing() {
    let upstream = Upstream::saying("same").await;
    let snapshot = || outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
    let proxy = Running::start(snapshot()).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    caller.send(request("/")).await;
    for version in ["1", "2", "3"] {
        proxy.push(snapshot(), version).await;
        let answer = caller.send(request("/")).await;
        assert!(!answer.headers.contains_key("connection"), "{:?}", answer.headers);
    }
    assert_eq!(upstream.connections(), 1, "upstream connections are kept, too");
    proxy.stop().await;
}

#[tokio::test]
async fn a_chain_that_goes_ends_its_connections_with_a_last_response() {
    let upstream = Upstream::saying("same").await;
    let snapshot = |chain_name: &str| {
        let mut snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
        let chains = vec![chain(chain_name, http_filter(manager("routes")))];
        add_listener(&mut snapshot, listener("out", Direction::Outbound, chains));
        snapshot
    };
    let proxy = Running::start(snapshot("old")).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    assert!(!caller.send(request("/")).await.headers.contains_key("connection"));
    proxy.push(snapshot("new"), "new").await;
    let last = caller.send(request("/")).await;
    assert_eq!(
        (last.status, last.headers.get("connection")),
        (StatusCode::OK, Some(&"close".parse().unwrap()))
    );
    proxy.stop().await;
}

#[tokio::test]
async fn listeners_come_and_go_with_the_snapshot() {
    let upstream = Upstream::saying("hello").await;
    let with = |names: &[&str]| {
        let mut snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
        for name in names {
            add_listener(&mut snapshot, http_listener(name, Direction::Outbound, "routes"));
        }
        snapshot
    };
    let proxy = Running::start(with(&[])).await;
    proxy.push(with(&["more"]), "more").await;
    until(|| proxy.handle.listener_addrs().len() == 2).await;
    let more = proxy.addr("more");
    assert_eq!(get(more, "/").await.body, "hello");
    proxy.push(with(&[]), "less").await;
    until(|| !proxy.handle.listener_addrs().contains_key("more")).await;
    let mut refused = false;
    for _ in 0..1000 {
        refused = tokio::net::TcpStream::connect(more).await.is_err();
        if refused {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert!(refused, "the port is still open");
    assert_eq!(get(proxy.addr("out"), "/").await.body, "hello");
    proxy.stop().await;
}

#[tokio::test]
async fn a_listener_that_cannot_be_bound_is_tried_again_and_holds_up_nobody() {
    let upstream = Upstream::saying("hello").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
    let mut blocked = http_listener("blocked", Direction::Outbound, "routes");
    let address = taken.local_addr().unwrap();
    blocked.bind = mesh_core::model::listener::Bind::Socket(address.into());
    add_listener(&mut snapshot, blocked);
    let proxy = Running::start(snapshot).await;
    assert_eq!(get(proxy.addr("out"), "/").await.body, "hello");
    assert!(!proxy.handle.listener_addrs().contains_key("blocked"));
    drop(taken);
    until(|| proxy.handle.listener_addrs().contains_key("blocked")).await;
    assert_eq!(get(address, "/").await.body, "hello");
    proxy.stop().await;
}

#[tokio::test]
async fn a_cluster_of_names_is_resolved() {
    let upstream = Upstream::saying("by name").await;
    let mut by_name = cluster("c", &[]);
    let target = mesh_core::model::cluster::DnsTarget { host: name("localhost"), port: upstream.addr.port() };
    by_name.discovery = mesh_core::model::cluster::Discovery::StrictDns(vec![target]);
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![by_name])).await;
    let end = Instant::now() + Duration::from_secs(10);
    // Names may also mean ::1, where nobody listens: only that it is reached is asked here.
    while get(proxy.addr("out"), "/").await.body != "by name" {
        assert!(Instant::now() < end, "the name was never resolved");
    }
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_under_way_is_finished_before_the_end() {
    let (entered, mut enter) = tokio::sync::mpsc::unbounded_channel();
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let held = gate.clone();
    let upstream = Upstream::http1(move |_| {
        let held = held.clone();
        entered.send(()).unwrap();
        async move {
            held.acquire().await.unwrap().forget();
            text(StatusCode::OK, "finished")
        }
    })
    .await;
    let proxy =
        Running::start(outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])])).await;
    let at = proxy.addr("out");
    let under_way = tokio::spawn(async move { get(at, "/").await });
    enter.recv().await.unwrap();
    let begun = Instant::now();
    let end = tokio::spawn(proxy.handle.drain_and_stop(Duration::from_secs(10)));
    until_refused(at).await;
    gate.add_permits(1);
    let answer = under_way.await.unwrap();
    assert_eq!(answer.body, "finished");
    assert_eq!(answer.headers["connection"], "close");
    end.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "nothing was left to wait for");
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end_and_a_stuck_one_only_for_a_while() {
    let silent = Upstream::http1(|_| std::future::pending()).await;
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![cluster("c", &[silent.addr])])).await;
    let at = proxy.addr("out");
    let _idle = tokio::net::TcpStream::connect(at).await.unwrap();
    let stuck = tokio::spawn(async move { Caller::http1(at).await.try_send(request("/")).await.is_err() });
    until(|| silent.requests() == 1).await;
    let begun = Instant::now();
    proxy.handle.drain_and_stop(Duration::from_millis(400)).await;
    assert!(begun.elapsed() < Duration::from_secs(2));
    assert!(stuck.await.unwrap());
}

async fn until_refused(at: std::net::SocketAddr) {
    let end = Instant::now() + Duration::from_secs(10);
    while tokio::net::TcpStream::connect(at).await.is_ok() {
        assert!(Instant::now() < end, "the port is still open");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
