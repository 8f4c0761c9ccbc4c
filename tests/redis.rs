//! Quotas in a real Redis: many processes, one count.
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

use mesh_policy::ratelimit::{
    Code, MemoryStore, Quota, Quotas, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
    RateLimitService, RateLimitUnit, RedisStore, Store,
};
use mesh_tests::until;
use redis::aio::MultiplexedConnection;
use std::process::Stdio;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;
use tokio::process::{Child, Command};

/// A Redis of a test's own, behind a socket in a directory of its own; it ends with it.
struct Redis {
    client: redis::Client,
    _server: Child,
    _directory: TempDir,
}

impl Redis {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("redis.sock");
        let server = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket"])
            .arg(&socket)
            .arg("--dir")
            .arg(directory.path())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = redis::Client::open(format!("redis+unix://{}", socket.display())).unwrap();
        let redis = Self { client, _server: server, _directory: directory };
        until("Redis answers", || async { redis.client.get_multiplexed_async_connection().await.ok() }).await;
        redis
    }

    async fn connect(&self) -> MultiplexedConnection {
        self.client.get_multiplexed_async_connection().await.unwrap()
    }

    /// The quotas as one of many processes has them, at a second since 1970.
    async fn quotas(
        &self,
        quotas: impl Into<std::sync::Arc<[Quota]>>,
        now: u64,
    ) -> Quotas<RedisStore<MultiplexedConnection>> {
        Quotas::new(RedisStore::new(self.connect().await), "shop", quotas)
            .clock(move || UNIX_EPOCH + Duration::from_secs(now))
    }
}

fn descriptor(entries: &[(&str, &str)]) -> RateLimitDescriptor {
    let entry = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    RateLimitDescriptor { entries: entries.iter().map(entry).collect() }
}

async fn ask<S: Store>(quotas: &Quotas<S>, entries: &[&[(&str, &str)]]) -> RateLimitResponse {
    let descriptors = entries.iter().map(|entries| descriptor(entries)).collect();
    quotas
        .should_rate_limit(RateLimitRequest { domain: "shop".to_owned(), descriptors, hits_addend: 1 })
        .await
        .unwrap()
}

/// A moment ahead, so that nothing expires while a test runs; at the beginning of a day.
fn tomorrow() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    (now / 86_400 + 1) * 86_400
}

#[tokio::test]
async fn many_processes_never_take_more_than_the_quota_together() {
    let redis = Redis::start().await;
    let quota = || [Quota::new(100, RateLimitUnit::Hour).each("user")];
    let mut processes = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let quotas = redis.quotas(quota(), tomorrow()).await;
        processes.spawn(async move {
            let mut passed = 0;
            for _ in 0..50 {
                passed += usize::from(ask(&quotas, &[&[("user", "a")]]).await.overall_code == Code::Ok);
            }
            passed
        });
    }
    assert_eq!(processes.join_all().await.into_iter().sum::<usize>(), 100);
    let quotas = redis.quotas(quota(), tomorrow()).await;
    let other = ask(&quotas, &[&[("user", "b")]]).await;
    assert_eq!((other.overall_code, other.statuses[0].limit_remaining), (Code::Ok, 99));
    let next_hour = redis.quotas(quota(), tomorrow() + 3_600).await;
    assert_eq!(ask(&next_hour, &[&[("user", "a")]]).await.statuses[0].limit_remaining, 99);
}

#[tokio::test]
async fn a_sliding_window_weighs_the_one_before() {
    let redis = Redis::start().await;
    let quota = || [Quota::new(10, RateLimitUnit::Minute).each("user").sliding()];
    let before = redis.quotas(quota(), tomorrow() + 59).await;
    for _ in 0..10 {
        assert_eq!(ask(&before, &[&[("user", "a")]]).await.overall_code, Code::Ok);
    }
    let begun = redis.quotas(quota(), tomorrow() + 60).await;
    assert_eq!(ask(&begun, &[&[("user", "a")]]).await.overall_code, Code::OverLimit);
    let half = redis.quotas(quota(), tomorrow() + 90).await;
    let mut passed = 0;
    while ask(&half, &[&[("user", "a")]]).await.overall_code == Code::Ok {
        passed += 1;
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn what_one_quota_refuses_counts_in_no_other_and_counts_expire() {
    let redis = Redis::start().await;
    let quotas =
        [Quota::new(1, RateLimitUnit::Day).each("user"), Quota::new(3, RateLimitUnit::Day).each("plan")];
    let quotas = redis.quotas(quotas, tomorrow()).await;
    let request: [&[(&str, &str)]; 2] = [&[("plan", "free")], &[("user", "a")]];
    assert_eq!(ask(&quotas, &request).await.overall_code, Code::Ok);
    for _ in 0..5 {
        let refused = ask(&quotas, &request).await;
        assert_eq!((refused.statuses[0].code, refused.statuses[0].limit_remaining), (Code::Ok, 2));
        assert_eq!((refused.statuses[1].code, refused.statuses[1].limit_remaining), (Code::OverLimit, 0));
    }
    let mut connection = redis.connect().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 2, "{keys:?}");
    for key in keys {
        let left: i64 = redis::cmd("TTL").arg(&key).query_async(&mut connection).await.unwrap();
        assert!((86_000..=86_400).contains(&left), "{key} expires in {left} s");
    }
}

/// The entries of a descriptor.
type Entries = &'static [(&'static str, &'static str)];

/// What holds for every store: the verdicts and what is left, step by step.
async fn counts_as_every_store_does<S: Store>(store: S) {
    let quotas = [
        Quota::new(3, RateLimitUnit::Day).each("user"),
        Quota::new(4, RateLimitUnit::Day).each("plan").sliding(),
    ];
    let now = tomorrow();
    let quotas = Quotas::new(store, "shop", quotas).clock(move || UNIX_EPOCH + Duration::from_secs(now));
    let (ann, free): (Entries, Entries) = (&[("user", "ann")], &[("plan", "free")]);
    let steps: [(&[Entries], Code, &[u32]); 5] = [
        // Equal descriptors of one request each take their own.
        (&[ann, ann], Code::Ok, &[2, 1]),
        // There is room for one, so neither counts.
        (&[ann, free, ann], Code::OverLimit, &[1, 4, 1]),
        (&[ann, free], Code::Ok, &[0, 3]),
        (&[free, ann], Code::OverLimit, &[3, 0]),
        (&[free, free, free], Code::Ok, &[2, 1, 0]),
    ];
    for (i, (asked, code, remaining)) in steps.into_iter().enumerate() {
        let response = ask(&quotas, asked).await;
        let left: Vec<_> = response.statuses.iter().map(|status| status.limit_remaining).collect();
        assert_eq!((response.overall_code, &*left), (code, remaining), "step {i}");
    }
    // To look changes nothing, neither what is used nor what is there.
    for _ in 0..2 {
        for (who, used) in [("ann", 3), ("ben", 0)] {
            let usage = quotas.usage(&descriptor(&[("user", who)])).await.unwrap().unwrap();
            assert_eq!((usage.used, u64::from(usage.remaining)), (used, 3 - used), "{who}");
        }
    }
    assert_eq!(quotas.usage(&descriptor(&[("stranger", "x")])).await.unwrap(), None);
}

#[tokio::test]
async fn memory_and_redis_count_alike() {
    counts_as_every_store_does(MemoryStore::new(100)).await;
    let redis = Redis::start().await;
    counts_as_every_store_does(RedisStore::new(redis.connect().await)).await;
    let mut connection = redis.connect().await;
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys.len(), 2, "who only looked left nothing: {keys:?}");
}
