//! Responses that somebody looks after while nobody reads them.
//!
//! A response lets go of its upstream in time through timers of its own, but these run only while it is polled.
//! So it announces itself in [`LongResponses`], and whoever has a timer looks at its [`Watchlist`]: a caller's
//! connection, or the membership of a program that asks by itself.

use super::recorded::Long;
use crate::shelf::Shelf;
use atomic_waker::AtomicWaker;
use std::sync::Weak;
use std::task::Context;
use tokio::time::Instant;

/// Responses that became long, until whoever looks after them knows of them.
#[derive(Debug, Default)]
pub(crate) struct LongResponses {
    new: Shelf<Weak<Long>>,
    /// Of whoever waits for them; a connection has more to say to it.
    waker: AtomicWaker,
}

/// The responses that one party looks after, and when each is to be looked at.
#[derive(Default)]
pub(crate) struct Watchlist(Vec<(Instant, Weak<Long>)>);

impl LongResponses {
    /// From now on somebody lets go of this response if it must be.
    pub(super) fn announce(&self, long: Weak<Long>) {
        self.new.push(Box::new(long));
        self.waker.wake();
    }

    /// One that is not on a list yet.
    pub(super) fn pop(&self) -> Option<Weak<Long>> {
        self.new.pop().map(|long| *long)
    }

    /// Wakes this task when there is something new, or by [`Self::wake`].
    pub(super) fn register(&self, cx: &Context<'_>) {
        self.waker.register(cx.waker());
    }

    /// Has whoever waits look again.
    pub(super) fn wake(&self) {
        self.waker.wake();
    }
}

impl Watchlist {
    /// Adds a response, to be looked at when there is time.
    pub(super) fn add(&mut self, long: Weak<Long>, now: Instant) {
        self.0.push((now, long));
    }

    /// Adds what was announced, and looks at what is due.
    pub(crate) fn follow(&mut self, responses: &LongResponses, now: Instant) {
        while let Some(long) = responses.pop() {
            self.add(long, now);
        }
        self.look(now);
    }

    /// Lets go of what is overdue, and forgets what is over.
    pub(super) fn look(&mut self, now: Instant) {
        self.0.retain_mut(|(at, long)| {
            if *at > now {
                // What is over makes room, or a busy connection would gather a time-out's worth of it.
                return long.strong_count() > 0;
            }
            match long.upgrade().and_then(|long| long.look(now)) {
                Some(next) => {
                    *at = next;
                    true
                }
                None => false,
            }
        });
    }

    /// When the first is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.iter().map(|(at, _)| *at).min()
    }
}
