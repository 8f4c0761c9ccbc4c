//! The load generator: asks the gateway for the product page, and keeps the score.
//!
//! A page counts as good only if all of it is there: the product page answers 200 even if it says
//! "Error fetching product reviews!".

use crate::apps::client::Client;
use http::{HeaderMap, HeaderValue};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// Longer than the page itself waits for its parts: six seconds for reviews.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Latencies that are remembered.
const REMEMBERED: usize = 20_000;

/// Sends requests to one address; clones keep one score.
#[derive(Clone)]
pub struct Load(Arc<Inner>);

struct Inner {
    url: String,
    headers: HeaderMap,
    client: Client,
    concurrency: usize,
    score: Mutex<Score>,
}

/// What came of all requests so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Requests that have ended, one way or the other.
    pub sent: u64,
    /// Those that brought the whole page.
    pub good: u64,
    /// Those by status; 0 where there was no response.
    pub statuses: BTreeMap<u16, u64>,
    /// Pages with status 200 in which a part was missing.
    pub incomplete: u64,
    /// Pages by the instance of reviews that they name.
    pub reviews: BTreeMap<String, u64>,
    /// What went wrong last.
    pub last_failure: Option<String>,
    latencies: VecDeque<Duration>,
}

impl Score {
    /// Requests that did not bring the whole page.
    pub fn failed(&self) -> u64 {
        self.sent - self.good
    }

    /// The latency that this share (0 to 1) of the latest requests did not exceed; zero without requests.
    pub fn latency(&self, share: f64) -> Duration {
        let mut sorted: Vec<Duration> = self.latencies.iter().copied().collect();
        sorted.sort_unstable();
        // Shares lie between 0 and 1 and counts below 2^52, so the index is exact and in range.
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let at = (sorted.len().saturating_sub(1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
        sorted.get(at).copied().unwrap_or_default()
    }

    fn add(&mut self, outcome: Outcome, latency: Duration) {
        self.sent += 1;
        if self.latencies.len() == REMEMBERED {
            self.latencies.pop_front();
        }
        self.latencies.push_back(latency);
        let failure = match outcome {
            Outcome::Page { status, reviews, missing } => {
                *self.statuses.entry(status).or_default() += 1;
                if let Some(pod) = reviews {
                    *self.reviews.entry(pod).or_default() += 1;
                }
                match (status, missing) {
                    (200, None) => {
                        self.good += 1;
                        return;
                    }
                    (200, Some(missing)) => {
                        self.incomplete += 1;
                        missing
                    }
                    (status, _) => format!("status {status}"),
                }
            }
            Outcome::Nothing(why) => {
                *self.statuses.entry(0).or_default() += 1;
                why
            }
        };
        self.last_failure = Some(failure);
    }
}

#[derive(Debug, PartialEq)]
enum Outcome {
    Page { status: u16, reviews: Option<String>, missing: Option<String> },
    Nothing(String),
}

impl Outcome {
    fn of_page(status: u16, body: &str) -> Self {
        let between = |before: &str, after: &str| {
            body.split_once(before).and_then(|(_, rest)| rest.split_once(after)).map(|(found, _)| found)
        };
        // Stars that are missing are a fault of ratings, and the page says so in the reviews' words.
        let missing = between("Error fetching product ", "!")
            .map(|what| format!("the page has no {what}"))
            .or_else(|| {
                body.contains("Ratings service is currently unavailable")
                    .then(|| "the page has no ratings".to_owned())
            });
        Self::Page { status, reviews: between("Reviews served by: <u>", "</u>").map(str::to_owned), missing }
    }
}

impl Load {
    /// Load on `http://{gateway}/productpage` with at most so many requests at once.
    pub fn new(gateway: SocketAddr, concurrency: usize) -> Self {
        Self::of_user(gateway, concurrency, None)
    }

    /// As [`Self::new`], from a user who is logged in.
    pub fn of_user(gateway: SocketAddr, concurrency: usize, user: Option<&str>) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::USER_AGENT, HeaderValue::from_static("bookinfo-load"));
        if let Some(user) = user.and_then(|u| HeaderValue::from_str(u).ok()) {
            headers.insert("end-user", user);
        }
        Self(Arc::new(Inner {
            url: format!("http://{gateway}/productpage"),
            headers,
            client: Client::new(None),
            concurrency: concurrency.max(1),
            score: Mutex::default(),
        }))
    }

    /// Sends so many requests as fast as they are answered, and returns when all have ended.
    pub async fn requests(&self, count: u64) {
        let left = Arc::new(Mutex::new(count));
        let mut workers = JoinSet::new();
        for _ in 0..self.0.concurrency {
            let (load, left) = (self.clone(), left.clone());
            workers.spawn(async move {
                loop {
                    {
                        let mut left = left.lock();
                        if *left == 0 {
                            return;
                        }
                        *left -= 1;
                    }
                    load.one().await;
                }
            });
        }
        while workers.join_next().await.is_some() {}
    }

    /// Sends so many requests a second until it is dropped. If the mesh is slower than that, no more than
    /// the bound are open at once and the rest is not made up for.
    pub async fn at_rate(&self, per_second: u32) {
        let slots = Arc::new(Semaphore::new(self.0.concurrency));
        let mut tick = tokio::time::interval(Duration::from_secs(1) / per_second.max(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
        let mut open = JoinSet::new();
        loop {
            tick.tick().await;
            while open.try_join_next().is_some() {}
            let Ok(slot) = slots.clone().try_acquire_owned() else {
                // Everything waits: so does the clock, or a burst would follow.
                let _ = slots.acquire().await;
                tick.reset();
                continue;
            };
            let load = self.clone();
            open.spawn(async move {
                load.one().await;
                drop(slot);
            });
        }
    }

    async fn one(&self) {
        let started = Instant::now();
        let inner = &*self.0;
        let outcome = match inner.client.get(&inner.url, inner.headers.clone(), TIMEOUT).await {
            Ok(answer) => Outcome::of_page(answer.status.as_u16(), &String::from_utf8_lossy(&answer.body)),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
                Outcome::Nothing(format!("{error}{cause}"))
            }
        };
        inner.score.lock().add(outcome, started.elapsed());
    }

    /// The score so far.
    pub fn score(&self) -> Score {
        self.0.score.lock().clone()
    }
}

impl std::fmt::Debug for Load {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Load").field("url", &self.0.url).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_counts_only_if_all_of_it_is_there() {
        let mut score = Score::default();
        let page = "<p>Reviews served by: <u>reviews-v1</u></p>";
        let ms = Duration::from_millis;
        score.add(Outcome::of_page(200, page), ms(1));
        score.add(Outcome::of_page(200, "<h4>Error fetching product reviews!</h4>"), ms(2));
        score.add(
            Outcome::of_page(
                200,
                "Reviews served by: <u>reviews-v2</u> Ratings service is currently unavailable",
            ),
            ms(3),
        );
        score.add(Outcome::of_page(503, "no healthy upstream"), ms(4));
        assert_eq!(score.last_failure.as_deref(), Some("status 503"));
        score.add(Outcome::Nothing("refused".into()), ms(5));
        assert_eq!((score.sent, score.good, score.failed(), score.incomplete), (5, 1, 4, 2));
        assert_eq!(score.statuses, [(0, 1), (200, 3), (503, 1)].into());
        assert_eq!(score.reviews, [("reviews-v1".to_owned(), 1), ("reviews-v2".to_owned(), 1)].into());
        assert_eq!((score.latency(0.0), score.latency(0.5), score.latency(1.0)), (ms(1), ms(3), ms(5)));
        assert_eq!(Score::default().latency(0.99), Duration::ZERO);
    }

    #[tokio::test]
    async fn exactly_so_many_requests_are_sent() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let load = Load::new(closed, 7);
        load.requests(50).await;
        let score = load.score();
        assert_eq!((score.sent, score.good), (50, 0));
        assert!(score.last_failure.unwrap().starts_with("cannot connect to "));
    }

    #[tokio::test]
    async fn a_rate_is_kept_until_it_is_dropped() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let load = Load::new(closed, 4);
        let started = Instant::now();
        let twenty = async {
            while load.score().sent < 20 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = twenty => {}
            () = load.at_rate(200) => {}
        }
        assert!(started.elapsed() >= Duration::from_millis(90), "20 requests at 200 a second");
        let sent = load.score().sent;
        tokio::task::yield_now().await;
        assert_eq!(load.score().sent, sent, "what was dropped sends no more");
    }
}
