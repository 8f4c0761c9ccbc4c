//! Bodies whose attempts are read on several threads, or that panic.

use super::super::body::{Replay, Replayable};
use super::*;
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};

type Frames = Poll<Option<Result<Frame<Bytes>, BoxError>>>;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(SeqCst)
    }
}

/// A body that does at each poll what the test says.
struct Scripted<F>(F);

impl<F: FnMut(&mut Context<'_>) -> Frames + Unpin> Body for Scripted<F> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Frames {
        (self.0)(cx)
    }
}

#[test]
fn the_attempt_that_may_read_is_woken_whatever_its_predecessor_does() {
    // The predecessor must lose its turn between two instructions: many rounds, to meet that now and then.
    for _ in 0..200 {
        let slot = Arc::new(Mutex::new(None::<Waker>));
        let quiet = slot.clone();
        let replay = Replay::new(
            Scripted(move |cx: &mut Context<'_>| {
                *quiet.lock() = Some(cx.waker().clone());
                Poll::Pending
            }),
            10,
        );
        let mut one = replay.body(1);
        let count = Arc::<Count>::default();
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let begun = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                begun.store(true, SeqCst);
                // As a connection does that is polled for other reasons.
                while Pin::new(&mut one).poll_frame(&mut Context::from_waker(Waker::noop())).is_pending() {}
            });
            while !begun.load(SeqCst) {
                std::hint::spin_loop();
            }
            let mut two = replay.body(2);
            // Polled as a task is: only when it was woken.
            let mut seen = None;
            while !reader.is_finished() || seen != Some(count.get()) {
                let now = count.get();
                if seen != Some(now) {
                    seen = Some(now);
                    assert!(Pin::new(&mut two).poll_frame(&mut cx).is_pending());
                }
            }
        });
        let before = count.get();
        let registered = slot.lock().take();
        registered.expect("the body was asked").wake();
        assert!(count.get() > before, "what arrives reaches the second attempt");
    }
}

#[test]
fn a_body_that_panics_ends_every_attempt_with_an_error() {
    let replay =
        Replay::new(Scripted(|_: &mut Context<'_>| -> Frames { panic!("a fault of the caller") }), 10);
    let mut one = replay.body(1);
    let mut cx = Context::from_waker(Waker::noop());
    let panicked = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut one).poll_frame(&mut cx).is_pending()));
    assert!(panicked.is_err());
    assert_eq!(replay.replayable(), Replayable::Broken);
    for mut body in [one, replay.body(2)] {
        let Poll::Ready(Some(Err(error))) = Pin::new(&mut body).poll_frame(&mut cx) else {
            panic!("it neither waits nor ends as if it were complete")
        };
        assert!(error.is::<Superseded>() || error.to_string() == "the request's body broke off", "{error}");
        assert!(body.is_end_stream());
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_goes_on_is_over_before_it_is_decided_on_a_retry() {
    for (last, want) in [("67", (503, 1)), ("4", (200, 2))] {
        let (asked, is_asked) = mpsc::channel();
        let (give, given) = mpsc::channel::<()>();
        let mut frames = VecDeque::from(["123", last]);
        let body = Scripted(move |_: &mut Context<'_>| {
            if frames.len() == 1 {
                asked.send(()).unwrap();
                given.recv().unwrap();
            }
            Poll::Ready(frames.pop_front().map(|data| Ok(Frame::data(Bytes::from(data)))))
        });
        let script = Script::new([Act::After(secs(1), 503)]);
        let svc = layer(&[RetryCondition::FiveXx], 1).buffer_limit(4).layer(script.clone());
        let mut call = task::spawn(svc.oneshot(Request::put("/").body(Box::pin(body)).unwrap()));
        assert_pending!(call.poll());
        let mut upload = first(&script);
        assert_eq!(upload.frame().await.unwrap().unwrap().into_data().unwrap(), "123");
        let reader = std::thread::spawn(move || {
            let polled = Pin::new(&mut upload).poll_frame(&mut Context::from_waker(Waker::noop()));
            (matches!(polled, Poll::Ready(Some(Ok(_)))), upload)
        });
        is_asked.recv().unwrap();
        // The upload is just being read when the answer comes.
        tokio::time::advance(secs(1)).await;
        assert_pending!(call.poll());
        assert!(call.is_woken(), "it looks again");
        assert_eq!(script.sent(), 0, "neither sent again nor answered");
        give.send(()).unwrap();
        let (read, mut upload) = reader.join().unwrap();
        assert!(read);
        let response = call.await.unwrap();
        assert_eq!((response.status().as_u16(), report(&response).unwrap().attempts), want);
        match want.1 {
            1 => assert!(upload.frame().await.is_none(), "where no retry follows, the upload goes on"),
            _ => {
                assert!(upload.frame().await.unwrap().unwrap_err().is::<Superseded>());
                // The script gives the body no more frames; both are kept.
                assert_eq!(first(&script).collect().await.unwrap().to_bytes(), "1234");
            }
        }
    }
}
