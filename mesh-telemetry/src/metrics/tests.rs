use super::*;
use crate::peer::Peer;
use crate::record::{ConnectionEvent, ConnectionSecurity, Party, Reporter};
use mesh_core::model::cluster::ServiceRef;
use mesh_core::model::endpoint::WorkloadRef;
use mesh_core::response_flag::ResponseFlag;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

fn party(service: &str, version: &str) -> Party {
    let workload = WorkloadRef {
        name: format!("{service}-{version}").into(),
        namespace: "default".into(),
        canonical_service: service.into(),
        canonical_revision: version.into(),
        cluster: "Kubernetes".into(),
    };
    Party {
        peer: Some(Arc::new(Peer::new(workload, service.into(), version.into()))),
        principal: format!("spiffe://cluster.local/ns/default/sa/bookinfo-{service}").parse().ok(),
    }
}

fn request() -> RequestRecord {
    let mut r = RequestRecord::new(Reporter::Destination, SystemTime::UNIX_EPOCH);
    r.source = party("productpage", "v1");
    r.destination = party("reviews", "v2");
    r.service = Some(ServiceRef {
        host: "reviews.default.svc.cluster.local".into(),
        name: "reviews".into(),
        namespace: "default".into(),
    });
    r.connection_security = ConnectionSecurity::MutualTls;
    r.response_code = 200;
    r.duration = Duration::from_micros(7_500);
    r.bytes_sent = 375;
    r
}

const LABELS: &str = concat!(
    "reporter=\"destination\",source_workload=\"productpage-v1\",source_canonical_service=\"productpage\",",
    "source_canonical_revision=\"v1\",source_workload_namespace=\"default\",",
    "source_principal=\"spiffe://cluster.local/ns/default/sa/bookinfo-productpage\",source_app=\"productpage\",",
    "source_version=\"v1\",source_cluster=\"Kubernetes\",",
    "destination_service=\"reviews.default.svc.cluster.local\",destination_service_namespace=\"default\",",
    "destination_service_name=\"reviews\",destination_workload=\"reviews-v2\",",
    "destination_canonical_service=\"reviews\",destination_canonical_revision=\"v2\",",
    "destination_workload_namespace=\"default\",",
    "destination_principal=\"spiffe://cluster.local/ns/default/sa/bookinfo-reviews\",",
    "destination_app=\"reviews\",destination_version=\"v2\",destination_cluster=\"Kubernetes\",",
    "request_protocol=\"http\",response_code=\"200\",grpc_response_status=\"\",response_flags=\"-\",",
    "connection_security_policy=\"mutual_tls\"",
);

#[test]
fn a_request_prints_as_istio_prints_it() {
    let registry = Registry::default();
    registry.shard().request(&request());
    let text = registry.render();
    let mut expected = format!(
        "# HELP istio_requests_total Requests that ended.\n# TYPE istio_requests_total counter\n\
         istio_requests_total{{{LABELS}}} 1\n\
         # HELP istio_request_duration_milliseconds Time from the request's head to the response's end.\n\
         # TYPE istio_request_duration_milliseconds histogram\n"
    );
    let bounds =
        "0.5 1 5 10 25 50 100 250 500 1000 2500 5000 10000 30000 60000 300000 600000 1800000 3600000 +Inf";
    for (i, le) in bounds.split(' ').enumerate() {
        let n = u32::from(i >= 3);
        expected += &format!("istio_request_duration_milliseconds_bucket{{{LABELS},le=\"{le}\"}} {n}\n");
    }
    expected += &format!("istio_request_duration_milliseconds_sum{{{LABELS}}} 7.5\n");
    expected += &format!("istio_request_duration_milliseconds_count{{{LABELS}}} 1\n");
    assert_eq!(text.get(..expected.len()), Some(expected.as_str()));
    assert!(text.contains(&format!("istio_response_bytes_sum{{{LABELS}}} 375\n")));
    assert!(text.contains(&format!("istio_request_bytes_bucket{{{LABELS},le=\"0.5\"}} 1\n")));
}

#[test]
fn every_line_is_a_legal_exposition() {
    let registry = Registry::default();
    let shard = registry.shard();
    shard.request(&request());
    let mut grpc = request();
    (grpc.grpc, grpc.grpc_status) = (true, Some(14));
    shard.request(&grpc);
    shard.connection(&ConnectionRecord::new(
        Reporter::Source,
        ConnectionEvent::Opened,
        SystemTime::UNIX_EPOCH,
    ));
    let desc = Desc::new("envoy_cluster_upstream_rq_total", "Requests\\ and\nmore.");
    let _counter = registry.counter(desc, &[("envoy_cluster_name", "a\"b\\c\nd")]);
    let _gauge = registry.gauge(Desc::new("envoy_server_live", "1 while it serves."), &[]);
    let _histogram = registry.histogram(Desc::new("envoy_cluster_upstream_rq_time", "Milliseconds."), &[]);
    let text = registry.render();
    let mut typed = std::collections::HashSet::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let name = rest.split(' ').next().unwrap();
            assert!(typed.insert(name.to_owned()), "{name} is typed twice");
            current = name.to_owned();
        } else if !line.starts_with("# HELP ") {
            assert!(line.starts_with(&current), "{line} stands below the header of {current}");
            let (_, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
        }
    }
    assert!(text.contains(r#"envoy_cluster_upstream_rq_total{envoy_cluster_name="a\"b\\c\nd"} 0"#));
    assert!(text.contains("# HELP envoy_cluster_upstream_rq_total Requests\\\\ and\\nmore.\n"));
    assert!(text.contains("envoy_cluster_upstream_rq_time_bucket{le=\"+Inf\"} 0\n"));
    assert!(text.contains("envoy_server_live 0\n"));
    assert!(text.contains(r#"grpc_response_status="14""#) && text.contains(r#"request_protocol="grpc""#));
}

#[test]
fn what_is_not_known_says_so() {
    let registry = Registry::default();
    registry.shard().request(&RequestRecord::new(Reporter::Source, SystemTime::UNIX_EPOCH));
    let text = registry.render();
    let line = text.lines().find(|l| l.starts_with("istio_requests_total{")).unwrap();
    assert_eq!(line.matches("=\"unknown\"").count(), 8 + 3 + 8 + 1);
}

#[test]
fn shards_of_all_workers_add_up_and_a_dropped_one_stays_counted() {
    let registry = Registry::default();
    let shards = [registry.shard(), registry.shard(), registry.shard()];
    std::thread::scope(|scope| {
        for shard in &shards {
            scope.spawn(|| (0..1000).for_each(|_| shard.request(&request())));
        }
    });
    let expected = format!("istio_requests_total{{{LABELS}}} 3000\n");
    assert!(registry.render().contains(&expected));
    drop(shards);
    assert!(registry.render().contains(&expected));
    registry.shard().request(&request());
    assert!(registry.render().contains(&expected.replace("3000", "3001")));
}

#[test]
fn flags_codes_and_peers_tell_series_apart_and_equal_content_does_not() {
    let registry = Registry::default();
    let shard = registry.shard();
    shard.request(&request());
    shard.request(&request()); // its peers are other allocations with the same content
    let mut other = request();
    other.response_code = 503;
    other.response_flags = ResponseFlag::UpstreamOverflow.into();
    shard.request(&other);
    let mut other = request();
    other.source.principal = None;
    shard.request(&other);
    let text = registry.render();
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with("istio_requests_total{")).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines.iter().any(|l| l.ends_with(" 2")));
    assert!(
        lines.iter().any(|l| l.contains(r#"response_code="503""#) && l.contains(r#"response_flags="UO""#))
    );
}

#[test]
fn a_flood_of_labels_ends_in_one_series() {
    let registry = Registry::new(Limits { standard: 3, registered: 2 });
    let shard = registry.shard();
    for n in 0..50 {
        let mut r = request();
        r.source = party(&format!("invented-{n}"), "v1");
        shard.request(&r);
    }
    shard.request(&{
        let mut known = request();
        known.source = party("invented-0", "v1");
        known
    });
    let text = registry.render();
    let lines: Vec<_> = text.lines().filter(|l| l.starts_with("istio_requests_total{")).collect();
    assert_eq!(lines.len(), 4);
    assert!(lines[0].ends_with(" 2"), "a known one is still counted as itself: {}", lines[0]);
    assert!(lines[3].contains("reporter=\"overflow\"") && lines[3].ends_with(" 47"), "{}", lines[3]);
    assert_eq!(registry.overflows(), 47);

    let desc = Desc::new("some_total", "Some.");
    let counters: Vec<_> = (0..5).map(|n| registry.counter(desc, &[("name", &n.to_string())])).collect();
    counters.iter().for_each(Counter::inc);
    assert!(registry.render().contains("some_total{name=\"overflow\"} 3\n"));
}

#[test]
fn a_connection_counts_what_is_new() {
    let registry = Registry::default();
    let shard = registry.shard();
    let told = |event, received, sent| {
        let mut r = ConnectionRecord::new(Reporter::Destination, event, SystemTime::UNIX_EPOCH);
        (r.new_bytes_received, r.new_bytes_sent) = (received, sent);
        shard.connection(&r);
    };
    told(ConnectionEvent::Opened, 0, 0);
    told(ConnectionEvent::Progress, 10, 20);
    told(ConnectionEvent::Closed, 1, 2);
    let text = registry.render();
    let value = |name: &str| {
        let line = text.lines().find(|l| l.starts_with(&format!("{name}{{"))).unwrap();
        assert!(line.contains("request_protocol=\"tcp\",response_flags=\"-\",connection"), "{line}");
        line.rsplit_once(' ').unwrap().1.to_owned()
    };
    assert_eq!(value("istio_tcp_received_bytes_total"), "11");
    assert_eq!(value("istio_tcp_sent_bytes_total"), "22");
    assert_eq!(value("istio_tcp_connections_opened_total"), "1");
    assert_eq!(value("istio_tcp_connections_closed_total"), "1");
    assert!(!text.contains("istio_requests_total"));
}

#[test]
fn a_counter_goes_on_where_the_last_stack_ended_and_a_gauge_does_not() {
    let registry = Registry::default();
    let (total, active) = (Desc::new("x_total", "X."), Desc::new("x_active", "X."));
    let first = registry.counter(total, &[]);
    let gauge = registry.gauge(active, &[]);
    first.add(5);
    gauge.set(3);
    drop((first, gauge));
    let second = registry.counter(total, &[]);
    let other = registry.counter(total, &[]);
    let gauge = registry.gauge(active, &[]);
    second.inc();
    other.inc();
    gauge.inc();
    let text = registry.render();
    assert!(text.contains("x_total 7\n") && text.contains("x_active 1\n"), "{text}");
    let samples = registry.samples();
    assert!(samples.iter().any(|s| s.name == "x_total" && s.value == SampleValue::Counter(7)));
}

#[test]
fn a_series_that_nobody_counts_any_more_is_forgotten_in_the_end() {
    let registry = Registry::default();
    registry.counter(Desc::new("x_total", "X."), &[("cluster", "gone")]).inc();
    assert!(registry.render().contains("gone"));
    assert!((0..100).any(|_| !registry.render().contains("gone")));
    assert_eq!(registry.samples().len(), 0);
}

#[test]
fn a_value_falls_into_the_bucket_whose_bound_it_does_not_exceed() {
    let histogram = Histogram::default();
    for value in [0.5, 0.51, 3_600_000.0, 3_600_001.0, f64::NAN, -1.0] {
        histogram.observe(value);
    }
    let tally = histogram.0.read();
    assert_eq!((tally.buckets[0], tally.buckets[1], tally.buckets[18], tally.buckets[19]), (2, 1, 1, 1));
    assert_eq!(tally.sum(), 7_200_002.01);
}
