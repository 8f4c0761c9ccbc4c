//! `gateway.networking.k8s.io`: the Gateway API, from the class of a gateway to the certificates of backends.
//!
//! ```text
//! GatewayClass ◀─ Gateway ◀─ ListenerSet
//!                    ▲ parentRefs
//!        HTTPRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute ─backendRefs─▶ Service ◀─ BackendTLSPolicy
//!                                  └── across namespaces: ReferenceGrant
//! ```
//!
//! The types have the fields of the standard and of the experimental channel, so that one reading serves both.
//! What a CRD fills in is filled in here as well (the group and kind of a reference, `PathPrefix`, weight 1), so
//! that readers meet one form. Fields that are required but missing are empty, for validation to say so.

pub mod backend_tls_policy;
pub mod filter;
pub mod gateway;
pub mod gateway_class;
pub mod grpc_route;
pub mod http_route;
pub mod l4_route;
pub mod listener_set;
pub mod reference;
pub mod reference_grant;
pub mod session;
pub mod value;

pub use backend_tls_policy::BackendTlsPolicy;
pub use gateway::Gateway;
pub use gateway_class::GatewayClass;
pub use grpc_route::GrpcRoute;
pub use http_route::HttpRoute;
pub use l4_route::{TcpRoute, TlsRoute, UdpRoute};
pub use listener_set::{ListenerSet, XListenerSet};
pub use reference_grant::ReferenceGrant;

/// The API group of all kinds here but [`XListenerSet`].
pub const GROUP: &str = "gateway.networking.k8s.io";

/// The API group of [`XListenerSet`], and of other experiments that no mesh reads.
pub const X_GROUP: &str = "gateway.networking.x-k8s.io";
