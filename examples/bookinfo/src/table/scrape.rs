//! Istio's standard metrics out of Prometheus' text exposition, and how they are fetched.

use crate::apps::client::Client;
use http::{HeaderMap, StatusCode};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

/// What one proxy has counted since it started, of requests by service and version.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scrape(BTreeMap<Key, Counts>);

/// One version of a service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) service: String,
    pub(super) version: String,
}

/// The version of what reached none.
pub(super) const UNREACHED: &str = "-";

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Counts {
    pub(super) requests: f64,
    /// Status below 400.
    pub(super) successes: f64,
    /// Those that were none, by status; by flags where there was no status.
    failures: BTreeMap<String, f64>,
    pub(super) mtls: f64,
    /// Upper bound in milliseconds, and how many did not exceed it.
    buckets: BTreeMap<Bound, f64>,
}

/// Upper bound of a bucket; a number with a total order, so that it can be a key.
#[derive(Clone, Copy, Debug)]
struct Bound(f64);

impl PartialEq for Bound {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Bound {}

impl PartialOrd for Bound {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Bound {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: &Self) {
        self.requests += other.requests;
        self.successes += other.successes;
        for (code, n) in &other.failures {
            *self.failures.entry(code.clone()).or_default() += n;
        }
        self.mtls += other.mtls;
        for (bound, n) in &other.buckets {
            *self.buckets.entry(*bound).or_default() += n;
        }
    }

    /// What was counted since; a proxy that was restarted has counted everything since.
    pub(super) fn subtract(&mut self, before: &Self) {
        if self.requests < before.requests {
            return;
        }
        self.requests -= before.requests;
        self.successes -= before.successes;
        for (code, n) in &before.failures {
            *self.failures.entry(code.clone()).or_default() -= n;
        }
        self.mtls -= before.mtls;
        for (bound, n) in &before.buckets {
            *self.buckets.entry(*bound).or_default() -= n;
        }
    }

    /// How most of those ended that failed.
    pub(super) fn failure(&self) -> Option<&str> {
        let failed = self.failures.iter().filter(|(_, n)| **n > 0.0);
        failed.max_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(code, _)| code.as_str())
    }

    /// The value that this share does not exceed, as Prometheus estimates it: evenly spread in a bucket.
    pub(super) fn quantile(&self, share: f64) -> Option<f64> {
        let total = *self.buckets.last_key_value().filter(|(bound, _)| bound.0.is_infinite())?.1;
        if total <= 0.0 {
            return None;
        }
        let rank = share * total;
        let (mut lower, mut below) = (0.0, 0.0);
        for (Bound(upper), up_to) in &self.buckets {
            if *up_to >= rank {
                // Beyond the last bound nothing is known.
                let within = (rank - below) / (up_to - below);
                return Some(if upper.is_infinite() { lower } else { lower + (upper - lower) * within });
            }
            (lower, below) = (*upper, *up_to);
        }
        None
    }
}

impl Scrape {
    /// Reads the lines that the table is made of, and passes over the rest.
    pub fn parse(text: &str) -> Self {
        let mut scrape = Self::default();
        for line in text.lines() {
            scrape.line(line);
        }
        scrape
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, &Counts)> {
        self.0.iter()
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Counts> {
        self.0.get(key)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (name, rest) = line.split_once('{')?;
        let buckets = match name {
            "istio_requests_total" => false,
            "istio_request_duration_milliseconds_bucket" => true,
            _ => return None,
        };
        let (labels, value) = labels(rest)?;
        let value: f64 = value.split_ascii_whitespace().next()?.parse().ok()?;
        let label = |name: &str| labels.get(name).map(String::as_str).unwrap_or_default();
        let key = match label("reporter") {
            "destination" => Key {
                service: label("destination_canonical_service").to_owned(),
                version: label("destination_canonical_revision").to_owned(),
            },
            // What arrives is counted where it arrives. What does not (aborted, no endpoint, refused) is
            // known to the caller's side alone.
            "source" if label("destination_canonical_service") == "unknown" => {
                let service = label("destination_service_name");
                if service == "unknown" {
                    return None;
                }
                Key { service: service.to_owned(), version: UNREACHED.to_owned() }
            }
            _ => return None,
        };
        let counts = self.0.entry(key).or_default();
        if buckets {
            let bound = match label("le") {
                "+Inf" => f64::INFINITY,
                le => le.parse().ok()?,
            };
            *counts.buckets.entry(Bound(bound)).or_default() += value;
        } else {
            counts.requests += value;
            if label("response_code").parse().is_ok_and(|code: u16| (100..400).contains(&code)) {
                counts.successes += value;
            } else {
                let code = match label("response_code") {
                    "" | "0" => label("response_flags"),
                    code => code,
                };
                // A word is a cell of the table.
                let code = code.split_whitespace().next().unwrap_or("?");
                *counts.failures.entry(code.to_owned()).or_default() += value;
            }
            if label("connection_security_policy") == "mutual_tls" {
                counts.mtls += value;
            }
        }
        Some(())
    }
}

/// The labels behind an opening brace, and what follows the closing one.
fn labels(text: &str) -> Option<(BTreeMap<&str, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([',', ' ']);
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, quoted) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = quoted.char_indices();
        rest = loop {
            match chars.next()? {
                (at, '"') => break quoted.get(at + 1..)?,
                (_, '\\') => match chars.next()?.1 {
                    'n' => value.push('\n'),
                    c => value.push(c),
                },
                (_, c) => value.push(c),
            }
        };
        labels.insert(name, value);
    }
}

/// Why a proxy could not be asked.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the metrics of {proxy}: {why}")]
pub struct ScrapeError {
    proxy: String,
    why: String,
}

/// Asks every proxy for `/stats/prometheus` at once, by name and admin address. Those that do not answer
/// within a second are errors; the others count.
pub async fn scrape(proxies: &[(String, SocketAddr)]) -> (BTreeMap<String, Scrape>, Vec<ScrapeError>) {
    let mut asked = tokio::task::JoinSet::new();
    for (name, admin) in proxies.iter().cloned() {
        asked.spawn(async move {
            let url = format!("http://{admin}/stats/prometheus");
            let answer = Client::new(None).get(&url, HeaderMap::new(), Duration::from_secs(1)).await;
            (name, answer)
        });
    }
    let (mut scrapes, mut errors) = (BTreeMap::new(), Vec::new());
    while let Some(joined) = asked.join_next().await {
        // A task that panicked is a proxy without an answer, and its panic is in the log.
        let Ok((proxy, answer)) = joined else { continue };
        let why = match answer {
            Ok(answer) if answer.status == StatusCode::OK => {
                scrapes.insert(proxy, Scrape::parse(&String::from_utf8_lossy(&answer.body)));
                continue;
            }
            Ok(answer) => format!("status {}", answer.status),
            Err(error) => error.to_string(),
        };
        errors.push(ScrapeError { proxy, why });
    }
    (scrapes, errors)
}
