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
/// So many requests are remembered however long ago they ended, for latencies.
const REMEMBERED: usize = 20_000;
/// However many they are, all that ended so lately: twice as long as anybody looks back, whatever the rate.
const REMEMBERED_FOR: Duration = Duration::from_secs(10);

/// Sends requests to one address; clones keep one score.
#[derive(Clone)]
pub struct Load(Arc<Inner>);

struct Inner {
    url: String,
    headers: HeaderMap,
    client: Client,
    concurrency: usize,
    state: Mutex<State>,
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
    /// What went wrong last: a request that failed, or a page that was incomplete.
    pub last_mishap: Option<Mishap>,
}

/// Why a request did not bring the whole page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mishap {
    /// When it was known.
    pub at: Instant,
    /// What was wrong.
    pub why: String,
}

/// What one sender saw lately.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    /// Requests that ended.
    pub ended: usize,
    /// Those that brought the whole page.
    pub good: usize,
    /// Half of those that ended took no longer.
    pub p50: Option<Duration>,
    /// 99 of 100 of those that ended took no longer.
    pub p99: Option<Duration>,
    /// Requests without an answer so far.
    pub open: usize,
    /// How long the oldest of these has been waiting. This, and no latency, tells of a delay while it lasts.
    pub oldest: Option<Duration>,
}

impl Score {
    /// Requests without a page: another status than 200, or no response.
    pub fn failed(&self) -> u64 {
        self.sent - self.good - self.incomplete
    }

    fn add(&mut self, outcome: Outcome, at: Instant) {
        self.sent += 1;
        let why = match outcome {
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
        self.last_mishap = Some(Mishap { at, why });
    }
}

/// One request that has ended.
#[derive(Clone, Copy)]
struct Ended {
    at: Instant,
    latency: Duration,
    good: bool,
}

#[derive(Default)]
struct State {
    score: Score,
    /// The latest, oldest first.
    ended: VecDeque<Ended>,
    /// When each open request was sent, in that order.
    open: BTreeMap<u64, Instant>,
    next: u64,
}

impl State {
    fn end(&mut self, outcome: Outcome, started: Instant, at: Instant) {
        let good_before = self.score.good;
        self.score.add(outcome, at);
        let is_old = |e: &Ended| at.saturating_duration_since(e.at) > REMEMBERED_FOR;
        while self.ended.len() >= REMEMBERED && self.ended.front().is_some_and(is_old) {
            self.ended.pop_front();
        }
        let latency = at.duration_since(started);
        self.ended.push_back(Ended { at, latency, good: self.score.good > good_before });
    }

    fn recent(&self, since: Instant, now: Instant) -> Recent {
        let ended: Vec<Ended> = self.ended.iter().rev().take_while(|e| e.at >= since).copied().collect();
        let mut latencies: Vec<Duration> = ended.iter().map(|e| e.latency).collect();
        latencies.sort_unstable();
        Recent {
            ended: ended.len(),
            good: ended.iter().filter(|e| e.good).count(),
            p50: quantile(&latencies, 0.5),
            p99: quantile(&latencies, 0.99),
            open: self.open.len(),
            oldest: self.open.values().next().map(|sent| now.duration_since(*sent)),
        }
    }
}

/// The value that this share (0 to 1) does not exceed.
fn quantile(sorted: &[Duration], share: f64) -> Option<Duration> {
    // Shares lie between 0 and 1 and counts below 2^52, so the index is exact and in range.
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let at = (sorted.len().saturating_sub(1) as f64 * share.clamp(0.0, 1.0)).round() as usize;
    sorted.get(at).copied()
}

/// A request that is open as long as this lives: a load that is dropped leaves none behind.
struct Open<'a> {
    state: &'a Mutex<State>,
    id: u64,
}

impl<'a> Open<'a> {
    fn new(state: &'a Mutex<State>, started: Instant) -> Self {
        let mut locked = state.lock();
        let id = locked.next;
        locked.next += 1;
        locked.open.insert(id, started);
        Self { state, id }
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.state.lock().open.remove(&self.id);
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
            state: Mutex::default(),
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
        let open = Open::new(&inner.state, started);
        let outcome = match inner.client.get(&inner.url, inner.headers.clone(), TIMEOUT).await {
            Ok(answer) => Outcome::of_page(answer.status.as_u16(), &String::from_utf8_lossy(&answer.body)),
            Err(error) => {
                let cause = std::error::Error::source(&error).map(|c| format!(": {c}")).unwrap_or_default();
                Outcome::Nothing(format!("{error}{cause}"))
            }
        };
        drop(open);
        inner.state.lock().end(outcome, started, Instant::now());
    }

    /// The score so far.
    pub fn score(&self) -> Score {
        self.0.state.lock().score.clone()
    }

    /// The latency that this share (0 to 1) of the latest requests did not exceed; zero without requests.
    pub fn latency(&self, share: f64) -> Duration {
        let mut sorted: Vec<Duration> = self.0.state.lock().ended.iter().map(|e| e.latency).collect();
        sorted.sort_unstable();
        quantile(&sorted, share).unwrap_or_default()
    }

    /// What came of the requests that ended since then, and what is open now.
    pub fn recent(&self, since: Instant) -> Recent {
        self.0.state.lock().recent(since, Instant::now())
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
    fn a_page_is_good_only_if_all_of_it_is_there() {
        let mut score = Score::default();
        let now = Instant::now();
        let page = "<p>Reviews served by: <u>reviews-v1</u></p>";
        let mut add = |outcome| score.add(outcome, now);
        add(Outcome::of_page(200, page));
        add(Outcome::of_page(200, "<h4>Error fetching product reviews!</h4>"));
        add(Outcome::of_page(
            200,
            "Reviews served by: <u>reviews-v2</u> Ratings service is currently unavailable",
        ));
        add(Outcome::of_page(503, "no healthy upstream"));
        let why = |score: &Score| score.last_mishap.clone().map(|mishap| mishap.why).unwrap_or_default();
        assert_eq!(why(&score), "status 503");
        score.add(Outcome::Nothing("refused".into()), now);
        assert_eq!(why(&score), "refused");
        assert_eq!((score.sent, score.good, score.failed(), score.incomplete), (5, 1, 2, 2));
        assert_eq!(score.statuses, [(0, 1), (200, 3), (503, 1)].into());
        assert_eq!(score.reviews, [("reviews-v1".to_owned(), 1), ("reviews-v2".to_owned(), 1)].into());
    }

    #[test]
    fn what_is_recent_has_ended_since_or_is_open_still() {
        let ms = Duration::from_millis;
        let t0 = Instant::now();
        let mut state = State::default();
        state.end(Outcome::Nothing("refused".into()), t0, t0 + ms(10));
        for latency in [1, 2, 3] {
            state.end(Outcome::of_page(200, ""), t0 + ms(100), t0 + ms(100 + latency));
        }
        state.open.extend([(7, t0 + ms(40)), (8, t0 + ms(90))]);
        let recent = state.recent(t0 + ms(50), t0 + ms(140));
        assert_eq!((recent.ended, recent.good), (3, 3), "the one that failed was before");
        assert_eq!((recent.p50, recent.p99), (Some(ms(2)), Some(ms(3))));
        assert_eq!((recent.open, recent.oldest), (2, Some(ms(100))));
        assert_eq!(State::default().recent(t0, t0), Recent::default());
    }

    #[test]
    fn what_is_recent_is_counted_whole_at_any_rate_and_what_is_old_makes_room() {
        let t0 = Instant::now();
        let mut state = State::default();
        let mut end = |count: u32, from: Instant| {
            for n in 0..count {
                let at = from + Duration::from_micros(20) * n;
                state.end(Outcome::Nothing(String::new()), at, at);
            }
            (state.recent(from, from).ended, state.ended.len())
        };
        let many = 5 * u32::try_from(REMEMBERED).unwrap();
        let all = 5 * REMEMBERED;
        assert_eq!(end(many, t0), (all, all), "50,000 a second");
        assert_eq!(end(1, t0 + 2 * REMEMBERED_FOR), (1, REMEMBERED));
    }

    #[tokio::test]
    async fn exactly_so_many_requests_are_sent() {
        let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let load = Load::new(closed, 7);
        load.requests(50).await;
        let score = load.score();
        assert_eq!((score.sent, score.good), (50, 0));
        assert!(score.last_mishap.unwrap().why.starts_with("cannot connect to "));
        assert!(load.latency(1.0) > Duration::ZERO);
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
        assert_eq!(load.recent(started).open, 0, "and waits for nothing");
    }
}
