//! Bodies that come in many frames.

use super::*;

type Sender = tokio::sync::mpsc::UnboundedSender<Frame<Bytes>>;

fn channel() -> (Sender, impl Body<Data = Bytes, Error = BoxError> + Unpin) {
    let (frames, rx) = tokio::sync::mpsc::unbounded_channel::<Frame<Bytes>>();
    let stream =
        futures_util::stream::unfold(rx, |mut rx| async { Some((Ok::<_, BoxError>(rx.recv().await?), rx)) });
    (frames, StreamBody::new(Box::pin(stream)))
}

#[tokio::test(start_paused = true)]
async fn many_small_frames_are_sent_again_whole_and_in_order_wherever_an_attempt_broke_off() {
    for broke_off in [0, 1, 16, 17, 40, 100] {
        let (frames, body) = channel();
        let script = Script::new([503, 503, 200].map(|status| Act::After(secs(1), status)));
        let svc = layer(&[RetryCondition::FiveXx], 2).buffer_limit(200).layer(script.clone());
        let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
        let text: String = (0..100).map(|n| char::from(b'a' + n % 26)).collect();
        let mut rest = text.as_bytes().to_vec();
        // Two attempts fail, each a little later than the one before.
        for upto in [broke_off / 2, broke_off] {
            while script.sent() == 0 {
                assert_pending!(call.poll());
                tokio::time::advance(millis(100)).await;
            }
            for byte in rest.drain(..upto - (100 - rest.len())) {
                frames.send(Frame::data(Bytes::new())).unwrap();
                frames.send(Frame::data(Bytes::from(vec![byte]))).unwrap();
            }
            let (mut attempt, mut sent) = (first(&script), vec![]);
            while sent.len() < upto {
                let frame = attempt.frame().await.unwrap().unwrap();
                sent.extend_from_slice(&frame.into_data().unwrap());
            }
            assert_eq!(sent, &text.as_bytes()[..upto]);
        }
        while script.sent() == 0 {
            assert_pending!(call.poll());
            tokio::time::advance(millis(100)).await;
        }
        rest.iter().for_each(|byte| frames.send(Frame::data(Bytes::from(vec![*byte]))).unwrap());
        drop(frames);
        assert_eq!(first(&script).collect().await.unwrap().to_bytes(), text);
        assert_eq!(call.await.unwrap().status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_counts_bytes_however_they_come() {
    let (frames, body) = channel();
    let script = Script::new([Act::After(secs(1), 503)]);
    let svc = layer(&[RetryCondition::FiveXx], 1).buffer_limit(99).layer(script.clone());
    let mut call = task::spawn(svc.oneshot(Request::put("/").body(body).unwrap()));
    assert_pending!(call.poll());
    (0..100).for_each(|_| frames.send(Frame::data(Bytes::from_static(b"x"))).unwrap());
    drop(frames);
    assert_eq!(first(&script).collect().await.unwrap().to_bytes().len(), 100);
    let response = call.await.unwrap();
    assert_eq!(report(&response), Some(RetryReport { attempts: 1, stop: Some(Stop::TooLarge) }));
}
