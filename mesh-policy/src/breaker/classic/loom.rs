//! The circuit's word, under every order of what threads do to it.

use super::circuit::{Circuit, CircuitBuilder, CircuitState};
use loom::thread;
use mesh_core::model::values::Fraction;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

/// Time that stands still.
fn now() -> Instant {
    static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
    *NOW
}

/// Opens at the first failure, and lets probes pass at once.
fn builder() -> CircuitBuilder {
    Circuit::builder()
        .consecutive_failures(1)
        .open_time(Duration::ZERO)
        .max_open_time(Duration::ZERO)
        .clock(now)
}

#[test]
fn of_two_requests_that_complete_a_row_one_opens() {
    loom::model(|| {
        let circuit = builder().consecutive_failures(2).build();
        let (one, two) = (circuit.try_pass().unwrap(), circuit.try_pass().unwrap());
        let fails = thread::spawn(move || one.failed());
        two.failed();
        fails.join().unwrap();
        assert!(matches!(circuit.state(), CircuitState::Open { .. }));
        assert_eq!(circuit.metrics().snapshot().opened_total, 1);
    });
}

#[test]
fn of_two_requests_that_find_it_open_one_probes() {
    loom::model(|| {
        let circuit = builder().build();
        circuit.try_pass().unwrap().failed();
        let other = circuit.clone();
        let asks = thread::spawn(move || other.try_pass());
        let here = circuit.try_pass();
        let there = asks.join().unwrap();
        assert!(here.is_ok() != there.is_ok());
        assert_eq!(circuit.metrics().snapshot().half_opened_total, 1);
    });
}

#[test]
fn the_place_of_a_probe_that_is_dropped_is_never_lost_nor_doubled() {
    loom::model(|| {
        let circuit = builder().build();
        circuit.try_pass().unwrap().failed();
        let probe = circuit.try_pass().unwrap();
        let other = circuit.clone();
        let asks = thread::spawn(move || other.try_pass().ok());
        drop(probe);
        match asks.join().unwrap() {
            Some(second) => {
                assert!(circuit.try_pass().is_err());
                second.succeeded();
                assert_eq!(circuit.state(), CircuitState::Closed);
            }
            None => assert!(circuit.try_pass().is_ok()),
        }
    });
}

#[test]
fn one_failed_probe_opens_whatever_the_other_says_at_the_same_time() {
    loom::model(|| {
        let circuit = builder().probes(2).build();
        circuit.try_pass().unwrap().failed();
        let (good, bad) = (circuit.try_pass().unwrap(), circuit.try_pass().unwrap());
        let succeeds = thread::spawn(move || good.succeeded());
        bad.failed();
        succeeds.join().unwrap();
        assert!(matches!(circuit.state(), CircuitState::Open { .. }));
        assert_eq!(circuit.metrics().snapshot().opened_total, 2);
    });
}

#[test]
fn a_window_loses_no_request_that_is_counted_at_once() {
    loom::model(|| {
        let circuit =
            builder().consecutive_failures(0).failure_rate(Fraction::ONE, Duration::from_secs(1), 2).build();
        let (one, two) = (circuit.try_pass().unwrap(), circuit.try_pass().unwrap());
        let fails = thread::spawn(move || one.failed());
        two.failed();
        fails.join().unwrap();
        assert!(matches!(circuit.state(), CircuitState::Open { .. }), "two of two failed");
        assert_eq!(circuit.metrics().snapshot().opened_total, 1);
    });
}

#[test]
fn a_probe_that_is_late_fails_once_whatever_it_says_meanwhile() {
    loom::model(|| {
        // Late at once.
        let circuit = builder().max_half_open_time(Duration::ZERO).build();
        circuit.try_pass().unwrap().failed();
        let late = circuit.try_pass().unwrap();
        let answers = thread::spawn(move || late.succeeded());
        let next = circuit.try_pass();
        answers.join().unwrap();
        let counts = circuit.metrics().snapshot();
        assert!(next.is_ok(), "the answer closes it, or the time opens it, which is over at once");
        assert_eq!(counts.opened_total + counts.closed_total, 2, "{counts:?}");
    });
}
