use crate::ratelimit::*;
use crate::testing::{Script, millis, secs};
use crate::{BoxError, Random, Rejection, find};
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use mesh_core::identity::SpiffeId;
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use serde_json::json;
use std::borrow::Cow;
use std::sync::Arc;
use tokio_test::{assert_pending, task};
use tower::{Layer, ServiceExt};
use tower_service::Service;

const PLAN: HeaderName = HeaderName::from_static("x-plan");

fn from(address: &str) -> Request<()> {
    let mut request = Request::get("/orders?user=7").header("host", "api").body(()).unwrap();
    let remote = std::net::SocketAddr::new(address.parse().unwrap(), 5000);
    request.extensions_mut().insert(Connection::new("10.0.0.1:80".parse().unwrap(), remote));
    request
}

fn with(header: HeaderName, value: &str) -> Request<()> {
    let mut request = from("192.0.2.1");
    request.headers_mut().insert(header, value.parse().unwrap());
    request
}

async fn send(layer: &LocalRateLimitLayer, request: Request<()>) -> Result<Response<String>, BoxError> {
    layer.layer(Script::new([])).oneshot(request).await
}

async fn passes(layer: &LocalRateLimitLayer, request: Request<()>) -> bool {
    send(layer, request).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_is_a_429_with_envoys_words() {
    let layer = LocalRateLimitLayer::new(Rate::per_second(1))
        .x_ratelimit_headers()
        .response_header(HeaderName::from_static("x-local-rate-limit"), HeaderValue::from_static("true"));
    let first = send(&layer, from("192.0.2.1")).await.unwrap();
    assert_eq!(first.headers()["x-ratelimit-limit"], "1");
    assert_eq!(first.headers()["x-ratelimit-remaining"], "0");
    assert_eq!(first.headers()["x-ratelimit-reset"], "1");
    assert!(!first.headers().contains_key("x-local-rate-limit"));

    tokio::time::advance(millis(400)).await;
    let error = send(&layer, from("192.0.2.1")).await.unwrap_err();
    assert_eq!(find::<RateLimited>(&*error).unwrap().retry_after(), Some(millis(600)));
    assert_eq!(crate::failure::classify(&*error), crate::FailureKind::Final);
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status, rejection.grpc_status), (StatusCode::TOO_MANY_REQUESTS, 14));
    assert_eq!((&*rejection.details, &*rejection.body), ("local_rate_limited", "local_rate_limited"));
    assert_eq!(rejection.flags.to_string(), "RL");
    let reply: Response<String> = rejection.into_response(false);
    assert_eq!(reply.headers()["x-local-rate-limit"], "true");
    assert_eq!(reply.headers()["x-ratelimit-reset"], "1");

    tokio::time::advance(millis(600)).await;
    assert!(passes(&layer, from("192.0.2.1")).await);
}

#[tokio::test(start_paused = true)]
async fn each_address_has_a_bucket() {
    let layer = LocalRateLimitLayer::new(None).limit([Entry::remote_address()], Rate::per_second(1));
    assert!(passes(&layer, from("192.0.2.1")).await && passes(&layer, from("192.0.2.2")).await);
    assert!(!passes(&layer, from("192.0.2.1")).await);
    assert!(!passes(&layer, from("::ffff:192.0.2.2")).await, "the same address, mapped into IPv6");
    assert!(passes(&layer, Request::new(())).await);
    assert!(!passes(&layer, Request::new(())).await, "who is unknown shares a bucket");
}

#[tokio::test(start_paused = true)]
async fn a_limit_holds_only_for_requests_with_its_entries() {
    let layer = LocalRateLimitLayer::new(Rate::per_second(100))
        .limit([Entry::header(PLAN).is("free"), Entry::remote_address()], Rate::per_second(1));
    assert!(passes(&layer, with(PLAN, "free")).await);
    assert!(!passes(&layer, with(PLAN, "free")).await);
    assert!(passes(&layer, with(PLAN, "paid")).await && passes(&layer, from("192.0.2.1")).await);
}

#[tokio::test(start_paused = true)]
async fn what_one_bucket_refuses_takes_from_no_other() {
    let limits =
        LocalRateLimitLayer::new(Rate::per_second(3)).limit([Entry::remote_address()], Rate::per_second(1));
    assert!(passes(&limits, from("192.0.2.1")).await);
    for _ in 0..10 {
        assert!(!passes(&limits, from("192.0.2.1")).await);
    }
    assert!(passes(&limits, from("192.0.2.2")).await && passes(&limits, from("192.0.2.3")).await);
    assert!(!passes(&limits, from("192.0.2.4")).await, "the bucket of all is empty");
    // The fourth address has its token back.
    tokio::time::advance(millis(334)).await;
    assert!(passes(&limits, from("192.0.2.4")).await);
}

#[tokio::test(start_paused = true)]
async fn the_bucket_of_all_may_be_for_the_others_only() {
    let layer = LocalRateLimitLayer::new(Rate::per_second(1))
        .always_consume_default_token_bucket(false)
        .limit([Entry::header(PLAN)], Rate::per_second(5));
    for _ in 0..5 {
        assert!(passes(&layer, with(PLAN, "paid")).await);
    }
    assert!(passes(&layer, from("192.0.2.1")).await && !passes(&layer, from("192.0.2.1")).await);
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_entry_tells_callers_apart() {
    #[derive(Clone)]
    struct Tenant(&'static str);
    let read: Read = Arc::new(|view| view.extensions.get::<Tenant>().map(|tenant| Cow::Borrowed(tenant.0)));
    let caller = |name: &str| {
        let mut request = from("192.0.2.1");
        let id = format!("spiffe://cluster.local/ns/default/sa/{name}");
        request.extensions_mut().insert(id.parse::<SpiffeId>().unwrap());
        request
    };
    let tenant = |name| {
        let mut request = from("192.0.2.1");
        request.extensions_mut().insert(Tenant(name));
        request
    };
    let uri = |uri: &str| Request::get(uri).body(()).unwrap();
    let path = mesh_core::model::matcher::HeaderKey::Path;
    let cases = [
        (Entry::caller(), caller("web"), caller("api")),
        (Entry::header_key(path), uri("/a"), uri("/b")),
        (Entry::query_parameter("user"), uri("/a?user=1"), uri("/b?x=1&user=2")),
        (Entry::masked_remote_address(24, 64), from("192.0.2.1"), from("192.0.3.1")),
        (Entry::masked_remote_address(24, 64), from("2001:db8::1"), from("2001:db8:0:1::1")),
        (Entry::read("tenant", read), tenant("a"), tenant("b")),
    ];
    for (entry, one, other) in cases {
        let layer = LocalRateLimitLayer::new(None).limit([entry.clone()], Rate::per_second(1));
        let again = Request::from_parts(one.into_parts().0, ());
        assert!(passes(&layer, again.clone()).await, "{entry:?}");
        assert!(!passes(&layer, again).await, "{entry:?}");
        assert!(passes(&layer, other).await, "{entry:?}");
    }
    let network =
        LocalRateLimitLayer::new(None).limit([Entry::masked_remote_address(24, 64)], Rate::per_second(1));
    assert!(passes(&network, from("192.0.2.1")).await && !passes(&network, from("192.0.2.254")).await);
}

#[tokio::test(start_paused = true)]
async fn a_parameter_is_the_same_however_it_is_written() {
    let layer = LocalRateLimitLayer::new(None)
        .limit([Entry::query_parameter("user name")], Rate::per_second(1))
        .limit([Entry::query_parameter("plan").is("paid up")], Rate::per_second(1));
    let get = |query: &str| Request::get(format!("/?{query}")).body(()).unwrap();
    assert!(passes(&layer, get("user+name=ann+b")).await);
    for same in ["user%20name=ann%20b", "%75ser+name=%61nn+b", "x=1&user+n%61me=ann+b"] {
        assert!(!passes(&layer, get(same)).await, "{same}");
    }
    assert!(passes(&layer, get("user+name=ann%2Bb")).await, "another name");
    assert!(passes(&layer, get("plan=paid+up")).await && !passes(&layer, get("pl%61n=paid%20up")).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_enforced_passes_and_is_counted() {
    let metrics = LocalRateLimitMetrics::default();
    let half = Fraction::percent(50.0).unwrap();
    let layer = LocalRateLimitLayer::new(Rate::per_second(1))
        .filter_enforced(half)
        .random(Random::seeded(3))
        .metrics(metrics.clone());
    let mut passed = 0;
    for _ in 0..201 {
        passed += u64::from(passes(&layer, from("192.0.2.1")).await);
    }
    let counts = metrics.snapshot();
    assert_eq!((counts.enabled(), counts.ok, counts.rate_limited), (201, 1, 200));
    assert_eq!(counts.enforced, 201 - passed);
    assert!((60..140).contains(&counts.enforced), "{counts:?}");
    let off = LocalRateLimitLayer::new(Rate::per_second(1)).filter_enabled(Fraction::ZERO);
    assert!(passes(&off, from("192.0.2.1")).await && passes(&off, from("192.0.2.1")).await);
}

#[tokio::test(start_paused = true)]
async fn more_callers_than_slots_are_limited_together_and_counted() {
    let metrics = LocalRateLimitMetrics::default();
    let layer = LocalRateLimitLayer::new(None)
        .max_dynamic_descriptors(8)
        .limit([Entry::remote_address()], Rate::per_second(1))
        .metrics(metrics.clone());
    let mut passed = 0;
    for i in 0..100 {
        passed += u32::from(passes(&layer, from(&format!("192.0.2.{i}"))).await);
    }
    assert_eq!(passed, 8);
    assert_eq!(metrics.snapshot().shared, 92);
    tokio::time::advance(secs(1)).await;
    assert!(passes(&layer, from("192.0.2.99")).await, "full buckets are forgotten");
}

#[tokio::test(start_paused = true)]
async fn what_a_refused_stranger_took_comes_back_to_the_bucket_that_it_shared() {
    let layer = LocalRateLimitLayer::new(Rate::per_second(8))
        .max_dynamic_descriptors(8)
        .limit([Entry::remote_address()], Rate::token_bucket(2, 1, secs(100)).unwrap());
    let owner = |i: u8| from(&format!("192.0.2.{i}"));
    for i in 0..8 {
        assert!(passes(&layer, owner(i)).await);
    }
    // All slots are in use, and the bucket of all is empty.
    for i in 0..200 {
        assert!(!passes(&layer, from(&format!("198.51.100.{i}"))).await);
    }
    // So each owner has its second token still, and no third.
    for has_one in [true, false] {
        tokio::time::advance(secs(1)).await;
        for i in 0..8 {
            assert_eq!(passes(&layer, owner(i)).await, has_one, "owner {i}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_shares_a_bucket_has_no_more_than_one() {
    let layer = LocalRateLimitLayer::new(None)
        .max_dynamic_descriptors(8)
        .limit([Entry::remote_address()], Rate::token_bucket(3, 1, secs(10)).unwrap());
    for i in 0..8 {
        assert!(passes(&layer, from(&format!("192.0.2.{i}"))).await);
    }
    let mut passed = 0;
    for _ in 0..100 {
        passed += u32::from(passes(&layer, from("198.51.100.1")).await);
    }
    assert_eq!(passed, 2, "what its bucket has left, and no other's");
}

#[tokio::test(start_paused = true)]
async fn clones_and_services_of_a_layer_share_its_buckets() {
    let layer = LocalRateLimitLayer::new(Rate::per_second(2));
    let mut one = layer.layer(Script::new([]));
    let mut two = layer.clone().layer(Script::new([]));
    assert!(one.ready().await.unwrap().call(from("192.0.2.1")).await.is_ok());
    assert!(two.ready().await.unwrap().call(from("192.0.2.1")).await.is_ok());
    assert!(one.clone().oneshot(from("192.0.2.1")).await.is_err());
    // A clone that is changed goes its own way.
    let other = layer.clone().limit([Entry::remote_address()], Rate::per_second(9));
    assert!(passes(&other, from("192.0.2.1")).await && !passes(&layer, from("192.0.2.1")).await);
}

#[test]
fn a_dropped_request_has_used_its_token_and_nothing_else() {
    // A token is not a permit: who gives up early has asked all the same.
    let layer = LocalRateLimitLayer::new(Rate::per_second(1).burst(2));
    let mut svc = task::spawn(layer.layer(Script::new([crate::testing::Act::Silence])));
    let _ = svc.enter(|cx, mut s| s.poll_ready(cx));
    let mut call = task::spawn(svc.call(from("192.0.2.1")));
    assert_pending!(call.poll());
    drop(call);
    let now = tokio::time::Instant::now();
    assert!(layer.check(&from("192.0.2.1"), now).is_ok());
    assert!(layer.check(&from("192.0.2.1"), now).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_file_gives_each_descriptor_its_bucket() {
    let spec: LocalRateLimitSpec = serde_json::from_value(json!({
        "tokenBucket": {"maxTokens": 100, "tokensPerFill": 100, "fillInterval": "1s"},
        "rateLimits": [
            {"actions": [{"genericKey": {"descriptorValue": "orders"}}, {"requestHeaders": {"headerName": "x-plan"}}]},
            {"actions": [{"headerValueMatch": {
                "descriptorValue": "slow", "headers": [{"name": ":path", "prefix": "/reports"}]
            }}]},
        ],
        "descriptors": [
            {"entries": [{"key": "generic_key", "value": "orders"}, {"key": "x-plan"}],
             "tokenBucket": {"maxTokens": 2, "fillInterval": "1s"}},
            {"entries": [{"key": "header_match", "value": "slow"}],
             "tokenBucket": {"maxTokens": 1, "fillInterval": "60s"}},
        ],
        "status": 503,
        "rateLimitedAsResourceExhausted": true,
        "responseHeadersToAdd": {"x-limit": "yes"},
    }))
    .unwrap();
    let again: LocalRateLimitSpec = serde_json::from_value(serde_json::to_value(&spec).unwrap()).unwrap();
    assert_eq!(again, spec);
    let layer = LocalRateLimitLayer::try_from(spec).unwrap();
    assert!(passes(&layer, with(PLAN, "a")).await && passes(&layer, with(PLAN, "a")).await);
    assert!(passes(&layer, with(PLAN, "b")).await);
    let rejection = Rejection::of(&*send(&layer, with(PLAN, "a")).await.unwrap_err()).unwrap();
    assert_eq!((rejection.status.as_u16(), rejection.grpc_status), (503, 8));
    let report = || Request::get("/reports/7").body(()).unwrap();
    assert!(passes(&layer, report()).await && !passes(&layer, report()).await);
}

#[test]
fn a_wrong_file_says_where() {
    let error = |spec: serde_json::Value| {
        let spec: LocalRateLimitSpec = serde_json::from_value(spec).unwrap();
        LocalRateLimitLayer::try_from(spec).unwrap_err().to_string()
    };
    let bucket = json!({"maxTokens": 1, "fillInterval": "1s"});
    let address = json!([{"actions": [{"remoteAddress": {}}]}]);
    for (spec, want) in [
        (
            json!({"tokenBucket": {"maxTokens": 0, "fillInterval": "1s"}}),
            "tokenBucket.maxTokens: must be at least 1",
        ),
        (json!({"filterEnabled": -1}), "filterEnabled: must be a percentage from 0 to 100"),
        (json!({"status": 200}), "status: must be a status from 400 to 599"),
        (json!({"maxDynamicDescriptors": 0}), "maxDynamicDescriptors: must be from 1 to 16777216"),
        (
            json!({"responseHeadersToAdd": {"a b": ""}}),
            "responseHeadersToAdd.a b: must be the name of a header",
        ),
        (json!({"rateLimits": [{"actions": []}]}), "rateLimits[0].actions: must have at least one"),
        (json!({"rateLimits": address}), "tokenBucket: must be there where there are no descriptors"),
        (
            json!({
                "rateLimits": [{"actions": [{"remoteAddress": {}}, {"genericKey": {"descriptorValue": "orders"}}]}],
                "descriptors": [{
                    "entries": [{"key": "remote_address"}, {"key": "generic_key", "value": "order"}],
                    "tokenBucket": bucket,
                }],
            }),
            "descriptors[0].entries[1].value: must be one that an action gives it",
        ),
        (
            json!({"rateLimits": [{"actions": [{"requestHeaders": {"headerName": "a b"}}]}]}),
            "rateLimits[0].actions[0].requestHeaders.headerName: must be the name of a header",
        ),
        (
            json!({"rateLimits": [{"actions": [{"maskedRemoteAddress": {"v4PrefixMaskLen": 33}}]}]}),
            "rateLimits[0].actions[0].maskedRemoteAddress.v4PrefixMaskLen: must be from 0 to 32",
        ),
        (
            json!({"rateLimits": [{"actions": [{"headerValueMatch": {"descriptorValue": "bots", "headers": [
                {"name": "user-agent", "contains": "bot"}, {"name": "x-depth", "range": {"start": 1, "end": 0}},
            ]}}]}]}),
            "rateLimits[0].actions[0].headerValueMatch.headers[1].rangeMatch.end: must be more than start: it is the \
             first that does not match",
        ),
        (
            json!({"rateLimits": address, "descriptors": [{"entries": [{"key": "path"}], "tokenBucket": bucket}]}),
            "descriptors[0].entries: must have the keys of one of rateLimits, in its order",
        ),
        (
            json!({"rateLimits": address, "descriptors": [
                {"entries": [{"key": "remote_address"}], "tokenBucket": {"maxTokens": 1, "fillInterval": "0s"}}
            ]}),
            "descriptors[0].tokenBucket.fillInterval: must be at least 1/16 ns a token",
        ),
    ] {
        assert_eq!(error(spec), want);
    }
    assert!(serde_json::from_value::<LocalRateLimitSpec>(json!({"tokens": 1})).is_err());
}

proptest! {
    /// Whatever callers do, none gets more than its burst and what time refills, and all together neither: not even
    /// where there are more callers than slots, so that some share a bucket, and a later bucket refuses many.
    #[test]
    fn no_caller_and_not_all_together_exceed_their_limit(
        slots in prop_oneof![Just(8_usize), Just(16_384)],
        requests in proptest::collection::vec((0_usize..24, 0_u64..300), 1..300),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let layer = LocalRateLimitLayer::new(Rate::per_second(5))
                .max_dynamic_descriptors(slots)
                .limit([Entry::remote_address()], Rate::token_bucket(3, 2, secs(5)).unwrap());
            let start = tokio::time::Instant::now();
            let (mut all, mut each) = (0_u32, [0_u32; 24]);
            for (caller, wait) in requests {
                tokio::time::advance(millis(wait)).await;
                if layer.check(&from(&format!("192.0.2.{caller}")), tokio::time::Instant::now()).is_ok() {
                    all += 1;
                    each[caller] += 1;
                }
                let seconds = start.elapsed().as_secs_f64();
                assert!(f64::from(all) <= 5.0 + 5.0 * seconds + 1e-6);
                let most = 3.0 + 0.4 * seconds + 1e-6;
                assert!(each.iter().all(|n| f64::from(*n) <= most), "{each:?} after {seconds} s");
                if slots == 8 {
                    assert!(f64::from(all) <= 8.0 * most, "{all} passed after {seconds} s");
                }
            }
        });
    }
}
