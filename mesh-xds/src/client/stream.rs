//! The one place of the client that does IO: opens streams, feeds the cache, publishes what it makes.
//!
//! A response is applied before the next one is read, so that a slow consumer is felt by the server as
//! HTTP/2 backpressure and not as memory here.

use super::backoff::Backoff;
use super::cache::Cache;
use super::failure::Failure;
use super::{TokenSource, bearer};
use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3 as pb;
use fastrand::Rng;
use mesh_core::model::Snapshot;
use mesh_core::watch::Sender;
use pb::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Request;
use tonic::transport::Endpoint;

/// The longest response that is read.
const MAX_RESPONSE: usize = 200 * 1024 * 1024;
/// Requests that wait for the transport; the first ones of a stream fit.
const IN_FLIGHT: usize = 8;
/// A server that does not read requests is not read either.
const MAX_QUEUE: usize = 64;
/// A push comes as several responses: publish when none came for so long,
const QUIET: Duration = Duration::from_millis(5);
/// and at the latest so long after the first.
const AT_LATEST: Duration = Duration::from_millis(100);

/// Where to connect, and as whom.
pub(super) struct Connection {
    pub(super) endpoint: Endpoint,
    pub(super) node: Node,
    pub(super) token: Option<TokenSource>,
}

/// Runs until nobody reads.
pub(super) async fn run(connection: Connection, sender: Sender<Snapshot>) {
    let mut cache = Cache::default();
    let mut backoff = Backoff::new(Rng::new());
    loop {
        let failure = tokio::select! {
            failure = stream(&connection, &mut cache, &mut backoff, &sender) => failure,
            () = sender.closed() => return,
        };
        cache.close();
        publish(&mut cache, &sender);
        let wait = backoff.next();
        let in_force = match sender.subscribe().current() {
            Some(_) => "the last configuration stays in force",
            None => "there is no configuration yet",
        };
        tracing::warn!(
            control_plane = %connection.endpoint.uri(),
            %failure,
            retry_in = ?wait,
            advice = failure.advice(),
            "no connection to the control plane; {in_force}"
        );
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = sender.closed() => return,
        }
    }
}

fn publish(cache: &mut Cache, sender: &Sender<Snapshot>) {
    if let Some(snapshot) = cache.publish() {
        tracing::debug!(version = snapshot.version, "new configuration");
        sender.send(snapshot);
    }
}

/// When to publish what came.
#[derive(Debug, Default)]
struct Debounce {
    due: Option<(Instant, Instant)>,
}

impl Debounce {
    fn touch(&mut self, now: Instant) {
        let latest = self.due.map_or(now + AT_LATEST, |(_, latest)| latest);
        self.due = Some(((now + QUIET).min(latest), latest));
    }

    /// Waits until it is time; for ever if nothing came.
    async fn wait(&self) {
        match self.due {
            Some((due, _)) => sleep_until(due).await,
            None => std::future::pending().await,
        }
    }
}

/// One stream, from connecting to its end.
async fn stream(
    connection: &Connection,
    cache: &mut Cache,
    backoff: &mut Backoff,
    sender: &Sender<Snapshot>,
) -> Failure {
    let channel = match connection.endpoint.connect().await {
        Ok(channel) => channel,
        Err(error) => return Failure::Connect(error),
    };
    let (tx, rx) = mpsc::channel(IN_FLIGHT);
    let mut request = Request::new(ReceiverStream::new(rx));
    if let Some(token) = &connection.token {
        match token().and_then(|token| bearer(&token)) {
            Ok(value) => request.metadata_mut().insert("authorization", value),
            Err(error) => return Failure::Token(error),
        };
    }
    let mut queue: VecDeque<_> = cache.open(Instant::now().into_std()).into();
    if let Some(first) = queue.front_mut() {
        first.node = Some(connection.node.clone());
    }
    // Some servers send no header before they have read a request.
    while let Some(first) = queue.pop_front() {
        if tx.try_send(first).is_err() {
            return Failure::Ended;
        }
    }
    let mut client = AggregatedDiscoveryServiceClient::new(channel).max_decoding_message_size(MAX_RESPONSE);
    let mut responses = match client.delta_aggregated_resources(request).await {
        Ok(response) => response.into_inner(),
        Err(status) => return Failure::Status(status),
    };
    tracing::info!(control_plane = %connection.endpoint.uri(), "connected to the control plane");
    let mut debounce = Debounce::default();
    loop {
        let deadline = cache.deadline().map(Instant::from_std);
        tokio::select! {
            permit = tx.reserve(), if !queue.is_empty() => {
                let Ok(permit) = permit else { return Failure::Ended };
                if let Some(request) = queue.pop_front() {
                    permit.send(request);
                }
            }
            response = responses.message(), if queue.len() < MAX_QUEUE => {
                let response = match response {
                    Ok(Some(response)) => response,
                    Ok(None) => return Failure::Ended,
                    Err(status) => return Failure::Status(status),
                };
                backoff.reset();
                let now = Instant::now();
                queue.extend(cache.apply(response, now.into_std()));
                debounce.touch(now);
            }
            () = debounce.wait() => {
                debounce = Debounce::default();
                publish(cache, sender);
            }
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                let now = Instant::now();
                queue.extend(cache.expire(now.into_std()));
                debounce.touch(now);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_published_once_and_an_endless_one_all_the_same() {
        let start = Instant::now();
        let mut debounce = Debounce::default();
        debounce.touch(start);
        debounce.touch(start + QUIET / 2);
        assert_eq!(debounce.due.unwrap().0, start + QUIET / 2 + QUIET);
        debounce.touch(start + AT_LATEST - QUIET / 2);
        assert_eq!(debounce.due.unwrap().0, start + AT_LATEST);
    }
}
