//! Kinds that are read and validated, but that the compiler makes nothing of yet: the Gateway API and Ingress.
//!
//! One finding for each resource, whatever it says.

use crate::api::AnyResource;
use crate::compile::report::Report;

/// Says that a resource has no effect, and what to write in its place.
pub(super) fn whole(resource: &AnyResource, report: &mut Report) {
    let listens = "nothing listens for it; write a Gateway of networking.istio.io";
    let routes = "nothing is routed by it; write a VirtualService";
    match resource {
        AnyResource::Ingress(r) => {
            let help = "nothing enters by it; write a Gateway of networking.istio.io and a VirtualService";
            report.not_honoured(r, "kind", "Ingress", help);
        }
        AnyResource::IngressClass(r) => {
            report.not_honoured(r, "kind", "IngressClass", "no Ingress is honoured either");
        }
        AnyResource::GatewayClass(r) => {
            report.not_honoured(r, "kind", "GatewayClass", "no Gateway of this API is honoured either");
        }
        AnyResource::KubernetesGateway(r) => {
            report.not_honoured(r, "kind", "the Gateway API's Gateway", listens);
        }
        AnyResource::ListenerSet(r) => report.not_honoured(r, "kind", "ListenerSet", listens),
        AnyResource::XListenerSet(r) => report.not_honoured(r, "kind", "XListenerSet", listens),
        AnyResource::HttpRoute(r) => report.not_honoured(r, "kind", "HTTPRoute", routes),
        AnyResource::GrpcRoute(r) => report.not_honoured(r, "kind", "GRPCRoute", routes),
        AnyResource::TcpRoute(r) => report.not_honoured(r, "kind", "TCPRoute", L4),
        AnyResource::UdpRoute(r) => report.not_honoured(r, "kind", "UDPRoute", L4),
        AnyResource::TlsRoute(r) => report.not_honoured(r, "kind", "TLSRoute", L4),
        AnyResource::ReferenceGrant(r) => {
            report.not_honoured(r, "kind", "ReferenceGrant", "no reference that needs it is honoured either");
        }
        AnyResource::BackendTlsPolicy(r) => {
            let help = "backends are called as without it; write a DestinationRule with trafficPolicy.tls";
            report.not_honoured(r, "kind", "BackendTLSPolicy", help);
        }
        _ => {}
    }
}

const L4: &str = "connections go to the service that they address";
