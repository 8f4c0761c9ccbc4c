use super::*;
use crate::testing::{Act, Script, secs};
use crate::{BoxError, Failure, FailureKind};
use http::{Request, StatusCode};
use mesh_core::model::cluster::OutlierDetection;
use mesh_core::model::values::Fraction;
use proptest::prelude::*;
use std::time::{Duration, Instant};
use tower::{Layer, ServiceExt};

fn status(code: u16) -> Outcome {
    Outcome::Status(StatusCode::from_u16(code).unwrap())
}

fn config() -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 3,
        max_ejection_percent: Fraction::ONE,
        ..OutlierDetection::default()
    }
}

/// Records outcomes at one moment; whether the last ejected.
fn record(host: &Host, now: Instant, outcomes: impl IntoIterator<Item = Outcome>) -> Option<Ejection> {
    outcomes.into_iter().map(|o| host.record(o, || now)).last().flatten()
}

fn hosts_of(detector: &Detector, of: std::ops::Range<usize>) -> impl Iterator<Item = Host> {
    of.map(|n| detector.host(format!("10.0.0.{n}:80")))
}

#[test]
fn a_row_of_5xx_ejects_and_a_success_breaks_the_row() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let host = detector.host("a");
    assert_eq!(record(&host, t0, [500, 503, 200, 500, 501].map(status)), None);
    assert!(!host.is_ejected());
    let ejection = record(&host, t0, [status(599)]);
    assert_eq!(ejection, Some(Ejection { kind: EjectionKind::Consecutive5xx, stay: secs(30) }));
    assert!(host.is_ejected());
    let counts = detector.metrics().snapshot();
    assert_eq!((counts.ejections_enforced_total, counts.ejections_enforced_consecutive_5xx), (1, 1));
}

#[test]
fn a_row_of_gateway_errors_is_broken_by_another_5xx() {
    let t0 = Instant::now();
    let config = OutlierDetection { consecutive_5xx: 0, consecutive_gateway_errors: 2, ..config() };
    let detector = Detector::new(config, t0);
    let host = detector.host("a");
    assert_eq!(record(&host, t0, [502, 500, 503].map(status)), None);
    let ejection = record(&host, t0, [status(504)]);
    assert_eq!(ejection.unwrap().kind, EjectionKind::ConsecutiveGatewayFailure);
}

#[test]
fn failures_without_an_answer_count_as_gateway_errors_unless_they_are_split_off() {
    let t0 = Instant::now();
    let local = |kind| Outcome::LocalOrigin(kind);
    let failures = [FailureKind::ConnectFailure, FailureKind::Timeout, FailureKind::Reset].map(local);

    let host = Detector::new(config(), t0).host("a");
    assert_eq!(record(&host, t0, failures).unwrap().kind, EjectionKind::Consecutive5xx);

    let split = OutlierDetection { consecutive_local_origin_failures: Some(3), ..config() };
    let host = Detector::new(split, t0).host("a");
    assert_eq!(record(&host, t0, [failures[0], failures[1], Outcome::Connected, failures[2]]), None);
    assert_eq!(record(&host, t0, [status(500), status(500)]), None, "the rows are apart");
    let ejection = record(&host, t0, [failures[0], failures[0]]);
    assert_eq!(ejection.unwrap().kind, EjectionKind::ConsecutiveLocalOriginFailure);
}

#[test]
fn what_the_endpoint_is_not_to_blame_for_does_not_count() {
    let t0 = Instant::now();
    let host = Detector::new(config(), t0).host("a");
    let own = [FailureKind::Overflow, FailureKind::Final, FailureKind::Overflow, FailureKind::Final];
    assert_eq!(record(&host, t0, own.map(Outcome::LocalOrigin)), None);
    assert!(!host.is_ejected());
}

#[test]
fn each_stay_is_longer_up_to_a_bound_and_good_conduct_shortens_the_next() {
    let t0 = Instant::now();
    let config = OutlierDetection { max_ejection_time: secs(70), ..config() };
    let detector = Detector::new(config, t0);
    let host = detector.host("a");
    let now = std::cell::Cell::new(t0);
    let stay = || {
        let stay = record(&host, now.get(), [500; 3].map(status)).unwrap().stay;
        assert_eq!(detector.check(now.get() + stay - Duration::from_millis(1)), 0);
        now.set(now.get() + stay);
        assert_eq!(detector.check(now.get()), 1);
        assert!(!host.is_ejected());
        stay.as_secs()
    };
    assert_eq!([stay(), stay(), stay(), stay()], [30, 60, 70, 70]);
    // Each check that finds it in takes one multiple off: three became two.
    detector.check(now.get());
    assert_eq!(stay(), 70);
    for _ in 0..10 {
        detector.check(now.get());
    }
    assert_eq!(stay(), 30);
    assert_eq!(detector.metrics().snapshot().returns_total, 6);
}

#[test]
fn no_more_are_out_than_the_share_but_one_always_may_be() {
    let t0 = Instant::now();
    let tenth = OutlierDetection { max_ejection_percent: Fraction::percent(10.0).unwrap(), ..config() };
    let detector = Detector::new(tenth, t0);
    let mut hosts: Vec<_> = hosts_of(&detector, 0..9).collect();
    let eject_all =
        |hosts: &[Host]| hosts.iter().filter(|h| record(h, t0, [500; 3].map(status)).is_some()).count();
    assert_eq!(eject_all(&hosts), 1);
    assert_eq!(detector.metrics().snapshot().ejections_overflow, 8);
    hosts.extend(hosts_of(&detector, 9..20));
    assert_eq!(eject_all(&hosts), 1, "two of twenty");
    assert_eq!((detector.ejected(), detector.hosts()), (2, 20));

    let strict = Detector::new(OutlierDetection { always_eject_one_host: false, ..tenth }, t0);
    let hosts: Vec<_> = hosts_of(&strict, 0..9).collect();
    assert_eq!(eject_all(&hosts), 0);
}

#[test]
fn an_endpoint_that_leaves_takes_its_ejection_along() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let (a, b) = (detector.host("a"), detector.host("b"));
    record(&a, t0, [500; 3].map(status));
    assert_eq!((detector.hosts(), detector.ejected()), (2, 1));
    drop(a);
    assert_eq!((detector.hosts(), detector.ejected()), (1, 0));
    assert_eq!(detector.check(t0 + secs(1000)), 0);
    drop(b);
    assert_eq!(detector.hosts(), 0);
}

#[test]
fn a_host_that_returns_begins_a_new_row() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let host = detector.host("a");
    record(&host, t0, [500; 3].map(status));
    // Answers to what was sent before it went.
    record(&host, t0, [502; 2].map(status));
    assert_eq!(detector.check(t0 + secs(30)), 1);
    assert_eq!(record(&host, t0, [500; 2].map(status)), None);
    assert!(record(&host, t0, [status(500)]).is_some());
}

#[test]
fn a_new_configuration_keeps_the_records() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let host = detector.host("a");
    record(&host, t0, [500; 2].map(status));
    detector.set_config(OutlierDetection { interval: secs(1), base_ejection_time: secs(7), ..config() });
    assert_eq!(detector.interval(), secs(1));
    assert_eq!(record(&host, t0, [status(500)]).unwrap().stay, secs(7));
}

#[tokio::test]
async fn the_layer_records_answers_and_failures() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let host = detector.host("a");
    let fail = || -> Act {
        let error: BoxError = Failure::new(FailureKind::Reset, "boom").into();
        Act::Fail(error)
    };
    let acts = [Act::Status(500), fail(), Act::Status(404), Act::Header(200, "grpc-status", "14"), fail()];
    let svc = OutlierLayer::new(host.clone()).layer(Script::new(acts));
    for _ in 0..5 {
        let _ = svc.clone().oneshot(Request::new(())).await;
    }
    assert!(!host.is_ejected(), "the 404 broke the row");
    let svc = OutlierLayer::new(host.clone()).layer(Script::new([Act::Header(200, "grpc-status", "13")]));
    assert!(svc.oneshot(Request::new(())).await.is_ok());
    assert!(host.is_ejected());
}

proptest! {
    #[test]
    fn never_more_out_than_allowed_and_the_count_is_right(
        hosts in 1usize..12,
        percent in 0u32..=100,
        steps in prop::collection::vec((0usize..12, prop::bool::weighted(0.9), 0u64..40), 0..200),
    ) {
        let t0 = Instant::now();
        let config = OutlierDetection {
            consecutive_5xx: 2,
            max_ejection_percent: Fraction::millionths(percent * 10_000),
            ..OutlierDetection::default()
        };
        let detector = Detector::new(config, t0);
        let all: Vec<_> = hosts_of(&detector, 0..hosts).collect();
        let mut now = t0;
        for (at, failed, pause) in steps {
            now += secs(pause);
            if pause == 0 {
                detector.check(now);
            }
            all[at % hosts].record(status(if failed { 500 } else { 200 }), || now);
            let out = all.iter().filter(|h| h.is_ejected()).count();
            prop_assert_eq!(out, detector.ejected() as usize);
            prop_assert!(out <= (hosts * percent as usize / 100).max(1));
        }
        detector.check(now + secs(300));
        prop_assert_eq!(detector.ejected(), 0);
    }
}

#[test]
fn threads_that_eject_at_once_eject_once() {
    let t0 = Instant::now();
    let detector = Detector::new(OutlierDetection { consecutive_5xx: 1, ..config() }, t0);
    let host = detector.host("a");
    let ejections: usize = std::thread::scope(|scope| {
        let fail = || (0..100).filter(|_| host.record(status(500), || t0).is_some()).count();
        let all: Vec<_> = (0..4).map(|_| scope.spawn(fail)).collect();
        all.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!((ejections, detector.ejected()), (1, 1));
}

#[cfg(feature = "timeout")]
#[tokio::test(start_paused = true)]
async fn silence_is_held_against_the_endpoint_if_time_ran_out_but_not_if_the_caller_left() {
    use crate::timeout::{AttemptTimeoutLayer, TimeoutLayer};
    let t0 = Instant::now();
    let hung = || {
        let detector = Detector::new(OutlierDetection { consecutive_5xx: 2, ..config() }, t0);
        let host = detector.host("a");
        let silent = Script::new((0..4).map(|_| Act::Silence));
        (host.clone(), OutlierLayer::new(host).layer(silent))
    };
    let (host, endpoint) = hung();
    let route = TimeoutLayer::new(secs(1)).layer(AttemptTimeoutLayer::new(secs(9)).layer(endpoint));
    assert!(route.clone().oneshot(Request::new(())).await.is_err());
    assert!(!host.is_ejected());
    assert!(route.oneshot(Request::new(())).await.is_err());
    assert!(host.is_ejected(), "by the route's time-out");

    let (host, endpoint) = hung();
    let attempts = AttemptTimeoutLayer::new(secs(1)).layer(endpoint);
    for _ in 0..2 {
        assert!(attempts.clone().oneshot(Request::new(())).await.is_err());
    }
    assert!(host.is_ejected(), "by the attempts' time-outs");

    let (host, endpoint) = hung();
    let route = TimeoutLayer::new(secs(9)).layer(endpoint);
    for _ in 0..4 {
        let leaves = tokio::time::timeout(secs(1), route.clone().oneshot(Request::new(()))).await;
        assert!(leaves.is_err());
    }
    assert!(!host.is_ejected(), "a caller that leaves says nothing of the endpoint");
}

#[test]
fn dropped_at_any_poll_a_request_leaves_nothing_below_and_blames_nobody() {
    let detector = Detector::new(OutlierDetection { consecutive_5xx: 1, ..config() }, Instant::now());
    let host = detector.host("a");
    crate::testing::drop_at_any_poll(&OutlierLayer::new(host.clone()), || Request::new(()));
    assert!(!host.is_ejected());
    // The count is as before: one failure is enough.
    host.record(Outcome::Status(StatusCode::BAD_GATEWAY), Instant::now);
    assert!(host.is_ejected());
}

mod events;
mod rates;
