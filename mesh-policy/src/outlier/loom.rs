//! The stage of an endpoint and its tally, under every order of what threads do to them.

use super::rates::Tally;
use super::stage::{Stage, Stay};
use crate::gauge::Gauge;
use loom::sync::Arc;
use loom::thread;

/// An endpoint as a detector sees it: the gauge counts who is out, and one may be.
struct Endpoint {
    stage: Stage,
    out: Gauge,
}

impl Endpoint {
    fn new() -> Arc<Self> {
        Arc::new(Self { stage: Stage::new(), out: Gauge::default() })
    }

    fn eject(&self, returns_at: u64) -> bool {
        self.stage.leave(|last| {
            self.out.try_open(1).then_some(Stay { multiple: last.saturating_add(1), returns_at })
        })
    }

    fn check(&self, now: u64) -> bool {
        let back = self.stage.come_back(now, || {});
        if back {
            self.out.close();
        }
        back
    }
}

#[test]
fn of_two_requests_that_eject_at_once_one_does() {
    loom::model(|| {
        let endpoint = Endpoint::new();
        let other = Arc::clone(&endpoint);
        let ejecting = thread::spawn(move || other.eject(5));
        let here = endpoint.eject(5);
        let there = ejecting.join().unwrap();
        assert!(here != there && endpoint.stage.is_out());
        assert_eq!(endpoint.out.open(), 1);
    });
}

#[test]
fn the_count_of_the_ejected_is_right_whoever_brings_back_and_ejects_again() {
    loom::model(|| {
        let endpoint = Endpoint::new();
        assert!(endpoint.eject(5));
        let (a, b) = (Arc::clone(&endpoint), Arc::clone(&endpoint));
        let checks = thread::spawn(move || usize::from(a.check(5)));
        let ejects = thread::spawn(move || b.eject(100));
        let back = usize::from(endpoint.check(5)) + checks.join().unwrap();
        let again = ejects.join().unwrap();
        assert_eq!(back, 1, "its stay ends once, and a later one is not cut short");
        assert_eq!(endpoint.stage.is_out(), again);
        assert_eq!(endpoint.out.open(), u32::from(again));
    });
}

#[test]
fn a_check_that_shortens_the_next_stay_does_not_undo_an_ejection() {
    loom::model(|| {
        let endpoint = Endpoint::new();
        assert!(endpoint.eject(0) && endpoint.check(0));
        let other = Arc::clone(&endpoint);
        let relaxes = thread::spawn(move || other.stage.relax());
        assert!(endpoint.eject(9));
        relaxes.join().unwrap();
        assert!(endpoint.check(9));
        // After the second stay the multiple is 2; or 1, if the check came before it.
        let mut last = 0;
        endpoint.stage.leave(|multiple| {
            last = multiple;
            None
        });
        assert!((1..=2).contains(&last), "{last}");
    });
}

#[test]
fn no_request_is_lost_to_a_look_at_the_tally() {
    loom::model(|| {
        let tally = Arc::new(Tally::new());
        let other = Arc::clone(&tally);
        let counts = thread::spawn(move || {
            other.add(true);
            other.add(false);
        });
        let first = tally.take();
        counts.join().unwrap();
        let second = tally.take();
        assert_eq!(first.requests + second.requests, 2);
        assert_eq!(first.successes + second.successes, 1);
    });
}
