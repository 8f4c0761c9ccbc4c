//! Fields that are known and written, but that the compiler does nothing with.
//!
//! A field that changes what the mesh does is a warning; one about something that is not here (a node's
//! port, a load balancer before the cluster) is a note. What an endpoint, a pod or a slice says of its node or
//! of names in a headless Service is about Kubernetes alone and is passed over on purpose, as is what a
//! Namespace and a ServiceAccount say.
//!
//! One place per kind, so that a reader sees what is left; a Sidecar that nobody wrote is `capture`'s. Where
//! a field's meaning depends on the proxy (a rule of an AuthorizationPolicy, TLS to a cluster) the part of the
//! compiler that meets it reports it.

pub(super) mod capture;
mod destination_rule;
mod gateway_api;
mod kubernetes;
mod mesh_config;
pub(super) mod sidecar;

pub(super) use destination_rule::path_of_tls;

use super::report::Report;
use crate::api::networking::service_entry::Resolution;
use crate::api::networking::{Gateway, ServiceEntry, VirtualService, WorkloadEntry};
use crate::api::telemetry::Telemetry;
use crate::api::value::TargetRef;
use crate::api::{AnyResource, MeshConfig, Resource};
use crate::diagnostic::{Finding, Findings, code};
use crate::merge::peer_authentication;
use crate::registry::Protocol;
use crate::world::World;

/// What all resources of a World say in vain, whatever proxy it is for: by file, in the order of the text.
pub fn unsupported_all(world: &World) -> Findings {
    let mut report = Report::default();
    for resource in world.iter() {
        report_unsupported(resource, world.mesh(), &mut report);
    }
    capture::of_world(world, &mut report);
    report.finish()
}

/// What a resource says in vain, whatever proxy it is for.
pub fn unsupported(world: &World, resource: &AnyResource) -> Vec<Finding> {
    let mut report = Report::default();
    report_unsupported(resource, world.mesh(), &mut report);
    if let AnyResource::Sidecar(r) = resource {
        capture::of_sidecar(r, &mut report);
    }
    report.finish()
}

pub(super) fn report_unsupported(resource: &AnyResource, mesh: &MeshConfig, report: &mut Report) {
    match resource {
        AnyResource::VirtualService(r) => virtual_service(r, report),
        AnyResource::DestinationRule(r) => destination_rule::destination_rule(r, report),
        AnyResource::Gateway(r) => gateway(r, report),
        AnyResource::ServiceEntry(r) => service_entry(r, report),
        AnyResource::Sidecar(r) => sidecar::sidecar(r, mesh, report),
        AnyResource::Telemetry(r) => telemetry(r, mesh, report),
        AnyResource::ConfigMap(r) => mesh_config::report(r, mesh, report),
        AnyResource::AuthorizationPolicy(r) => {
            attachment(r, r.spec.target_ref.as_ref(), &r.spec.target_refs, report);
        }
        AnyResource::RequestAuthentication(r) => {
            let help = "tokens are not verified; rules on them in AuthorizationPolicies deny";
            report.not_honoured(r, "spec.jwtRules", "the verification of tokens", help);
        }
        AnyResource::EnvoyFilter(r) => {
            report.not_honoured(r, "spec.configPatches", "EnvoyFilter", "its patches are not applied");
        }
        AnyResource::WasmPlugin(r) => {
            report.not_honoured(r, "spec.url", "WasmPlugin", "the plugin does not run");
        }
        AnyResource::TrafficExtension(r) => {
            let at = if r.spec.lua.is_some() { "spec.lua" } else { "spec.wasm" };
            report.not_honoured(r, at, "TrafficExtension", "the extension does not run");
        }
        AnyResource::ProxyConfig(r) => {
            report.not_honoured(
                r,
                "spec",
                "ProxyConfig",
                "set workers and environment where the proxy starts",
            );
        }
        AnyResource::WorkloadGroup(r) => {
            let help = "write a WorkloadEntry for each workload";
            report.not_honoured(r, "spec.template", "registration from a WorkloadGroup", help);
        }
        AnyResource::Service(r) => kubernetes::service(r, report),
        AnyResource::Pod(r) => kubernetes::pod(r, report),
        AnyResource::WorkloadEntry(r) => network(r, "spec", &r.spec, report),
        AnyResource::Deployment(r) => kubernetes::template(r, "spec.template", &r.spec.template, report),
        AnyResource::StatefulSet(r) => kubernetes::template(r, "spec.template", &r.spec.template, report),
        AnyResource::DaemonSet(r) => kubernetes::template(r, "spec.template", &r.spec.template, report),
        AnyResource::ReplicaSet(r) => kubernetes::template(r, "spec.template", &r.spec.template, report),
        AnyResource::Job(r) => kubernetes::template(r, "spec.template", &r.spec.template, report),
        AnyResource::CronJob(r) => {
            let template = &r.spec.job_template.spec.template;
            kubernetes::template(r, "spec.jobTemplate.spec.template", template, report);
        }
        AnyResource::Ingress(_)
        | AnyResource::IngressClass(_)
        | AnyResource::GatewayClass(_)
        | AnyResource::KubernetesGateway(_)
        | AnyResource::ListenerSet(_)
        | AnyResource::XListenerSet(_)
        | AnyResource::HttpRoute(_)
        | AnyResource::GrpcRoute(_)
        | AnyResource::TcpRoute(_)
        | AnyResource::UdpRoute(_)
        | AnyResource::TlsRoute(_)
        | AnyResource::ReferenceGrant(_)
        | AnyResource::BackendTlsPolicy(_) => gateway_api::whole(resource, report),
        AnyResource::PeerAuthentication(r) => {
            if *r.meta.namespace == *mesh.root_namespace && peer_authentication::selects(r) {
                let message = "a PeerAuthentication with a selector holds nowhere in the root namespace";
                let finding = Finding::warning(code::NO_MEANING, message).at(r, "spec.selector");
                report.add(finding.help("as with Istio; write it in the namespace of the workloads"));
            }
        }
        // Honoured as a whole, or about Kubernetes alone.
        AnyResource::Endpoints(_)
        | AnyResource::EndpointSlice(_)
        | AnyResource::Namespace(_)
        | AnyResource::Node(_)
        | AnyResource::Secret(_)
        | AnyResource::ServiceAccount(_) => {}
    }
}

fn virtual_service(r: &Resource<VirtualService>, report: &mut Report) {
    for (i, _) in r.spec.tls.iter().enumerate() {
        let help = "connections go to the service that they address";
        report.not_honoured(r, format!("spec.tls[{i}]"), "routing of TLS by server name", help);
    }
    for (i, _) in r.spec.tcp.iter().enumerate() {
        let help = "connections go to the service that they address";
        report.not_honoured(r, format!("spec.tcp[{i}]"), "routing of TCP", help);
    }
    for (i, http) in r.spec.http.iter().enumerate() {
        let at = |field: &str| format!("spec.http[{i}].{field}");
        if http.cors_policy.is_some() {
            report.not_honoured(r, at("corsPolicy"), "CORS", "requests are forwarded as without it");
        }
        if let Some(retries) = &http.retries
            && retries.retry_remote_localities == Some(true)
        {
            let help = "retries stay where the balancer sends them";
            report.not_honoured(
                r,
                at("retries.retryRemoteLocalities"),
                "the choice of localities for retries",
                help,
            );
        }
        if let Some(fault) = &http.fault {
            if fault.delay.as_ref().is_some_and(|d| d.exponential_delay.is_some()) {
                report.not_honoured(
                    r,
                    at("fault.delay.exponentialDelay"),
                    "an exponential delay",
                    "use fixedDelay",
                );
            }
            if fault.abort.as_ref().is_some_and(|a| a.http2_error.is_some()) {
                report.not_honoured(
                    r,
                    at("fault.abort.http2Error"),
                    "an HTTP/2 error",
                    "use httpStatus or grpcStatus",
                );
            }
        }
        for (j, wanted) in http.r#match.iter().enumerate() {
            if !wanted.stat_prefix.is_empty() {
                let at = at(&format!("match[{j}].statPrefix"));
                report.not_honoured(r, at, "a prefix of statistics", "leave it out");
            }
        }
    }
}

fn gateway(r: &Resource<Gateway>, report: &mut Report) {
    for (i, server) in r.spec.servers.iter().enumerate() {
        let at = |field: &str| format!("spec.servers[{i}].{field}");
        let protocol = Protocol::parse(&server.port.protocol);
        if !protocol.is_some_and(Protocol::is_http) {
            let what = format!("protocol {:?} at a gateway", server.port.protocol);
            report.not_honoured(r, at("port.protocol"), &what, "this server does not listen; use HTTP");
        } else if server.tls.as_ref().is_some_and(|t| t.mode.is_some() && !t.https_redirect) {
            let help = "TLS needs protocol HTTPS";
            report.not_honoured(r, at("tls.mode"), "TLS on a server of plain HTTP", help);
        }
        if !server.default_endpoint.is_empty() {
            report.not_honoured(r, at("defaultEndpoint"), "a default endpoint", "bind a VirtualService");
        }
    }
}

fn service_entry(r: &Resource<ServiceEntry>, report: &mut Report) {
    if r.spec.resolution == Resolution::DynamicDns {
        let help = "its requests are answered by 503; use DNS";
        report.not_honoured(r, "spec.resolution", "resolution by the name of each request", help);
    }
    for (i, endpoint) in r.spec.endpoints.iter().enumerate() {
        network(r, &format!("spec.endpoints[{i}]"), endpoint, report);
    }
}

fn network<T>(r: &Resource<T>, path: &str, entry: &WorkloadEntry, report: &mut Report) {
    if !entry.network.is_empty() {
        let help = if entry.address.is_empty() {
            "without an address it gets no calls; write the address of its network's gateway"
        } else {
            "calls go to its address, not to a gateway of its network"
        };
        report.not_honoured(r, format!("{path}.network"), "another network", help);
    }
}

/// A policy that is attached to resources instead of selecting workloads.
fn attachment<T>(r: &Resource<T>, one: Option<&TargetRef>, all: &[TargetRef], report: &mut Report) {
    let at = if one.is_some() { "spec.targetRef" } else { "spec.targetRefs" };
    // A Gateway's proxy is told by its label; other resources would be a waypoint's.
    if all.iter().chain(one).any(|to| to.kind != "Gateway") {
        let help = "it holds for the proxies of Gateways alone; use a selector";
        report.not_honoured(r, at, "attaching a policy to a resource", help);
    }
}

fn telemetry(r: &Resource<Telemetry>, mesh: &MeshConfig, report: &mut Report) {
    attachment(r, r.spec.target_ref.as_ref(), &r.spec.target_refs, report);
    if !r.spec.tracing.is_empty() {
        report.not_honoured(r, "spec.tracing", "tracing", "no spans are reported");
    }
    if !r.spec.metrics.is_empty() {
        report.not_honoured(r, "spec.metrics", "changing metrics", "all standard metrics are kept");
    }
    for (i, entry) in r.spec.access_logging.iter().enumerate() {
        if entry.filter.is_some() {
            let at = format!("spec.accessLogging[{i}].filter");
            report.not_honoured(r, at, "a filter of access logs", "all requests are logged");
        }
        for (j, provider) in entry.providers.iter().enumerate() {
            if !mesh_config::writes_a_file(mesh, &provider.name) {
                let at = format!("spec.accessLogging[{i}].providers[{j}].name");
                let what = format!("access logs to provider {:?}", provider.name);
                report.not_honoured(r, at, &what, "use a provider with envoyFileAccessLog, or envoy");
            }
        }
    }
}
