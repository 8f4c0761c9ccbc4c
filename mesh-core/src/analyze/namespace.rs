//! Namespaces: whether their workloads are in the mesh.

use super::context::{Context, say};
use super::workloads::{DATAPLANE_MODE, is_ambient};
use crate::api::Meta;
use crate::api::kubernetes::Namespace;
use crate::diagnostic::{Findings, code};

/// Asks for sidecars.
const INJECTION: &str = "istio-injection";
/// Asks for sidecars of a revision of the control plane.
const REVISION: &str = "istio.io/rev";
/// Namespaces that are never injected.
const SYSTEM: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "local-path-storage"];

/// Labels of injection: none, or several.
pub(super) fn injection(ctx: &Context<'_>, out: &mut Findings) {
    for namespace in ctx.world.of::<Namespace>() {
        let meta = &namespace.meta;
        if SYSTEM.contains(&&*meta.name) || *meta.name == *ctx.mesh.root_namespace || is_ambient(meta) {
            continue;
        }
        match (meta.labels.get(INJECTION), meta.labels.get(REVISION)) {
            (None, None) if !meta.labels.contains_key(DATAPLANE_MODE) => {
                let message =
                    "the namespace does not say whether its workloads are in the mesh: they get no proxy";
                let help = format!("label it {INJECTION}: enabled, or disabled to say that this is meant");
                out.push(say(code::NOT_INJECTED, message).at(namespace, "metadata.name").help(help));
            }
            (Some(_), Some(_)) => {
                let message = format!("both {INJECTION} and {REVISION}: which of them counts is not told");
                let finding = say(code::INJECTION_LABELS, message);
                let finding = finding.at(namespace, format!("metadata.labels.{REVISION}"));
                out.push(finding.help("keep one of the two labels"));
            }
            _ => {}
        }
    }
}

/// Whether pods of a namespace get a sidecar.
fn is_injected(namespace: &Meta) -> bool {
    match (namespace.labels.get(INJECTION), namespace.labels.get(REVISION)) {
        (Some(value), None) => value == "enabled",
        (None, Some(_)) => true,
        _ => false,
    }
}

/// Pods that run without a proxy where they should have one. One that does not run yet may still get it.
pub(super) fn pods(ctx: &Context<'_>, out: &mut Findings) {
    for workload in ctx.workloads.iter() {
        let Some(pod) = workload.pod.filter(|p| !p.status.pod_ip.is_empty()) else { continue };
        let injected = ctx.namespace(&workload.meta.namespace).is_some_and(is_injected);
        let label = "sidecar.istio.io/inject";
        let said = workload.labels.get(label).or_else(|| workload.meta.annotations.get(label));
        let refused = said.is_some_and(|v| v.eq_ignore_ascii_case("false"));
        if injected && !refused && !pod.spec.host_network && !workload.has_proxy() {
            let message = "the pod runs without a proxy, though its namespace asks for one";
            let finding =
                say(code::POD_WITHOUT_PROXY, message).about(workload.meta, workload.source, "metadata.name");
            out.push(finding.help("restart it, or label it sidecar.istio.io/inject: \"false\""));
        }
    }
}
