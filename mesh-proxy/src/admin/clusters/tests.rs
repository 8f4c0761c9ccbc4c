use super::super::testing::{CLUSTER, Mesh};
use super::*;
use mesh_policy::outlier::Outcome;

fn mesh() -> Mesh {
    let mesh = Mesh::new();
    let first = mesh.host("10.0.0.1:80");
    first.pool.connects.store(2, Relaxed);
    first.pool.open.store(1, Relaxed);
    first.rq_total.store(7, Relaxed);
    first.rq_success.store(6, Relaxed);
    first.rq_error.store(1, Relaxed);
    let failed = Outcome::Status(http::StatusCode::INTERNAL_SERVER_ERROR);
    mesh.host("10.0.0.2:80").outlier.record(failed, std::time::Instant::now);
    mesh
}

fn text(mesh: &Mesh, query: &str) -> String {
    page(views(&mesh.input(), &mesh.shared), &Query::parse(query)).body
}

#[test]
fn the_text_has_envoys_lines() {
    let text = text(&mesh(), "");
    for line in [
        "observability_name::outbound|80||a.default.svc.cluster.local",
        "outlier::success_rate_average::-1",
        "default_priority::max_connections::7",
        "default_priority::max_retries::4294967295",
        "added_via_api::true",
        "10.0.0.1:80::cx_active::1",
        "10.0.0.1:80::cx_total::2",
        "10.0.0.1:80::rq_total::7",
        "10.0.0.1:80::rq_success::6",
        "10.0.0.1:80::rq_error::1",
        "10.0.0.1:80::health_flags::healthy",
        "10.0.0.1:80::weight::3",
        "10.0.0.1:80::region::r",
        "10.0.0.1:80::sub_zone::s",
        "10.0.0.2:80::health_flags::/failed_outlier_check",
        "/run/app.sock::health_flags::/eds_status_draining",
        "/run/app.sock::priority::1",
    ] {
        let line = format!("{CLUSTER}::{line}\n");
        assert!(text.contains(&line), "{line} in:\n{text}");
    }
}

#[test]
fn the_json_leaves_out_what_protobuf_leaves_out() {
    let page = text(&mesh(), "format=json");
    let json: Value = serde_json::from_str(&page).unwrap();
    let cluster = &json["cluster_statuses"][0];
    assert_eq!(cluster["circuit_breakers"]["thresholds"][0]["max_connections"], 7);
    let host = &cluster["host_statuses"][0];
    assert_eq!(host["address"]["socket_address"], json!({ "address": "10.0.0.1", "port_value": 80 }));
    assert_eq!(host["stats"][0], json!({ "name": "cx_active", "type": "GAUGE", "value": "1" }));
    assert_eq!(host["stats"][1], json!({ "name": "cx_connect_fail" }));
    assert_eq!(host["health_status"], json!({ "eds_health_status": "HEALTHY" }));
    assert_eq!(cluster["host_statuses"][1]["health_status"]["failed_outlier_check"], true);
    assert_eq!(cluster["host_statuses"][2]["address"], json!({ "pipe": { "path": "/run/app.sock" } }));
    assert_eq!(cluster["host_statuses"][2]["priority"], 1);
}

#[test]
fn a_filter_chooses_clusters_by_name() {
    let mesh = mesh();
    assert!(text(&mesh, "filter=^outbound").contains(CLUSTER));
    assert_eq!(text(&mesh, "filter=^inbound"), "");
    assert_eq!(page(views(&mesh.input(), &mesh.shared), &Query::parse("filter=(")).status, 400);
}

#[test]
fn a_cluster_that_no_worker_has_made_yet_is_listed_without_counts() {
    let mesh = Mesh::new();
    let views = views(&mesh.input(), &Shared::default());
    assert_eq!((views.len(), views[0].hosts.len(), views[0].healthy()), (1, 3, 2));
    assert!(page(views, &Query::default()).body.contains("10.0.0.1:80::rq_total::0"));
}
