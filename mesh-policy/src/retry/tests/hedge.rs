//! Several attempts at a time.

use super::*;
use crate::retry::Hedge;
use std::task::Poll;

fn hedged(on: &[RetryCondition], retries: u32) -> RetryLayer {
    layer(on, retries).hedge(Hedge::on_per_try_timeout(secs(1)))
}

fn after(wait: u64, status: u16) -> Act {
    Act::After(millis(wait), status)
}

#[tokio::test(start_paused = true)]
async fn what_stays_unanswered_is_sent_once_more_and_the_first_answer_counts() {
    let script = Script::new([after(5000, 201), after(500, 202)]);
    let metrics = RetryMetrics::default();
    let budget = RetryBudget::fixed(9);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 3)
        .metrics(metrics.clone())
        .budget(budget.clone())
        .layer(script.clone());
    let t0 = Instant::now();
    let response = svc.oneshot(request(Method::PUT, "")).await.unwrap();
    assert_eq!((response.status().as_u16(), script.sent()), (202, 2));
    assert_eq!(t0.elapsed(), millis(1500));
    let counts = metrics.snapshot();
    assert_eq!((counts.hedged, counts.upstream_rq_retry, counts.upstream_rq_retry_success), (1, 1, 1));
    assert_eq!((budget.active(), budget.retries()), (0, 0), "the slow attempt was given up with the answer");
}

#[tokio::test(start_paused = true)]
async fn the_first_attempt_may_still_win() {
    let script = Script::new([after(1500, 201), after(5000, 202)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 3).layer(script.clone());
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 201);
    assert_eq!(script.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_waits_for_a_better_one_as_long_as_one_may_come() {
    let script = Script::new([after(3000, 200), after(100, 503), after(100, 503)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 2).layer(script.clone());
    let t0 = Instant::now();
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((t0.elapsed(), script.sent()), (secs(3), 3));

    let script = Script::new([after(1500, 502), after(100, 503)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 1).layer(script.clone());
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), flags(&response).as_str()), (502, "URX"), "the last of all");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_has_its_successor_after_the_back_off_and_not_at_the_next_tick() {
    let script = Script::new([after(9000, 200), after(100, 503), after(100, 201)]);
    let metrics = RetryMetrics::default();
    let budget = RetryBudget::fixed(9);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 3)
        .metrics(metrics.clone())
        .budget(budget.clone())
        .layer(script.clone());
    let t0 = Instant::now();
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!((response.status().as_u16(), script.sent()), (201, 3));
    assert!(t0.elapsed() >= millis(1200) && t0.elapsed() <= millis(1200 + 50 + 2), "{:?}", t0.elapsed());
    let counts = metrics.snapshot();
    assert_eq!((counts.hedged, counts.upstream_rq_retry, counts.upstream_rq_retry_success), (1, 2, 1));
    assert_eq!((budget.active(), budget.retries()), (0, 0));

    // A successor that is slow has another beside it when it was under way for as long.
    let script = Script::new([after(9000, 200), after(900, 503), after(9000, 201), after(100, 202)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 3).layer(script.clone());
    let t0 = Instant::now();
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 202);
    assert!(t0.elapsed() >= millis(3000) && t0.elapsed() <= millis(3000 + 50 + 2), "{:?}", t0.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_has_its_successor_gets_no_other_when_it_fails() {
    let script = Script::new([after(1500, 503), after(900, 201)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 5).layer(script.clone());
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 201);
    assert_eq!(script.sent(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_is_due_is_worth_waiting_for_when_all_under_way_have_failed() {
    let script = Script::new([after(1110, 503), after(100, 503), after(100, 201)]);
    let on = policy(&[RetryCondition::FiveXx], 2);
    let policy = RetryPolicy { backoff_base: secs(1), backoff_max: secs(1), ..on };
    let budget = RetryBudget::fixed(1);
    let svc: Client = RetryLayer::new(policy)
        .random(Random::seeded(1))
        .hedge(Hedge::on_per_try_timeout(secs(1)))
        .budget(budget.clone())
        .layer(script.clone());
    let response = svc.oneshot(get()).await.unwrap();
    assert_eq!(
        (response.status().as_u16(), script.sent()),
        (201, 3),
        "the budget has one place, and it was kept"
    );
    assert_eq!(report(&response), Some(RetryReport { attempts: 3, stop: None }));
    assert_eq!(budget.retries(), 0);
}

#[tokio::test(start_paused = true)]
async fn of_several_that_start_at_once_one_that_fails_is_retried_beside_the_others() {
    let script = Script::new([after(900, 201), after(900, 202), after(10, 503), after(100, 204)]);
    let svc: Client =
        layer(&[RetryCondition::FiveXx], 5).hedge(Hedge::default().initial_requests(3)).layer(script.clone());
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 204);
    assert_eq!(script.sent(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_of_the_only_attempt_is_retried_as_ever() {
    let script = Script::new([after(100, 503), after(5000, 200), after(100, 201)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 2).layer(script.clone());
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 201, "and the retry is hedged, too");
    assert_eq!(script.sent(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_payment_runs_once_at_a_time() {
    for method in [Method::POST, Method::PATCH] {
        let script = Script::new([after(9000, 200)]);
        let svc: Client = hedged(&[RetryCondition::FiveXx], 5).layer(script.clone());
        svc.oneshot(request(method, "")).await.unwrap();
        assert_eq!(script.sent(), 1);
    }
    let script = Script::new([after(9000, 200), after(10, 201)]);
    let svc: Client = hedged(&[RetryCondition::FiveXx], 1).repeat(Repeat::AnyMethod).layer(script.clone());
    assert_eq!(svc.oneshot(request(Method::POST, "")).await.unwrap().status(), 201);
}

#[tokio::test(start_paused = true)]
async fn several_may_start_at_once_within_the_budget() {
    for (budget, sent) in [(9, 3), (1, 2), (0, 1)] {
        let script = Script::new([after(300, 201), after(200, 202), after(100, 203)]);
        let svc: Client = layer(&[RetryCondition::FiveXx], 5)
            .hedge(Hedge::default().initial_requests(3))
            .budget(RetryBudget::fixed(budget))
            .layer(script.clone());
        let response = svc.oneshot(get()).await.unwrap();
        assert_eq!((response.status().as_u16(), script.sent()), (200 + sent, usize::from(sent)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_is_sent_to_its_end_before_another_attempt_reads_it() {
    let (tx, rx) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let stream =
        futures_util::stream::unfold(rx, |mut rx| async { Some((Ok::<_, BoxError>(rx.recv().await?), rx)) });
    let script = Script::new([after(9500, 200), after(100, 201)]);
    let svc = hedged(&[RetryCondition::FiveXx], 1).layer(script.clone());
    let mut call =
        task::spawn(svc.oneshot(Request::put("/").body(StreamBody::new(Box::pin(stream))).unwrap()));
    assert_pending!(call.poll());
    let mut body = first(&script);
    tx.send(Frame::data("one".into())).unwrap();
    body.frame().await.unwrap().unwrap();
    for _ in 0..3 {
        tokio::time::advance(secs(1)).await;
        assert_pending!(call.poll());
    }
    assert_eq!(script.sent(), 0, "the upload goes on");
    drop(tx);
    assert!(body.frame().await.is_none());
    tokio::time::advance(secs(1)).await;
    assert_pending!(call.poll());
    let again = first(&script).collect().await.unwrap().to_bytes();
    assert_eq!(again, "one");
    assert_eq!(call.await.unwrap().status(), 201);
}

proptest! {
    #[test]
    fn no_race_takes_more_than_its_budget_or_its_policy(
        waits in prop::collection::vec((0u64..4000, prop::sample::select(vec![200u16, 503])), 1..6),
        retries in 0u32..5,
        budget in 0u32..3,
        initial in 0u32..4,
        steps in 0usize..60,
    ) {
        paused().block_on(async {
            let budget = RetryBudget::fixed(budget);
            let script = Script::new(waits.iter().map(|(wait, status)| after(*wait, *status)));
            let hedge = Hedge::on_per_try_timeout(millis(500)).initial_requests(initial);
            let mut svc: Client =
                layer(&[RetryCondition::FiveXx], retries).budget(budget.clone()).hedge(hedge).layer(script.clone());
            let _ = svc.ready().await;
            let mut call = task::spawn(svc.call(get()));
            for _ in 0..steps {
                let polled = call.poll();
                prop_assert!(budget.retries() <= budget.limit());
                prop_assert!(script.sent() as u64 <= 1 + u64::from(retries));
                if let Poll::Ready(answer) = polled {
                    answer.unwrap();
                    prop_assert_eq!((budget.active(), budget.retries()), (0, 0));
                    break;
                }
                prop_assert_eq!(budget.active(), 1);
                tokio::time::advance(millis(100)).await;
            }
            drop(call);
            prop_assert_eq!((budget.active(), budget.retries()), (0, 0));
            Ok(())
        })?;
    }
}

#[cfg(feature = "outlier")]
#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_hedged_around_is_known_to_be_slow() {
    use crate::outlier::{Detector, OutlierLayer};
    use mesh_core::model::cluster::OutlierDetection;
    let config = OutlierDetection { consecutive_5xx: 1, ..OutlierDetection::default() };
    let detector = Detector::new(config, std::time::Instant::now());
    let (slow, fast) = (detector.host("slow"), detector.host("fast"));
    let script = Script::new([Act::Silence, after(700, 202)]);
    let hosts = [OutlierLayer::new(slow.clone()), OutlierLayer::new(fast.clone())]
        .map(|host| host.layer(script.clone()));
    let turn = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let svc = layer(&[RetryCondition::FiveXx], 3).hedge(Hedge::on_per_try_timeout(secs(1))).layer(
        tower::service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
            hosts[turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed)].clone().oneshot(request)
        }),
    );
    assert_eq!(svc.oneshot(request(Method::PUT, "")).await.unwrap().status(), 202);
    assert!(slow.is_ejected() && !fast.is_ejected());
}

#[cfg(feature = "outlier")]
#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_not_late_is_cancelled_without_blame() {
    use crate::outlier::{Detector, OutlierLayer};
    use mesh_core::model::cluster::OutlierDetection;
    let config = OutlierDetection { consecutive_5xx: 1, ..OutlierDetection::default() };
    let host = Detector::new(config, std::time::Instant::now()).host("late");
    let script = Script::new([after(1500, 201), after(5000, 202)]);
    let svc =
        hedged(&[RetryCondition::FiveXx], 3).layer(OutlierLayer::new(host.clone()).layer(script.clone()));
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 201);
    assert_eq!((script.sent(), host.is_ejected()), (2, false));
}

/// Counts how often it is asked whether it is ready.
#[derive(Clone)]
struct Asked<S> {
    inner: S,
    asked: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl<S: Service<Request<ReplayBody<Full<Bytes>>>>> Service<Request<ReplayBody<Full<Bytes>>>> for Asked<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> Poll<Result<(), S::Error>> {
        self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReplayBody<Full<Bytes>>>) -> S::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_made_ready_for_an_attempt_that_may_not_be_sent() {
    let asked = std::sync::Arc::<std::sync::atomic::AtomicUsize>::default();
    let script = Script::new([after(2500, 200)]);
    let svc = hedged(&[RetryCondition::FiveXx], 5)
        .budget(RetryBudget::fixed(0))
        .layer(Asked { inner: script.clone(), asked: asked.clone() });
    assert_eq!(svc.oneshot(get()).await.unwrap().status(), 200);
    assert_eq!((script.sent(), asked.load(std::sync::atomic::Ordering::Relaxed)), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_cannot_be_sent_again_is_raced_by_nobody_and_counts_as_given_up_never() {
    let metrics = RetryMetrics::default();
    let script = Script::new([after(9500, 200)]);
    let layer = hedged(&[RetryCondition::FiveXx], 2).buffer_limit(3).metrics(metrics.clone());
    let upload = Request::put("/").body(Full::new(Bytes::from("abcdef"))).unwrap();
    let mut call = task::spawn(layer.layer(script.clone()).oneshot(upload));
    assert_pending!(call.poll());
    assert_eq!(first(&script).collect().await.unwrap().to_bytes(), "abcdef");
    for _ in 0..5 {
        tokio::time::advance(secs(1)).await;
        assert_pending!(call.poll());
    }
    assert_eq!((call.await.unwrap().status().as_u16(), script.sent()), (200, 0));
    assert_eq!(metrics.snapshot().retry_or_shadow_abandoned, 0);
}
