//! When budgets begin to run.

use super::*;
use crate::BoxError;
use std::convert::Infallible;
use std::time::Duration;

type Upload = std::pin::Pin<Box<dyn Body<Data = Bytes, Error = Infallible> + Send>>;

/// What a caller with an upload does.
#[derive(Clone, Copy)]
struct AfterUpload;

impl Begin<Request<Upload>> for AfterUpload {
    fn begin(&self, request: Request<Upload>) -> (Request<Upload>, Option<RequestProgress>) {
        let (mut head, body) = request.into_parts();
        let (body, progress) = ProgressBody::new(body);
        head.extensions.insert(progress.clone());
        (Request::from_parts(head, Box::pin(body)), Some(progress))
    }
}

/// Six seconds of upload.
fn upload() -> Request<Upload> {
    let frames = [2, 2, 2].map(|n| (secs(n), "part")).to_vec();
    let body: Upload = Box::pin(paced_boxed(frames));
    Request::new(body)
}

fn paced_boxed(frames: Vec<(Duration, &'static str)>) -> impl Body<Data = Bytes, Error = Infallible> + Send {
    let stream = futures_util::stream::unfold(frames.into_iter(), |mut rest| async move {
        let (wait, text) = rest.next()?;
        tokio::time::sleep(wait).await;
        Some((Ok(http_body::Frame::data(Bytes::from_static(text.as_bytes()))), rest))
    });
    StreamBody::new(Box::pin(stream))
}

/// Reads so many frames (all: to the end) in another task, waits, and answers.
async fn serve(
    request: Request<Upload>,
    frames: usize,
    think: Duration,
) -> Result<Response<Full<Bytes>>, BoxError> {
    let (done, read) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let mut body = request.into_body();
        for _ in 0..frames {
            if body.frame().await.is_none() {
                break;
            }
        }
        // A body that is dropped has ended; one that nobody reads has not.
        let _ = done.send(());
        std::future::pending::<()>().await;
        drop(body);
    });
    read.await?;
    tokio::time::sleep(think).await;
    Ok(Response::new(Full::new(Bytes::from_static(b"done"))))
}

async fn run(frames: usize, think: Duration) -> (Result<StatusCode, Scope>, Duration) {
    let svc = tower::service_fn(move |request| serve(request, frames, think));
    let t0 = Instant::now();
    let answer = TimeoutLayer::new(secs(3)).begin(AfterUpload).layer(svc).oneshot(upload()).await;
    (outcome(answer), t0.elapsed())
}

fn outcome<B>(answer: Result<Response<B>, BoxError>) -> Result<StatusCode, Scope> {
    answer.map(|r| r.status()).map_err(|e| find::<Elapsed>(&*e).unwrap().scope())
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_is_slower_than_the_budget_is_not_held_against_the_endpoint() {
    assert_eq!(run(usize::MAX, secs(2)).await, (Ok(StatusCode::OK), secs(8)));
    assert_eq!(run(usize::MAX, secs(4)).await, (Err(Scope::Request), secs(9)), "three after the end");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stops_to_take_the_upload_is_timed_out() {
    // It has the first two seconds' frame, and wants no more.
    assert_eq!(run(1, secs(100)).await, (Err(Scope::Request), secs(5)));
    assert_eq!(run(0, secs(100)).await, (Err(Scope::Request), secs(3)));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_reads_the_progress_from_the_request() {
    let attempt = |think| {
        let svc = tower::service_fn(move |request| serve(request, usize::MAX, think));
        let svc = AttemptTimeoutLayer::new(secs(1)).begin(FromExtensions).layer(svc);
        TimeoutLayer::new(None).begin(AfterUpload).layer(svc)
    };
    let t0 = Instant::now();
    assert_eq!(outcome(attempt(millis(999)).oneshot(upload()).await), Ok(StatusCode::OK));
    assert_eq!(outcome(attempt(secs(2)).oneshot(upload()).await), Err(Scope::Attempt));
    assert_eq!(t0.elapsed(), millis(6_999) + secs(7));
}

#[tokio::test(start_paused = true)]
async fn the_heads_arrival_settles_the_deadline() {
    let early = tower::service_fn(|request: Request<Upload>| async move {
        tokio::spawn(async move { request.into_body().collect().await });
        tokio::time::sleep(secs(1)).await;
        Ok::<_, BoxError>(Response::new(paced(vec![(secs(60), "never")])))
    });
    let t0 = Instant::now();
    let svc = TimeoutLayer::new(secs(3)).begin(AfterUpload).layer(early);
    let mut body = svc.oneshot(upload()).await.unwrap().into_body();
    assert_eq!(body.deadline(), Some(t0 + secs(4)));
    assert!(body.elapse().is_none(), "it is not over yet");
    let error = body.frame().await.unwrap().unwrap_err();
    assert_eq!((find::<Elapsed>(&*error).unwrap().scope(), t0.elapsed()), (Scope::Request, secs(4)));
}

#[tokio::test(start_paused = true)]
async fn what_ran_out_of_time_is_dropped_at_once() {
    struct Held(std::sync::Arc<()>);
    let held = std::sync::Arc::new(());
    let with = Held(held.clone());
    let svc = tower::service_fn(move |()| {
        let own = Held(with.0.clone());
        async move {
            std::future::pending::<()>().await;
            drop(own.0);
            Ok::<_, BoxError>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let layered = AttemptTimeoutLayer::new(secs(1)).layer(svc);
    let mut call = task::spawn(layered.oneshot(()));
    assert_pending!(call.poll());
    let under_way = std::sync::Arc::strong_count(&held);
    tokio::time::advance(secs(2)).await;
    assert!(call.poll().is_ready());
    assert!(
        std::sync::Arc::strong_count(&held) < under_way,
        "the attempt is gone although its future is kept"
    );
}
