//! Namespaces and their pods: whether they are in the mesh, and whether its proxies would see what they send.

use super::context::{Context, Spot, beside_key, say};
use super::workloads::{DATAPLANE_MODE, Workload};
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
        if SYSTEM.contains(&&*meta.name) || *meta.name == *ctx.mesh.root_namespace {
            continue;
        }
        let labels = labels_of(meta);
        if let [first, .., last] = labels.as_slice() {
            let value = |label: &str| meta.labels.get(label).map_or("", String::as_str);
            let all: Vec<String> = labels.iter().map(|l| format!("`{l}: {}`", value(l))).collect();
            let message = format!("{} each say who serves the namespace: one is ignored", all.join(" and "));
            let finding = say(code::INJECTION_LABELS, message)
                .at(namespace, format!("metadata.labels.{last}"))
                .at_key();
            let first = Spot::of(namespace, format!("metadata.labels.{first}"));
            out.push(beside_key(finding, &first, "another one").help("keep one of them"));
        } else if labels.is_empty() {
            let message =
                "the namespace does not say whether its workloads are in the mesh: they get no proxy";
            let help = format!("label it {INJECTION}: enabled, or disabled to say that this is meant");
            out.push(say(code::NOT_INJECTED, message).at(namespace, "metadata.name").help(help));
        }
    }
}

/// The labels of a namespace that say who serves it. Where injection is off, the others say who would otherwise.
fn labels_of(namespace: &Meta) -> Vec<&'static str> {
    let has = |label: &&str| namespace.labels.contains_key(*label);
    match namespace.labels.get(INJECTION) {
        Some(value) if value != "enabled" => vec![INJECTION],
        _ => [INJECTION, REVISION, DATAPLANE_MODE].into_iter().filter(has).collect(),
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

/// Whether a workload is known to be out of the mesh: it says so, or its namespace does.
pub(super) fn is_out(ctx: &Context<'_>, workload: &Workload<'_>) -> bool {
    let injection = || ctx.namespace(&workload.meta.namespace)?.labels.get(INJECTION);
    match workload.wants_proxy() {
        _ if workload.has_proxy() => false,
        Some(wanted) => !wanted,
        None => injection().is_some_and(|value| value == "disabled"),
    }
}

/// Pods that run without a proxy where they should have one. One that does not run yet may still get it.
pub(super) fn pods(ctx: &Context<'_>, out: &mut Findings) {
    for workload in ctx.workloads.iter() {
        let Some(pod) = workload.pod.filter(|p| !p.status.pod_ip.is_empty()) else { continue };
        let injected = ctx.namespace(&workload.meta.namespace).is_some_and(is_injected);
        let refused = workload.wants_proxy() == Some(false);
        if injected && !refused && !pod.spec.host_network && !workload.has_proxy() {
            let message = "the pod runs without a proxy, though its namespace asks for one";
            let finding =
                say(code::POD_WITHOUT_PROXY, message).about(workload.meta, workload.source, "metadata.name");
            out.push(finding.help("restart it, or label it sidecar.istio.io/inject: \"false\""));
        }
    }
}

/// The user of the proxies, whose own connections are not captured.
const PROXY_USER: i64 = 1337;

/// Applications that run as the proxy's user, so that what they send goes past it.
pub(super) fn users(ctx: &Context<'_>, out: &mut Findings) {
    for workload in ctx.workloads.iter().filter(|w| !is_out(ctx, w)) {
        let Some(spec) = workload.spec else { continue };
        let of_pod = &spec.security_context;
        let named = spec.containers.iter().enumerate().find(|(_, container)| {
            let user = container.security_context.run_as_user.or(of_pod.run_as_user);
            container.name != "istio-proxy" && user == Some(PROXY_USER)
        });
        let Some((at, container)) = named else { continue };
        let path = match container.security_context.run_as_user {
            Some(_) => format!("{}.containers[{at}].securityContext.runAsUser", workload.spec_path()),
            None => format!("{}.securityContext.runAsUser", workload.spec_path()),
        };
        let message = format!(
            "container `{}` runs as user {PROXY_USER}, who is the proxy's: what it sends goes past the mesh",
            container.name
        );
        let finding = say(code::PROXY_USER, message).about(workload.meta, workload.source, path);
        out.push(finding.help("run it as another user"));
    }
}
