//! The labels of Istio's standard metrics: looked up as they stand in a record, kept as shared names.

use super::text;
use crate::peer::Peer;
use crate::record::{ConnectionRecord, ConnectionSecurity, Party, Reporter, RequestRecord};
use indexmap::Equivalent;
use mesh_core::identity::SpiffeId;
use mesh_core::model::cluster::ServiceRef;
use mesh_core::response_flag::ResponseFlags;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// Istio's label `request_protocol`, with what only that protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Protocol {
    Http { code: u16 },
    Grpc { code: u16, status: Option<u32> },
    Tcp,
}

/// Labels that borrow from a record.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct View<'a> {
    reporter: Reporter,
    source: Option<&'a Peer>,
    source_principal: Option<&'a SpiffeId>,
    destination: Option<&'a Peer>,
    destination_principal: Option<&'a SpiffeId>,
    service: Option<&'a ServiceRef>,
    protocol: Protocol,
    flags: ResponseFlags,
    security: ConnectionSecurity,
}

impl Hash for View<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // What tells series apart, no more: equality looks at all of it.
        (self.reporter, self.protocol, self.flags, self.security).hash(state);
        (self.source, self.destination).hash(state);
        self.source_principal.map(SpiffeId::uri).hash(state);
        self.destination_principal.map(SpiffeId::uri).hash(state);
        self.service.map(|s| &*s.host).hash(state);
    }
}

/// Labels of a series.
#[derive(Debug)]
pub(super) struct Labels {
    reporter: Reporter,
    source: Party,
    destination: Party,
    service: Option<ServiceRef>,
    protocol: Protocol,
    flags: ResponseFlags,
    security: ConnectionSecurity,
}

impl<'a> View<'a> {
    pub(super) fn of_request(r: &'a RequestRecord) -> Self {
        let code = r.response_code;
        let protocol =
            if r.grpc { Protocol::Grpc { code, status: r.grpc_status } } else { Protocol::Http { code } };
        Self {
            reporter: r.reporter,
            source: r.source.peer.as_deref(),
            source_principal: r.source.principal.as_ref(),
            destination: r.destination.peer.as_deref(),
            destination_principal: r.destination.principal.as_ref(),
            service: r.service.as_ref(),
            protocol,
            flags: r.response_flags,
            security: r.connection_security,
        }
    }

    pub(super) fn of_connection(r: &'a ConnectionRecord) -> Self {
        Self {
            reporter: r.reporter,
            source: r.source.peer.as_deref(),
            source_principal: r.source.principal.as_ref(),
            destination: r.destination.peer.as_deref(),
            destination_principal: r.destination.principal.as_ref(),
            service: r.service.as_ref(),
            protocol: Protocol::Tcp,
            flags: r.response_flags,
            security: r.connection_security,
        }
    }
}

impl Labels {
    pub(super) fn of_request(r: &RequestRecord) -> Self {
        Self {
            reporter: r.reporter,
            source: r.source.clone(),
            destination: r.destination.clone(),
            service: r.service.clone(),
            protocol: View::of_request(r).protocol,
            flags: r.response_flags,
            security: r.connection_security,
        }
    }

    pub(super) fn of_connection(r: &ConnectionRecord) -> Self {
        Self {
            reporter: r.reporter,
            source: r.source.clone(),
            destination: r.destination.clone(),
            service: r.service.clone(),
            protocol: Protocol::Tcp,
            flags: r.response_flags,
            security: r.connection_security,
        }
    }

    pub(super) fn view(&self) -> View<'_> {
        View {
            reporter: self.reporter,
            source: self.source.peer.as_deref(),
            source_principal: self.source.principal.as_ref(),
            destination: self.destination.peer.as_deref(),
            destination_principal: self.destination.principal.as_ref(),
            service: self.service.as_ref(),
            protocol: self.protocol,
            flags: self.flags,
            security: self.security,
        }
    }

    pub(super) fn is_http(&self) -> bool {
        self.protocol != Protocol::Tcp
    }

    /// The labels as text, in the order in which Istio's proxies print them.
    pub(super) fn text(&self) -> String {
        let mut out = String::with_capacity(1024);
        text::label(&mut out, "reporter", self.reporter.as_str());
        side(&mut out, &SOURCE, &self.source);
        let (host, name, namespace) = match &self.service {
            Some(s) => (&*s.host, &*s.name, &*s.namespace),
            None => ("", "", ""),
        };
        text::label(&mut out, "destination_service", known(host));
        text::label(&mut out, "destination_service_namespace", known(namespace));
        text::label(&mut out, "destination_service_name", known(name));
        side(&mut out, &DESTINATION, &self.destination);
        let (protocol, response) = match self.protocol {
            Protocol::Http { code } => ("http", Some((code, None))),
            Protocol::Grpc { code, status } => ("grpc", Some((code, status))),
            Protocol::Tcp => ("tcp", None),
        };
        text::label(&mut out, "request_protocol", protocol);
        if let Some((code, status)) = response {
            text::label(&mut out, "response_code", &code.to_string());
            // Istio leaves it empty, not unknown, where the request was not gRPC.
            text::label(&mut out, "grpc_response_status", &status.map_or(String::new(), |s| s.to_string()));
        }
        text::label(&mut out, "response_flags", &self.flags.to_string());
        text::label(&mut out, "connection_security_policy", self.security.as_str());
        out
    }

    /// The labels of what is counted beyond the limit.
    pub(super) fn overflow_text(http: bool) -> String {
        let mut out = String::with_capacity(1024);
        text::label(&mut out, "reporter", OVERFLOW);
        SOURCE.iter().for_each(|name| text::label(&mut out, name, OVERFLOW));
        for name in ["destination_service", "destination_service_namespace", "destination_service_name"] {
            text::label(&mut out, name, OVERFLOW);
        }
        DESTINATION.iter().for_each(|name| text::label(&mut out, name, OVERFLOW));
        text::label(&mut out, "request_protocol", if http { OVERFLOW } else { "tcp" });
        if http {
            text::label(&mut out, "response_code", OVERFLOW);
            text::label(&mut out, "grpc_response_status", OVERFLOW);
        }
        text::label(&mut out, "response_flags", OVERFLOW);
        text::label(&mut out, "connection_security_policy", OVERFLOW);
        out
    }
}

const OVERFLOW: &str = "overflow";

const SOURCE: [&str; 8] = [
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
];

const DESTINATION: [&str; 8] = [
    "destination_workload",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_cluster",
];

fn known(value: &str) -> &str {
    if value.is_empty() { "unknown" } else { value }
}

fn side(out: &mut String, names: &[&str; 8], party: &Party) {
    let peer = party.peer.as_deref();
    let of = |f: fn(&Peer) -> &str| peer.map_or("", f);
    let values = [
        of(|p| &p.workload().name),
        of(|p| &p.workload().canonical_service),
        of(|p| &p.workload().canonical_revision),
        of(|p| &p.workload().namespace),
        party.principal.as_ref().map_or("", SpiffeId::uri),
        of(Peer::app),
        of(Peer::version),
        of(|p| &p.workload().cluster),
    ];
    names.iter().zip(values).for_each(|(name, value)| text::label(out, name, known(value)));
}

impl PartialEq for Labels {
    fn eq(&self, other: &Self) -> bool {
        self.view() == other.view()
    }
}

impl Eq for Labels {}

impl Hash for Labels {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.view().hash(state);
    }
}

impl Equivalent<Arc<Labels>> for View<'_> {
    fn equivalent(&self, key: &Arc<Labels>) -> bool {
        *self == key.view()
    }
}
