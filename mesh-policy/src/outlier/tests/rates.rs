//! Ejection by how often endpoints succeed.

use super::*;
use mesh_core::model::cluster::{FailurePercentage, SuccessRate};

fn percent(n: u32) -> Fraction {
    Fraction::millionths(n * 10_000)
}

fn by_rates(success: Fraction, failure: Fraction) -> OutlierDetection {
    OutlierDetection {
        consecutive_5xx: 0,
        max_ejection_percent: percent(50),
        success_rate: SuccessRate { enforcing: success, ..SuccessRate::default() },
        failure_percentage: FailurePercentage { enforcing: failure, ..FailurePercentage::default() },
        ..OutlierDetection::default()
    }
}

/// Of a hundred requests each, so many succeed.
fn serve(hosts: &[Host], successes: &[usize], t0: Instant) {
    for (host, good) in hosts.iter().zip(successes) {
        for n in 0..100 {
            assert_eq!(host.record(status(if n < *good { 200 } else { 500 }), || t0), None);
        }
    }
}

fn out(hosts: &[Host]) -> Vec<usize> {
    hosts.iter().enumerate().filter(|(_, h)| h.is_ejected()).map(|(at, _)| at).collect()
}

#[test]
fn who_succeeds_much_less_often_than_the_others_is_ejected() {
    let t0 = Instant::now();
    let detector = Detector::new(by_rates(Fraction::ONE, Fraction::ZERO), t0);
    let hosts: Vec<_> = hosts_of(&detector, 0..5).collect();
    // The mean is 80, the deviation 14, the threshold 53.
    serve(&hosts, &[60, 70, 80, 90, 100], t0);
    detector.check(t0);
    assert_eq!(out(&hosts), [] as [usize; 0]);
    // Envoy's own example: the mean is 90, the deviation 20, the threshold 52.
    serve(&hosts, &[50, 100, 100, 100, 100], t0);
    detector.check(t0);
    assert_eq!(out(&hosts), [0]);
    let counts = detector.metrics().snapshot();
    assert_eq!((counts.ejections_enforced_success_rate, counts.ejections_detected_success_rate), (1, 1));
}

#[test]
fn who_fails_more_often_than_the_bound_is_ejected_whatever_the_others_do() {
    let t0 = Instant::now();
    let detector = Detector::new(by_rates(Fraction::ZERO, Fraction::ONE), t0);
    let hosts: Vec<_> = hosts_of(&detector, 0..5).collect();
    serve(&hosts, &[16, 20, 18, 15, 17], t0);
    detector.check(t0);
    assert_eq!(out(&hosts), [3], "85 of 100 failed");
    assert_eq!(detector.metrics().snapshot().ejections_enforced_failure_percentage, 1);
}

#[test]
fn if_not_all_outliers_may_go_the_worst_go() {
    let t0 = Instant::now();
    let detector = Detector::new(by_rates(Fraction::ZERO, Fraction::ONE), t0);
    let hosts: Vec<_> = hosts_of(&detector, 0..5).collect();
    serve(&hosts, &[10, 0, 5, 12, 1], t0);
    detector.check(t0);
    assert_eq!(out(&hosts), [1, 4]);
    assert_eq!(detector.metrics().snapshot().ejections_overflow, 3);
}

#[test]
fn few_hosts_or_few_requests_say_nothing() {
    let t0 = Instant::now();
    let check = |hosts: usize, requests: u32| {
        let mut config = by_rates(Fraction::ONE, Fraction::ONE);
        config.success_rate.request_volume = requests;
        config.failure_percentage.request_volume = requests;
        let detector = Detector::new(config, t0);
        let hosts: Vec<_> = hosts_of(&detector, 0..hosts).collect();
        serve(&hosts, &[0, 100, 100, 100, 100], t0);
        detector.check(t0);
        out(&hosts).len()
    };
    assert_eq!((check(4, 100), check(5, 101), check(5, 100)), (0, 0, 1));
}

#[test]
fn each_interval_is_looked_at_by_itself() {
    let t0 = Instant::now();
    let detector = Detector::new(by_rates(Fraction::ONE, Fraction::ONE), t0);
    let hosts: Vec<_> = hosts_of(&detector, 0..5).collect();
    serve(&hosts, &[100; 5], t0);
    detector.check(t0);
    for host in &hosts {
        record(host, t0, (0..49).map(|_| status(500)));
    }
    detector.check(t0);
    assert_eq!(out(&hosts), [] as [usize; 0], "49 requests are too few, and the others are past");
}

#[test]
fn connecting_has_its_own_rates_where_it_is_counted_apart() {
    let t0 = Instant::now();
    let mut config = by_rates(Fraction::ZERO, Fraction::ZERO);
    config.consecutive_local_origin_failures = Some(0);
    config.success_rate.enforcing_local_origin = Fraction::ONE;
    let detector = Detector::new(config, t0);
    let hosts: Vec<_> = hosts_of(&detector, 0..5).collect();
    serve(&hosts, &[0, 100, 100, 100, 100], t0);
    for (at, host) in hosts.iter().enumerate() {
        let unreachable = Outcome::LocalOrigin(FailureKind::ConnectFailure);
        record(host, t0, (0..100).map(|_| if at == 1 { unreachable } else { Outcome::Connected }));
    }
    detector.check(t0);
    assert_eq!(out(&hosts), [1], "errors in answers are not enforced here");
    assert_eq!(detector.metrics().snapshot().ejections_enforced_local_origin_success_rate, 1);
}

proptest! {
    #[test]
    fn rates_eject_no_more_than_allowed_and_nobody_who_is_as_good_as_all(
        rates in prop::collection::vec(0usize..=100, 5..12),
        most in 0u32..=100,
        always: bool,
    ) {
        let t0 = Instant::now();
        let config = OutlierDetection {
            max_ejection_percent: percent(most),
            always_eject_one_host: always,
            ..by_rates(Fraction::ONE, Fraction::ONE)
        };
        let detector = Detector::new(config, t0);
        let hosts: Vec<_> = hosts_of(&detector, 0..rates.len()).collect();
        serve(&hosts, &rates, t0);
        detector.check(t0);
        let out = out(&hosts);
        prop_assert!(out.len() <= (rates.len() * most as usize / 100).max(usize::from(always)));
        prop_assert_eq!(out.len(), detector.ejected() as usize);
        let mean = rates.iter().sum::<usize>() as f64 / rates.len() as f64;
        for at in out {
            prop_assert!((rates[at] as f64) < mean || rates[at] <= 15);
        }
    }
}
