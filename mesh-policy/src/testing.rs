//! A service that follows a script, and bodies that do. For the tests of all layers.
#![allow(dead_code, reason = "each feature's tests use their own part")]

use crate::BoxError;
use http::{Request, Response, StatusCode};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(crate) fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A future that is pending so many times before it is ready, waking itself.
pub(crate) struct Yields(pub(crate) usize);

impl Future for Yields {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.checked_sub(1) {
            None => Poll::Ready(()),
            Some(left) => {
                self.0 = left;
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// What the service does with one request.
pub(crate) enum Act {
    Status(u16),
    Header(u16, &'static str, &'static str),
    Fail(BoxError),
    After(Duration, u16),
    Silence,
}

/// Answers by a script, then with 200; notes every request.
pub(crate) struct Script<B> {
    acts: Arc<Mutex<VecDeque<Act>>>,
    /// The requests, bodies and all, in order.
    pub(crate) seen: Arc<Mutex<Vec<Request<B>>>>,
    ready: bool,
    silent: bool,
}

impl<B> Clone for Script<B> {
    /// A clone must be made ready before it is called, as every Tower service.
    fn clone(&self) -> Self {
        Self { acts: Arc::clone(&self.acts), seen: Arc::clone(&self.seen), ready: false, silent: self.silent }
    }
}

impl<B> Script<B> {
    pub(crate) fn new(acts: impl IntoIterator<Item = Act>) -> Self {
        let acts = Arc::new(Mutex::new(acts.into_iter().collect()));
        Self { acts, seen: Arc::default(), ready: false, silent: false }
    }

    /// The same, but answering nothing any more once the script is over.
    pub(crate) fn silent(self) -> Self {
        Self { silent: true, ..self }
    }

    pub(crate) fn sent(&self) -> usize {
        self.seen.lock().len()
    }
}

impl<B: Send + 'static> Service<Request<B>> for Script<B> {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, req: Request<B>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "called without being ready");
        self.seen.lock().push(req);
        let act = self.acts.lock().pop_front();
        let act = act.unwrap_or(if self.silent { Act::Silence } else { Act::Status(200) });
        Box::pin(async move {
            match act {
                Act::Fail(error) => Err(error),
                Act::Status(status) => Ok(answer(status)),
                Act::Header(status, name, value) => {
                    let mut response = answer(status);
                    response.headers_mut().insert(name, value.parse()?);
                    Ok(response)
                }
                #[cfg(any(feature = "timeout", feature = "retry", feature = "fault", feature = "shed"))]
                Act::After(wait, status) => {
                    tokio::time::sleep(wait).await;
                    Ok(answer(status))
                }
                _ => std::future::pending().await,
            }
        })
    }
}

pub(crate) fn answer(status: u16) -> Response<String> {
    let mut response = Response::new("body".to_owned());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// A service that answers after so many polls, and knows how many of its calls are under way.
#[derive(Clone)]
pub(crate) struct Slow {
    polls: usize,
    open: Arc<AtomicUsize>,
}

struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<B> Service<Request<B>> for Slow {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        self.open.fetch_add(1, Ordering::Relaxed);
        let (polls, under_way) = (Yields(self.polls), UnderWay(Arc::clone(&self.open)));
        Box::pin(async move {
            polls.await;
            drop(under_way);
            Ok(answer(200))
        })
    }
}

/// Drops a call through a layer at each of its polls; none may leave one open below.
pub(crate) fn drop_at_any_poll<L, B>(layer: &L, request: impl Fn() -> Request<B>)
where
    L: Layer<Slow>,
    L::Service: Service<Request<B>>,
{
    let mut answered = 0;
    for polls in 0..6 {
        let slow = Slow { polls: 3, open: Arc::default() };
        let mut call = tokio_test::task::spawn(layer.layer(slow.clone()).call(request()));
        answered += (0..polls).take_while(|_| call.poll().is_pending()).count().abs_diff(polls).min(1);
        drop(call);
        assert_eq!(slow.open.load(Ordering::Relaxed), 0, "after {polls} polls");
    }
    assert_eq!(answered, 2, "four polls are enough");
}
