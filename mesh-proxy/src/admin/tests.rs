use super::pages::{answer, answer_probe};
use super::reply::Reply;
use super::testing::{CLUSTER, Mesh, SPIFFE};
use super::*;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

fn call(admin: &Admin, method: &Method, path: &str) -> Reply {
    answer(admin, method, &path.parse().unwrap(), &HeaderMap::new())
}

fn get(admin: &Admin, path: &str) -> Reply {
    call(admin, &Method::GET, path)
}

fn post(admin: &Admin, path: &str) -> Reply {
    call(admin, &Method::POST, path)
}

fn with_hooks(settings: &mut Settings) {
    settings.config_dump =
        Some(Arc::new(|snapshot| json!({ "configs": [{ "version_info": snapshot.version }] })));
    settings.set_log_level = Some(Arc::new(|_| Ok(())));
}

#[test]
fn every_page_that_help_names_answers() {
    let (admin, fake) = Mesh::new().admin(with_hooks);
    let help = get(&admin, "/help").body;
    let lines = help.lines().filter_map(|line| line.strip_prefix("  /"));
    let mut pages = 0;
    for line in lines {
        let (path, post) =
            (format!("/{}", line.split([':', ' ']).next().unwrap()), line.contains(" (POST): "));
        let method = if post { Method::POST } else { Method::GET };
        let reply = call(&admin, &method, &path);
        // `/healthcheck/fail` comes before `/ready` in the list, and `/healthcheck/ok` between them.
        assert_eq!(reply.status, 200, "{method} {path}: {}", reply.body);
        pages += 1;
    }
    assert_eq!(pages, 16);
    assert_eq!(fake.lock().asked, ["drain", "quit"]);
    assert_eq!(get(&admin, "/").body, help);
}

#[test]
fn an_unknown_path_is_answered_with_the_known_ones() {
    let (admin, _) = Mesh::new().admin(|_| ());
    let reply = get(&admin, "/clusters/");
    assert_eq!(reply.status, 404);
    assert!(reply.body.starts_with("invalid path. admin commands are:\n"), "{}", reply.body);
    assert!(reply.body.contains("\n  /quitquitquit (POST): exit the server\n"), "{}", reply.body);
}

#[test]
fn what_changes_something_wants_a_post() {
    let (admin, fake) = Mesh::new().admin(with_hooks);
    for path in
        ["/quitquitquit", "/drain_listeners", "/healthcheck/fail", "/healthcheck/ok", "/logging?level=debug"]
    {
        let reply = get(&admin, path);
        assert_eq!(
            (reply.status.as_u16(), &*reply.body),
            (405, "Method GET not allowed, POST required."),
            "{path}"
        );
    }
    assert!(fake.lock().asked.is_empty());
    assert_eq!(get(&admin, "/ready").status, 200);
    assert_eq!(get(&admin, "/logging").status, 200, "without parameters it shows");
    assert_eq!(post(&admin, "/logging?level=debug").body, "active loggers:\n  *: debug\n");
}

#[test]
fn another_web_sites_page_cannot_end_the_proxy() {
    let (admin, fake) = Mesh::new().admin(|_| ());
    let from = |origin: &str| {
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1:15000".parse().unwrap());
        headers.insert("origin", origin.parse().unwrap());
        answer(&admin, &Method::POST, &"/quitquitquit".parse().unwrap(), &headers).status.as_u16()
    };
    assert_eq!((from("https://evil.example"), from("null")), (403, 403));
    assert!(fake.lock().asked.is_empty());
    assert_eq!(from("http://127.0.0.1:15000"), 200);
}

#[test]
fn readiness_follows_the_proxy_and_the_operator() {
    let (admin, fake) = Mesh::new().admin(|_| ());
    let both = || {
        let page = get(&admin, "/ready");
        let probe = answer_probe(&admin, &"/healthz/ready".parse().unwrap());
        assert_eq!(page, probe);
        (page.status.as_u16(), page.body.trim_end().to_owned())
    };
    assert_eq!(both(), (200, "LIVE".to_owned()));
    assert_eq!(post(&admin, "/healthcheck/fail").body, "OK\n");
    assert_eq!(both(), (503, "DRAINING".to_owned()));
    post(&admin, "/healthcheck/ok");
    assert_eq!(both(), (200, "LIVE".to_owned()));
    fake.lock().state = control::State::Draining;
    assert_eq!(both(), (503, "DRAINING".to_owned()));
    fake.lock().state = control::State::Initializing;
    assert_eq!(both(), (503, "PRE_INITIALIZING".to_owned()));
    assert_eq!(answer_probe(&admin, &"/quitquitquit".parse().unwrap()).status, 404);
}

#[test]
fn draining_does_no_more_than_it_was_asked_to() {
    let (admin, fake) = Mesh::new().admin(|_| ());
    for unsupported in ["inboundonly", "skip_exit"] {
        assert_eq!(post(&admin, &format!("/drain_listeners?{unsupported}")).status, 501);
    }
    assert!(fake.lock().asked.is_empty());
    assert_eq!(post(&admin, "/drain_listeners?graceful").body, "OK\n");
    assert_eq!(fake.lock().asked, ["drain"]);
}

#[test]
fn the_pages_show_the_same_proxy() {
    let mesh = Mesh::new();
    mesh.cluster.stats.rq_total.store(8, Ordering::Relaxed);
    mesh.host("10.0.0.1:80").pool.connects.store(2, Ordering::Relaxed);
    let (admin, _) = mesh.admin(with_hooks);
    assert!(get(&admin, "/clusters").body.contains(&format!("{CLUSTER}::10.0.0.1:80::cx_total::2\n")));
    let stats = get(&admin, "/stats").body;
    assert!(stats.contains(&format!("cluster.{CLUSTER}.upstream_rq_total: 8\n")), "{stats}");
    assert!(stats.contains(&format!("cluster.{CLUSTER}.upstream_cx_total: 2\n")), "{stats}");
    let metrics = get(&admin, "/stats?format=prometheus");
    assert_eq!(metrics.content_type, "text/plain; version=0.0.4; charset=utf-8");
    assert_eq!(metrics.body.lines().count(), get(&admin, "/stats/prometheus").body.lines().count());
    let line = format!("envoy_cluster_upstream_rq_total{{envoy_cluster_name=\"{CLUSTER}\"}} 8\n");
    assert!(metrics.body.contains(&line), "{}", metrics.body);
    let json: Value =
        serde_json::from_str(&get(&admin, "/stats?format=json&filter=server.concurrency").body).unwrap();
    assert_eq!(json, json!({ "stats": [{ "name": "server.concurrency", "value": 2 }] }));
    let certs: Value = serde_json::from_str(&get(&admin, "/certs").body).unwrap();
    assert_eq!(certs["certificates"][0]["cert_chain"][0]["subject_alt_names"][0]["uri"], SPIFFE);
    let dump: Value = serde_json::from_str(&get(&admin, "/config_dump").body).unwrap();
    assert_eq!(dump["configs"][1]["version_info"], "v7");
    assert_eq!(get(&admin, "/listeners").body, "in::127.1.0.4:9080\n");
}

#[test]
fn before_the_first_configuration_pages_are_empty_and_not_wrong() {
    let (admin, fake) = Mesh::new().admin(with_hooks);
    {
        let mut fake = fake.lock();
        fake.input = None;
        fake.state = control::State::Initializing;
        fake.listeners.clear();
    }
    assert_eq!(
        (get(&admin, "/clusters").body, get(&admin, "/listeners").body),
        (String::new(), String::new())
    );
    assert!(get(&admin, "/stats").body.contains("server.state: 2\n"));
    assert_eq!(get(&admin, "/config_dump").status, 200);
}

#[test]
fn without_a_form_for_it_configuration_is_not_dumped() {
    let (admin, _) = Mesh::new().admin(|_| ());
    assert_eq!(get(&admin, "/config_dump").status, 404);
    assert_eq!(post(&admin, "/logging?level=debug").status, 404);
    assert_eq!(get(&admin, "/stats?format=html").status, 400);
}
