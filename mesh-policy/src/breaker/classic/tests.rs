use super::*;
use crate::testing::{Act, Script, millis, secs};
use crate::{BoxError, Failure, FailureKind, Random, Rejection, find};
use http::Request;
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use std::time::Instant;
use tokio_test::task;
use tower::{Layer, Service, ServiceExt};

/// The runtime's time, which tests stop.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

fn builder() -> CircuitBuilder {
    Circuit::builder().consecutive_failures(3).jitter(Fraction::ZERO).clock(now)
}

fn fail(circuit: &Circuit, times: usize) {
    for _ in 0..times {
        circuit.try_pass().unwrap().failed();
    }
}

fn get() -> Request<()> {
    Request::new(())
}

#[tokio::test(start_paused = true)]
async fn a_row_of_failures_opens_and_a_success_breaks_the_row() {
    let circuit = builder().build();
    fail(&circuit, 2);
    circuit.try_pass().unwrap().succeeded();
    fail(&circuit, 2);
    assert_eq!(circuit.state(), CircuitState::Closed);
    fail(&circuit, 1);
    assert_eq!(circuit.state(), CircuitState::Open { left: secs(5) });
    assert_eq!(circuit.try_pass().unwrap_err().retry_after(), secs(5));
    let counts = circuit.metrics().snapshot();
    assert_eq!((counts.opened_total, counts.refused_total), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn after_a_while_one_probe_passes_and_its_success_closes() {
    let circuit = builder().build();
    fail(&circuit, 3);
    tokio::time::advance(millis(4999)).await;
    assert_eq!(circuit.try_pass().unwrap_err().retry_after(), millis(1));
    tokio::time::advance(millis(1)).await;
    let probe = circuit.try_pass().unwrap();
    assert!(probe.is_probe() && circuit.state() == CircuitState::HalfOpen);
    assert_eq!(circuit.try_pass().unwrap_err().retry_after(), secs(0), "one probe at a time");
    probe.succeeded();
    assert_eq!(circuit.state(), CircuitState::Closed);
    assert!(!circuit.try_pass().unwrap().is_probe());
    let counts = circuit.metrics().snapshot();
    assert_eq!((counts.half_opened_total, counts.closed_total), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn each_probe_that_fails_opens_for_twice_as_long_up_to_a_bound() {
    let circuit = builder().max_open_time(secs(30)).build();
    fail(&circuit, 3);
    let mut times = vec![];
    for _ in 0..5 {
        let CircuitState::Open { left } = circuit.state() else { panic!("open") };
        times.push(left.as_secs());
        tokio::time::advance(left).await;
        circuit.try_pass().unwrap().failed();
    }
    assert_eq!(times, [5, 10, 20, 30, 30]);
    let CircuitState::Open { left } = circuit.state() else { panic!("open") };
    tokio::time::advance(left).await;
    circuit.try_pass().unwrap().succeeded();
    fail(&circuit, 3);
    assert_eq!(circuit.state(), CircuitState::Open { left: secs(5) }, "once closed it begins anew");
}

#[tokio::test(start_paused = true)]
async fn jitter_makes_it_longer_by_a_share_of_a_time_that_grows() {
    let most = Fraction::percent(50.0).unwrap();
    let left = |seed, openings: usize| async move {
        let circuit = builder().jitter(most).random(Random::seeded(seed)).build();
        fail(&circuit, 3);
        for _ in 0..openings {
            tokio::time::advance(secs(1000)).await;
            circuit.try_pass().unwrap().failed();
        }
        let CircuitState::Open { left } = circuit.state() else { panic!("open") };
        left
    };
    let mut first = vec![];
    for seed in 0..50 {
        first.push(left(seed * 1000, 0).await);
        let third = left(seed * 1000, 2).await;
        assert!((secs(20)..=secs(30)).contains(&third), "{third:?}");
    }
    assert!(first.iter().all(|left| (secs(5)..=millis(7500)).contains(left)));
    assert!(*first.iter().max().unwrap() > secs(7) && *first.iter().min().unwrap() < millis(5500));
}

#[tokio::test(start_paused = true)]
async fn a_share_of_failures_in_a_sliding_window_opens() {
    let rate = || {
        let half = Fraction::percent(50.0).unwrap();
        builder().consecutive_failures(0).failure_rate(half, secs(10), 10).build()
    };
    let circuit = rate();
    for _ in 0..4 {
        circuit.try_pass().unwrap().failed();
        circuit.try_pass().unwrap().succeeded();
    }
    circuit.try_pass().unwrap().failed();
    assert_eq!(circuit.state(), CircuitState::Closed, "nine are too few");
    circuit.try_pass().unwrap().failed();
    assert!(matches!(circuit.state(), CircuitState::Open { .. }), "six of ten");

    let circuit = rate();
    fail(&circuit, 9);
    tokio::time::advance(secs(11)).await;
    for _ in 0..9 {
        circuit.try_pass().unwrap().succeeded();
    }
    fail(&circuit, 8);
    assert_eq!(circuit.state(), CircuitState::Closed, "those of the window before are forgotten");
}

#[tokio::test(start_paused = true)]
async fn an_answer_from_before_says_nothing_of_now() {
    let circuit = builder().probes(2).build();
    let (late_failure, late_success) = (circuit.try_pass().unwrap(), circuit.try_pass().unwrap());
    fail(&circuit, 3);
    tokio::time::advance(secs(5)).await;
    let (one, two) = (circuit.try_pass().unwrap(), circuit.try_pass().unwrap());
    late_failure.failed();
    late_success.succeeded();
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
    one.succeeded();
    assert_eq!(circuit.state(), CircuitState::HalfOpen, "both probes must succeed");
    two.succeeded();
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_leaves_its_place_to_another() {
    let circuit = builder().build();
    fail(&circuit, 3);
    tokio::time::advance(secs(5)).await;
    drop(circuit.try_pass().unwrap());
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
    circuit.try_pass().unwrap().succeeded();
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn the_layer_reports_answers_and_failures_and_refuses_like_an_overflow() {
    let circuit = builder().build();
    let reset: BoxError = Failure::new(FailureKind::Reset, "boom").into();
    let unsent: BoxError = Failure::new(FailureKind::Overflow, "full").into();
    let script = Script::new([
        Act::Status(500),
        Act::Status(404),
        Act::Fail(reset),
        Act::Fail(unsent),
        Act::Header(200, "grpc-status", "14"),
        Act::Status(503),
    ]);
    let svc = CircuitLayer::new(circuit.clone()).layer(script.clone());
    for _ in 0..6 {
        assert_eq!(circuit.state(), CircuitState::Closed);
        let _ = svc.clone().oneshot(get()).await;
    }
    let err = svc.oneshot(get()).await.unwrap_err();
    assert!(find::<CircuitOpen>(&*err).is_some() && script.sent() == 6);
    assert_eq!(crate::failure::classify(&*err), FailureKind::Overflow, "not to be tried again");
    let rejection = Rejection::of(&*err).unwrap();
    assert_eq!((rejection.status.as_u16(), rejection.overloaded), (503, true));
    assert_eq!((rejection.flags.to_string().as_str(), &*rejection.details), ("UO", "circuit_breaker_open"));
}

#[tokio::test(start_paused = true)]
async fn what_is_a_failure_can_be_said() {
    let circuit = builder().consecutive_failures(1).build();
    let layer = CircuitLayer::new(circuit).judge(|status, _| status.as_u16() == 429);
    let svc = layer.layer(Script::<()>::new([Act::Status(500), Act::Status(429)]));
    assert!(svc.clone().oneshot(get()).await.is_ok());
    assert_eq!(layer.circuit().state(), CircuitState::Closed);
    assert!(svc.oneshot(get()).await.is_ok());
    assert!(matches!(layer.circuit().state(), CircuitState::Open { .. }));
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn silence_is_a_failure_if_time_ran_out_but_not_if_the_caller_left() {
    use crate::timeout::TimeoutLayer;
    let circuit = builder().consecutive_failures(1).build();
    let silent = Script::<()>::new([Act::Silence, Act::Silence]);
    let svc = TimeoutLayer::new(secs(1)).layer(CircuitLayer::new(circuit.clone()).layer(silent));
    let mut call = task::spawn(svc.clone().oneshot(get()));
    tokio_test::assert_pending!(call.poll());
    drop(call);
    assert_eq!(circuit.state(), CircuitState::Closed);
    assert!(svc.oneshot(get()).await.is_err());
    assert!(matches!(circuit.state(), CircuitState::Open { .. }));
}

#[test]
fn a_spec_says_which_field_cannot_be() {
    let refused = |json: &str| {
        let spec: CircuitSpec = serde_json::from_str(json).unwrap();
        CircuitLayer::try_from(spec).unwrap_err().to_string()
    };
    assert_eq!(refused(r#"{"probes": 0}"#), "probes: must be from 1 to 1000000");
    assert_eq!(refused(r#"{"probes": 2097152}"#), "probes: must be from 1 to 1000000");
    let below = "maxOpenTime: must not be below openTime, which is 5s unless written";
    assert_eq!(refused(r#"{"openTime": "10s", "maxOpenTime": "9s"}"#), below);
    assert_eq!(refused(r#"{"maxOpenTime": "4s"}"#), below);
    assert_eq!(refused(r#"{"maxHalfOpenTime": "1ms"}"#), "maxHalfOpenTime: must be at least 10ms");
    assert_eq!(refused(r#"{"openTime": "1ms"}"#), "openTime: must be at least 10ms");
    assert_eq!(
        refused(r#"{"failureRate": {"percent": 50, "window": "0s"}}"#),
        "failureRate.window: must be at least 10ms"
    );
    assert_eq!(refused(r#"{"jitterPercent": 101}"#), "jitterPercent: must be from 0 to 100");
    assert!(CircuitLayer::try_from(CircuitSpec::default()).is_ok());
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Begin,
    Succeed(usize),
    Fail(usize),
    Drop(usize),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Begin),
        1 => (0usize..8).prop_map(Step::Succeed),
        1 => (0usize..8).prop_map(Step::Fail),
        1 => (0usize..8).prop_map(Step::Drop),
        1 => (0u64..8).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Whatever happens, in any order: while it is open nothing passes, and never more probes than were
    /// asked for are under way.
    #[test]
    fn no_request_passes_an_open_circuit_and_no_more_probes_than_may(
        probes in 1u32..4, steps in prop::collection::vec(step(), 0..150),
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let circuit = builder().consecutive_failures(2).probes(probes).build();
            let mut passes: Vec<Pass> = vec![];
            let mut opened = 0;
            for step in steps {
                let before = circuit.state();
                match step {
                    Step::Begin => {
                        let pass = circuit.try_pass();
                        if let CircuitState::Open { left } = before {
                            prop_assert_eq!(pass.is_ok(), left.is_zero());
                            // Probes of before are none of these.
                            if pass.is_ok() {
                                opened = passes.len();
                            }
                        }
                        passes.extend(pass);
                    }
                    Step::Wait(n) => tokio::time::advance(secs(n)).await,
                    Step::Succeed(at) | Step::Fail(at) | Step::Drop(at) => {
                        if at < passes.len() {
                            let pass = passes.remove(at);
                            opened -= usize::from(at < opened);
                            match step {
                                Step::Succeed(_) => pass.succeeded(),
                                Step::Fail(_) => pass.failed(),
                                _ => drop(pass),
                            }
                        }
                    }
                }
                if circuit.state() == CircuitState::HalfOpen {
                    let under_way = passes[opened..].iter().filter(|p| p.is_probe()).count();
                    prop_assert!(under_way <= probes as usize);
                }
            }
            // It is never stuck: without requests under way, time and success close it.
            drop(passes);
            tokio::time::advance(secs(100)).await;
            for _ in 0..probes {
                circuit.try_pass().unwrap().succeeded();
            }
            prop_assert_eq!(circuit.state(), CircuitState::Closed);
            Ok(())
        })?;
    }

    #[test]
    fn dropped_at_any_poll_a_probe_gives_its_place_back(polls in 0usize..4) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let circuit = builder().build();
            fail(&circuit, 3);
            tokio::time::advance(secs(5)).await;
            let script = Script::<()>::new([Act::After(secs(2), 200)]);
            let mut svc = CircuitLayer::new(circuit.clone()).layer(script);
            let _ = svc.ready().await;
            let mut call = task::spawn(svc.call(get()));
            prop_assert!(circuit.try_pass().is_err());
            for _ in 0..polls {
                if call.poll().is_ready() {
                    break;
                }
                tokio::time::advance(secs(1)).await;
            }
            drop(call);
            prop_assert!(circuit.try_pass().is_ok());
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_nobody_answers_fails_after_a_while() {
    let circuit = builder().max_half_open_time(secs(20)).build();
    fail(&circuit, 3);
    tokio::time::advance(secs(5)).await;
    let silent = circuit.try_pass().unwrap();
    tokio::time::advance(secs(19)).await;
    assert!(circuit.try_pass().is_err());
    assert_eq!(circuit.state(), CircuitState::HalfOpen);
    tokio::time::advance(secs(1)).await;
    // Open again, for longer than before.
    assert_eq!(circuit.try_pass().unwrap_err().retry_after(), secs(10));
    assert_eq!(circuit.state(), CircuitState::Open { left: secs(10) });
    assert_eq!(circuit.metrics().snapshot().opened_total, 2);
    // Whatever it says now, it is too late.
    silent.succeeded();
    assert_eq!(circuit.state(), CircuitState::Open { left: secs(10) });
    tokio::time::advance(secs(10)).await;
    circuit.try_pass().unwrap().succeeded();
    assert_eq!(circuit.state(), CircuitState::Closed);
}

#[test]
fn threads_that_fail_at_once_open_once() {
    let circuit = Circuit::builder().consecutive_failures(10).build();
    let passes: Vec<Vec<Pass>> =
        (0..4).map(|_| (0..100).map(|_| circuit.try_pass().unwrap()).collect()).collect();
    std::thread::scope(|scope| {
        for passes in passes {
            scope.spawn(|| passes.into_iter().for_each(Pass::failed));
        }
    });
    assert_eq!(circuit.metrics().snapshot().opened_total, 1);
    assert!(circuit.try_pass().is_err());
}

#[test]
fn the_future_is_small() {
    assert!(size_of::<CircuitFuture<u64>>() <= 56, "{}", size_of::<CircuitFuture<u64>>());
}
