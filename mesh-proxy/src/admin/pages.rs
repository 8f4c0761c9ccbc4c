//! Which page answers which path, and what may change something.
//!
//! As in Envoy, a page that changes something wants a POST. Beyond Envoy, it wants it from nobody's web page:
//! a browser on this machine reaches loopback for whatever site it shows, and says so in `origin`.

use super::query::Query;
use super::reply::Reply;
use super::stats::{self, ClusterNumbers, Facts, Wanted};
use super::{Admin, State, certs, clusters, config_dump, info, listeners, logging, prometheus};
use crate::control::ListenerStatus;
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use std::fmt::Write as _;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Whether a page changes something.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Changes {
    Never,
    /// If it is given parameters; without them it shows.
    WithParameters,
    Always,
}

struct Page {
    path: &'static str,
    changes: Changes,
    help: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    answer: fn(&Admin, &Query) -> Reply,
}

const fn shows(path: &'static str, help: &'static str, answer: fn(&Admin, &Query) -> Reply) -> Page {
    Page { path, changes: Changes::Never, help, parameters: &[], answer }
}

const fn does(path: &'static str, help: &'static str, answer: fn(&Admin, &Query) -> Reply) -> Page {
    Page { path, changes: Changes::Always, help, parameters: &[], answer }
}

impl Page {
    const fn with(self, parameters: &'static [(&'static str, &'static str)]) -> Self {
        Self { parameters, ..self }
    }
}

const FORMAT: (&str, &str) = ("format", "Format to use; One of (text, json)");
const FILTER: (&str, &str) = ("filter", "Regular expression for filtering by name");
const USED: (&str, &str) = ("usedonly", "Only include stats that are not zero");

const PAGES: [Page; 16] = [
    shows("/", "Admin home page", |_, _| Reply::text(help())),
    shows("/certs", "print certs on machine", |admin, _| {
        Reply::json(&certs::page(admin.identity.current().as_deref(), SystemTime::now()))
    }),
    shows("/clusters", "upstream cluster status", clusters_page).with(&[FILTER, FORMAT]),
    shows("/config_dump", "dump current configs", config_page).with(&[
        ("resource", "The list to dump, such as dynamic_active_clusters"),
        ("mask", "Fields to keep, such as cluster.name; of every entry if resource is given"),
        ("name_regex", "Regular expression for the names of entries to keep"),
        ("include_eds", "Dump endpoints, too"),
    ]),
    does("/drain_listeners", "drain listeners", drain),
    does("/healthcheck/fail", "cause the server to fail health checks", |admin, _| fail(admin, true)),
    does("/healthcheck/ok", "cause the server to pass health checks", |admin, _| fail(admin, false)),
    shows("/help", "print out list of admin commands", |_, _| Reply::text(help())),
    shows("/listeners", "print listener info", |admin, query| {
        listeners::page(&admin.source.listeners(), query)
    })
    .with(&[FORMAT]),
    Page {
        path: "/logging",
        changes: Changes::WithParameters,
        help: "query/change logging levels",
        parameters: &[
            ("paths", "Change several levels: <module1>:<level1>,<module2>:<level2>"),
            ("level", "Level of everything; One of (, trace, debug, info, warning, error, critical, off)"),
        ],
        answer: |admin, query| {
            logging::page(&mut admin.levels.lock(), admin.settings.set_log_level.as_ref(), query)
        },
    },
    shows("/memory", "print current memory usage", |_, _| match info::Memory::of_this_process() {
        Some(memory) => Reply::json(&memory.as_json()),
        None => Reply::error(StatusCode::NOT_IMPLEMENTED, "the kernel does not say\n"),
    }),
    does("/quitquitquit", "exit the server", |admin, _| ordered(admin.source.quit())),
    shows("/ready", "print server state, return 200 if LIVE, otherwise return 503", |admin, _| ready(admin)),
    shows("/server_info", "print server version/status information", |admin, _| {
        let uptime = admin.source.uptime();
        Reply::json(&info::server_info(&admin.settings.node, admin.state(), uptime, admin.concurrency()))
    }),
    shows("/stats", "print server stats", stats_page).with(&[
        USED,
        FILTER,
        ("format", "Format to use; One of (text, json, prometheus)"),
        ("type", "Stat types to include.; One of (All, Counters, Gauges, Histograms, TextReadouts)"),
    ]),
    shows("/stats/prometheus", "print server stats in prometheus format", prometheus_page)
        .with(&[USED, FILTER]),
];

/// Answers a request to the admin address.
pub(super) fn answer(admin: &Admin, method: &Method, uri: &Uri, headers: &HeaderMap) -> Reply {
    let Some(page) = PAGES.iter().find(|page| page.path == uri.path()) else {
        return Reply::error(StatusCode::NOT_FOUND, format!("invalid path. {}", help()));
    };
    let query = Query::parse(uri.query().unwrap_or_default());
    let changes = match page.changes {
        Changes::Never => false,
        Changes::WithParameters => !query.is_empty(),
        Changes::Always => true,
    };
    if changes && method != Method::POST {
        let why = format!("Method {method} not allowed, POST required.");
        return Reply::error(StatusCode::METHOD_NOT_ALLOWED, why);
    }
    if changes && is_from_another_site(headers) {
        return Reply::error(StatusCode::FORBIDDEN, "Requests of other web sites are refused.\n");
    }
    (page.answer)(admin, &query)
}

/// Answers a request to the status address: readiness alone.
pub(super) fn answer_probe(admin: &Admin, uri: &Uri) -> Reply {
    match uri.path() {
        "/healthz/ready" => ready(admin),
        _ => Reply::error(StatusCode::NOT_FOUND, "only /healthz/ready is served here\n"),
    }
}

/// Whether a browser sent it for a page that is not ours. Programs say nothing of an origin.
fn is_from_another_site(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let site = origin.to_str().ok().and_then(|o| o.split_once("://")).map(|(_, site)| site.as_bytes());
    site.is_none() || site != headers.get(HOST).map(HeaderValue::as_bytes)
}

fn help() -> String {
    let mut out = "admin commands are:\n".to_owned();
    let mut pages: Vec<&Page> = PAGES.iter().collect();
    pages.sort_by_key(|page| page.path);
    for page in pages {
        let post = if page.changes == Changes::Never { "" } else { " (POST)" };
        let _ = writeln!(out, "  {}{post}: {}", page.path, page.help);
        for (name, help) in page.parameters {
            let _ = writeln!(out, "      {name}: {help}");
        }
    }
    out
}

fn ready(admin: &Admin) -> Reply {
    let state = admin.state();
    let body = format!("{}\n", state.as_str());
    match state {
        State::Live => Reply::text(body),
        State::Draining | State::PreInitializing => Reply::error(StatusCode::SERVICE_UNAVAILABLE, body),
    }
}

fn fail(admin: &Admin, failing: bool) -> Reply {
    admin.failing.store(failing, Ordering::Relaxed);
    Reply::done()
}

fn ordered(heard: bool) -> Reply {
    if heard { Reply::done() } else { Reply::error(StatusCode::SERVICE_UNAVAILABLE, "the proxy has ended\n") }
}

fn drain(admin: &Admin, query: &Query) -> Reply {
    // Draining more than was asked for would be worse than not draining.
    for unsupported in ["inboundonly", "skip_exit"] {
        if query.has(unsupported) {
            let why = format!("{unsupported} is not supported: all listeners drain and close\n");
            return Reply::error(StatusCode::NOT_IMPLEMENTED, why);
        }
    }
    ordered(admin.source.drain_listeners())
}

fn clusters_page(admin: &Admin, query: &Query) -> Reply {
    let input = admin.source.input();
    clusters::page(input.map(|input| clusters::views(&input, &admin.shared)).unwrap_or_default(), query)
}

fn config_page(admin: &Admin, query: &Query) -> Reply {
    let Some(hook) = &admin.settings.config_dump else {
        let why = "this program gave its proxy no form to print configuration in\n";
        return Reply::error(StatusCode::NOT_FOUND, why);
    };
    let snapshot = admin.source.input().map(|input| hook(&input.snapshot));
    let credential = admin.identity.current();
    config_dump::page(config_dump::dump(&admin.settings.node, snapshot, credential.as_deref()), query)
}

fn stats_page(admin: &Admin, query: &Query) -> Reply {
    let format = query.get("format").unwrap_or("text");
    if format == "prometheus" {
        return prometheus_page(admin, query);
    }
    let wanted = match Wanted::of(query) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let mut stats = collect(admin);
    stats.extend(stats::registered(admin.settings.registry.samples()));
    stats.retain(|stat| wanted.wants(stat));
    stats.sort_by(|a, b| a.name.cmp(&b.name));
    match format {
        "text" => Reply::text(stats::as_text(&stats)),
        "json" => Reply::compact_json(&stats::as_json(&stats)),
        _ => Reply::bad_request("usage: /stats?format=(json|prometheus|text)\n\n"),
    }
}

fn prometheus_page(admin: &Admin, query: &Query) -> Reply {
    match Wanted::of(query) {
        Ok(wanted) => {
            let page = prometheus::render(&collect(admin), &admin.settings.registry.render(), &wanted);
            Reply::typed(mesh_telemetry::metrics::CONTENT_TYPE, page)
        }
        Err(refused) => refused,
    }
}

fn collect(admin: &Admin) -> Vec<stats::Stat> {
    let views = admin.source.input().map(|input| clusters::views(&input, &admin.shared)).unwrap_or_default();
    let connections = admin.totals.lock().look(&views);
    let numbers = views.iter().map(|cluster| {
        let connections = connections.get(&cluster.config.name).copied().unwrap_or_default();
        ClusterNumbers { cluster, connections }
    });
    let listeners = admin.source.listeners();
    let failed = listeners.values().filter(|l| matches!(l, ListenerStatus::Failed { .. })).count();
    let credential = admin.identity.current();
    stats::collect(&Facts {
        clusters: numbers.collect(),
        counters: &admin.shared.counters,
        listeners_bound: listeners.len() - failed,
        listeners_failed: failed,
        state: admin.state(),
        uptime: admin.source.uptime(),
        concurrency: admin.concurrency(),
        days_until_first_expiry: credential
            .and_then(|c| certs::days_until_first_expiry(&c, SystemTime::now())),
        physical_memory: info::Memory::of_this_process().map(|m| m.resident),
    })
}
