//! What was sent to whom, and what they said to it: the source of `/debug/syncz` and of `pilot_*` metrics.
//!
//! A response counts as sent when it went into the stream, as acknowledged when the client said so: delivered
//! and applied are two things, and neither is guessed.

use super::session::{Event, Sent};
use crate::ResourceType;
use mesh_core::node::Node;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Which variant of the protocol a stream speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// State of the world.
    Sotw,
    /// Incremental.
    Delta,
}

/// One connected client.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ProxyStatus {
    /// Number of the connection; not used twice.
    pub connection: u64,
    /// Who it says it is.
    pub node: Node,
    /// Where it connects from.
    pub peer: Option<SocketAddr>,
    /// What it speaks.
    pub protocol: Protocol,
    /// Since when.
    pub connected_at: SystemTime,
    /// By kind, those that it was sent.
    pub kinds: BTreeMap<ResourceType, KindStatus>,
}

/// What one client was sent of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KindStatus {
    /// The newest response.
    pub sent: Option<ResponseId>,
    /// The newest that the client applied.
    pub acked: Option<ResponseId>,
    /// The newest that it refused, unless it applied a later one.
    pub rejected: Option<Rejection>,
}

impl KindStatus {
    /// Whether the client applied what it was sent last.
    pub fn is_synced(&self) -> bool {
        self.sent.is_some() && self.sent == self.acked
    }
}

/// A response, by what both sides know of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseId {
    /// Version of its kind's content.
    pub version: String,
    /// Its nonce.
    pub nonce: String,
}

/// A response that a client refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Which.
    pub response: ResponseId,
    /// Why, in the client's words.
    pub message: String,
}

impl From<Sent> for ResponseId {
    fn from(sent: Sent) -> Self {
        Self { version: sent.version, nonce: sent.nonce }
    }
}

impl ProxyStatus {
    /// As an entry of Istio's `/debug/syncz`, with what was refused beside it.
    pub fn syncz(&self) -> serde_json::Value {
        let mut entry = serde_json::Map::new();
        let mut put = |key: &str, value: &str| {
            if !value.is_empty() {
                entry.insert(key.to_owned(), value.into());
            }
        };
        put("cluster_id", &self.node.cluster_id);
        put("proxy", &self.node.to_string());
        put("proxy_type", self.node.kind.as_str());
        for (kind, name) in ResourceType::ALL.into_iter().zip(["cluster", "endpoint", "listener", "route"]) {
            let Some(status) = self.kinds.get(&kind) else { continue };
            let nonce = |id: &Option<ResponseId>| id.as_ref().map(|id| id.nonce.clone()).unwrap_or_default();
            put(&format!("{name}_sent"), &nonce(&status.sent));
            put(&format!("{name}_acked"), &nonce(&status.acked));
            put(
                &format!("{name}_rejected"),
                status.rejected.as_ref().map(|r| r.message.as_str()).unwrap_or_default(),
            );
        }
        entry.into()
    }
}

/// One counter per kind.
type PerKind = [AtomicU64; 4];

/// All connections, and what is counted beyond their life.
#[derive(Debug, Default)]
pub(super) struct Table {
    connections: Mutex<BTreeMap<u64, ProxyStatus>>,
    opened: AtomicU64,
    pushes: PerKind,
    rejects: PerKind,
    stale: PerKind,
}

fn count(counters: &PerKind, kind: ResourceType) {
    if let Some(counter) = slot(counters, kind) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

fn slot(counters: &PerKind, kind: ResourceType) -> Option<&AtomicU64> {
    counters.iter().zip(ResourceType::ALL).find(|(_, k)| *k == kind).map(|(counter, _)| counter)
}

/// One connection's row; gone when this is dropped.
#[derive(Debug)]
pub(super) struct Row {
    table: Arc<Table>,
    connection: u64,
}

impl Table {
    pub(super) fn connect(self: &Arc<Self>, node: Node, peer: Option<SocketAddr>, protocol: Protocol) -> Row {
        let connection = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        let status = ProxyStatus {
            connection,
            node,
            peer,
            protocol,
            connected_at: SystemTime::now(),
            kinds: BTreeMap::new(),
        };
        self.connections.lock().insert(connection, status);
        Row { table: Arc::clone(self), connection }
    }

    pub(super) fn all(&self) -> Vec<ProxyStatus> {
        self.connections.lock().values().cloned().collect()
    }

    /// Prometheus' text format, under Istio's names.
    pub(super) fn metrics(&self) -> String {
        let connections = self.all();
        let mut out = String::new();
        family(&mut out, "pilot_xds", "gauge", "Number of endpoints connected to this pilot using XDS.");
        line(&mut out, "pilot_xds", None, u64::try_from(connections.len()).unwrap_or(u64::MAX));
        family(&mut out, "pilot_xds_pushes", "counter", "Responses sent, by kind.");
        per_kind(&mut out, "pilot_xds_pushes", &self.pushes);
        for kind in ResourceType::ALL {
            let name = format!("pilot_xds_{kind}_reject");
            family(&mut out, &name, "gauge", "Clients whose last word on this kind is a rejection.");
            let rejecting = connections
                .iter()
                .filter(|status| status.kinds.get(&kind).is_some_and(|k| k.rejected.is_some()))
                .count();
            line(&mut out, &name, None, u64::try_from(rejecting).unwrap_or(u64::MAX));
        }
        family(&mut out, "pilot_total_xds_rejects", "counter", "Responses rejected by clients, by kind.");
        per_kind(&mut out, "pilot_total_xds_rejects", &self.rejects);
        family(
            &mut out,
            "pilot_xds_expired_nonce",
            "counter",
            "Requests with a nonce that is not the newest.",
        );
        per_kind(&mut out, "pilot_xds_expired_nonce", &self.stale);
        out
    }
}

fn family(out: &mut String, name: &str, kind: &str, help: &str) {
    // Writing to a String does not fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn line(out: &mut String, name: &str, kind: Option<ResourceType>, value: u64) {
    let _ = match kind {
        Some(kind) => writeln!(out, "{name}{{type=\"{kind}\"}} {value}"),
        None => writeln!(out, "{name} {value}"),
    };
}

fn per_kind(out: &mut String, name: &str, counters: &PerKind) {
    for (counter, kind) in counters.iter().zip(ResourceType::ALL) {
        line(out, name, Some(kind), counter.load(Ordering::Relaxed));
    }
}

impl Row {
    fn with(&self, kind: ResourceType, change: impl FnOnce(&mut KindStatus)) {
        if let Some(status) = self.table.connections.lock().get_mut(&self.connection) {
            change(status.kinds.entry(kind).or_default());
        }
    }

    /// A response went into the stream.
    pub(super) fn sent(&self, sent: Sent) {
        count(&self.table.pushes, sent.kind);
        self.with(sent.kind, |status| status.sent = Some(sent.into()));
    }

    /// The client said something.
    pub(super) fn event(&self, event: Event) {
        match event {
            Event::Acked(sent) => self.with(sent.kind, |status| {
                status.acked = Some(sent.into());
                status.rejected = None;
            }),
            Event::Nacked { response, message } => {
                count(&self.table.rejects, response.kind);
                self.with(response.kind, |status| {
                    status.rejected = Some(Rejection { response: response.into(), message });
                });
            }
            Event::Stale(kind) => count(&self.table.stale, kind),
        }
    }
}

impl Drop for Row {
    fn drop(&mut self) {
        self.table.connections.lock().remove(&self.connection);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_core::node::NodeKind;

    fn sent(nonce: &str) -> Sent {
        Sent { kind: ResourceType::Route, nonce: nonce.into(), version: "v".into() }
    }

    fn row(table: &Arc<Table>) -> Row {
        let node = Node::new(NodeKind::Sidecar, [127, 0, 0, 1].into(), "reviews-1", "default");
        table.connect(node, None, Protocol::Delta)
    }

    #[test]
    fn sent_acknowledged_and_rejected_are_told_apart() {
        let table = Arc::new(Table::default());
        let row = row(&table);
        let status = |table: &Table| table.all()[0].kinds[&ResourceType::Route].clone();
        row.sent(sent("1"));
        assert!(!status(&table).is_synced());
        row.event(Event::Acked(sent("1")));
        assert!(status(&table).is_synced());
        row.sent(sent("2"));
        row.event(Event::Nacked { response: sent("2"), message: "virtual_hosts[0]: no".into() });
        let after = status(&table);
        assert!(!after.is_synced());
        assert_eq!(after.acked.as_ref().unwrap().nonce, "1");
        assert_eq!(after.rejected.unwrap().message, "virtual_hosts[0]: no");
        row.sent(sent("3"));
        row.event(Event::Acked(sent("3")));
        assert_eq!(status(&table).rejected, None);
    }

    #[test]
    fn syncz_has_istios_keys() {
        let table = Arc::new(Table::default());
        let row = row(&table);
        row.sent(sent("n1"));
        assert_eq!(
            table.all()[0].syncz(),
            serde_json::json!({
                "cluster_id": "Kubernetes",
                "proxy": "reviews-1.default",
                "proxy_type": "sidecar",
                "route_sent": "n1",
            })
        );
    }

    #[test]
    fn metrics_have_istios_names_and_follow_the_connections() {
        let table = Arc::new(Table::default());
        let row = row(&table);
        row.sent(sent("1"));
        row.event(Event::Nacked { response: sent("1"), message: "no".into() });
        row.event(Event::Stale(ResourceType::Listener));
        let text = table.metrics();
        for line in [
            "pilot_xds 1",
            "pilot_xds_pushes{type=\"rds\"} 1",
            "pilot_xds_pushes{type=\"cds\"} 0",
            "pilot_xds_rds_reject 1",
            "pilot_xds_cds_reject 0",
            "pilot_total_xds_rejects{type=\"rds\"} 1",
            "pilot_xds_expired_nonce{type=\"lds\"} 1",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
        drop(row);
        let text = table.metrics();
        assert!(text.contains("\npilot_xds 0\n") && text.contains("\npilot_xds_rds_reject 0\n"), "{text}");
        assert!(text.contains("pilot_total_xds_rejects{type=\"rds\"} 1"), "{text}");
    }
}
