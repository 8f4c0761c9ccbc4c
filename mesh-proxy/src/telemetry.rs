//! Who reports what of a request: the sinks of a chain, and the workloads at both ends.
//!
//! Resolved when the chain is built. Inbound the callee reports, elsewhere the caller (a gateway is one).
//! The other end is known by its endpoint's metadata or by Istio's metadata exchange; its principal only by
//! its certificate.

use crate::http::connection::ConnectionFacts;
use crate::http::trail::Steps;
use http::{HeaderMap, HeaderName};
use mesh_core::model::AccessLog as AccessLogSpec;
use mesh_core::model::Name;
use mesh_core::model::listener::Direction;
use mesh_core::node::Node;
use mesh_telemetry::access_log::{Format, Writer};
use mesh_telemetry::peer::{Exchange, PEER_METADATA, PEER_METADATA_ID, PeerCache};
use mesh_telemetry::record::{ConnectionSecurity, Party, Reporter, RequestRecord};
use mesh_telemetry::sink::Sinks;
use mesh_telemetry::{AccessLog, Peer};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;

/// What a proxy or an embedder knows of itself, for telemetry.
pub(crate) struct Observatory {
    own: Arc<Peer>,
    exchange: Option<Arc<Exchange>>,
    peers: PeerCache,
    /// Sinks of every request: the worker's shard of the metrics, and what an embedder added.
    sinks: Sinks,
    writers: Arc<Writers>,
}

/// Open access logs by path; workers share them.
#[derive(Default)]
pub(crate) struct Writers(Mutex<HashMap<Name, Writer>>);

impl Writers {
    fn open(&self, path: &Name) -> std::io::Result<Writer> {
        let mut open = self.0.lock();
        if let Some(writer) = open.get(path) {
            return Ok(writer.clone());
        }
        let writer = Writer::open(&**path)?;
        open.insert(path.clone(), writer.clone());
        Ok(writer)
    }
}

impl Observatory {
    pub(crate) fn new(node: &Node, sinks: Sinks, writers: Arc<Writers>) -> Arc<Self> {
        let exchange = match Exchange::of(node) {
            Ok(exchange) => Some(Arc::new(exchange)),
            Err(error) => {
                tracing::error!(%error, "this node cannot tell its peers who it is");
                None
            }
        };
        Arc::new(Self { own: Arc::new(Peer::of(node)), exchange, peers: PeerCache::new(), sinks, writers })
    }

    pub(crate) fn exchange(&self) -> Option<Arc<Exchange>> {
        self.exchange.clone()
    }
}

/// The telemetry of one chain.
pub(crate) struct ChainTelemetry {
    home: Arc<Observatory>,
    pub(crate) reporter: Reporter,
    pub(crate) sinks: Sinks,
    request_headers: Vec<HeaderName>,
    response_headers: Vec<HeaderName>,
}

impl ChainTelemetry {
    pub(crate) fn new(home: &Arc<Observatory>, direction: Direction, logs: &[AccessLogSpec]) -> Self {
        let mut sinks = home.sinks.clone();
        let (mut request_headers, mut response_headers) = (Vec::new(), Vec::new());
        for spec in logs {
            let format = match Format::compile(&spec.format) {
                Ok(format) => format,
                Err(error) => {
                    tracing::error!(%error, path = %spec.path, "an access log's format is not understood");
                    continue;
                }
            };
            match home.writers.open(&spec.path) {
                Ok(writer) => {
                    request_headers.extend_from_slice(format.request_headers());
                    response_headers.extend_from_slice(format.response_headers());
                    sinks.push(Arc::new(AccessLog::new(format, writer)));
                }
                Err(error) => tracing::error!(%error, path = %spec.path, "an access log cannot be opened"),
            }
        }
        let reporter = match direction {
            Direction::Inbound => Reporter::Destination,
            Direction::Outbound | Direction::Unspecified => Reporter::Source,
        };
        Self { home: home.clone(), reporter, sinks, request_headers, response_headers }
    }

    /// Both ends of a connection, as far as the connection tells.
    pub(crate) fn parties(&self, facts: &ConnectionFacts) -> (Party, Party, ConnectionSecurity) {
        let own = |principal| Party { peer: Some(self.home.own.clone()), principal };
        match self.reporter {
            Reporter::Destination => {
                let principal = facts.peer.as_ref().and_then(|p| p.identity.clone());
                let security = match facts.peer {
                    Some(_) => ConnectionSecurity::MutualTls,
                    None => ConnectionSecurity::None,
                };
                let proved = facts.own.clone().filter(|_| facts.peer.is_some());
                (Party { peer: None, principal }, own(proved), security)
            }
            Reporter::Source => (own(None), Party::default(), ConnectionSecurity::Unknown),
        }
    }

    /// Takes from a request what its sender says of itself; whether it was said.
    pub(crate) fn meet_caller(&self, record: &mut RequestRecord, headers: &mut HeaderMap) -> bool {
        // A source reporter's caller is its own workload, and what it says would be passed on as ours.
        headers.remove(PEER_METADATA_ID);
        let Some(metadata) = headers.remove(PEER_METADATA) else { return false };
        if self.reporter == Reporter::Destination {
            record.source.peer = self.home.peers.peer(&metadata);
            return true;
        }
        false
    }

    /// Says to a caller who answered.
    pub(crate) fn introduce(&self, headers: &mut HeaderMap) {
        if let Some(exchange) = &self.home.exchange {
            headers.insert(PEER_METADATA_ID, exchange.id().clone());
            headers.insert(PEER_METADATA, exchange.metadata().clone());
        }
    }

    /// Takes from a response what its sender says of itself.
    pub(crate) fn meet_callee(&self, record: &mut RequestRecord, headers: &mut HeaderMap) {
        headers.remove(PEER_METADATA_ID);
        let Some(metadata) = headers.remove(PEER_METADATA) else { return };
        if self.reporter == Reporter::Source && record.destination.peer.is_none() {
            record.destination.peer = self.home.peers.peer(&metadata);
        }
    }

    /// What the way to the endpoint tells.
    pub(crate) fn upstream(&self, record: &mut RequestRecord, steps: Steps, facts: &ConnectionFacts) {
        record.upstream.attempts = steps.attempts;
        record.upstream.service_time = steps.service_time;
        record.upstream.transport_failure_reason = steps.transport_failure.map(Into::into);
        if let Some(host) = &steps.host {
            record.upstream.host = Some(host.address().clone());
            if self.reporter == Reporter::Source {
                record.destination.peer = host.peer.clone();
            }
        }
        if let Some(connection) = &steps.connection {
            record.upstream.local = connection.local;
            if self.reporter == Reporter::Source {
                record.destination.principal = connection.peer.as_ref().and_then(|p| p.identity.clone());
                if connection.peer.is_some() {
                    record.source.principal = facts.own.clone();
                }
            }
        }
    }

    /// The headers that an access log prints by name.
    pub(crate) fn copy_request_headers(&self, record: &mut RequestRecord, headers: &HeaderMap) {
        copy(&self.request_headers, headers, &mut record.request_headers);
    }

    /// The headers that an access log prints by name.
    pub(crate) fn copy_response_headers(&self, record: &mut RequestRecord, headers: &HeaderMap) {
        copy(&self.response_headers, headers, &mut record.response_headers);
    }
}

fn copy(names: &[HeaderName], from: &HeaderMap, to: &mut HeaderMap) {
    for name in names {
        if let Some(value) = from.get(name) {
            to.insert(name.clone(), value.clone());
        }
    }
}
