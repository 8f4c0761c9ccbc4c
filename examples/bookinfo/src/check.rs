//! `--once N`: a load of N requests, the table, and a verdict.

use crate::live::proxies;
use crate::live::screen::Look;
use bookinfo::expect::split_of_reviews;
use bookinfo::load::{Load, Score};
use bookinfo::mesh::Mesh;
use bookinfo::table::{Row, Window, render, scrape};
use std::collections::BTreeMap;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// How far the observed split may be from the configured one.
const TOLERANCE: f64 = 0.03;

/// Requests at once.
const CONCURRENCY: usize = 16;

pub(crate) async fn once(mesh: &Mesh, requests: u64, look: Look) -> ExitCode {
    let Some(gateway) = mesh.gateway() else {
        eprintln!("error: the configuration has no gateway");
        return ExitCode::FAILURE;
    };
    let proxies = proxies(mesh);
    let mut window = Window::new(Duration::MAX);
    window.push(Instant::now(), scrape(&proxies).await.0);

    let load = Load::new(gateway, CONCURRENCY);
    tokio::select! {
        () = load.requests(requests) => {}
        () = progress(&load, requests) => {}
        _ = mesh_cli::shutdown_signal() => return ExitCode::FAILURE,
    }
    let (scrapes, errors) = scrape(&proxies).await;
    for error in &errors {
        eprintln!("error: {error}");
    }
    window.push(Instant::now(), scrapes);
    let rows = window.rows();
    let score = load.score();
    let summary = format!(
        "{}{} requests, {} failed, {} pages incomplete, p50 {:.1} ms, p99 {:.1} ms\n",
        render(&rows, look.style()),
        score.sent,
        score.failed(),
        score.incomplete,
        load.latency(0.5).as_secs_f64() * 1e3,
        load.latency(0.99).as_secs_f64() * 1e3
    );
    let mut complaints = complaints(&score, &rows, split_of_reviews(mesh).as_ref());
    complaints.extend(refused(mesh.control_plane().findings().errors()));
    let good = complaints.is_empty() && errors.is_empty();
    let verdict = if good { "all as configured\n" } else { "" };
    match std::io::stdout().write_all(format!("{summary}{verdict}").as_bytes()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => return mesh_cli::fail(&error),
        // The verdict counts even if nobody reads it.
        _ => {}
    }
    for complaint in &complaints {
        eprintln!("error: {complaint}");
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Tells on a terminal how far the load is; never ends by itself.
async fn progress(load: &Load, requests: u64) {
    let mut stderr = std::io::stderr();
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tick.tick().await;
        if stderr.is_terminal() {
            // A terminal that is gone has nobody to tell.
            let _ = write!(stderr, "\r{} of {requests} requests\x1b[K\r", load.score().sent);
            let _ = stderr.flush();
        }
    }
}

/// What is said of a configuration with so many errors: the traffic may be as it is in force, and what is in
/// force is not what is written.
fn refused(errors: usize) -> Option<String> {
    match errors {
        0 => None,
        1 => Some("the configuration has 1 error, and what is refused is not in force".to_owned()),
        n => Some(format!("the configuration has {n} errors, and what is refused is not in force")),
    }
}

/// What was not as configured.
fn complaints(score: &Score, rows: &[Row], expected: Option<&BTreeMap<String, f64>>) -> Vec<String> {
    let mut complaints = Vec::new();
    if let Some(last) = &score.last_mishap {
        let Score { sent, incomplete, .. } = score;
        let failed = score.failed();
        complaints.push(format!(
            "{failed} of {sent} requests failed, and {incomplete} pages were incomplete; the last one: {}",
            last.why
        ));
    }
    let reviews: BTreeMap<&str, f64> = rows
        .iter()
        .filter(|r| r.service == "reviews")
        .filter_map(|r| Some((r.version.as_str(), r.share?)))
        .collect();
    match expected {
        None => complaints.push("the configuration routes the calls of reviews to no version".to_owned()),
        Some(expected) => {
            let unexpected = reviews.keys().filter(|version| !expected.contains_key(**version));
            for version in expected.keys().map(String::as_str).chain(unexpected.copied()) {
                let want = expected.get(version).copied().unwrap_or(0.0);
                let seen = reviews.get(version).copied().unwrap_or(0.0);
                if (want - seen).abs() > TOLERANCE {
                    let (want, seen) = (want * 100.0, seen * 100.0);
                    complaints
                        .push(format!("reviews {version} got {seen:.1}%, and {want:.1}% is configured"));
                }
            }
        }
    }
    for row in rows.iter().filter(|r| r.requests > 0.0) {
        if row.mtls.is_some_and(|share| share < 1.0) {
            complaints.push(format!("not all requests to {} {} were mTLS", row.service, row.version));
        }
    }
    complaints
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(version: &str, share: f64, mtls: f64) -> Row {
        Row {
            service: "reviews".into(),
            version: version.into(),
            requests: 100.0,
            rate: 1.0,
            success: Some(1.0),
            failure: None,
            p50: None,
            p99: None,
            mtls: Some(mtls),
            share: Some(share),
        }
    }

    fn expected() -> BTreeMap<String, f64> {
        BTreeMap::from([("v1".to_owned(), 0.9), ("v2".to_owned(), 0.1)])
    }

    #[test]
    fn errors_of_the_configuration_are_complained_of_however_well_the_traffic_goes() {
        assert_eq!(refused(0), None);
        assert!(refused(1).is_some_and(|said| said.starts_with("the configuration has 1 error, ")));
        assert!(refused(3).is_some_and(|said| said.starts_with("the configuration has 3 errors, ")));
    }

    #[test]
    fn a_split_within_three_points_is_as_configured() {
        let rows = [row("v1", 0.88, 1.0), row("v2", 0.12, 1.0)];
        assert_eq!(complaints(&Score::default(), &rows, Some(&expected())), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_split_plain_text_and_an_unknown_version_are_complained_of() {
        let rows = [row("v1", 0.5, 1.0), row("v3", 0.5, 0.9)];
        let said = complaints(&Score::default(), &rows, Some(&expected())).join("\n");
        assert!(
            said.contains("v1 got 50.0%") && said.contains("v2 got 0.0%") && said.contains("v3 got 50.0%"),
            "{said}"
        );
        assert!(said.contains("not all requests to reviews v3 were mTLS"), "{said}");
    }
}
