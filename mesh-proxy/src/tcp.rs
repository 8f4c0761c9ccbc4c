//! Connections that are not HTTP to the proxy: bytes both ways, each direction ending on its own.
//!
//! ```text
//! chain → authorization of the connection → cluster → endpoint → bytes
//! ```

pub(crate) mod splice;

use crate::drain::{Draining, Phase};
use crate::engine::Engine;
use crate::http::ConnectionFacts;
use crate::pool::Failure;
use crate::telemetry::{ChainTelemetry, Observatory};
use mesh_core::decide::route::choose;
use mesh_core::decide::{RequestFacts, Token, authorize};
use mesh_core::model::listener::{Direction, FilterChain, NetworkFilter, TcpProxy};
use mesh_core::response_flag::ResponseFlag;
use mesh_telemetry::record::{ConnectionEvent, ConnectionRecord};
use mesh_telemetry::sink::Sink as _;
use splice::Meter;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

/// How often a connection that lives tells how many bytes it carried; Istio's default.
const PROGRESS: Duration = Duration::from_secs(5);

/// A TCP proxy at work.
pub(crate) struct TcpRuntime {
    chain: Arc<FilterChain>,
    telemetry: ChainTelemetry,
}

impl TcpRuntime {
    pub(crate) fn new(chain: Arc<FilterChain>, home: &Arc<Observatory>, direction: Direction) -> Self {
        let logs = match &chain.filter {
            NetworkFilter::Tcp(tcp) => tcp.access_logs.as_slice(),
            NetworkFilter::Http(_) => &[],
        };
        let telemetry = ChainTelemetry::new(home, direction, logs);
        Self { chain, telemetry }
    }

    fn config(&self) -> Option<&TcpProxy> {
        match &self.chain.filter {
            NetworkFilter::Tcp(tcp) => Some(tcp),
            NetworkFilter::Http(_) => None,
        }
    }

    /// Whether the connection may be; asked again never, since it carries nothing that could be asked about.
    fn is_allowed(&self, facts: &ConnectionFacts) -> bool {
        let asked = RequestFacts {
            head: None,
            token: Token::Unverified,
            peer: facts.peer.as_ref().and_then(|p| p.identity.as_ref()),
            destination: facts.local,
            direct_remote: facts.remote.ip(),
            remote: facts.remote.ip(),
            server_name: facts.server_name.as_deref(),
        };
        authorize(self.chain.rbac.iter().map(|r| &**r), &asked).is_allowed()
    }
}

/// Carries a connection until it ends.
pub(crate) async fn serve<T>(
    mut caller: T,
    runtime: Arc<TcpRuntime>,
    engine: Arc<Engine>,
    facts: Arc<ConnectionFacts>,
    draining: Draining,
) where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let Some(config) = runtime.config() else { return };
    let mut report = Report::new(&runtime, &facts);
    if !runtime.is_allowed(&facts) {
        report.record.connection_termination_details = Some("rbac_access_denied".into());
        return;
    }
    let chosen = choose(&config.to, fastrand::u64(..));
    let Some(cluster) = chosen.as_ref().and_then(|c| engine.cluster(c.name)) else {
        report.record.response_flags.insert(ResponseFlag::NoClusterFound);
        return;
    };
    report.record.upstream.cluster = Some(cluster.name().clone());
    report.record.service = cluster.service().cloned();
    let attempts = config.max_connect_attempts.max(1);
    let mut connected = Err(Failure::NoHealthyUpstream);
    for _ in 0..attempts {
        connected = match cluster.pick(None) {
            Ok(host) => {
                report.goes_to(&host);
                host.connect().await
            }
            Err(failure) => Err(failure),
        };
        if !matches!(connected, Err(Failure::Connect(_))) {
            break;
        }
    }
    let (mut upstream, _slot) = match connected {
        Ok((connected, slot)) => {
            report.record.upstream.local = connected.info.local;
            if runtime.telemetry.reporter == mesh_telemetry::record::Reporter::Source
                && let Some(peer) = &connected.info.peer
            {
                report.record.destination.principal.clone_from(&peer.identity);
                report.record.source.principal.clone_from(&facts.own);
            }
            (connected.io, slot)
        }
        Err(failure) => {
            report.record.response_flags.insert(failure.flag());
            report.record.upstream.transport_failure_reason = Some(failure.to_string().into());
            return;
        }
    };
    report.tell(ConnectionEvent::Opened);
    let meter = Meter::default();
    let copied = splice::both_ways(&mut caller, &mut upstream, config.idle_timeout, &meter);
    tokio::pin!(copied);
    let mut progress = tokio::time::interval_at(Instant::now() + PROGRESS, PROGRESS);
    let closing = closed(draining);
    tokio::pin!(closing);
    let ended = loop {
        tokio::select! {
            biased;
            ended = copied.as_mut() => break ended,
            _ = progress.tick() => {
                report.carried(&meter);
                report.tell(ConnectionEvent::Progress);
            }
            () = closing.as_mut() => {
                report.record.connection_termination_details = Some("drained".into());
                break Ok(());
            }
        }
    };
    report.carried(&meter);
    if let Err(error) = ended {
        report.record.connection_termination_details = Some(error.to_string().into());
    }
}

async fn closed(mut draining: Draining) {
    while draining.phase() < Phase::Closing {
        draining.changed().await;
    }
}

/// Tells the sinks of a connection; of its end, however it comes.
struct Report<'r> {
    runtime: &'r TcpRuntime,
    record: ConnectionRecord,
    started: Instant,
}

impl<'r> Report<'r> {
    fn new(runtime: &'r TcpRuntime, facts: &ConnectionFacts) -> Self {
        let telemetry = &runtime.telemetry;
        let now = SystemTime::now();
        let mut record = ConnectionRecord::new(telemetry.reporter, ConnectionEvent::Opened, now);
        let (source, destination, security) = telemetry.parties(facts);
        record.source = source;
        record.destination = destination;
        record.connection_security = security;
        record.downstream.local = Some(facts.local);
        record.downstream.remote = Some(facts.remote);
        record.downstream.direct_remote = Some(facts.remote);
        record.downstream.sni.clone_from(&facts.server_name);
        record.route_name = (!runtime.chain.name.is_empty()).then(|| runtime.chain.name.clone());
        Self { runtime, record, started: Instant::now() }
    }

    fn goes_to(&mut self, host: &Arc<crate::cluster::Host>) {
        self.record.upstream.host = Some(host.address().clone());
        self.record.upstream.attempts = self.record.upstream.attempts.saturating_add(1);
        if self.record.reporter == mesh_telemetry::record::Reporter::Source {
            self.record.destination.peer.clone_from(&host.peer);
        }
    }

    fn carried(&mut self, meter: &Meter) {
        let (received, sent) = meter.read();
        self.record.new_bytes_received = received.saturating_sub(self.record.bytes_received);
        self.record.new_bytes_sent = sent.saturating_sub(self.record.bytes_sent);
        self.record.bytes_received = received;
        self.record.bytes_sent = sent;
    }

    fn tell(&mut self, event: ConnectionEvent) {
        self.record.event = event;
        self.record.duration = self.started.elapsed();
        self.runtime.telemetry.sinks.connection(&self.record);
        // Told once; later records tell what came since.
        self.record.new_bytes_received = 0;
        self.record.new_bytes_sent = 0;
    }
}

impl Drop for Report<'_> {
    fn drop(&mut self) {
        self.tell(ConnectionEvent::Closed);
    }
}
