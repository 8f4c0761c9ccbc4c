//! What Kubernetes' own kinds say in vain.

use crate::api::Resource;
use crate::api::kubernetes::workload::PodTemplate;
use crate::api::kubernetes::{Pod, Service};
use crate::compile::report::Report;
use std::collections::BTreeMap;

/// Settings of one pod's proxy.
const PROXY_CONFIG: &str = "proxy.istio.io/config";

pub(super) fn service(r: &Resource<Service>, report: &mut Report) {
    let spec = &r.spec;
    let is = |text: &str, default: &str| text.is_empty() || text == default;
    for (honoured, field, what, help) in [
        (
            is(&spec.session_affinity, "None"),
            "sessionAffinity",
            "session affinity",
            "write a DestinationRule with loadBalancer.consistentHash.useSourceIp",
        ),
        (
            is(&spec.internal_traffic_policy, "Cluster"),
            "internalTrafficPolicy",
            "keeping calls on the caller's node",
            "endpoints of all nodes are called",
        ),
        (
            spec.traffic_distribution.is_empty(),
            "trafficDistribution",
            "balancing by locality",
            "all endpoints are called alike",
        ),
        (
            spec.external_ips.is_empty(),
            "externalIPs",
            "an address outside of the cluster",
            "calls to it are calls to an unknown host; call the service by its name",
        ),
    ] {
        if !honoured {
            report.not_honoured(r, format!("spec.{field}"), what, help);
        }
    }
    let outside = "it is about calls that enter a cluster past the mesh; use a Gateway";
    for (silent, field) in [
        (is(&spec.external_traffic_policy, "Cluster"), "externalTrafficPolicy"),
        (spec.load_balancer_ip.is_empty(), "loadBalancerIP"),
        (spec.load_balancer_class.is_empty(), "loadBalancerClass"),
        (spec.load_balancer_source_ranges.is_empty(), "loadBalancerSourceRanges"),
    ] {
        if !silent {
            report.no_meaning(r, format!("spec.{field}"), field, outside);
        }
    }
    for (i, port) in spec.ports.iter().enumerate().filter(|(_, p)| p.node_port != 0) {
        let what = format!("nodePort {}", port.node_port);
        report.no_meaning(r, format!("spec.ports[{i}].nodePort"), &what, outside);
    }
}

pub(super) fn pod(r: &Resource<Pod>, report: &mut Report) {
    proxy_config(r, "metadata", &r.meta.annotations, report);
}

/// What the pods of a Deployment or of its like will say in vain.
pub(super) fn template<T>(r: &Resource<T>, path: &str, template: &PodTemplate, report: &mut Report) {
    proxy_config(r, &format!("{path}.metadata"), &template.metadata.annotations, report);
}

fn proxy_config<T>(r: &Resource<T>, path: &str, annotations: &BTreeMap<String, String>, report: &mut Report) {
    if annotations.contains_key(PROXY_CONFIG) {
        let path = format!("{path}.annotations.{PROXY_CONFIG}");
        report.not_honoured(r, path, PROXY_CONFIG, "set what it says where the proxy starts");
    }
}
