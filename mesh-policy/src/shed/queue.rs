//! Where requests wait for a place, if they may.
//!
//! The most important class goes first, and within a class the *newest*: while more comes than can be done, the
//! oldest have callers that are about to give up, and serving them in order would serve everybody too late. A full
//! queue drops the oldest of its least important class for whoever is at least as important. A request whose answer
//! would come after its caller has gone (its budget, less what an answer takes at present) does not wait on.
//!
//! A lock guards the queue. Only requests that wait take it, and requests that end while others wait; what is
//! admitted at once never does. Nobody is woken under it: a waker may run what it wakes.
//!
//! A place that comes free while somebody waits passes from hand to hand, and a newcomer gets none as long as somebody
//! more important waits. One of the same class may: it would be the newest of those that wait.

use super::priority::{Criticality, Priority};
use crate::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use crate::sync::{AtomicWaker, Mutex};
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;

/// Longer than anybody waits, and within what a clock can say.
const A_YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// How many may wait for a place, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    pub(super) most: usize,
    pub(super) longest: Duration,
}

impl Queue {
    /// At most so many, none longer than that; a budget of a request's own may be shorter.
    pub fn new(max_waiting: usize, max_wait: Duration) -> Self {
        Self { most: max_waiting, longest: max_wait.min(A_YEAR) }
    }
}

const WAITS: u8 = 0;
const GRANTED: u8 = 1;
const EVICTED: u8 = 2;
const GONE: u8 = 3;

/// A request that waits.
#[derive(Debug)]
pub(super) struct Waiter {
    state: AtomicU8,
    waker: AtomicWaker,
    pub(super) criticality: Criticality,
    pub(super) until: Instant,
}

impl Waiter {
    fn leave(&self, to: u8) -> bool {
        self.state.compare_exchange(WAITS, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Whether it has a place now, or has lost its place in the queue.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<bool> {
        self.waker.register(cx.waker());
        match self.state.load(Ordering::Acquire) {
            WAITS => Poll::Pending,
            state => Poll::Ready(state == GRANTED),
        }
    }
}

/// Requests that wait, by class.
#[derive(Debug)]
pub(super) struct Waiting {
    settings: Queue,
    classes: Mutex<[VecDeque<Arc<Waiter>>; 4]>,
    /// Written under the lock; read without it by requests that end.
    len: AtomicUsize,
    /// How many classes there are up to the most important that waits: zero while nobody does. Written under the
    /// lock; read without it by requests that begin.
    highest: AtomicU8,
}

/// Why a request may not wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Full,
    TooLate,
}

impl Waiting {
    pub(super) fn new(settings: Queue) -> Self {
        Self { settings, classes: Mutex::default(), len: AtomicUsize::new(0), highest: AtomicU8::new(0) }
    }

    pub(super) fn settings(&self) -> Queue {
        self.settings
    }

    /// How many wait. Sequentially consistent with places that are given back: see
    /// [`AdaptiveConcurrency`](super::AdaptiveConcurrency).
    pub(super) fn len(&self) -> usize {
        self.len.load(Ordering::SeqCst)
    }

    /// Whether somebody waits who is more important.
    ///
    /// Relaxed is enough: who begins to wait at this very moment is no earlier than who asks.
    pub(super) fn any_above(&self, class: Criticality) -> bool {
        self.highest.load(Ordering::Relaxed) > class as u8 + 1
    }

    /// Waits, if an answer that takes `expected` can still come in time.
    pub(super) fn enter(
        &self,
        priority: Priority,
        expected: Duration,
        now: Instant,
    ) -> Result<Arc<Waiter>, Refusal> {
        let longest = match priority.budget {
            Some(budget) => self.settings.longest.min(budget.saturating_sub(expected)),
            None => self.settings.longest,
        };
        if longest.is_zero() {
            return Err(Refusal::TooLate);
        }
        let waiter = Arc::new(Waiter {
            state: AtomicU8::new(WAITS),
            waker: AtomicWaker::new(),
            criticality: priority.criticality,
            until: now.checked_add(longest).ok_or(Refusal::TooLate)?,
        });
        let evicted = self.push(&waiter)?;
        if let Some(evicted) = evicted
            && evicted.leave(EVICTED)
        {
            evicted.waker.wake();
        }
        Ok(waiter)
    }

    /// Puts a waiter at the end of its class; who had to make room for it, if the queue was full.
    fn push(&self, waiter: &Arc<Waiter>) -> Result<Option<Arc<Waiter>>, Refusal> {
        let mut classes = self.classes.lock();
        let mut evicted = None;
        if classes.iter().map(VecDeque::len).sum::<usize>() >= self.settings.most {
            let lowest = Criticality::ALL.iter().zip(classes.iter_mut()).find(|(_, class)| !class.is_empty());
            evicted = match lowest {
                Some((class, waiters)) if *class <= waiter.criticality => waiters.pop_front(),
                _ => None,
            };
            if evicted.is_none() {
                return Err(Refusal::Full);
            }
        }
        if let Some(class) = classes.get_mut(waiter.criticality as usize) {
            class.push_back(Arc::clone(waiter));
        }
        self.count(&classes);
        Ok(evicted)
    }

    /// Gives places to those who wait, as long as `open` finds one for their class; `close` gives one back that
    /// nobody took.
    pub(super) fn grant(&self, now: Instant, open: impl Fn(Criticality) -> bool, close: impl Fn()) {
        for waiter in self.take(now, open, close) {
            waiter.waker.wake();
        }
    }

    /// Gives one open place to the first of those who wait, if `may` says that it can be of their class. Whether
    /// somebody has it now.
    pub(super) fn hand_over(&self, now: Instant, may: impl Fn(Criticality) -> bool) -> bool {
        let Some(next) = self.take_first(now, may) else { return false };
        next.waker.wake();
        true
    }

    fn take_first(&self, now: Instant, may: impl Fn(Criticality) -> bool) -> Option<Arc<Waiter>> {
        let mut classes = self.classes.lock();
        let mut first = None;
        for (class, waiters) in Criticality::ALL.iter().zip(classes.iter_mut()).rev() {
            // As below: where one class has no room, none below it has.
            if first.is_some() || !waiters.is_empty() && !may(*class) {
                break;
            }
            first = grant_first(waiters, now);
        }
        self.count(&classes);
        first
    }

    /// Those who have a place now, and do not know it yet.
    fn take(&self, now: Instant, open: impl Fn(Criticality) -> bool, close: impl Fn()) -> Vec<Arc<Waiter>> {
        let mut classes = self.classes.lock();
        let mut granted = Vec::new();
        'places: for (class, waiters) in Criticality::ALL.iter().zip(classes.iter_mut()).rev() {
            while !waiters.is_empty() {
                // A class has no smaller share than those below it, so there is no place for them either.
                if !open(*class) {
                    break 'places;
                }
                match grant_first(waiters, now) {
                    Some(waiter) => granted.push(waiter),
                    None => close(),
                }
            }
        }
        self.count(&classes);
        granted
    }

    /// A waiter gives up. Whether it had been given a place meanwhile, which is now its own to give back.
    pub(super) fn leave(&self, waiter: &Arc<Waiter>) -> bool {
        if !waiter.leave(GONE) {
            return waiter.state.swap(GONE, Ordering::AcqRel) == GRANTED;
        }
        let mut classes = self.classes.lock();
        if let Some(class) = classes.get_mut(waiter.criticality as usize)
            && let Some(at) = class.iter().position(|other| Arc::ptr_eq(other, waiter))
        {
            class.remove(at);
        }
        self.count(&classes);
        false
    }

    fn count(&self, classes: &[VecDeque<Arc<Waiter>>; 4]) {
        self.len.store(classes.iter().map(VecDeque::len).sum(), Ordering::SeqCst);
        let waits = |(class, waiters): (&Criticality, &VecDeque<_>)| {
            (!waiters.is_empty()).then_some(*class as u8 + 1)
        };
        let highest = Criticality::ALL.iter().zip(classes).rev().find_map(waits);
        self.highest.store(highest.unwrap_or_default(), Ordering::Relaxed);
    }
}

/// Grants the newest of a class whose time is not over; the others find out by their own timers.
fn grant_first(waiters: &mut VecDeque<Arc<Waiter>>, now: Instant) -> Option<Arc<Waiter>> {
    std::iter::from_fn(|| waiters.pop_back()).find(|waiter| waiter.until > now && waiter.leave(GRANTED))
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use std::cell::Cell;

    fn enter(queue: &Waiting, criticality: Criticality, now: Instant) -> Result<Arc<Waiter>, Refusal> {
        queue.enter(criticality.into(), Duration::ZERO, now)
    }

    fn granted(waiter: &Waiter) -> bool {
        waiter.state.load(Ordering::SeqCst) == GRANTED
    }

    #[test]
    fn who_may_wait_for_ever_waits() {
        let queue = Waiting::new(Queue::new(1, Duration::MAX));
        assert!(enter(&queue, Criticality::default(), Instant::now()).is_ok());
    }

    #[test]
    fn the_most_important_go_first_and_then_the_newest() {
        let (queue, now) = (Waiting::new(Queue::new(10, Duration::from_secs(1))), Instant::now());
        let classes = [Criticality::Sheddable, Criticality::Critical, Criticality::Critical];
        let [low, old, new] = classes.map(|class| enter(&queue, class, now).unwrap());
        for next in [&new, &old, &low] {
            assert!(!granted(next));
            let places = Cell::new(1);
            let open = |_| places.replace(0) == 1;
            queue.grant(now, open, || places.set(1));
            assert!(granted(next));
        }
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn a_place_is_handed_to_the_most_important_if_it_can_be_of_its_class() {
        let (queue, now) = (Waiting::new(Queue::new(10, Duration::from_secs(1))), Instant::now());
        let classes = [Criticality::Sheddable, Criticality::Critical, Criticality::Critical];
        let [low, old, new] = classes.map(|class| enter(&queue, class, now).unwrap());
        let above = |class| queue.any_above(class);
        assert_eq!(Criticality::ALL.map(above), [true, true, false, false]);
        assert!(!queue.hand_over(now, |class| class == Criticality::Sheddable), "not past the important");
        assert!(queue.hand_over(now, |_| true) && granted(&new) && !granted(&old));
        assert!(queue.hand_over(now, |_| true) && granted(&old) && !granted(&low));
        assert!(!above(Criticality::Sheddable));
        assert!(!queue.hand_over(low.until, |_| true), "its time is over");
        assert_eq!((queue.len(), granted(&low)), (0, false));
    }

    #[test]
    fn a_full_queue_drops_the_oldest_of_the_least_important() {
        let (queue, now) = (Waiting::new(Queue::new(2, Duration::from_secs(1))), Instant::now());
        let old = enter(&queue, Criticality::Sheddable, now).unwrap();
        let new = enter(&queue, Criticality::Sheddable, now).unwrap();
        let critical = enter(&queue, Criticality::Critical, now).unwrap();
        assert_eq!(old.state.load(Ordering::SeqCst), EVICTED);
        let other = enter(&queue, Criticality::Critical, now).unwrap();
        assert_eq!(new.state.load(Ordering::SeqCst), EVICTED);
        assert_eq!(enter(&queue, Criticality::Sheddable, now).unwrap_err(), Refusal::Full);
        assert_eq!((queue.len(), queue.leave(&critical), queue.leave(&other)), (2, false, false));
        assert_eq!(queue.len(), 0);
    }

    #[test]
    fn what_cannot_be_answered_in_time_does_not_wait() {
        let (queue, now) = (Waiting::new(Queue::new(2, Duration::from_secs(9))), Instant::now());
        let with = |millis| Priority { budget: Some(Duration::from_millis(millis)), ..Priority::default() };
        let expected = Duration::from_millis(300);
        assert_eq!(queue.enter(with(300), expected, now).unwrap_err(), Refusal::TooLate);
        let waiter = queue.enter(with(301), expected, now).unwrap();
        assert_eq!(waiter.until, now + Duration::from_millis(1));
        // Its time is over when a place comes free: nobody gets it.
        let places = Cell::new(1);
        queue.grant(waiter.until, |_| places.replace(0) == 1, || places.set(1));
        assert!(!granted(&waiter) && places.get() == 1);
    }

    /// Leaves the queue with another when it is woken, as a task does that runs at once.
    struct Leaves(Arc<Waiting>, Arc<Waiter>);

    impl std::task::Wake for Leaves {
        fn wake(self: Arc<Self>) {
            self.0.leave(&self.1);
        }
    }

    #[test]
    fn who_is_woken_may_use_the_queue_at_once() {
        let (queue, now) = (Arc::new(Waiting::new(Queue::new(2, Duration::from_secs(1)))), Instant::now());
        let old = enter(&queue, Criticality::Sheddable, now).unwrap();
        let new = enter(&queue, Criticality::Sheddable, now).unwrap();
        let waker = std::task::Waker::from(Arc::new(Leaves(Arc::clone(&queue), Arc::clone(&old))));
        assert!(new.poll(&mut Context::from_waker(&waker)).is_pending());
        let places = Cell::new(1);
        queue.grant(now, |_| places.replace(0) == 1, || places.set(1));
        assert!(granted(&new) && queue.len() == 0);
        let last = enter(&queue, Criticality::Sheddable, now).unwrap();
        let waker = std::task::Waker::from(Arc::new(Leaves(Arc::clone(&queue), Arc::clone(&old))));
        assert!(last.poll(&mut Context::from_waker(&waker)).is_pending());
        for _ in 0..2 {
            enter(&queue, Criticality::Critical, now).unwrap();
        }
        assert_eq!(last.state.load(Ordering::SeqCst), EVICTED);
    }
}
