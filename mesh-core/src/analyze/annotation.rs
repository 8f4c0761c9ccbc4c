//! Annotations of the mesh on Kubernetes' kinds: unknown, misplaced, deprecated, or of a value that they cannot
//! have.
//!
//! An annotation with a wrong name does nothing, and nobody says so; here it is compared with those that Istio
//! reads.

use super::context::{Context, say};
use crate::api::kubernetes::workload::TemplateMeta;
use crate::api::{AnyResource, Meta};
use crate::diagnostic::{Findings, SourceMap, code};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Annotations by the kinds that they are for; `Any` is every kind.
const KNOWN: &[(&str, &[&str])] = &[
    (
        "Any",
        &[
            "galley.istio.io/analyze-suppress",
            "install.operator.istio.io/chart-owner",
            "install.operator.istio.io/owner-generation",
            "install.operator.istio.io/version",
            "istio.io/rev",
            "istio.io/description",
        ],
    ),
    ("AuthorizationPolicy", &["istio.io/dry-run"]),
    ("Ingress", &["kubernetes.io/ingress.class"]),
    ("Namespace", &["topology.istio.io/controlPlaneClusters"]),
    (
        "Service",
        &[
            "alpha.istio.io/canonical-serviceaccounts",
            "alpha.istio.io/kubernetes-serviceaccounts",
            "ambient.istio.io/bypass-inbound-capture",
            "networking.istio.io/address-type",
            "networking.istio.io/exportTo",
            "networking.istio.io/service-type",
            "networking.istio.io/traffic-distribution",
            "traffic.istio.io/nodeSelector",
        ],
    ),
    (
        "WorkloadEntry",
        &[
            "istio.io/autoRegistrationGroup",
            "istio.io/connectedAt",
            "istio.io/disconnectedAt",
            "istio.io/workloadController",
            "proxy.istio.io/health-checks-enabled",
        ],
    ),
    (
        "Pod",
        &[
            "alpha.istio.io/identity",
            "ambient.istio.io/bypass-inbound-capture",
            "ambient.istio.io/dns-capture",
            "ambient.istio.io/redirection",
            "ambient.istio.io/waypoint-inbound-binding",
            "inject.istio.io/templates",
            "istio.io/reroute-virtual-interfaces",
            "prometheus.istio.io/merge-metrics",
            "proxy.istio.io/config",
            "proxy.istio.io/overrides",
            "readiness.status.sidecar.istio.io/applicationPorts",
            "readiness.status.sidecar.istio.io/failureThreshold",
            "readiness.status.sidecar.istio.io/initialDelaySeconds",
            "readiness.status.sidecar.istio.io/periodSeconds",
            "security.istio.io/autoMTLS",
            "sidecar.istio.io/agentLogLevel",
            "sidecar.istio.io/bootstrapOverride",
            "sidecar.istio.io/componentLogLevel",
            "sidecar.istio.io/controlPlaneAuthPolicy",
            "sidecar.istio.io/discoveryAddress",
            "sidecar.istio.io/enableCoreDump",
            "sidecar.istio.io/extraStatTags",
            "sidecar.istio.io/inject",
            "sidecar.istio.io/interceptionMode",
            "sidecar.istio.io/logLevel",
            "sidecar.istio.io/nativeSidecar",
            "sidecar.istio.io/proxyCPU",
            "sidecar.istio.io/proxyCPULimit",
            "sidecar.istio.io/proxyImage",
            "sidecar.istio.io/proxyImageType",
            "sidecar.istio.io/proxyMemory",
            "sidecar.istio.io/proxyMemoryLimit",
            "sidecar.istio.io/rewriteAppHTTPProbers",
            "sidecar.istio.io/statsCompression",
            "sidecar.istio.io/statsHistogramBuckets",
            "sidecar.istio.io/statsInclusionPrefixes",
            "sidecar.istio.io/statsInclusionRegexps",
            "sidecar.istio.io/statsInclusionSuffixes",
            "sidecar.istio.io/status",
            "sidecar.istio.io/userVolume",
            "sidecar.istio.io/userVolumeMount",
            "status.sidecar.istio.io/port",
            "traffic.sidecar.istio.io/excludeInboundPorts",
            "traffic.sidecar.istio.io/excludeInterfaces",
            "traffic.sidecar.istio.io/excludeOutboundIPRanges",
            "traffic.sidecar.istio.io/excludeOutboundPorts",
            "traffic.sidecar.istio.io/includeInboundPorts",
            "traffic.sidecar.istio.io/includeOutboundIPRanges",
            "traffic.sidecar.istio.io/includeOutboundPorts",
            "traffic.sidecar.istio.io/kubevirtInterfaces",
        ],
    ),
];

/// Those that have a better form, and which.
const DEPRECATED: &[(&str, &str)] = &[
    ("sidecar.istio.io/inject", "write the label of the same name"),
    ("traffic.sidecar.istio.io/kubevirtInterfaces", "write istio.io/reroute-virtual-interfaces"),
    ("sidecar.istio.io/controlPlaneAuthPolicy", "take it out"),
    ("sidecar.istio.io/discoveryAddress", "write discoveryAddress in proxy.istio.io/config"),
    ("sidecar.istio.io/statsInclusionPrefixes", "write proxyStatsMatcher in proxy.istio.io/config"),
    ("sidecar.istio.io/statsInclusionSuffixes", "write proxyStatsMatcher in proxy.istio.io/config"),
    ("sidecar.istio.io/statsInclusionRegexps", "write proxyStatsMatcher in proxy.istio.io/config"),
    ("sidecar.istio.io/enableCoreDump", "take it out"),
    ("security.istio.io/autoMTLS", "write enableAutoMtls in the mesh's settings"),
    ("alpha.istio.io/kubernetes-serviceaccounts", "take it out"),
    ("alpha.istio.io/canonical-serviceaccounts", "take it out"),
    ("alpha.istio.io/identity", "take it out"),
];

/// The annotations of Namespaces, Services and Pods, and of what makes Pods and its templates.
pub(super) fn annotations(ctx: &Context<'_>, out: &mut Findings) {
    // By name, with the kinds; made once.
    let mut known: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (kind, names) in KNOWN {
        for name in *names {
            known.entry(name).or_default().push(kind);
        }
    }
    for resource in ctx.world.iter() {
        let template = template(resource);
        let judged =
            matches!(resource, AnyResource::Namespace(_) | AnyResource::Service(_) | AnyResource::Pod(_));
        if !judged && template.is_none() {
            continue;
        }
        let (meta, source) = (resource.meta(), resource.source());
        let mut judge = |kind: &str, path: &str, labels: &Texts, annotations: &Texts| {
            for (name, value) in annotations.iter().filter(|(name, _)| is_ours(name)) {
                let path = format!("{path}.annotations.{name}");
                one(&Annotation { kind, name, value, path, labels, meta, source }, &known, ctx, out);
            }
        };
        judge(&meta.kind, "metadata", &meta.labels, &meta.annotations);
        if let Some((path, of)) = template {
            judge("Pod", path, &of.labels, &of.annotations);
        }
    }
}

type Texts = BTreeMap<String, String>;

/// What the pods of a resource will have, and where that stands.
fn template(resource: &AnyResource) -> Option<(&'static str, &TemplateMeta)> {
    let metadata = match resource {
        AnyResource::Deployment(r) => &r.spec.template.metadata,
        AnyResource::StatefulSet(r) => &r.spec.template.metadata,
        AnyResource::DaemonSet(r) => &r.spec.template.metadata,
        AnyResource::ReplicaSet(r) => &r.spec.template.metadata,
        AnyResource::Job(r) => &r.spec.template.metadata,
        AnyResource::CronJob(r) => {
            let metadata = &r.spec.job_template.spec.template.metadata;
            return Some(("spec.jobTemplate.spec.template.metadata", metadata));
        }
        _ => return None,
    };
    Some(("spec.template.metadata", metadata))
}

fn is_ours(name: &str) -> bool {
    let domain = name.split('/').next().unwrap_or_default();
    domain == "istio.io" || domain.ends_with(".istio.io") || name == "kubernetes.io/ingress.class"
}

struct Annotation<'a> {
    kind: &'a str,
    name: &'a str,
    value: &'a str,
    path: String,
    /// Those that stand beside it.
    labels: &'a Texts,
    meta: &'a Meta,
    source: &'a Arc<SourceMap>,
}

fn one(of: &Annotation<'_>, known: &BTreeMap<&str, Vec<&str>>, ctx: &Context<'_>, out: &mut Findings) {
    let mut report = |code, message: String, help: String| {
        out.push(say(code, message).about(of.meta, of.source, of.path.clone()).at_key().help(help));
    };
    let Some(kinds) = known.get(of.name) else {
        // The Gateway API's implementation and installers have annotations of their own.
        let help = match ctx.nearest(of.name, known.keys().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "take it out, or look its name up: it has no effect".to_owned(),
        };
        return report(code::UNKNOWN_ANNOTATION, format!("no kind has the annotation `{}`", of.name), help);
    };
    let has_label = of.labels.contains_key(of.name);
    if let Some((_, instead)) = DEPRECATED.iter().find(|(name, _)| *name == of.name && !has_label) {
        report(code::DEPRECATED_ANNOTATION, format!("`{}` is deprecated", of.name), (*instead).to_owned());
    }
    if !kinds.contains(&"Any") && !kinds.contains(&of.kind) {
        let message = format!("`{}` is for {}, not for a {}", of.name, kinds.join(" and "), of.kind);
        let help = match kinds.contains(&"Pod") {
            true => "write it in the template of the pods".to_owned(),
            false => format!("write it in the {} that it is for", kinds.join(" or ")),
        };
        return report(code::MISPLACED_ANNOTATION, message, help);
    }
    if let Some(expected) = problem(of.name, of.value) {
        let message = format!("`{}` cannot be {:?}", of.name, of.value);
        report(code::INVALID_ANNOTATION, message, format!("it is {expected}"));
    }
}

/// What an annotation must be, if its value is something else.
fn problem(name: &str, value: &str) -> Option<&'static str> {
    let parts = || value.split(',').map(str::trim).filter(|p| !p.is_empty());
    let port = |p: &str| p.parse::<u16>().is_ok();
    let network = |p: &str| p.parse::<IpNet>().is_ok();
    let (good, expected) = match name.rsplit_once('/')?.1 {
        "interceptionMode" => (matches!(value, "REDIRECT" | "TPROXY" | "NONE"), "REDIRECT, TPROXY or NONE"),
        "port" if name == "status.sidecar.istio.io/port" => (port(value), "a port"),
        "initialDelaySeconds" | "periodSeconds" | "failureThreshold" => {
            (value.parse::<u32>().is_ok(), "a whole number")
        }
        "includeOutboundIPRanges" => {
            (value == "*" || parts().all(network), "`*` or a list of networks, such as 10.0.0.0/8")
        }
        "excludeOutboundIPRanges" => (parts().all(network), "a list of networks, such as 10.0.0.0/8"),
        "includeInboundPorts" | "includeOutboundPorts" => {
            (value == "*" || parts().all(port), "`*` or a list of ports")
        }
        "excludeInboundPorts" | "excludeOutboundPorts" | "applicationPorts" => {
            (parts().all(port), "a list of ports")
        }
        "merge-metrics" | "rewriteAppHTTPProbers" | "enableCoreDump" => (
            matches!(
                value,
                "true" | "false" | "1" | "0" | "t" | "f" | "T" | "F" | "TRUE" | "FALSE" | "True" | "False"
            ),
            "true or false",
        ),
        _ => return None,
    };
    (!good).then_some(expected)
}
