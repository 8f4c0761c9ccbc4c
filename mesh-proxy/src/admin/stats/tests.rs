use super::super::clusters::views;
use super::super::testing::{CLUSTER, Mesh};
use super::super::totals::Connections;
use super::*;

fn stats(mesh: &Mesh) -> Vec<Stat> {
    let views = views(&mesh.input(), &mesh.shared);
    let connections = Connections { total: 9, failed: 1, active: 4 };
    collect(&Facts {
        clusters: views.iter().map(|cluster| ClusterNumbers { cluster, connections }).collect(),
        counters: &mesh.shared.counters,
        listeners_bound: 2,
        listeners_failed: 1,
        state: State::Live,
        uptime: Duration::from_secs(61),
        concurrency: 2,
        days_until_first_expiry: Some(9),
        physical_memory: None,
    })
}

fn busy() -> Mesh {
    let mesh = Mesh::new();
    mesh.shared.counters.connections_accepted.store(5, Relaxed);
    mesh.shared.counters.handshake_failures.store(2, Relaxed);
    let stats = &mesh.cluster.stats;
    stats.rq_total.store(8, Relaxed);
    stats.answered(http::StatusCode::OK);
    stats.answered(http::StatusCode::FOUND);
    stats.answered(http::StatusCode::BAD_GATEWAY);
    stats.answered(http::StatusCode::SERVICE_UNAVAILABLE);
    mesh
}

#[test]
fn the_names_and_values_are_envoys() {
    let text = as_text(&stats(&busy()));
    for line in [
        &format!("cluster.{CLUSTER}.upstream_rq_total: 8"),
        &format!("cluster.{CLUSTER}.upstream_rq_2xx: 1"),
        &format!("cluster.{CLUSTER}.upstream_rq_3xx: 1"),
        &format!("cluster.{CLUSTER}.upstream_rq_4xx: 0"),
        &format!("cluster.{CLUSTER}.upstream_rq_5xx: 2"),
        &format!("cluster.{CLUSTER}.upstream_rq_completed: 4"),
        &format!("cluster.{CLUSTER}.upstream_cx_total: 9"),
        &format!("cluster.{CLUSTER}.upstream_cx_active: 4"),
        &format!("cluster.{CLUSTER}.membership_total: 3"),
        &format!("cluster.{CLUSTER}.membership_healthy: 2"),
        &format!("cluster.{CLUSTER}.circuit_breakers.default.cx_open: 0"),
        &format!("cluster.{CLUSTER}.outlier_detection.ejections_active: 0"),
        "listener.all.downstream_cx_total: 5",
        "listener.all.ssl.connection_error: 2",
        "listener_manager.total_listeners_active: 2",
        "cluster_manager.active_clusters: 1",
        "server.live: 1",
        "server.uptime: 61",
        "server.concurrency: 2",
        "server.days_until_first_cert_expiring: 9",
        "mesh.proxy.listeners_failed: 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} in:\n{text}");
    }
    let mut sorted: Vec<_> = text.lines().collect();
    sorted.sort_unstable();
    sorted.dedup();
    assert_eq!(sorted, text.lines().collect::<Vec<_>>(), "sorted by name, each once");
}

#[test]
fn what_an_open_breaker_and_an_ejection_change_is_seen() {
    let mesh = busy();
    let _all = [(); 7].map(|()| mesh.cluster.breaker.try_acquire_connection().unwrap());
    let failed = mesh_policy::outlier::Outcome::Status(http::StatusCode::BAD_GATEWAY);
    mesh.host("10.0.0.1:80").outlier.record(failed, std::time::Instant::now);
    let text = as_text(&stats(&mesh));
    for line in [
        "circuit_breakers.default.cx_open: 1",
        "upstream_cx_active: 7",
        "outlier_detection.ejections_active: 1",
        "outlier_detection.ejections_enforced_consecutive_5xx: 1",
        "membership_healthy: 1",
    ] {
        assert!(text.contains(&format!("cluster.{CLUSTER}.{line}\n")), "{line} in:\n{text}");
    }
}

#[test]
fn a_reader_may_want_only_some() {
    let all = stats(&busy());
    let names = |query: &str| {
        let wanted = Wanted::of(&Query::parse(query)).unwrap_or_else(|refused| panic!("{}", refused.body));
        all.iter().filter(|s| wanted.wants(s)).map(|s| s.name.clone()).collect::<Vec<_>>()
    };
    let responses = names("filter=upstream_rq_.xx$&usedonly");
    let end = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    assert_eq!(
        responses.iter().map(|n| end(n)).collect::<Vec<_>>(),
        ["upstream_rq_2xx", "upstream_rq_3xx", "upstream_rq_5xx"]
    );
    assert!(names("type=Gauges").contains(&"server.live".to_owned()));
    assert!(!names("type=Counters").contains(&"server.live".to_owned()));
    assert!(names("type=Histograms").is_empty());
    let refused = |query: &str| Wanted::of(&Query::parse(query)).err().map(|r| r.status.as_u16());
    assert_eq!((refused("type=x"), refused("filter=(")), (Some(400), Some(400)));
}

#[test]
fn a_colon_in_a_clusters_name_does_not_look_like_the_end_of_the_statistics_name() {
    let mesh = Mesh::named("outbound|80||[::1]:9");
    let stats = stats(&mesh);
    let stat = stats.iter().find(|s| s.family == "envoy_cluster_membership_total").unwrap();
    assert_eq!(stat.name, "cluster.outbound|80||[__1]_9.membership_total");
    assert_eq!(stat.labels, [("envoy_cluster_name", "outbound|80||[::1]:9".to_owned())]);
}

#[test]
fn what_others_registered_is_listed_with_its_labels() {
    let samples = vec![
        Sample { name: "mesh_a_total", labels: vec![("k", "v".to_owned())], value: SampleValue::Counter(3) },
        Sample { name: "mesh_b", labels: vec![], value: SampleValue::Gauge(-2) },
        Sample { name: "mesh_c", labels: vec![], value: SampleValue::Histogram { count: 1, sum: 2.0 } },
    ];
    let stats = registered(samples);
    assert_eq!(as_text(&stats), "mesh_a_total.k.v: 3\nmesh_b: -2\n");
    assert_eq!(as_json(&stats)["stats"][1], json!({ "name": "mesh_b", "value": -2 }));
}
