//! The body that attempts take turns on, under every order of what their threads do.

use super::body::{Replay, ReplayBody, Replayable};
use super::error::Superseded;
use crate::BoxError;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use bytes::Bytes;
use http_body::{Body, Frame};
use loom::thread;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

type Frames = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

/// Gives so many frames of a byte each, counted up from zero, and then ends or has no more for now.
struct Counted {
    next: u8,
    frames: u8,
    ends: bool,
    waker: Arc<Slot>,
}

/// Whom a body that has no more for now will wake.
type Slot = crate::sync::AtomicWaker;

impl Body for Counted {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Frames {
        if self.next < self.frames {
            let frame = Bytes::from(vec![self.next]);
            self.next += 1;
            return Poll::Ready(Some(Ok(Frame::data(frame))));
        }
        if self.ends {
            return Poll::Ready(None);
        }
        self.waker.register(cx.waker());
        Poll::Pending
    }
}

fn replay(frames: u8, ends: bool, limit: usize) -> (Replay<Counted>, Arc<Slot>) {
    let waker = Arc::new(Slot::new());
    (Replay::new(Counted { next: 0, frames, ends, waker: Arc::clone(&waker) }, limit), waker)
}

fn poll(body: &mut ReplayBody<Counted>, waker: &Waker) -> Frames {
    Pin::new(body).poll_frame(&mut Context::from_waker(waker))
}

/// What a body gives until it ends, polled again whenever it is pending; the bytes, and whether it was superseded.
fn read(body: &mut ReplayBody<Counted>) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    loop {
        match poll(body, Waker::noop()) {
            Poll::Pending => thread::yield_now(),
            Poll::Ready(None) => return (bytes, false),
            Poll::Ready(Some(Ok(frame))) => bytes.extend(frame.into_data().unwrap()),
            Poll::Ready(Some(Err(error))) => {
                assert!(error.is::<Superseded>(), "{error}");
                return (bytes, true);
            }
        }
    }
}

/// Keeps all from reading, however long that takes.
fn supersede(replay: &Replay<Counted>, next: u32) {
    loop {
        match replay.at_rest() {
            Some(body) => return body.supersede(next),
            None => thread::yield_now(),
        }
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn the_next_attempt_sends_all_though_its_predecessor_is_just_reading() {
    loom::model(|| {
        let (replay, _) = replay(2, true, 10);
        let mut one = replay.body(1);
        let reader = thread::spawn(move || read(&mut one));
        supersede(&replay, 2);
        assert_eq!(read(&mut replay.body(2)), (vec![0, 1], false));
        let (sent, superseded) = reader.join().unwrap();
        assert!([0, 1].starts_with(&sent), "{sent:?}");
        assert!(superseded || sent.len() == 2, "a part never looks like the whole");
    });
}

#[test]
fn what_is_decided_at_rest_stays_true() {
    loom::model(|| {
        // The second frame is more than is kept.
        let (replay, _) = replay(2, true, 1);
        let mut one = replay.body(1);
        let reader = thread::spawn(move || read(&mut one));
        let repeats = loop {
            let Some(body) = replay.at_rest() else {
                thread::yield_now();
                continue;
            };
            let repeats = replay.replayable() == Replayable::Yes;
            if repeats {
                body.supersede(2);
            }
            break repeats;
        };
        if repeats {
            // It is too large for a third attempt, and for this one it was not.
            assert_eq!(read(&mut replay.body(2)), (vec![0, 1], false));
            assert!(reader.join().unwrap().1);
        } else {
            assert_eq!(reader.join().unwrap(), (vec![0, 1], false), "where no retry follows, it reads on");
        }
    });
}

#[test]
fn an_attempt_that_waits_for_the_caller_learns_that_it_was_superseded() {
    // After its answer was judged; and at once, as where another attempt runs beside it.
    let ways: [fn(&Replay<Counted>); 2] = [|replay| supersede(replay, 2), |replay| drop(replay.body(2))];
    for hand_over in ways {
        loom::model(move || {
            let (replay, _) = replay(0, false, 10);
            let mut one = replay.body(1);
            let reader = thread::spawn(move || {
                let count = Arc::new(Count::default());
                let polled = poll(&mut one, &Waker::from(Arc::clone(&count)));
                (polled.is_ready(), count, one)
            });
            hand_over(&replay);
            let (told, count, mut one) = reader.join().unwrap();
            assert!(told || count.0.load(SeqCst) > 0, "its connection would wait for ever");
            assert!(told || read(&mut one).1);
        });
    }
}

#[test]
fn what_the_caller_sends_wakes_the_attempt_that_may_read() {
    loom::model(|| {
        let (replay, caller) = replay(0, false, 10);
        let mut one = replay.body(1);
        let reader = thread::spawn(move || {
            // As a connection does that is polled for other reasons.
            let _ = poll(&mut one, Waker::noop());
            one
        });
        let mut two = replay.body(2);
        // Polled as a task is: only when it was woken.
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let mut seen = None;
        let mut reader = Some(reader);
        loop {
            let now = count.0.load(SeqCst);
            if seen != Some(now) {
                seen = Some(now);
                assert!(poll(&mut two, &waker).is_pending());
                thread::yield_now();
            } else if let Some(reader) = reader.take() {
                drop(reader.join().unwrap());
            } else {
                break;
            }
        }
        let before = count.0.load(SeqCst);
        caller.wake();
        assert!(count.0.load(SeqCst) > before, "what arrives reaches the second attempt");
    });
}
