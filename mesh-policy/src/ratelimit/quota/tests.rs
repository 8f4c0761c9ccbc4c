use super::service::*;
use super::store::{Charge, Charged, Store, weighted};
use crate::BoxError;
use crate::ratelimit::*;
use crate::testing::Script;
use http::{Request, Response};
use parking_lot::Mutex;
use proptest::prelude::*;
use serde_json::json;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tower::{Layer, Service, ServiceExt};

/// A clock that a test sets, in milliseconds since 1970.
#[derive(Clone, Default)]
struct Wall(Arc<Mutex<u64>>);

impl Wall {
    fn read(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(*self.0.lock())
    }

    fn quotas(&self, quotas: impl Into<Arc<[Quota]>>) -> Quotas<MemoryStore> {
        let wall = self.clone();
        Quotas::new(MemoryStore::new(1000), "shop", quotas).clock(move || wall.read())
    }
}

fn ask(entries: &[(&str, &str)]) -> RateLimitRequest {
    let entries = entries.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let descriptors = vec![RateLimitDescriptor { entries }];
    RateLimitRequest { domain: "shop".to_owned(), descriptors, hits_addend: 1 }
}

async fn word(quotas: &Quotas<MemoryStore>, request: RateLimitRequest) -> RateLimitResponse {
    quotas.should_rate_limit(request).await.unwrap()
}

async fn passes(quotas: &Quotas<MemoryStore>, entries: &[(&str, &str)]) -> bool {
    word(quotas, ask(entries)).await.overall_code == Code::Ok
}

#[tokio::test]
async fn a_fixed_window_begins_anew_at_each_full_minute() {
    let wall = Wall::default();
    let quotas =
        wall.quotas([Quota::new(2, RateLimitUnit::Minute).each("remote_address").name("per minute")]);
    let caller = [("remote_address", "192.0.2.1")];
    *wall.0.lock() = 45_500;
    let first = word(&quotas, ask(&caller)).await;
    let status = &first.statuses[0];
    assert_eq!(
        (status.limit_remaining, status.duration_until_reset),
        (1, Some(Duration::from_millis(14_500)))
    );
    assert_eq!(status.current_limit.as_ref().unwrap().name, "per minute");
    assert!(passes(&quotas, &caller).await && !passes(&quotas, &caller).await);
    assert!(passes(&quotas, &[("remote_address", "192.0.2.2")]).await);
    *wall.0.lock() = 59_999;
    assert!(!passes(&quotas, &caller).await);
    *wall.0.lock() = 60_000;
    assert!(
        passes(&quotas, &caller).await && passes(&quotas, &caller).await && !passes(&quotas, &caller).await
    );
}

#[tokio::test]
async fn a_sliding_window_lets_in_as_much_as_has_left_it() {
    let wall = Wall::default();
    let quotas = wall.quotas([Quota::new(10, RateLimitUnit::Minute).each("user").sliding()]);
    let caller = [("user", "a")];
    *wall.0.lock() = 59_000;
    for _ in 0..10 {
        assert!(passes(&quotas, &caller).await);
    }
    *wall.0.lock() = 60_000;
    assert!(!passes(&quotas, &caller).await, "a fixed window would let ten more in at once");
    *wall.0.lock() = 90_000;
    let mut passed = 0;
    while passes(&quotas, &caller).await {
        passed += 1;
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn the_quota_that_fits_most_closely_counts() {
    let wall = Wall::default();
    let quotas = wall.quotas([
        Quota::new(1, RateLimitUnit::Day).each("plan"),
        Quota::new(2, RateLimitUnit::Day).only("plan", "paid"),
        Quota::new(0, RateLimitUnit::Day).only("plan", "none"),
        Quota::new(3, RateLimitUnit::Day).only("plan", "paid").each("user"),
    ]);
    for (entries, most) in [
        (vec![("plan", "free")], 1),
        (vec![("plan", "paid")], 2),
        (vec![("plan", "none")], 0),
        (vec![("plan", "paid"), ("user", "a")], 3),
    ] {
        for _ in 0..most {
            assert!(passes(&quotas, &entries).await, "{entries:?}");
        }
        assert!(!passes(&quotas, &entries).await, "{entries:?}");
    }
    for _ in 0..10 {
        assert!(passes(&quotas, &[("user", "a")]).await, "none fits");
    }
}

#[tokio::test]
async fn a_layer_with_another_domain_does_not_pass_for_one_within_its_limits() {
    let (metrics, seen) = (QuotasMetrics::default(), RateLimitMetrics::default());
    let quotas = Wall::default().quotas([Quota::new(9, RateLimitUnit::Day).each("x-user")]);
    let quotas = quotas.metrics(metrics.clone());
    let error =
        quotas.should_rate_limit(RateLimitRequest { domain: "shpo".to_owned(), ..ask(&[("x-user", "a")]) });
    let error = error.await.unwrap_err();
    assert_eq!(error.to_string(), r#"asked about the domain "shpo"; these quotas are of "shop""#);
    let layer = RateLimitLayer::new(quotas, "shpo")
        .descriptor([Entry::header(http::HeaderName::from_static("x-user"))])
        .metrics(seen.clone());
    let request = || Request::get("/").header("x-user", "a").body(()).unwrap();
    assert!(layer.layer(Script::new([])).oneshot(request()).await.is_ok(), "it fails open");
    assert!(layer.failure_mode_deny().layer(Script::new([])).oneshot(request()).await.is_err());
    assert_eq!((metrics.snapshot().error, seen.snapshot().error), (3, 2));
}

#[tokio::test]
async fn verdicts_are_counted_with_nobody_registered() {
    let metrics = QuotasMetrics::default();
    let quotas = [Quota::new(1, RateLimitUnit::Day).each("user")];
    let quotas =
        Quotas::new(MemoryStore::new(8), "shop", quotas).clock(|| UNIX_EPOCH).metrics(metrics.clone());
    for i in 0..9 {
        let _ = passes(&quotas, &[("user", &i.to_string())]).await;
    }
    assert!(passes(&quotas, &[("stranger", "a")]).await);
    let counts = metrics.snapshot();
    assert_eq!(counts, QuotasCounts { within_limit: 8, over_limit: 1, shared: 1, unlimited: 1, error: 0 });
}

#[tokio::test]
async fn what_one_quota_refuses_counts_in_no_other() {
    let wall = Wall::default();
    let quotas = wall.quotas([
        Quota::new(1, RateLimitUnit::Day).each("user"),
        Quota::new(3, RateLimitUnit::Day).each("plan"),
    ]);
    let both = |user: &str| {
        let mut request = ask(&[("plan", "free")]);
        request.descriptors.extend(ask(&[("user", user)]).descriptors);
        request
    };
    assert_eq!(word(&quotas, both("a")).await.overall_code, Code::Ok);
    for _ in 0..5 {
        let refused = word(&quotas, both("a")).await;
        assert_eq!(refused.overall_code, Code::OverLimit);
        assert_eq!((refused.statuses[0].code, refused.statuses[0].limit_remaining), (Code::Ok, 2));
        assert_eq!((refused.statuses[1].code, refused.statuses[1].limit_remaining), (Code::OverLimit, 0));
    }
    assert_eq!(word(&quotas, both("b")).await.overall_code, Code::Ok);
}

#[tokio::test]
async fn equal_descriptors_of_a_request_each_take_their_own() {
    let quotas = Wall::default().quotas([Quota::new(3, RateLimitUnit::Day).each("user")]);
    let times = |n: usize| {
        let mut request = ask(&[("user", "a")]);
        request.descriptors = vec![request.descriptors[0].clone(); n];
        request
    };
    let left = |response: &RateLimitResponse| -> Vec<u32> {
        response.statuses.iter().map(|status| status.limit_remaining).collect()
    };
    let refused = word(&quotas, times(4)).await;
    assert_eq!((refused.overall_code, left(&refused)), (Code::OverLimit, vec![3; 4]));
    let passed = word(&quotas, times(3)).await;
    assert_eq!((passed.overall_code, left(&passed)), (Code::Ok, vec![2, 1, 0]));
}

#[tokio::test]
async fn what_is_used_of_a_quota_can_be_read_and_reading_uses_nothing() {
    let (wall, metrics) = (Wall::default(), QuotasMetrics::default());
    let quotas = wall
        .quotas([Quota::new(4, RateLimitUnit::Minute).each("user").sliding().name("slow")])
        .metrics(metrics.clone());
    let read = |user: &str| quotas.usage(&ask(&[("user", user)]).descriptors[0]);
    *wall.0.lock() = 59_000;
    for _ in 0..4 {
        assert!(passes(&quotas, &[("user", "a")]).await);
    }
    for _ in 0..10 {
        let usage = read("a").await.unwrap().unwrap();
        assert_eq!((usage.used, usage.remaining, usage.shared), (4, 0, false));
        assert_eq!((usage.limit.name.as_str(), usage.duration_until_reset), ("slow", Duration::from_secs(1)));
        assert_eq!(read("b").await.unwrap().unwrap().used, 0);
    }
    // A quarter of the minute before has left the window.
    *wall.0.lock() = 75_000;
    assert_eq!(read("a").await.unwrap().unwrap().used, 3);
    assert!(passes(&quotas, &[("user", "a")]).await && !passes(&quotas, &[("user", "a")]).await);
    assert_eq!(quotas.usage(&ask(&[("stranger", "a")]).descriptors[0]).await.unwrap(), None);
    assert_eq!(metrics.snapshot().within_limit, 5);
}

/// A store that never answers, and says whether anybody still waits for it.
#[derive(Clone)]
struct Silent(Arc<()>);

impl Store for Silent {
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<Vec<Charged>, BoxError>> + Send>>;

    fn charge(&self, _: Vec<Charge>, _: u64) -> Self::Future {
        let waits = Arc::clone(&self.0);
        Box::pin(async move {
            let _waits = waits;
            std::future::pending().await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_dropped_while_a_store_thinks_waits_no_more_and_is_not_judged() {
    let (waiting, metrics) = (Arc::new(()), QuotasMetrics::default());
    let quotas =
        Quotas::new(Silent(Arc::clone(&waiting)), "shop", [Quota::new(1, RateLimitUnit::Day).each("x-user")]);
    let script = Script::new([]);
    let mut service = RateLimitLayer::new(quotas.metrics(metrics.clone()), "shop")
        .descriptor([Entry::header(http::HeaderName::from_static("x-user"))])
        .layer(script.clone());
    let request = || Request::get("/").header("x-user", "a").body(()).unwrap();
    let mut call = tokio_test::task::spawn(service.call(request()));
    tokio_test::assert_pending!(call.poll());
    assert_eq!(Arc::strong_count(&waiting), 3);
    drop(call);
    assert_eq!((Arc::strong_count(&waiting), script.sent()), (2, 0));
    assert_eq!(metrics.snapshot(), QuotasCounts::default());
    // Nor does a store that is silent hold up who waits: the layer's time ends it.
    assert!(service.oneshot(request()).await.is_ok());
    assert_eq!((Arc::strong_count(&waiting), script.sent()), (1, 1));
}

#[tokio::test]
async fn who_shares_a_count_has_no_more_than_one_across_windows() {
    let wall = Wall::default();
    let clock = wall.clone();
    let quotas = [
        Quota::new(4, RateLimitUnit::Minute).each("owner"),
        Quota::new(4, RateLimitUnit::Minute).each("user").sliding(),
    ];
    let quotas = Quotas::new(MemoryStore::new(8), "shop", quotas).clock(move || clock.read());
    for i in 0..8 {
        assert!(passes(&quotas, &[("owner", &i.to_string())]).await);
    }
    // At 60 s the owners' windows have ended, so that there is room again; the one before still weighs all of it.
    let mut passed = 0;
    for now in [59_000, 60_000] {
        *wall.0.lock() = now;
        while passes(&quotas, &[("user", "late")]).await {
            passed += 1;
        }
    }
    assert!((1..=4).contains(&passed), "{passed} passed in any minute");
}

#[tokio::test]
async fn what_another_quota_refuses_is_given_back_to_a_shared_count_too() {
    let wall = Wall::default();
    let clock = wall.clone();
    let quotas = [
        Quota::new(2, RateLimitUnit::Day).each("user"),
        Quota::new(0, RateLimitUnit::Day).only("plan", "none"),
    ];
    let quotas = Quotas::new(MemoryStore::new(8), "shop", quotas).clock(move || clock.read());
    let owner = |i: u32| format!("owner {i}");
    for i in 0..8 {
        assert!(passes(&quotas, &[("user", &owner(i))]).await);
    }
    for i in 0..100 {
        let mut both = ask(&[("user", &format!("other {i}"))]);
        both.descriptors.extend(ask(&[("plan", "none")]).descriptors);
        assert_eq!(word(&quotas, both).await.overall_code, Code::OverLimit);
    }
    for i in 0..8 {
        assert!(passes(&quotas, &[("user", &owner(i))]).await, "nobody used up its second");
    }
}

#[test]
fn a_value_cannot_pass_for_another_callers() {
    let quota = Quota::new(1, RateLimitUnit::Day).each("a").each("b");
    let key = |a: &str, b: &str| {
        let entries = vec![("a".to_owned(), a.to_owned()), ("b".to_owned(), b.to_owned())];
        quota.charge("shop", &RateLimitDescriptor { entries }, 1, Duration::ZERO).0.key
    };
    assert_ne!(key("x", "y|b=1:z"), key("x|b=1:y", "z"));
    assert_ne!(key("1:x", ""), key("", "1:x"));
}

#[tokio::test(start_paused = true)]
async fn a_layer_over_quotas_tells_callers_how_they_stand() {
    let wall = Wall::default();
    let quotas = wall.quotas([Quota::new(1, RateLimitUnit::Hour).each("x-user").name("hourly")]);
    let layer = RateLimitLayer::new(quotas, "shop")
        .descriptor([Entry::header(http::HeaderName::from_static("x-user"))])
        .x_ratelimit_headers();
    let send = || {
        let request = Request::get("/").header("x-user", "a").body(()).unwrap();
        layer.layer(Script::new([])).oneshot(request)
    };
    let response: Response<String> = send().await.unwrap();
    assert_eq!(response.headers()["x-ratelimit-limit"], "1, 1;w=3600;name=\"hourly\"");
    assert_eq!(response.headers()["x-ratelimit-remaining"], "0");
    assert_eq!(response.headers()["x-ratelimit-reset"], "3600");
    let error: BoxError = send().await.unwrap_err();
    let limited = crate::find::<RateLimited>(&*error).unwrap();
    assert_eq!(limited.retry_after(), Some(Duration::from_secs(3600)));
}

#[test]
fn a_wrong_file_says_where() {
    let error = |spec| {
        let spec: QuotasSpec = serde_json::from_value(spec).unwrap();
        spec.quotas(MemoryStore::new(1)).unwrap_err().to_string()
    };
    let limit = json!({"unit": "HOUR", "requestsPerUnit": 1});
    assert_eq!(error(json!({})), "domain: must not be empty");
    assert_eq!(
        error(
            json!({"domain": "a", "descriptors": [{"entries": [{"key": "a"}], "rateLimit": limit, "name": "\""}]})
        ),
        "descriptors[0].name: must be printable ASCII without quotation marks"
    );
    assert!(
        serde_json::from_value::<QuotasSpec>(json!({"descriptors": [{"rateLimit": {"unit": "EON"}}]}))
            .is_err()
    );
}

proptest! {
    /// No window ever holds more than its limit; one that slides, not even with what is left of the one before.
    #[test]
    fn no_window_holds_more_than_its_quota(
        sliding in any::<bool>(), limit in 0_u32..20, steps in proptest::collection::vec(0_u64..20_000, 1..200),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let wall = Wall::default();
            let quota = Quota::new(limit, RateLimitUnit::Minute).each("user");
            let quotas = wall.quotas([if sliding { quota.sliding() } else { quota }]);
            let mut windows: HashMap<u64, u64> = HashMap::new();
            for step in steps {
                *wall.0.lock() += step;
                let now = *wall.0.lock();
                if passes(&quotas, &[("user", "a")]).await {
                    *windows.entry(now / 60_000).or_default() += 1;
                }
                let held = |window: u64| windows.get(&window).copied().unwrap_or(0);
                let window = now / 60_000;
                let before = match window.checked_sub(1).filter(|_| sliding) {
                    Some(before) => weighted(held(before), 1_000_000 - u32::try_from(now % 60_000 * 1_000 / 60).unwrap()),
                    None => 0,
                };
                assert!(held(window) + before <= u64::from(limit));
            }
        });
    }

    /// Threads that charge one count together never take more than it has.
    #[test]
    fn threads_never_take_more_than_there_is(limit in 0_u32..500) {
        let store = MemoryStore::new(100);
        let charge = Charge { key: "k".into(), previous: None, limit, hits: 1, expires: 60, lifetime: 60 };
        let threads: Vec<_> = (0..3).map(|_| {
            let (store, charge) = (store.clone(), charge.clone());
            std::thread::spawn(move || {
                let over = |charged: Vec<Charged>| charged[0].over;
                (0..200).filter(|_| !over(store.charge(vec![charge.clone()], 1).into_inner().unwrap())).count()
            })
        }).collect();
        let taken: usize = threads.into_iter().map(|t| t.join().unwrap()).sum();
        prop_assert_eq!(taken, 600.min(limit as usize));
    }
}
