use super::*;
use crate::record::{ConnectionRecord, Reporter};
use http::{HeaderValue, Version};
use mesh_core::model::access_log::LogFormat;
use mesh_core::response_flag::ResponseFlag;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};

fn record() -> RequestRecord {
    let mut r = RequestRecord::new(
        Reporter::Source,
        SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_042),
    );
    r.duration = Duration::from_micros(12_999);
    r.response_duration = Some(Duration::from_millis(4));
    r.path = Some("/reviews/0".into());
    r.authority = Some("reviews:9080".into());
    r.request_id = Some(HeaderValue::from_static("8d1a"));
    r.user_agent = Some(HeaderValue::from_static("curl/8 \"x\""));
    r.response_code = 200;
    r.response_code_details = Some("via_upstream".into());
    r.bytes_sent = 375;
    r.route_name = Some("default".into());
    r.downstream.local = "127.1.0.1:15001".parse().ok();
    r.downstream.remote = "127.0.0.1:40000".parse().ok();
    r.upstream.host = "127.1.0.5:9080".parse().ok();
    r.upstream.cluster = Some("outbound|9080|v2|reviews.default.svc.cluster.local".into());
    r.upstream.local = "127.0.0.1:50000".parse().ok();
    r.upstream.service_time = Some(Duration::from_millis(11));
    r.upstream.attempts = 2;
    r
}

fn line(format: &str, record: &RequestRecord) -> String {
    let mut out = Vec::new();
    Format::text(format).unwrap().request(record, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn the_default_line_is_istios() {
    let mut out = Vec::new();
    Format::compile(&LogFormat::default_text()).unwrap().request(&record(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "[2023-11-14T22:13:20.042Z] \"GET /reviews/0 HTTP/1.1\" 200 - via_upstream - \"-\" 0 375 12 11 \
         \"-\" \"curl/8 \"x\"\" \"8d1a\" \"reviews:9080\" \"127.1.0.5:9080\" \
         outbound|9080|v2|reviews.default.svc.cluster.local 127.0.0.1:50000 127.1.0.1:15001 \
         127.0.0.1:40000 - default\n"
    );
}

#[test]
fn the_default_json_keeps_types_and_order() {
    let mut out = Vec::new();
    Format::compile(&LogFormat::default_json()).unwrap().request(&record(), &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        concat!(
            r#"{"start_time":"2023-11-14T22:13:20.042Z","route_name":"default","method":"GET","path":"/reviews/0","#,
            r#""protocol":"HTTP/1.1","response_code":200,"response_flags":"-","response_code_details":"via_upstream","#,
            r#""connection_termination_details":null,"bytes_received":0,"bytes_sent":375,"duration":12,"#,
            r#""upstream_service_time":"11","x_forwarded_for":null,"user_agent":"curl/8 \"x\"","request_id":"8d1a","#,
            r#""authority":"reviews:9080","upstream_host":"127.1.0.5:9080","#,
            r#""upstream_cluster":"outbound|9080|v2|reviews.default.svc.cluster.local","#,
            r#""upstream_local_address":"127.0.0.1:50000","downstream_local_address":"127.1.0.1:15001","#,
            r#""downstream_remote_address":"127.0.0.1:40000","requested_server_name":null,"#,
            r#""upstream_transport_failure_reason":null}"#,
            "\n"
        )
    );
}

#[test]
fn a_request_that_failed_says_why() {
    let mut r = record();
    r.protocol = Version::HTTP_2;
    r.response_code = 503;
    r.response_flags = ResponseFlag::UpstreamConnectionFailure.into();
    r.original_path = Some("/before".into());
    r.upstream.transport_failure_reason = Some("connection refused".into());
    r.upstream.service_time = None;
    let format = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL% %RESPONSE_FLAGS% \
                  %UPSTREAM_TRANSPORT_FAILURE_REASON% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%";
    assert_eq!(line(format, &r), "/before HTTP/2 UF connection refused -");
}

#[test]
fn lengths_alternatives_percent_signs_and_address_parts_work() {
    let r = record();
    assert_eq!(line("%REQ(:PATH):4%|%REQ(X-NONE?:AUTHORITY)%|100%%", &r), "/rev|reviews:9080|100%");
    assert_eq!(line("%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", &r), "127.1.0.5 9080");
    assert_eq!(line("%RESPONSE_DURATION% %RESPONSE_TX_DURATION% %REQUEST_DURATION%", &r), "4 8 -");
    assert_eq!(line("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %GRPC_STATUS%", &r), "2 -");
}

#[test]
fn grpc_status_prints_in_three_ways() {
    let mut r = record();
    r.grpc_status = Some(14);
    let format = "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%";
    assert_eq!(line(format, &r), "Unavailable UNAVAILABLE 14");
    r.grpc_status = Some(99);
    assert_eq!(line(format, &r), "99 99 99");
}

#[test]
fn start_time_takes_date_formats() {
    let r = record();
    assert_eq!(line("%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", &r), "2023/11/14T22:13:20+0000 1700000000");
    assert_eq!(line("%START_TIME(%s.%3f %9f %3s)%", &r), "1700000000.042 042000000 1700000000042");
    assert_eq!(line("%START_TIME(%b %e %a %j %I%p %E*S %E4S)%", &r), "Nov 14 Tue 318 10PM 20.042 20.0420");
    assert_eq!(line("%START_TIME(%Y-%m-%d):4%", &r), "2023");
}

#[test]
fn headers_that_a_format_names_are_asked_for_and_printed() {
    let format =
        Format::text("%REQ(X-TENANT?USER-AGENT)% %RESP(SERVER)% %RESP(x-envoy-upstream-service-time)%")
            .unwrap();
    assert_eq!(format.request_headers(), ["x-tenant"]);
    assert_eq!(format.response_headers(), ["server"]);
    let mut r = record();
    r.request_headers.insert("x-tenant", HeaderValue::from_static("blue"));
    let mut out = Vec::new();
    format.request(&r, &mut out);
    assert_eq!(out, b"blue - 11");
}

#[test]
fn a_wrong_format_names_the_place_and_the_fault() {
    let fault = |f: &str| Format::text(f).unwrap_err().to_string();
    assert_eq!(fault("ok %NOSUCH%"), "byte 3: \"NOSUCH\" is not an operator that is known here");
    assert_eq!(fault("%START_TIME"), "byte 0: an operator is not closed by '%'");
    assert_eq!(fault("a %REQ(:PATH"), "byte 2: an operator is not closed by '%'");
    assert_eq!(fault("%REQ%"), "byte 0: REQ needs an argument in parentheses");
    assert_eq!(fault("%DURATION(x)%"), "byte 0: DURATION takes no argument");
    assert_eq!(fault("%REQ(:PATH):x%"), "byte 0: \"x\" is not a length");
    assert_eq!(fault("%REQ(a b)%"), "byte 0: \"a b\" is not a header's name");
    assert_eq!(
        fault("%START_TIME(%Q)%"),
        "byte 0: the date format \"%Q\" has a letter that is not known here"
    );
    let error = Format::json([("key", "x%NO%")]).unwrap_err();
    assert_eq!((error.to_string().split(':').next(), error.at()), (Some("key"), 1));
}

#[test]
fn a_closed_connection_prints_what_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let format = Format::text("%PROTOCOL% %RESPONSE_CODE% %BYTES_RECEIVED% %RESPONSE_FLAGS%\n").unwrap();
    let log = AccessLog::new(format, Writer::open(&path).unwrap());
    for event in [ConnectionEvent::Opened, ConnectionEvent::Closed] {
        let mut c = ConnectionRecord::new(Reporter::Source, event, SystemTime::UNIX_EPOCH);
        c.bytes_received = 9;
        log.connection(&c);
    }
    assert!(log.writer().flush(Duration::from_secs(10)));
    assert_eq!(std::fs::read_to_string(path).unwrap(), "- 0 9 -\n");
}

#[test]
fn a_reopened_log_goes_on_in_a_new_file() {
    let dir = tempfile::tempdir().unwrap();
    let (path, rotated) = (dir.path().join("log"), dir.path().join("log.1"));
    let writer = Writer::open(&path).unwrap();
    writer.write(b"one\n".to_vec());
    assert!(writer.flush(Duration::from_secs(10)));
    std::fs::rename(&path, &rotated).unwrap();
    writer.write(b"two\n".to_vec());
    writer.reopen();
    writer.write(b"three\n".to_vec());
    assert!(writer.flush(Duration::from_secs(10)));
    assert_eq!(std::fs::read_to_string(rotated).unwrap(), "one\ntwo\n");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
    assert_eq!((writer.dropped(), writer.failed()), (0, 0));
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    // A pipe that nobody reads stands for a disk that hangs: the thread blocks once the pipe is full.
    let (reader, blocked) = std::io::pipe().unwrap();
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&blocked));
    let writer = Writer::with_queue(path, 4).unwrap();
    for _ in 0..200 {
        writer.write(vec![b'x'; 16 * 1024]);
    }
    assert!(writer.dropped() > 0);
    assert!(!writer.flush(Duration::ZERO));
    drop((reader, blocked));
}

#[test]
fn a_log_that_cannot_be_opened_is_an_error() {
    assert!(Writer::open("/nonexistent/dir/log").is_err());
}

proptest! {
    #[test]
    fn any_text_compiles_or_says_what_is_wrong(format in "[%A-Z_():?a-z0-9 é*]{0,60}") {
        if let Ok(compiled) = Format::text(&format) {
            compiled.request(&record(), &mut Vec::new());
        }
    }

    #[test]
    fn any_json_line_parses(agent in proptest::collection::vec(any::<u8>(), 0..40), literal in "[^%]{0,20}") {
        let mut r = record();
        r.user_agent = HeaderValue::from_bytes(&agent).ok();
        let mixed = format!("{literal}%REQ(USER-AGENT)%");
        let format = Format::json([(literal.as_str(), "%REQ(USER-AGENT)%"), ("mixed", &mixed)]).unwrap();
        let mut out = Vec::new();
        format.request(&r, &mut out);
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    }
}
