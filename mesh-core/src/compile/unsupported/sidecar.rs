//! What a Sidecar says in vain of hosts that nobody declared.
//!
//! `ALLOW_ANY` sends requests to unknown hosts to `PassthroughCluster`, which goes where the connection was
//! going before it was redirected. A connection to a listener's own socket was going nowhere else: the cluster
//! has no endpoint for it, and the caller gets 503 (`UH`). Istio makes the same routes of the same Sidecar, and
//! Envoy answers likewise.

use crate::api::networking::Sidecar;
use crate::api::networking::sidecar::{CaptureMode, EgressListener, OutboundMode, OutboundTrafficPolicy};
use crate::api::{MeshConfig, Resource};
use crate::compile::report::Report;
use crate::diagnostic::{Finding, code};
use crate::registry::Protocol;

const HELP: &str = "as with Istio and Envoy; declare such hosts by a ServiceEntry, or write \
                    outboundTrafficPolicy: {mode: REGISTRY_ONLY}, which answers 502";

pub(super) fn sidecar(r: &Resource<Sidecar>, mesh: &MeshConfig, report: &mut Report) {
    let own = r.spec.outbound_traffic_policy.as_ref();
    if own.is_some_and(|p| p.mode == OutboundMode::AllowAnyDynamicDns) {
        let what = "resolution by the name of each request";
        report.not_honoured(r, "spec.outboundTrafficPolicy.mode", what, "it is read as ALLOW_ANY");
    }
    let Some(at) = r.spec.egress.iter().position(is_http_on_a_socket) else { return };
    let in_mesh = mesh.outbound_traffic_policy.as_ref();
    if own.is_some_and(passes) {
        let message = format!(
            "requests to unknown hosts through spec.egress[{at}] are answered by 503 whatever the mode: a \
             connection to its socket has no original destination"
        );
        let finding = Finding::warning(code::NOT_HONOURED, message);
        report.add(finding.at(r, "spec.outboundTrafficPolicy.mode").help(HELP));
    } else if own.is_none() && in_mesh.is_some_and(|p| p.mode != OutboundMode::RegistryOnly) {
        report.add(note(r, at, "ALLOW_ANY of meshConfig.outboundTrafficPolicy"));
    }
}

/// Of a listener that sends unknown hosts to `PassthroughCluster` because nobody said otherwise. It is told of
/// a proxy that runs, not of files: nothing in them asks for what it does not get.
pub(in crate::compile) fn passes_by_default(
    r: &Resource<Sidecar>,
    at: usize,
    mesh: &MeshConfig,
    report: &mut Report,
) {
    if r.spec.outbound_traffic_policy.is_none() && mesh.outbound_traffic_policy.is_none() {
        report.add(note(r, at, "ALLOW_ANY, Istio's default,"));
    }
}

fn note(r: &Resource<Sidecar>, at: usize, which: &str) -> Finding {
    let message = format!(
        "{which} does not reach this listener: a connection to its socket has no original destination, so that \
         a request to an unknown host is answered by 503"
    );
    let listener = format!("spec.egress[{at}]");
    let path = match r.spec.egress.get(at).is_some_and(|l| l.port.is_some()) {
        true => format!("{listener}.port.protocol"),
        false => listener,
    };
    Finding::info(code::NOT_HONOURED, message).at(r, path).help(HELP)
}

/// Whether unknown hosts go to where they were going.
fn passes(policy: &OutboundTrafficPolicy) -> bool {
    policy.mode != OutboundMode::RegistryOnly && policy.egress_proxy.is_none()
}

/// Whether a listener takes requests by a socket of its own.
pub(in crate::compile) fn is_http_on_a_socket(listener: &EgressListener) -> bool {
    let bound = listener.capture_mode == CaptureMode::None || listener.bind.starts_with("unix:");
    let protocol = listener.port.as_ref().map(|p| Protocol::parse(&p.protocol));
    bound && protocol.is_none_or(|p| p.is_some_and(Protocol::is_http))
}
