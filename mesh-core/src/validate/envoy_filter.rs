//! EnvoyFilter: what is patched, which of them and how must fit together.
//!
//! What is patched in is judged by who holds Envoy's schema, mesh-xds, as a further [`Check`](super::Check).
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | every EnvoyFilter | warned of, as internals may change | nothing is said | that its patches are not applied is said already |
//! | a match of another object under LISTENER_FILTER | accepted | refused | as for the other parts of a listener: it matches nothing |

use super::report::Report;
use crate::api::networking::EnvoyFilter;
use crate::api::networking::envoy_filter::{
    ApplyTo, ConfigMatch, ConfigPatch, FilterMatch, ListenerMatch, Patch, PatchContext, PatchOperation,
};

pub(super) fn check(spec: &EnvoyFilter, report: &mut Report<'_>) {
    if let Some(selector) = &spec.workload_selector {
        let help = "leave it out, or write the labels of workloads";
        report.workload_labels("spec.workloadSelector", &selector.labels, help);
        if report.is_written("spec.targetRefs") {
            report.refuse("spec.targetRefs", "`targetRefs` beside `workloadSelector`", "keep one of them");
        }
    }
    report.targets(None, None, &spec.target_refs);
    for (i, one) in spec.config_patches.iter().enumerate() {
        config_patch(one, &format!("spec.configPatches[{i}]"), report);
    }
}

fn config_patch(one: &ConfigPatch, path: &str, report: &mut Report<'_>) {
    if one.apply_to == ApplyTo::Invalid {
        let help = "say what is patched, such as HTTP_FILTER or CLUSTER";
        report.refuse(path, "`applyTo` is missing", help);
    }
    if let Some(wanted) = &one.r#match {
        config_match(wanted, one.apply_to, &format!("{path}.match"), report);
    }
    match &one.patch {
        Some(how) => patch(how, &format!("{path}.patch"), report),
        None => report.refuse(path, "`patch` is missing", "write patch with its operation and value"),
    }
}

fn config_match(wanted: &ConfigMatch, apply_to: ApplyTo, path: &str, report: &mut Report<'_>) {
    if let Some(proxy) = &wanted.proxy
        && !proxy.proxy_version.is_empty()
    {
        report.regex(&format!("{path}.proxy.proxyVersion"), &proxy.proxy_version);
    }
    let objects = [
        ("listener", wanted.listener.is_some()),
        ("routeConfiguration", wanted.route_configuration.is_some()),
        ("cluster", wanted.cluster.is_some()),
        ("waypoint", wanted.waypoint.is_some()),
    ];
    let mut written = objects.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
    let (first, second) = (written.next(), written.next());
    if let (Some(first), Some(second)) = (first, second) {
        let help = "an object is matched in one way; keep one";
        return report.refuse(&format!("{path}.{second}"), format!("`{first}` beside `{second}`"), help);
    }
    let in_waypoint = wanted.context == Some(PatchContext::Waypoint);
    match (in_waypoint, wanted.waypoint.is_some()) {
        (true, false) => {
            report.refuse(path, "context WAYPOINT without `waypoint`", "write waypoint, be it {}");
        }
        (false, true) => {
            let help = "write context: WAYPOINT";
            report.refuse(&format!("{path}.waypoint"), "`waypoint` without context WAYPOINT", help);
        }
        _ => {}
    }
    if let Some(written) = first.filter(|name| *name != "waypoint")
        && let Some(fitting) = object_of(apply_to)
        && written != fitting
    {
        let message = format!("`{written}` is no match for what is patched");
        report.refuse(&format!("{path}.{written}"), message, format!("write {fitting}, or another applyTo"));
        return;
    }
    if let Some(listener) = &wanted.listener {
        listener_match(listener, apply_to, &format!("{path}.listener"), report);
    }
    if let Some(filter) = wanted.waypoint.as_ref().and_then(|w| w.filter.as_ref()) {
        filter_match(filter, apply_to, &format!("{path}.waypoint.filter"), report);
    }
}

/// The match that an object is found by.
fn object_of(apply_to: ApplyTo) -> Option<&'static str> {
    match apply_to {
        ApplyTo::Listener
        | ApplyTo::ListenerFilter
        | ApplyTo::FilterChain
        | ApplyTo::NetworkFilter
        | ApplyTo::HttpFilter => Some("listener"),
        ApplyTo::RouteConfiguration | ApplyTo::VirtualHost | ApplyTo::HttpRoute => Some("routeConfiguration"),
        ApplyTo::Cluster => Some("cluster"),
        ApplyTo::Invalid | ApplyTo::ExtensionConfig | ApplyTo::Bootstrap => None,
    }
}

fn listener_match(wanted: &ListenerMatch, apply_to: ApplyTo, path: &str, report: &mut Report<'_>) {
    let Some(filter) = wanted.filter_chain.as_ref().and_then(|c| c.filter.as_ref()) else { return };
    let path = format!("{path}.filterChain.filter");
    if matches!(apply_to, ApplyTo::Listener | ApplyTo::FilterChain) {
        let help = "leave it out, or write applyTo: NETWORK_FILTER";
        report.warn(&path, "a match of filters has no effect on listeners and filter chains", help);
    }
    filter_match(filter, apply_to, &path, report);
}

const CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";

fn filter_match(wanted: &FilterMatch, apply_to: ApplyTo, path: &str, report: &mut Report<'_>) {
    filter_name(&wanted.name, path, report);
    let Some(inner) = &wanted.sub_filter else { return };
    let path = format!("{path}.subFilter");
    if apply_to != ApplyTo::HttpFilter {
        let help = "leave it out, or write applyTo: HTTP_FILTER";
        report.refuse(&path, "a match of HTTP filters where none is patched", help);
    } else if !matches!(wanted.name.as_str(), CONNECTION_MANAGER | "envoy.http_connection_manager") {
        let message = "HTTP filters are inside of the HTTP connection manager only";
        report.refuse(&path, message, format!("write filter.name: {CONNECTION_MANAGER}"));
    }
    filter_name(&inner.name, &path, report);
}

fn filter_name(name: &str, path: &str, report: &mut Report<'_>) {
    if name.is_empty() {
        report.refuse(path, "the filter's name is missing", "write name");
    } else if let Some((_, new)) = OLD_NAMES.iter().find(|(old, _)| *old == name) {
        let message = format!("`{name}` is an old name of a filter");
        report.warn(&format!("{path}.name"), message, format!("write {new}"));
    }
}

/// Names of filters before Envoy 1.14.
const OLD_NAMES: &[(&str, &str)] = &[
    ("envoy.buffer", "envoy.filters.http.buffer"),
    ("envoy.cors", "envoy.filters.http.cors"),
    ("envoy.csrf", "envoy.filters.http.csrf"),
    ("envoy.http_dynamo_filter", "envoy.filters.http.dynamo"),
    ("envoy.fault", "envoy.filters.http.fault"),
    ("envoy.grpc_http1_bridge", "envoy.filters.http.grpc_http1_bridge"),
    ("envoy.grpc_json_transcoder", "envoy.filters.http.grpc_json_transcoder"),
    ("envoy.grpc_web", "envoy.filters.http.grpc_web"),
    ("envoy.gzip", "envoy.filters.http.gzip"),
    ("envoy.health_check", "envoy.filters.http.health_check"),
    ("envoy.ip_tagging", "envoy.filters.http.ip_tagging"),
    ("envoy.lua", "envoy.filters.http.lua"),
    ("envoy.rate_limit", "envoy.filters.http.ratelimit"),
    ("envoy.router", "envoy.filters.http.router"),
    ("envoy.squash", "envoy.filters.http.squash"),
    ("envoy.listener.http_inspector", "envoy.filters.listener.http_inspector"),
    ("envoy.listener.original_dst", "envoy.filters.listener.original_dst"),
    ("envoy.listener.original_src", "envoy.filters.listener.original_src"),
    ("envoy.listener.proxy_protocol", "envoy.filters.listener.proxy_protocol"),
    ("envoy.listener.tls_inspector", "envoy.filters.listener.tls_inspector"),
    ("envoy.client_ssl_auth", "envoy.filters.network.client_ssl_auth"),
    ("envoy.ext_authz", "envoy.filters.network.ext_authz"),
    ("envoy.http_connection_manager", CONNECTION_MANAGER),
    ("envoy.mongo_proxy", "envoy.filters.network.mongo_proxy"),
    ("envoy.ratelimit", "envoy.filters.network.ratelimit"),
    ("envoy.redis_proxy", "envoy.filters.network.redis_proxy"),
    ("envoy.tcp_proxy", "envoy.filters.network.tcp_proxy"),
];

fn patch(how: &Patch, path: &str, report: &mut Report<'_>) {
    if how.operation == PatchOperation::Invalid {
        let help = "say what is done, such as MERGE, ADD or INSERT_BEFORE";
        report.refuse(path, "`operation` is missing", help);
    }
    if how.value.is_none() && !matches!(how.operation, PatchOperation::Remove | PatchOperation::Invalid) {
        report.refuse(path, "`value` is missing", "write it; REMOVE alone has none");
    }
}
