//! Runs a session between a gRPC stream and the credential's watch.

use super::secrets::Secrets;
use super::session::Session;
use mesh_core::credential::Credential;
use mesh_core::watch::Watch;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};

/// A peer that does not read is sent the newest when it does, not a backlog.
const BACKLOG: usize = 1;

/// Serves one stream in a task of its own, which ends with the stream.
pub(super) fn serve<S: Session>(
    requests: Streaming<S::Request>,
    session: S,
    credential: Watch<Credential>,
) -> ReceiverStream<Result<S::Response, Status>> {
    let (responses, stream) = mpsc::channel(BACKLOG);
    tokio::spawn(run(requests, session, credential, responses));
    ReceiverStream::new(stream)
}

enum Event<R> {
    Request(R),
    Rotation(Arc<Credential>),
    /// There will be no further rotation; the last credential is served on.
    NoMoreRotations,
    End,
}

async fn run<S: Session>(
    mut requests: Streaming<S::Request>,
    mut session: S,
    mut credential: Watch<Credential>,
    responses: mpsc::Sender<Result<S::Response, Status>>,
) {
    let mut rotates = true;
    // The value at hand now; `changed` reports those after it.
    let mut secrets = match credential.current() {
        Some(_) => credential.ready().await.ok().map(|now| Secrets::new(&now)),
        None => None,
    };
    loop {
        let event = tokio::select! {
            () = responses.closed() => Event::End,
            changed = credential.changed(), if rotates => match changed {
                Ok(next) => Event::Rotation(next),
                Err(_) => Event::NoMoreRotations,
            },
            request = requests.message() => match request {
                Ok(Some(request)) => Event::Request(request),
                // The peer is gone, one way or another.
                Ok(None) | Err(_) => Event::End,
            },
        };
        let answer = match event {
            Event::Request(request) => session.on_request(request, secrets.as_ref()).transpose(),
            Event::Rotation(next) => {
                let next = Secrets::new(&next);
                let answer = session.on_change(&next).map(Ok);
                secrets = Some(next);
                answer
            }
            Event::NoMoreRotations => {
                rotates = false;
                None
            }
            Event::End => return,
        };
        if let Some(answer) = answer {
            let last = answer.is_err();
            if responses.send(answer).await.is_err() || last {
                return;
            }
        }
    }
}
