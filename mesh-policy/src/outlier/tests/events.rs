//! What observers are told, and what is left to chance.

use super::*;
use crate::Random;
use parking_lot::Mutex;
use std::sync::Arc;

/// All events, in order.
fn events(detector: &Detector) -> Arc<Mutex<Vec<Event>>> {
    let seen = Arc::new(Mutex::new(vec![]));
    let all = Arc::clone(&seen);
    detector.observe(move |event: &Event| all.lock().push(event.clone()));
    seen
}

#[test]
fn an_ejection_and_the_return_are_told() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let events = events(&detector);
    let host = detector.host("10.0.0.1:80");
    let endpoint = || Arc::from("10.0.0.1:80");
    let kind = EjectionKind::Consecutive5xx;
    record(&host, t0, [500; 3].map(status));
    detector.check(t0 + secs(30));
    record(&host, t0, [500; 3].map(status));
    let expected = [
        Event::Ejected { endpoint: endpoint(), kind, stay: secs(30), ejections: 1 },
        Event::Unejected { endpoint: endpoint() },
        Event::Ejected { endpoint: endpoint(), kind, stay: secs(60), ejections: 2 },
    ];
    assert_eq!(*events.lock(), expected);
    assert_eq!((host.endpoint(), host.ejections()), ("10.0.0.1:80", 2));
}

#[test]
fn an_outlier_that_stays_is_told_with_the_reason() {
    let t0 = Instant::now();
    let config = OutlierDetection {
        enforcing_consecutive_5xx: Fraction::ZERO,
        consecutive_gateway_errors: 3,
        max_ejection_percent: Fraction::percent(50.0).unwrap(),
        ..config()
    };
    let detector = Detector::new(config, t0);
    let events = events(&detector);
    let (a, b) = (detector.host("a"), detector.host("b"));
    assert_eq!(record(&a, t0, [500; 3].map(status)), None);
    // Both rows are complete at once; the one that is enforced ejects.
    assert!(record(&a, t0, [503; 3].map(status)).is_some());
    assert_eq!(record(&b, t0, [503; 3].map(status)), None);
    let events = events.lock();
    let (any, gateway) = (EjectionKind::Consecutive5xx, EjectionKind::ConsecutiveGatewayFailure);
    assert_eq!(events[0], Event::NotEnforced { endpoint: "a".into(), kind: any });
    assert!(matches!(&events[1], Event::Ejected { kind, .. } if *kind == gateway));
    assert_eq!(events[2], Event::Overflow { endpoint: "b".into(), kind: gateway });
    let counts = detector.metrics().snapshot();
    assert_eq!(counts.ejections_detected_consecutive_gateway_failure, 2);
    assert_eq!(counts.ejections_enforced_consecutive_gateway_failure, 1);
}

#[test]
fn a_panic_is_told_when_it_begins_and_when_it_ends() {
    let detector = Detector::new(config(), Instant::now());
    let events = events(&detector);
    let half = Fraction::percent(50.0).unwrap();
    let panicking = [4, 2, 1, 0, 1, 3].map(|left| {
        detector.note_panic(panics(left, 4, half), left, 4);
        detector.is_panicking()
    });
    assert_eq!(panicking, [false, false, true, true, true, false]);
    let expected =
        [Event::PanicEntered { available: 1, hosts: 4 }, Event::PanicLeft { available: 3, hosts: 4 }];
    assert_eq!(*events.lock(), expected);
    assert_eq!(detector.metrics().snapshot().panics_total, 1);
}

#[test]
fn a_share_of_the_cases_is_enforced() {
    let t0 = Instant::now();
    let config = OutlierDetection {
        consecutive_5xx: 1,
        enforcing_consecutive_5xx: Fraction::percent(30.0).unwrap(),
        ..config()
    };
    let detector = Detector::with_random(config, t0, Random::seeded(5));
    let hosts: Vec<_> = hosts_of(&detector, 0..1000).collect();
    let out = hosts.iter().filter(|host| record(host, t0, [status(500)]).is_some()).count();
    assert!((260..340).contains(&out), "{out} of 1000");
    assert_eq!(detector.metrics().snapshot().ejections_detected_consecutive_5xx, 1000);
}

#[test]
fn hosts_that_leave_together_return_one_after_the_other() {
    let t0 = Instant::now();
    let config = OutlierDetection { consecutive_5xx: 1, max_ejection_time_jitter: secs(10), ..config() };
    let detector = Detector::with_random(config, t0, Random::seeded(5));
    let hosts: Vec<_> = hosts_of(&detector, 0..100).collect();
    let stays: Vec<_> = hosts.iter().map(|h| record(h, t0, [status(500)]).unwrap().stay).collect();
    assert!(stays.iter().all(|stay| (secs(30)..=secs(40)).contains(stay)));
    assert!(stays.iter().max().unwrap().saturating_sub(*stays.iter().min().unwrap()) > secs(8));
    assert_eq!(detector.check(t0 + secs(29)), 0);
    let early = detector.check(t0 + secs(35));
    assert!((30..70).contains(&early), "{early} of 100 after half of the jitter");
    assert_eq!(detector.check(t0 + secs(40)), 100 - early);
}

#[test]
fn all_who_ask_for_an_endpoint_share_its_record() {
    let t0 = Instant::now();
    let detector = Detector::new(config(), t0);
    let (route, other) = (detector.host("a"), detector.host("a"));
    assert_eq!(detector.hosts(), 1);
    record(&route, t0, [500; 2].map(status));
    assert!(record(&other, t0, [status(500)]).is_some() && route.is_ejected());
    drop(route);
    assert_eq!((detector.hosts(), detector.ejected()), (1, 1));
    drop(other);
    assert_eq!((detector.hosts(), detector.ejected()), (0, 0));
    assert!(!detector.host("a").is_ejected(), "one that comes back begins anew");
}

#[tokio::test(start_paused = true)]
async fn a_task_brings_hosts_back_and_ends_with_its_detector() {
    let config = OutlierDetection { interval: secs(10), base_ejection_time: secs(25), ..config() };
    let detector = Detector::new(config, tokio::time::Instant::now().into_std());
    let host = detector.host("a");
    let checks = tokio::spawn(detector.run());
    record(&host, tokio::time::Instant::now().into_std(), [500; 3].map(status));
    tokio::time::sleep(secs(29)).await;
    assert!(host.is_ejected());
    tokio::time::sleep(secs(2)).await;
    assert!(!host.is_ejected(), "at the third look");
    drop((host, detector));
    checks.await.unwrap();
}

#[test]
fn a_spec_says_which_field_cannot_be() {
    let refused = |json: &str| {
        let spec: OutlierSpec = serde_json::from_str(json).unwrap();
        OutlierDetection::try_from(spec).unwrap_err().to_string()
    };
    assert_eq!(refused(r#"{"interval": "0s"}"#), "interval: must be at least 1ms");
    assert_eq!(refused(r#"{"enforcingSuccessRate": 101}"#), "enforcingSuccessRate: must be from 0 to 100");
    assert_eq!(
        refused(r#"{"baseEjectionTime": "10s", "maxEjectionTime": "9s"}"#),
        "maxEjectionTime: must not be shorter than baseEjectionTime"
    );
    let unsaid = OutlierDetection::try_from(OutlierSpec::default()).unwrap();
    assert_eq!(unsaid, OutlierDetection::default());
    let long: OutlierSpec = serde_json::from_str(r#"{"baseEjectionTime": "10m"}"#).unwrap();
    assert_eq!(OutlierDetection::try_from(long).unwrap().max_ejection_time, secs(600));
}
