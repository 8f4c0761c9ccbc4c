//! What Istio refuses.
//!
//! ```text
//! text ─yaml─▶ AnyResource ─[validate]─▶ in force, or quarantined with findings
//! ```
//!
//! A resource by itself: what it refers to is looked at later, when all of the World is known. Each finding
//! names the field, marks it, and says what would be right. Pure functions, a file per kind. Where Istio
//! is silent about a field that its data plane could not honour, so are we strict instead: a rule that
//! cannot be carried out must not come into force.

mod cel;
mod destination_rule;
mod envoy_filter;
mod extensions;
mod gateway;
mod gateway_api;
pub(crate) mod hosts;
mod ingress;
pub(crate) mod kubernetes;
mod mesh_config;
mod metadata;
mod names;
mod proxy_config;
mod report;
mod security;
mod server_tls;
mod service_entry;
mod sidecar;
mod targets;
mod telemetry;
#[cfg(test)]
mod tests;
mod traffic_policy;
mod virtual_service;
mod workload;

use crate::api::AnyResource;
use crate::diagnostic::Findings;
use report::Report;

/// Looks at one resource by itself, as [`check`] does. A source takes more of them than this crate has, for
/// what needs more knowledge than it holds, such as Envoy's schema.
pub type Check = fn(&AnyResource) -> Findings;

/// Checks one resource. A finding of level error refuses it.
pub fn check(resource: &AnyResource) -> Findings {
    let mut report = Report::new(resource.meta(), resource.source());
    metadata::check(resource, &mut report);
    match resource {
        AnyResource::VirtualService(r) => virtual_service::check(&r.spec, &mut report),
        AnyResource::DestinationRule(r) => destination_rule::check(&r.spec, &mut report),
        AnyResource::Gateway(r) => gateway::check(&r.spec, &mut report),
        AnyResource::ServiceEntry(r) => service_entry::check(&r.spec, &mut report),
        AnyResource::WorkloadEntry(r) => {
            workload::entry(&r.spec, "spec", None, workload::Address::Required, &mut report);
        }
        AnyResource::WorkloadGroup(r) => workload::group(&r.spec, &mut report),
        AnyResource::Sidecar(r) => sidecar::check(&r.spec, &mut report),
        AnyResource::EnvoyFilter(r) => envoy_filter::check(&r.spec, &mut report),
        AnyResource::ProxyConfig(r) => proxy_config::check(&r.spec, &mut report),
        AnyResource::PeerAuthentication(r) => security::peer_authentication(&r.spec, &mut report),
        AnyResource::AuthorizationPolicy(r) => security::authorization_policy(&r.spec, &mut report),
        AnyResource::RequestAuthentication(r) => security::request_authentication(&r.spec, &mut report),
        AnyResource::Telemetry(r) => telemetry::check(&r.spec, &mut report),
        AnyResource::WasmPlugin(r) => extensions::wasm_plugin(&r.spec, &mut report),
        AnyResource::TrafficExtension(r) => extensions::traffic_extension(&r.spec, &mut report),
        AnyResource::Service(r) => kubernetes::service(&r.spec, &mut report),
        AnyResource::Endpoints(r) => kubernetes::endpoints(&r.spec, &mut report),
        AnyResource::EndpointSlice(r) => kubernetes::endpoint_slice(&r.spec, &mut report),
        AnyResource::Pod(r) => {
            kubernetes::pod(&r.spec, &mut report);
            mesh_config::pod(&mut report);
        }
        AnyResource::ConfigMap(r) => mesh_config::config_map(&r.spec, &mut report),
        AnyResource::Secret(r) => kubernetes::secret(&r.spec, &mut report),
        AnyResource::Ingress(r) => ingress::ingress(&r.spec, &mut report),
        AnyResource::IngressClass(r) => ingress::ingress_class(&r.spec, &mut report),
        AnyResource::GatewayClass(r) => gateway_api::gateway_class(&r.spec, &mut report),
        AnyResource::KubernetesGateway(r) => gateway_api::gateway(&r.spec, &mut report),
        AnyResource::ListenerSet(r) => gateway_api::listener_set(&r.spec, &mut report),
        AnyResource::XListenerSet(r) => gateway_api::listener_set(&r.spec.0, &mut report),
        AnyResource::HttpRoute(r) => gateway_api::http_route(&r.spec, &mut report),
        AnyResource::GrpcRoute(r) => gateway_api::grpc_route(&r.spec, &mut report),
        AnyResource::TcpRoute(r) => gateway_api::tcp_route(&r.spec, &mut report),
        AnyResource::UdpRoute(r) => gateway_api::udp_route(&r.spec, &mut report),
        AnyResource::TlsRoute(r) => gateway_api::tls_route(&r.spec, &mut report),
        AnyResource::ReferenceGrant(r) => gateway_api::reference_grant(&r.spec, &mut report),
        AnyResource::BackendTlsPolicy(r) => gateway_api::backend_tls_policy(&r.spec, &mut report),
        // Read by shape alone: what they say is checked where they are honoured.
        AnyResource::Deployment(_)
        | AnyResource::StatefulSet(_)
        | AnyResource::DaemonSet(_)
        | AnyResource::ReplicaSet(_)
        | AnyResource::Job(_)
        | AnyResource::CronJob(_)
        | AnyResource::Node(_)
        | AnyResource::Namespace(_)
        | AnyResource::ServiceAccount(_) => {}
    }
    report.into_findings()
}
