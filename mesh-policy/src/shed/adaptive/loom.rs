//! Places, those who wait for one, and the windows, under every order of what threads do to them.

use super::controller::{AdaptiveConcurrency, Gradient};
use super::histogram::Histogram;
use crate::shed::priority::{Criticality, Priority};
use crate::shed::queue::Queue;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use loom::thread;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Time that stands still.
fn now() -> Instant {
    static NOW: LazyLock<Instant> = LazyLock::new(Instant::now);
    *NOW
}

const HOUR: Duration = Duration::from_secs(3600);

/// One place, room for so many to wait, and windows of that length.
fn one_place_and_window(waiting: usize, window: Duration) -> AdaptiveConcurrency {
    let settings = Gradient {
        fixed_min_rtt: Some(Duration::from_millis(1)),
        concurrency_update_interval: window,
        min_concurrency: 1,
        ..Gradient::default()
    };
    AdaptiveConcurrency::new(settings).queue(Queue::new(waiting, HOUR))
}

/// One place, room for one to wait, and windows that do not end.
fn one_place() -> AdaptiveConcurrency {
    one_place_and_window(1, HOUR)
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_place_that_comes_free_while_somebody_begins_to_wait_is_theirs() {
    loom::model(|| {
        let limit = one_place();
        let permit = limit.try_acquire(Criticality::Critical, now()).unwrap();
        let leaves = thread::spawn(move || drop(permit));
        if let Some(second) = limit.try_acquire(Criticality::Critical, now()) {
            leaves.join().unwrap();
            drop(second);
        } else {
            let waiter = limit.wait(Priority::default(), now()).unwrap();
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            let polled = waiter.poll(&mut Context::from_waker(&waker));
            leaves.join().unwrap();
            assert!(polled == Poll::Ready(true) || count.0.load(SeqCst) == 1, "it would sleep for ever");
            assert_eq!(waiter.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
            drop(limit.granted(now()));
        }
        assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (0, 0));
    });
}

#[test]
fn a_place_that_is_given_to_somebody_who_leaves_is_not_lost() {
    loom::model(|| {
        let limit = one_place();
        let permit = limit.try_acquire(Criticality::Critical, now()).unwrap();
        let waiter = limit.wait(Priority::default(), now()).unwrap();
        let leaves = thread::spawn(move || drop(permit));
        limit.leave(&waiter);
        leaves.join().unwrap();
        assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (0, 0));
        assert!(limit.try_acquire(Criticality::Critical, now()).is_some());
    });
}

#[test]
fn a_place_that_is_given_to_somebody_who_leaves_goes_to_the_next() {
    loom::model(|| {
        let limit = one_place_and_window(2, HOUR);
        let permit = limit.try_acquire(Criticality::Critical, now()).unwrap();
        let [next, first] = [(); 2].map(|()| limit.wait(Priority::default(), now()).unwrap());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        assert!(next.poll(&mut Context::from_waker(&waker)).is_pending());
        let leaves = thread::spawn(move || drop(permit));
        limit.leave(&first);
        leaves.join().unwrap();
        assert_eq!(count.0.load(SeqCst), 1, "it would sleep for ever");
        assert_eq!(next.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
        assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (1, 0));
    });
}

#[test]
fn a_limit_that_rises_while_somebody_begins_to_wait_lets_them_in() {
    loom::model(|| {
        let limit = one_place_and_window(1, Duration::from_millis(1));
        let _held = limit.try_acquire(Criticality::Critical, now()).unwrap();
        // A fast answer, after the window's end.
        let (other, end) = (limit.clone(), Instant::now() + HOUR / 2);
        let rises = thread::spawn(move || other.sample(end - Duration::from_micros(1), end));
        if limit.try_acquire(Criticality::Critical, now()).is_none() {
            let waiter = limit.wait(Priority::default(), now()).unwrap();
            let count = Arc::new(Count::default());
            let waker = Waker::from(Arc::clone(&count));
            let polled = waiter.poll(&mut Context::from_waker(&waker));
            rises.join().unwrap();
            assert!(polled == Poll::Ready(true) || count.0.load(SeqCst) == 1, "it would sleep for ever");
            assert_eq!(waiter.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
        } else {
            rises.join().unwrap();
        }
        assert!(limit.snapshot().concurrency_limit > 1);
    });
}

#[test]
fn a_place_goes_from_hand_to_hand_to_who_waits_and_not_to_a_newcomer() {
    // Three threads that wait and are granted have more orders than can be tried; three switches find what there is.
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let limit = one_place();
        let permit = limit.try_acquire(Criticality::Critical, now()).unwrap();
        let waiter = limit.wait(Priority::default(), now()).unwrap();
        let leaves = thread::spawn(move || drop(permit));
        // Somebody new comes while the place is handed over.
        for class in Criticality::ALL {
            assert!(limit.try_acquire(class, now()).is_none(), "{class:?}");
        }
        leaves.join().unwrap();
        assert_eq!(waiter.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
        assert_eq!(limit.snapshot().open, 1);
    });
}

#[test]
fn who_begins_to_wait_while_a_place_comes_free_is_overtaken_by_nobody_less_important() {
    loom::model(|| {
        let limit = one_place();
        let permit = limit.try_acquire(Criticality::Critical, now()).unwrap();
        let leaves = thread::spawn(move || drop(permit));
        let first = limit.try_acquire(Criticality::Critical, now());
        if first.is_none() {
            let waiter = limit.wait(Priority::default(), now()).unwrap();
            assert!(limit.try_acquire(Criticality::SheddablePlus, now()).is_none());
            leaves.join().unwrap();
            assert_eq!(waiter.poll(&mut Context::from_waker(Waker::noop())), Poll::Ready(true));
        } else {
            leaves.join().unwrap();
        }
        assert_eq!(limit.snapshot().open, 1);
    });
}

#[test]
fn two_places_that_come_free_above_a_fallen_limit_let_in_who_waits_and_no_more() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        // The sheddable may fill one place of two, and the important have both.
        let settings = Gradient {
            fixed_min_rtt: Some(Duration::from_millis(1)),
            concurrency_update_interval: HOUR,
            min_concurrency: 2,
            ..Gradient::default()
        };
        let limit = AdaptiveConcurrency::new(settings).queue(Queue::new(1, HOUR));
        let [one, two] = [(); 2].map(|()| limit.try_acquire(Criticality::Critical, now()).unwrap());
        let waiter = limit.wait(Criticality::Sheddable.into(), now()).unwrap();
        let leaves = thread::spawn(move || drop(one));
        drop(two);
        leaves.join().unwrap();
        assert_eq!(
            waiter.poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(true),
            "it has room now"
        );
        assert_eq!((limit.snapshot().open, limit.snapshot().waiting), (1, 0));
    });
}

#[test]
fn what_is_added_while_a_window_ends_is_in_one_window_and_only_one() {
    loom::model(|| {
        let histogram = Arc::new(Histogram::default());
        let other = Arc::clone(&histogram);
        let adds = thread::spawn(move || other.add(Duration::from_micros(2)));
        let first = histogram.take(1.0);
        adds.join().unwrap();
        let second = histogram.take(1.0);
        assert!(first.is_some() != second.is_some(), "{first:?} {second:?}");
    });
}

#[test]
fn measuring_ends_once_and_with_a_measure() {
    loom::model(|| {
        let settings = Gradient { request_count: 1, min_concurrency: 2, jitter: 0.0, ..Gradient::default() };
        let limit = AdaptiveConcurrency::new(settings);
        let (started, other) = (now(), limit.clone());
        let answered = thread::spawn(move || other.sample(started, started + Duration::from_micros(1)));
        limit.sample(started, started + Duration::from_micros(1));
        answered.join().unwrap();
        let counts = limit.snapshot();
        assert!(!counts.min_rtt_calculation_active);
        assert_eq!((counts.min_rtt, counts.concurrency_limit), (Duration::from_micros(1), 2));
    });
}
