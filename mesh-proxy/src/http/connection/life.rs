//! A connection's life beside its codec: what its requests say of themselves, how long it may be idle, and how
//! it learns that it should end.
//!
//! The codec is polled whenever something moves. Everything else here happens seldom, and is polled only when
//! it was woken: a turn of the codec costs it a look at a queue, without a lock. Only what it does seldom, to set
//! a timer or to hear of draining, takes the locks that tokio has inside.

use super::super::recorded::Long;
use super::super::watch::{LongResponses, Watchlist};
use crate::drain::{Draining, Phase};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A head that has begun must be complete within this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// What a connection is doing.
#[derive(Debug, Default)]
pub(in crate::http) struct Activity {
    in_flight: AtomicU32,
    /// Requests since the beginning; wraps.
    begun: AtomicU32,
    /// Bytes came that belong to no request yet.
    head_begun: AtomicBool,
    /// The next response is the last.
    last_response: AtomicBool,
    /// A response was let go before its end: there is nothing to say on HTTP/1.1 any more.
    cut: AtomicBool,
    /// Its waker is that of whoever waits for the one above, too.
    long: Arc<LongResponses>,
}

impl Activity {
    /// Responses that the connection lets go of if it must.
    pub(in crate::http) fn long(&self) -> &Arc<LongResponses> {
        &self.long
    }

    /// Bytes came.
    pub(super) fn received(&self) {
        self.head_begun.store(true, Ordering::Relaxed);
    }

    /// What its requests have to say to the connection.
    async fn news(&self) -> News {
        poll_fn(|cx| {
            // Before the looks, so that what is told in between is not missed.
            self.long.register(cx);
            if self.cut.swap(false, Ordering::Acquire) {
                return Poll::Ready(News::Cut);
            }
            self.long.pop().map_or(Poll::Pending, |long| Poll::Ready(News::Long(long)))
        })
        .await
    }
}

/// See [`Activity::news`].
enum News {
    Cut,
    Long(Weak<Long>),
}

/// One request on a connection, while it lives.
pub(crate) struct InFlight(Arc<Activity>);

impl InFlight {
    pub(super) fn begin(activity: &Arc<Activity>) -> Self {
        activity.begun.fetch_add(1, Ordering::Relaxed);
        activity.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(activity.clone())
    }

    /// Whether its response is to be the connection's last.
    pub(super) fn is_last(&self) -> bool {
        self.0.last_response.load(Ordering::Relaxed)
    }

    /// Its response ends before it is complete, and the codec may not ask for more of it.
    pub(in crate::http) fn cut(self) {
        self.0.cut.store(true, Ordering::Release);
        self.0.long.wake();
    }

    /// What its connection is doing.
    pub(in crate::http) fn activity(&self) -> &Arc<Activity> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.head_begun.store(false, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What does not come from the codec.
struct Aside {
    draining: Draining,
    activity: Arc<Activity>,
    /// How often the connection is looked at.
    every: Duration,
    next_look: Instant,
    long: Watchlist,
    /// Fires at the earliest of these times.
    timer: Pin<Box<Sleep>>,
}

/// See [`Aside::next`].
enum Event {
    Phase(Phase),
    Cut,
    Look,
}

impl Aside {
    fn new(draining: Draining, activity: Arc<Activity>, every: Duration) -> Self {
        let next_look = Instant::now() + every;
        let timer = Box::pin(tokio::time::sleep_until(next_look));
        Self { draining, activity, every, next_look, long: Watchlist::default(), timer }
    }

    /// What concerns the connection as a whole; long responses are cared for meanwhile.
    async fn next(mut self) -> (Self, Event) {
        let event = loop {
            tokio::select! {
                biased;
                phase = self.draining.changed() => break Event::Phase(phase),
                news = self.activity.news() => match news {
                    News::Cut => break Event::Cut,
                    News::Long(response) => self.long.add(response, Instant::now()),
                },
                () = self.timer.as_mut() => {}
            }
            let now = Instant::now();
            self.long.look(now);
            let due = self.next_look <= now;
            if due {
                self.next_look = now + self.every;
            }
            let first = self.long.next();
            self.timer.as_mut().reset(first.map_or(self.next_look, |at| at.min(self.next_look)));
            if due {
                break Event::Look;
            }
        };
        (self, event)
    }
}

/// Runs a connection and tells it when to end.
pub(super) async fn drive<C>(
    mut connection: Pin<&mut C>,
    draining: Draining,
    idle: Option<Duration>,
    activity: Arc<Activity>,
    http2: bool,
    end: impl Fn(Pin<&mut C>),
) -> hyper::Result<()>
where
    C: Future<Output = hyper::Result<()>>,
{
    let announce = |phase: Phase, connection: Pin<&mut C>| match phase {
        Phase::Open => {}
        Phase::Draining if !http2 => activity.last_response.store(true, Ordering::Relaxed),
        Phase::Draining | Phase::Closing | Phase::Over => end(connection),
    };
    announce(draining.phase(), connection.as_mut());
    let mut look = IdleLook::new(idle);
    let every = idle.unwrap_or(HEAD_TIMEOUT).min(HEAD_TIMEOUT);
    // Polls what is in it only when that was woken.
    let mut aside = FuturesUnordered::new();
    aside.push(Aside::new(draining, activity.clone(), every).next());
    loop {
        let (again, event) = tokio::select! {
            biased;
            ended = connection.as_mut() => return ended,
            Some(event) = aside.next() => event,
        };
        match event {
            Event::Phase(phase) => announce(phase, connection.as_mut()),
            Event::Cut if http2 => {}
            Event::Cut => return Ok(()),
            Event::Look => match look.look(&activity, http2) {
                Verdict::Fine => {}
                Verdict::End => end(connection.as_mut()),
                Verdict::Over => return Ok(()),
            },
        }
        aside.push(again.next());
    }
}

/// Whether a connection is of use still, from look to look.
struct IdleLook {
    idle: Option<Duration>,
    quiet_since: Instant,
    waiting_for_head: bool,
    told_to_end: bool,
    begun: u32,
}

/// See [`IdleLook::look`].
enum Verdict {
    Fine,
    End,
    Over,
}

impl IdleLook {
    fn new(idle: Option<Duration>) -> Self {
        Self { idle, quiet_since: Instant::now(), waiting_for_head: false, told_to_end: false, begun: 0 }
    }

    fn look(&mut self, activity: &Activity, http2: bool) -> Verdict {
        let now = Instant::now();
        let before = std::mem::replace(&mut self.begun, activity.begun.load(Ordering::Relaxed));
        if activity.in_flight.load(Ordering::Relaxed) > 0 || before != self.begun {
            self.quiet_since = now;
            self.waiting_for_head = false;
            self.told_to_end = false;
            return Verdict::Fine;
        }
        if !http2 && activity.head_begun.load(Ordering::Relaxed) {
            // A head that had begun at the last look, too, is slower than anybody may be.
            let slow = std::mem::replace(&mut self.waiting_for_head, true);
            return if slow { Verdict::Over } else { Verdict::Fine };
        }
        self.waiting_for_head = false;
        if self.idle.is_none_or(|idle| now.duration_since(self.quiet_since) < idle) {
            return Verdict::Fine;
        }
        // Told to end at the last look, and nothing is under way: its caller reads nothing.
        let told = std::mem::replace(&mut self.told_to_end, true);
        if told { Verdict::Over } else { Verdict::End }
    }
}
