//! The live table: what every proxy says of the requests that reached it.
//!
//! ```text
//! /stats/prometheus of every proxy ─▶ [Scrape] ─▶ [Window] ─▶ [Row]s ─▶ text
//! ```
//!
//! It reads nothing but Istio's standard metrics, as any dashboard would, so it works on any mesh.

mod render;
mod scrape;
#[cfg(test)]
mod tests;

pub use render::{Style, render, render_users};
pub use scrape::{Scrape, ScrapeError, scrape};

use scrape::{Counts, Key};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// One version of a service, over one window.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Label `destination_canonical_service`.
    pub service: String,
    /// Label `destination_canonical_revision`; `-` for requests that reached no version, as their callers
    /// tell.
    pub version: String,
    /// Requests.
    pub requests: f64,
    /// Requests a second.
    pub rate: f64,
    /// Share of them with a status below 400; `None` without requests.
    pub success: Option<f64>,
    /// How most of the others ended: label `response_code`, or `response_flags` where the caller got none;
    /// `None` if nothing failed.
    pub failure: Option<String>,
    /// Half of them took no longer than so many milliseconds.
    pub p50: Option<f64>,
    /// 99 of 100 took no longer than so many milliseconds.
    pub p99: Option<f64>,
    /// Share of them over mTLS; `None` without requests, or where nobody can tell.
    pub mtls: Option<f64>,
    /// Share among the versions of the service.
    pub share: Option<f64>,
}

/// Scrapes of the last few seconds, to see rates rather than totals.
#[derive(Debug)]
pub struct Window {
    span: Duration,
    /// Versions that have a row even before their first request.
    expected: Vec<Key>,
    scrapes: VecDeque<(Instant, BTreeMap<String, Scrape>)>,
}

impl Window {
    /// A window of this length.
    pub fn new(span: Duration) -> Self {
        Self { span, expected: Vec::new(), scrapes: VecDeque::new() }
    }

    /// Gives a version of a service a row, whether or not a request has reached it.
    pub fn expect(&mut self, service: &str, version: &str) {
        self.expected.push(Key { service: service.to_owned(), version: version.to_owned() });
    }

    /// Adds what was scraped at one moment, by proxy. A proxy that could not be asked is left out.
    pub fn push(&mut self, at: Instant, scrapes: BTreeMap<String, Scrape>) {
        self.scrapes.push_back((at, scrapes));
        // One scrape older than the window stays, to count from.
        while self.scrapes.get(1).is_some_and(|(second, _)| at.duration_since(*second) >= self.span) {
            self.scrapes.pop_front();
        }
    }

    /// Forgets what was before the last scrape: what comes is to be seen unmixed with what was.
    pub fn restart(&mut self) {
        self.scrapes.drain(..self.scrapes.len().saturating_sub(1));
    }

    /// From when on it counts; `None` before the first scrape.
    pub fn since(&self) -> Option<Instant> {
        self.scrapes.front().map(|(at, _)| *at)
    }

    /// How long it is by now: between the first and the last scrape.
    pub fn length(&self) -> Duration {
        match (self.scrapes.front(), self.scrapes.back()) {
            (Some((from, _)), Some((to, _))) => to.duration_since(*from),
            _ => Duration::ZERO,
        }
    }

    /// What happened between the first and the last scrape.
    pub fn rows(&self) -> Vec<Row> {
        let Some((_, last)) = self.scrapes.back() else { return Vec::new() };
        let mut sum: BTreeMap<&Key, Counts> =
            self.expected.iter().map(|key| (key, Counts::default())).collect();
        for (proxy, now) in last {
            // A proxy that was missing for a moment, or is new, counts from when it was first seen.
            let before = self.scrapes.iter().find_map(|(_, scrapes)| scrapes.get(proxy));
            for (key, counts) in now.iter() {
                let mut counts = counts.clone();
                if let Some(before) = before.and_then(|b| b.get(key)) {
                    counts.subtract(before);
                }
                sum.entry(key).or_default().add(&counts);
            }
        }
        rows(&sum, self.length())
    }
}

fn rows(sum: &BTreeMap<&Key, Counts>, span: Duration) -> Vec<Row> {
    let mut totals: BTreeMap<&str, f64> = BTreeMap::new();
    for (key, counts) in sum {
        *totals.entry(&key.service).or_default() += counts.requests;
    }
    let seconds = span.as_secs_f64();
    let of = |part: f64, whole: f64| (whole > 0.0).then(|| part / whole);
    sum.iter()
        // A version that never had a request is worth a line; a failure that never happened is not.
        .filter(|(key, counts)| key.version != scrape::UNREACHED || counts.requests > 0.0)
        .map(|(key, counts)| Row {
            service: key.service.clone(),
            version: key.version.clone(),
            requests: counts.requests,
            rate: if seconds > 0.0 { counts.requests / seconds } else { 0.0 },
            success: of(counts.successes, counts.requests),
            failure: counts.failure().map(str::to_owned),
            p50: counts.quantile(0.5),
            p99: counts.quantile(0.99),
            mtls: (key.version != scrape::UNREACHED).then(|| of(counts.mtls, counts.requests)).flatten(),
            share: totals.get(key.service.as_str()).and_then(|total| of(counts.requests, *total)),
        })
        .collect()
}
