use crate::shed::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Random, Rejection, find};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;
use tokio::time::{advance, sleep};
use tokio_test::{assert_pending, assert_ready, assert_ready_err, task};
use tower::{Layer, Service, ServiceExt};
use tower_test::mock;

type Reply = Response<Full<Bytes>>;

/// Settings that measure once, by so many answers.
fn settings(request_count: u32, min_concurrency: u32) -> Gradient {
    Gradient { request_count, min_concurrency, jitter: 0.0, ..Gradient::default() }
}

/// So many requests at once, each answered after a wait; how many were.
async fn burst(limit: &AdaptiveConcurrency, requests: usize, wait: Duration) -> usize {
    let svc =
        AdaptiveConcurrencyLayer::new(limit.clone()).layer(tower::service_fn(move |_: ()| async move {
            sleep(wait).await;
            Ok::<_, BoxError>(Reply::default())
        }));
    let calls = (0..requests).map(|_| {
        let svc = svc.clone();
        async move {
            match svc.oneshot(()).await {
                Ok(response) => response.into_body().collect().await.is_ok(),
                Err(_) => false,
            }
        }
    });
    futures_util::future::join_all(calls).await.into_iter().filter(|ok| *ok).count()
}

#[tokio::test(start_paused = true)]
async fn the_limit_grows_while_answers_are_as_fast_as_on_an_idle_service_and_falls_when_they_slow() {
    let limit = AdaptiveConcurrency::new(settings(3, 3)).random(Random::seeded(1));
    assert!(limit.snapshot().min_rtt_calculation_active);
    assert_eq!(burst(&limit, 10, millis(10)).await, 3, "while it measures");
    let measured = limit.snapshot();
    assert!(!measured.min_rtt_calculation_active);
    assert_eq!((measured.concurrency_limit, measured.rq_blocked, measured.open), (3, 7, 0));
    assert!(measured.min_rtt.abs_diff(millis(10)) < millis(1), "{measured:?}");
    for _ in 0..20 {
        advance(millis(100)).await;
        burst(&limit, 1, millis(10)).await;
    }
    let grown = limit.snapshot();
    assert!(grown.concurrency_limit > 30, "{grown:?}");
    assert!((grown.gradient - 1.25).abs() < 0.05, "{grown:?}");
    for _ in 0..10 {
        advance(millis(100)).await;
        burst(&limit, 1, millis(200)).await;
    }
    let fallen = limit.snapshot();
    assert!(fallen.concurrency_limit < 6 && fallen.gradient == 0.5, "{fallen:?}");
}

#[tokio::test(start_paused = true)]
async fn the_idle_latency_is_measured_again_in_time_and_when_the_limit_stays_lowest() {
    let limit = AdaptiveConcurrency::new(Gradient { min_rtt_interval: secs(10), ..settings(3, 3) });
    burst(&limit, 3, millis(10)).await;
    advance(secs(11)).await;
    burst(&limit, 1, millis(10)).await;
    assert!(limit.snapshot().min_rtt_calculation_active);
    burst(&limit, 3, millis(30)).await;
    assert!(limit.snapshot().min_rtt.abs_diff(millis(30)) < millis(1));
    // Slower for good: after five windows at the least limit it is measured without waiting for its time.
    let mut windows = 0;
    while !limit.snapshot().min_rtt_calculation_active {
        advance(millis(100)).await;
        burst(&limit, 1, millis(300)).await;
        windows += 1;
        assert!(windows < 20);
    }
    burst(&limit, 3, millis(300)).await;
    assert!(limit.snapshot().min_rtt.abs_diff(millis(300)) < millis(6));
}

/// So many requests that are given up after a while each, one after the other.
#[cfg(feature = "timeout")]
async fn timed_out(limit: &AdaptiveConcurrency, requests: usize, budget: Duration) {
    let silent = AdaptiveConcurrencyLayer::new(limit.clone()).layer(Script::<()>::new([]).silent());
    let svc = crate::timeout::TimeoutLayer::new(budget).layer(silent);
    for _ in 0..requests {
        assert!(svc.clone().oneshot(Request::new(())).await.is_err());
    }
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn a_service_that_answers_nothing_in_time_is_slow_and_not_unknown() {
    let limit = AdaptiveConcurrency::new(settings(3, 3)).random(Random::seeded(1));
    burst(&limit, 3, millis(10)).await;
    for _ in 0..20 {
        advance(millis(100)).await;
        burst(&limit, 1, millis(10)).await;
    }
    let grown = limit.snapshot().concurrency_limit;
    assert!(grown > 30, "{grown}");
    timed_out(&limit, 30, millis(50)).await;
    let fallen = limit.snapshot();
    assert!(fallen.concurrency_limit < 6 && fallen.gradient == 0.5, "{fallen:?}");
    assert_eq!(fallen.open, 0);
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn the_idle_latency_is_measured_to_its_end_though_nothing_is_answered_in_time() {
    let limit = AdaptiveConcurrency::new(settings(3, 3));
    timed_out(&limit, 3, millis(50)).await;
    let measured = limit.snapshot();
    assert!(!measured.min_rtt_calculation_active, "{measured:?}");
    assert!(measured.min_rtt.abs_diff(millis(50)) < millis(2), "{measured:?}");
}

#[tokio::test(start_paused = true)]
async fn a_class_may_fill_no_less_than_one_that_matters_less() {
    let limit =
        AdaptiveConcurrency::new(settings(50, 10)).shares([100, 20, 10, 10]).queue(Queue::new(4, secs(1)));
    let layer =
        AdaptiveConcurrencyLayer::new(limit.clone()).prioritize(|class: &Request<Criticality>| *class.body());
    let svc = layer.layer(Script::new([]).silent());
    let mut held: Vec<_> = (0..10)
        .map(|_| Criticality::Sheddable)
        .chain([Criticality::CriticalPlus])
        .map(|class| {
            let mut call = task::spawn(svc.clone().oneshot(Request::new(class)));
            assert_pending!(call.poll());
            call
        })
        .collect();
    assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (10, 1));
    drop(held.remove(0));
    assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_waker_that_panics_does_not_freeze_the_limit() {
    struct Panics;
    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor is broken");
        }
    }
    let limit = AdaptiveConcurrency::new(settings(1, 1)).queue(Queue::new(1, secs(1)));
    let (service, mut handle) = mock::pair::<(), Reply>();
    handle.allow(10);
    let svc = AdaptiveConcurrencyLayer::new(limit.clone()).layer(service);
    let mut first = task::spawn(svc.clone().oneshot(()));
    assert_pending!(first.poll());
    let mut waits = Box::pin(svc.clone().oneshot(()));
    let waker = std::task::Waker::from(Arc::new(Panics));
    assert!(waits.as_mut().poll(&mut std::task::Context::from_waker(&waker)).is_pending());
    handle.next_request().await.unwrap().1.send_error("an answer that ends measuring");
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(first.poll())));
    assert!(ended.is_err());
    drop((first, waits));
    for _ in 0..20 {
        advance(millis(100)).await;
        burst(&limit, 1, millis(1)).await;
    }
    let counts = limit.snapshot();
    assert!(counts.concurrency_limit > 1 && counts.open == 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn an_empty_answer_is_measured_though_nobody_reads_it() {
    let limit = AdaptiveConcurrency::new(settings(3, 3));
    let empty = tower::service_fn(|_: ()| async { Ok::<_, BoxError>(Reply::default()) });
    let svc = AdaptiveConcurrencyLayer::new(limit.clone()).layer(empty);
    for _ in 0..3 {
        // As servers do: a body that is at its end already is never asked.
        drop(svc.clone().oneshot(()).await.unwrap());
    }
    assert!(!limit.snapshot().min_rtt_calculation_active);
}

#[tokio::test(start_paused = true)]
async fn over_the_limit_is_a_503_with_envoys_words() {
    let limit = AdaptiveConcurrency::new(settings(50, 1));
    let mut svc = AdaptiveConcurrencyLayer::new(limit.clone()).layer(Script::<()>::new([Act::Silence]));
    let mut first = task::spawn(svc.ready().await.unwrap().call(Request::new(())));
    assert_pending!(first.poll());
    let error = svc.ready().await.unwrap().call(Request::new(())).await.unwrap_err();
    let shed = find::<Shed>(&*error).unwrap();
    assert_eq!((shed.reason(), shed.criticality()), (Reason::ConcurrencyLimit, Criticality::Critical));
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!((rejection.status.as_u16(), &*rejection.details), (503, "reached_concurrency_limit"));
    assert_eq!(&*rejection.body, "reached concurrency limit");
    assert!(rejection.flags.is_empty());
    assert_eq!(crate::failure::classify(&*error), crate::FailureKind::Overflow);
    drop(first);
    assert_eq!((limit.snapshot().open, limit.snapshot().rq_blocked), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn the_sheddable_fill_only_their_share() {
    let limit = AdaptiveConcurrency::new(settings(50, 10)).shares([50, 80, 100, 100]);
    let mut held = Vec::new();
    for (class, most) in Criticality::ALL.into_iter().zip([5, 8, 10, 10]) {
        let layer = AdaptiveConcurrencyLayer::new(limit.clone()).prioritize(move |_: &Request<()>| class);
        loop {
            let call = layer.layer(Script::new([Act::Silence])).oneshot(Request::new(()));
            let mut call = task::spawn(call);
            if call.poll().is_ready() {
                break;
            }
            held.push(call);
        }
        assert_eq!(held.len(), most, "{class:?}");
    }
    drop(held);
    assert_eq!(limit.snapshot().open, 0);
}

/// One place, and room for two to wait.
fn queued() -> (AdaptiveConcurrency, mock::Mock<u32, Reply>, mock::Handle<u32, Reply>) {
    let limit = AdaptiveConcurrency::new(settings(50, 1)).queue(Queue::new(2, secs(1)));
    let (service, mut handle) = mock::pair();
    handle.allow(100);
    (limit, service, handle)
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_called_when_a_place_comes_free_the_newest_first() {
    let (limit, service, mut handle) = queued();
    let mut svc = AdaptiveConcurrencyLayer::new(limit.clone()).layer(service);
    let mut calls = Vec::new();
    for i in 0..3 {
        let mut call = task::spawn(svc.ready().await.unwrap().call(i));
        assert_pending!(call.poll());
        calls.push(call);
    }
    assert_eq!((limit.snapshot().waiting, limit.snapshot().rq_queued), (2, 2));
    let mut order = Vec::new();
    while let Some(left) = (!calls.is_empty()).then_some(&mut calls) {
        let (request, respond) = handle.next_request().await.unwrap();
        order.push(request);
        respond.send_response(Reply::default());
        let at = left.iter_mut().position(|call| call.is_woken()).unwrap();
        let response = assert_ready!(left.remove(at).poll()).unwrap();
        assert!(left.iter_mut().all(|call| !call.is_woken()), "the place is taken until the body's end");
        response.into_body().collect().await.unwrap();
        // Whoever was given the place calls the service.
        left.iter_mut().filter(|call| call.is_woken()).for_each(|call| assert_pending!(call.poll()));
    }
    assert_eq!(order, [0, 2, 1]);
    assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn who_waits_in_vain_is_told_when_its_time_is_over() {
    let (limit, service, _handle) = queued();
    let budget = |request: &u32| Priority { budget: Some(millis((*request).into())), ..Priority::default() };
    let mut svc = AdaptiveConcurrencyLayer::new(limit.clone()).prioritize(budget).layer(service);
    let mut first = task::spawn(svc.ready().await.unwrap().call(9));
    assert_pending!(first.poll());
    let t0 = tokio::time::Instant::now();
    let error = svc.ready().await.unwrap().call(300).await.unwrap_err();
    assert_eq!((t0.elapsed(), find::<Shed>(&*error).unwrap().reason()), (millis(300), Reason::QueueDeadline));
    let error = svc.ready().await.unwrap().call(9000).await.unwrap_err();
    assert_eq!(
        (t0.elapsed(), find::<Shed>(&*error).unwrap().reason()),
        (millis(1300), Reason::QueueDeadline)
    );
    let none = svc.ready().await.unwrap().call(0).await.unwrap_err();
    assert_eq!(find::<Shed>(&*none).unwrap().reason(), Reason::QueueDeadline);
    assert_eq!((limit.snapshot().waiting, limit.snapshot().open, limit.snapshot().rq_blocked), (0, 1, 3));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_makes_room_for_the_important() {
    let (limit, service, _handle) = queued();
    let class = |request: &u32| Criticality::ALL[*request as usize];
    let mut svc = AdaptiveConcurrencyLayer::new(limit.clone()).prioritize(class).layer(service);
    let mut calls = Vec::new();
    for request in [2, 0, 2] {
        let mut call = task::spawn(svc.ready().await.unwrap().call(request));
        assert_pending!(call.poll());
        calls.push(call);
    }
    let full = svc.ready().await.unwrap().call(0);
    // As important as the least that waits, and newer.
    let mut newer = task::spawn(full);
    assert_pending!(newer.poll());
    assert!(calls[1].is_woken());
    let error = assert_ready_err!(calls[1].poll());
    assert_eq!(find::<Shed>(&*error).unwrap().reason(), Reason::QueueFull);
    let mut important = task::spawn(svc.ready().await.unwrap().call(3));
    assert_pending!(important.poll());
    assert_ready_err!(newer.poll());
    let error = svc.ready().await.unwrap().call(0).await.unwrap_err();
    assert_eq!(find::<Shed>(&*error).unwrap().reason(), Reason::QueueFull);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_request_anywhere_gives_its_place_back() {
    let (limit, service, mut handle) = queued();
    let mut svc = AdaptiveConcurrencyLayer::new(limit.clone()).layer(service);
    let state = |limit: &AdaptiveConcurrency| (limit.snapshot().open, limit.snapshot().waiting);
    // Before it is polled.
    drop(svc.ready().await.unwrap().call(0));
    assert_eq!(state(&limit), (0, 0));
    // While it waits for an answer.
    let mut first = task::spawn(svc.ready().await.unwrap().call(1));
    assert_pending!(first.poll());
    // While it waits for a place.
    let mut second = task::spawn(svc.ready().await.unwrap().call(2));
    assert_pending!(second.poll());
    assert_eq!(state(&limit), (1, 1));
    drop(second);
    assert_eq!(state(&limit), (1, 0));
    // When it was given a place and does not know yet: the next in the queue gets it.
    let mut third = task::spawn(svc.ready().await.unwrap().call(3));
    let mut fourth = task::spawn(svc.ready().await.unwrap().call(4));
    assert_pending!(third.poll());
    assert_pending!(fourth.poll());
    drop(first);
    assert!(fourth.is_woken() && !third.is_woken());
    assert_eq!(state(&limit), (1, 1));
    drop(fourth);
    assert!(third.is_woken());
    assert_pending!(third.poll());
    assert_eq!(state(&limit), (1, 0));
    // With half an answer.
    let _ = handle.next_request().await.unwrap();
    let _ = handle.next_request().await.unwrap();
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(request, 3);
    respond.send_response(Reply::new(Full::new(Bytes::from_static(b"half"))));
    let response = assert_ready!(third.poll()).unwrap();
    assert_eq!(state(&limit), (1, 0));
    drop(response);
    assert_eq!(state(&limit), (0, 0));
    // An error of the service.
    let mut fails = task::spawn(svc.ready().await.unwrap().call(5));
    assert_pending!(fails.poll());
    handle.next_request().await.unwrap().1.send_error("boom");
    assert_ready_err!(fails.poll());
    assert_eq!(state(&limit), (0, 0));
}

#[test]
fn threads_that_come_and_go_lose_no_place_and_no_waiter() {
    let limit = AdaptiveConcurrency::new(Gradient { fixed_min_rtt: Some(millis(1)), ..settings(50, 2) })
        .queue(Queue::new(64, secs(60)));
    let served = Arc::new(AtomicUsize::new(0));
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let (limit, served) = (limit.clone(), Arc::clone(&served));
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
                runtime.block_on(async {
                    let svc = AdaptiveConcurrencyLayer::new(limit).layer(tower::service_fn(|_: ()| async {
                        tokio::task::yield_now().await;
                        Ok::<_, BoxError>(Reply::default())
                    }));
                    for _ in 0..100 {
                        // Each reads its own answer: a place is taken until then, and two threads that kept one
                        // unread while they waited for a second place would wait for each other.
                        let calls = (0..3).map(|_| async {
                            let answer = svc.clone().oneshot(()).await.unwrap();
                            answer.into_body().collect().await.unwrap();
                            served.fetch_add(1, SeqCst);
                        });
                        futures_util::future::join_all(calls).await;
                    }
                });
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(served.load(SeqCst), 900);
    assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (0, 0));
}

#[test]
fn futures_of_requests_that_do_not_wait_stay_small() {
    let size = size_of::<AdaptiveConcurrencyFuture<mock::Mock<(), Reply>, ()>>();
    let inner = size_of::<mock::future::ResponseFuture<Reply>>();
    assert!(size <= inner + 32, "{size} over {inner}");
}

#[test]
fn a_wrong_file_says_where() {
    let error = |spec| {
        let spec: AdaptiveConcurrencySpec = serde_json::from_value(spec).unwrap();
        AdaptiveConcurrencyLayer::try_from(spec).unwrap_err().to_string()
    };
    for (spec, want) in [
        (json!({"concurrencyUpdateInterval": "0s"}), "concurrencyUpdateInterval: must be at least 1ms"),
        (json!({"minRtt": {"jitter": 101}}), "minRtt.jitter: must be a percentage from 0 to 100"),
        (json!({"minRtt": {"minConcurrency": 0}}), "minRtt.minConcurrency: must be at least 1"),
        (json!({"maxConcurrencyLimit": 2}), "maxConcurrencyLimit: must not be below minRtt.minConcurrency"),
        (json!({"queue": {"maxWaiting": 0, "maxWait": "1s"}}), "queue.maxWaiting: must be at least 1"),
        (json!({"queue": {"maxWaiting": 1, "maxWait": "0s"}}), "queue.maxWait: must be more than 0s"),
        (
            json!({"concurrencyLimitExceededStatus": 200}),
            "concurrencyLimitExceededStatus: must be a status from 400 to 599",
        ),
    ] {
        assert_eq!(error(spec), want);
    }
}

proptest! {
    /// However requests come, end and are given up, no more are open than the limit allows, and none is lost.
    #[test]
    fn never_more_are_open_than_the_limit_allows(ops in proptest::collection::vec((0_u8..4, 0_usize..8), 1..200)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let limit = AdaptiveConcurrency::new(settings(1000, 3)).queue(Queue::new(3, secs(1)));
            let layer = AdaptiveConcurrencyLayer::new(limit.clone());
            let mut held = Vec::new();
            for (op, at) in ops {
                match op {
                    0 | 1 => {
                        let call = layer.layer(Script::<()>::new([Act::Silence])).oneshot(Request::new(()));
                        held.push(task::spawn(call));
                    }
                    2 if at < held.len() => drop(held.remove(at)),
                    _ => advance(millis(at as u64 * 100)).await,
                }
                // Twice: the last to come may have sent away one that was asked before.
                for _ in 0..2 {
                    held.retain_mut(|call| call.poll().is_pending());
                }
                let counts = limit.snapshot();
                assert!(counts.open <= 3 && counts.waiting <= 3, "{counts:?}");
                assert_eq!(counts.open as usize + counts.waiting, held.len());
                assert!(counts.waiting == 0 || counts.open == 3, "{counts:?}");
            }
            drop(held);
            assert_eq!(limit.snapshot().open, 0);
        });
    }
}
