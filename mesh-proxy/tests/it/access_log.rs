//! What is told of requests: metrics and access logs.

use crate::support::*;
use ::http::StatusCode;
use mesh_core::model::access_log::{AccessLog, LogFormat};
use mesh_core::model::cluster::ServiceRef;
use mesh_core::model::endpoint::Endpoint;
use mesh_core::model::listener::Direction;
use mesh_telemetry::Registry;

#[tokio::test]
async fn each_request_is_counted_and_written_with_its_parties() {
    let upstream = Upstream::saying("hello").await;
    let folder = std::env::temp_dir().join(format!("mesh-proxy-log-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("access.log");
    let mut logged = manager("routes");
    logged.access_logs =
        vec![AccessLog { path: path.to_str().unwrap().into(), format: LogFormat::default_text() }];
    let endpoint = Endpoint { workload: Some(workload("reviews-v1")), ..Endpoint::at(upstream.addr) };
    let mut c = cluster_of("outbound|9080||reviews", vec![endpoint]);
    c.services = vec![ServiceRef {
        host: name("reviews.default.svc.cluster.local"),
        name: name("reviews"),
        namespace: name("default"),
    }];
    let routes = vec![route("/ok", to("outbound|9080||reviews")), route("/nc", to("nothing"))];
    let mut snapshot = outbound(routes, vec![c]);
    add_listener(
        &mut snapshot,
        listener("out", Direction::Outbound, vec![chain("http", http_filter(logged))]),
    );
    let registry = Registry::default();
    let counted = registry.clone();
    let proxy = Running::with(snapshot, mesh_core::watch::channel().1, move |s| s.registry = counted).await;
    assert_eq!(get(proxy.addr("out"), "/ok/1").await.status, StatusCode::OK);
    assert_eq!(get(proxy.addr("out"), "/nc").await.status, StatusCode::SERVICE_UNAVAILABLE);
    proxy.stop().await;

    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    until(|| read().lines().count() == 2).await;
    let text = read();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].contains("\"GET /ok/1 HTTP/1.1\" 200 - via_upstream"), "{}", lines[0]);
    assert!(lines[0].contains("outbound|9080||reviews"), "{}", lines[0]);
    assert!(lines[1].contains("\"GET /nc HTTP/1.1\" 503 NC cluster_not_found"), "{}", lines[1]);

    let metrics = registry.render();
    let line = metrics
        .lines()
        .find(|l| l.starts_with("istio_requests_total{") && l.contains("response_code=\"200\""))
        .unwrap_or_else(|| panic!("{metrics}"));
    for label in [
        "reporter=\"source\"",
        "source_workload=\"test-v1\"",
        "destination_workload=\"reviews-v1\"",
        "destination_service=\"reviews.default.svc.cluster.local\"",
        "response_flags=\"-\"",
    ] {
        assert!(line.contains(label), "{label} in {line}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn a_caller_that_goes_before_its_answer_is_told_of() {
    let silent = Upstream::http1(|_| std::future::pending()).await;
    let registry = Registry::default();
    let counted = registry.clone();
    let snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[silent.addr])]);
    let proxy = Running::with(snapshot, mesh_core::watch::channel().1, move |s| s.registry = counted).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    let asking = tokio::spawn(async move { caller.try_send(request("/")).await.is_ok() });
    until(|| silent.requests() == 1).await;
    asking.abort();
    let told =
        |line: &str| line.starts_with("istio_requests_total{") && line.contains("response_flags=\"DC\"");
    until(|| registry.render().lines().any(told)).await;
    proxy.stop().await;
}
