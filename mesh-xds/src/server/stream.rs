//! The one place of the server that does IO: a task per stream between gRPC and a session.
//!
//! Requests come before pushes, so that a client gets its ACK read and its question answered while the world
//! changes. A new snapshot is looked at only when all that went before is sent: what a slow client missed in
//! between is never made.

use super::session::{Client, Event, Nonces, Outgoing, Output, Session};
use super::status::Row;
use super::{Inner, Server};
use crate::ResourceType;
use crate::node::{self, InvalidNode, KEEPS_ENDPOINTS};
use envoy_types::pb::envoy::config::core::v3::Node as RawNode;
use mesh_core::model::Snapshot;
use mesh_core::node::Node;
use mesh_core::watch::Watch;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::MetadataMap;
use tonic::{Extensions, Request, Response, Status, Streaming};

/// Responses that wait for the transport.
const IN_FLIGHT: usize = 1;
/// Responses that wait for [`IN_FLIGHT`]. A client that sends requests and reads no answer is not read either.
const MAX_QUEUE: usize = 64;
/// A caller that does not introduce itself for so long is dropped.
const FIRST_REQUEST_WITHIN: Duration = Duration::from_secs(10);

type Answers<R> = ReceiverStream<Result<R, Status>>;

/// Begins a stream.
pub(super) fn open<S: Session>(
    inner: &Arc<Inner>,
    request: Request<Streaming<S::Request>>,
) -> Result<Response<Answers<S::Response>>, Status> {
    if *inner.shutdown.borrow() {
        return Err(shutting_down());
    }
    if !inner.pace.take(Instant::now()) {
        return Err(Status::resource_exhausted("too many streams begin at once; come back later"));
    }
    let peer = request.remote_addr();
    let (metadata, extensions, requests) = request.into_parts();
    let (tx, rx) = mpsc::channel(IN_FLIGHT);
    let server = Server(Arc::clone(inner));
    tokio::spawn(async move {
        let caller = Caller { metadata, extensions, peer };
        if let Err(status) = serve::<S>(&server.0, &caller, requests, &tx).await {
            tracing::debug!(?peer, %status, "an ADS stream ends");
            // A client that is gone does not hear it, which is fine.
            let _ = tx.send(Err(status)).await;
        }
    });
    Ok(Response::new(ReceiverStream::new(rx)))
}

/// What is known of who calls, beyond what it says.
struct Caller {
    metadata: MetadataMap,
    extensions: Extensions,
    peer: Option<std::net::SocketAddr>,
}

fn shutting_down() -> Status {
    Status::unavailable("the control plane is shutting down")
}

fn introduce(raw: Option<&RawNode>) -> Result<(Node, Client), InvalidNode> {
    let raw = raw.ok_or(InvalidNode::Missing)?;
    let keeps_endpoints = raw.client_features.iter().any(|feature| feature == KEEPS_ENDPOINTS);
    Ok((node::from_proto(raw)?, Client { keeps_endpoints }))
}

async fn serve<S: Session>(
    inner: &Inner,
    caller: &Caller,
    mut requests: Streaming<S::Request>,
    tx: &mpsc::Sender<Result<S::Response, Status>>,
) -> Result<(), Status> {
    let first = tokio::time::timeout(FIRST_REQUEST_WITHIN, requests.message())
        .await
        .map_err(|_| Status::deadline_exceeded("no request came"))??;
    let Some(first) = first else { return Ok(()) };
    let (node, client) =
        introduce(S::node(&first)).map_err(|fault| Status::invalid_argument(fault.to_string()))?;
    if let Some(authorize) = &inner.authorize {
        authorize(&node, &caller.metadata, &caller.extensions)?;
    }
    let mut snapshots = Snapshots { watch: inner.snapshots.subscribe(&node)?, started: false, ended: false };
    let mut shutdown = inner.shutdown.subscribe();
    tracing::info!(%node, peer = ?caller.peer, protocol = ?S::PROTOCOL, "a proxy connected");
    let mut stream = Stream::<S> {
        session: S::new(Nonces::new(fastrand::u64(..)), client),
        queue: VecDeque::new(),
        row: inner.table.connect(node, caller.peer, S::PROTOCOL),
    };
    stream.request(first)?;
    // It asks nothing more, and is owed the answers to what it asked.
    let mut half_closed = false;
    loop {
        if half_closed && stream.queue.is_empty() && snapshots.started {
            return Ok(());
        }
        tokio::select! {
            biased;
            _ = shutdown.wait_for(|down| *down) => return Err(shutting_down()),
            request = requests.message(), if !half_closed && stream.queue.len() < MAX_QUEUE => {
                match request? {
                    Some(request) => stream.request(request)?,
                    None => half_closed = true,
                }
            }
            permit = tx.reserve(), if !stream.queue.is_empty() => {
                let Ok(permit) = permit else { return Ok(()) };
                if let Some(Outgoing { sent, response }) = stream.queue.pop_front() {
                    stream.row.sent(sent);
                    permit.send(Ok(response));
                }
            },
            snapshot = snapshots.next(), if stream.queue.is_empty() && !snapshots.ended => {
                if let Some(snapshot) = snapshot {
                    stream.resources(inner, &snapshot);
                }
            },
            () = tx.closed() => return Ok(()),
        }
    }
}

/// The snapshots of one node. If their source ends, the last one stays in force.
struct Snapshots {
    watch: Watch<Snapshot>,
    started: bool,
    ended: bool,
}

impl Snapshots {
    async fn next(&mut self) -> Option<Arc<Snapshot>> {
        let next = if self.started { self.watch.changed().await } else { self.watch.ready().await };
        self.started = true;
        self.ended = next.is_err();
        next.ok()
    }
}

struct Stream<S: Session> {
    session: S,
    queue: VecDeque<Outgoing<S::Response>>,
    row: Row,
}

impl<S: Session> Stream<S> {
    fn request(&mut self, request: S::Request) -> Result<(), Status> {
        if ResourceType::from_url(S::type_url(&request)).is_none() {
            tracing::debug!(type_url = S::type_url(&request), "a proxy asks for a kind that is not served");
        }
        let mut out = Output::default();
        self.session
            .on_request(request, &mut out)
            .map_err(|fault| Status::resource_exhausted(fault.to_string()))?;
        self.take(out);
        Ok(())
    }

    fn resources(&mut self, inner: &Inner, snapshot: &Arc<Snapshot>) {
        let mut out = Output::default();
        self.session.on_resources(inner.encoder.encode(snapshot), &mut out);
        self.take(out);
    }

    fn take(&mut self, out: Output<S::Response>) {
        for event in out.events {
            if let Event::Nacked { response, message } = &event {
                tracing::warn!(kind = %response.kind, version = response.version, message, "a proxy rejects its configuration");
            }
            self.row.event(event);
        }
        self.queue.extend(out.responses);
    }
}
