//! The names that Envoy and Istio gave to filters, sockets, clusters and metadata.

/// Router, always the last HTTP filter.
pub(super) const ROUTER: &str = "envoy.filters.http.router";
/// Authorization of requests.
pub(super) const HTTP_RBAC: &str = "envoy.filters.http.rbac";
/// Delay and abort.
pub(super) const FAULT: &str = "envoy.filters.http.fault";
/// CORS.
pub(super) const CORS: &str = "envoy.filters.http.cors";
/// Counts of gRPC messages.
pub(super) const GRPC_STATS: &str = "envoy.filters.http.grpc_stats";
/// HTTP connection manager.
pub(super) const HTTP_CONNECTION_MANAGER: &str = "envoy.filters.network.http_connection_manager";
/// TCP proxy.
pub(super) const TCP_PROXY: &str = "envoy.filters.network.tcp_proxy";
/// Authorization of connections.
pub(super) const NETWORK_RBAC: &str = "envoy.filters.network.rbac";
/// Finds TLS, its server name and ALPN.
pub(super) const TLS_INSPECTOR: &str = "envoy.filters.listener.tls_inspector";
/// Finds HTTP.
pub(super) const HTTP_INSPECTOR: &str = "envoy.filters.listener.http_inspector";
/// Finds the destination before a redirect.
pub(super) const ORIGINAL_DST: &str = "envoy.filters.listener.original_dst";
/// TLS; gRPC clients take no other name.
pub(super) const TLS_SOCKET: &str = "envoy.transport_sockets.tls";
/// Bytes as they are.
pub(super) const RAW_BUFFER_SOCKET: &str = "envoy.transport_sockets.raw_buffer";
/// Access log in a file.
pub(super) const FILE_ACCESS_LOG: &str = "envoy.access_loggers.file";
/// Key of a cluster's HTTP options.
pub(super) const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
/// Keeps a retry from an endpoint that was tried.
pub(super) const PREVIOUS_HOSTS: &str = "envoy.retry_host_predicates.previous_hosts";
/// The static cluster that Istio's bootstrap gives Envoy for its secrets.
pub(super) const SDS_CLUSTER: &str = "sds-grpc";
/// `transport_protocol` of plain bytes.
pub(super) const RAW_BUFFER: &str = "raw_buffer";
/// `transport_protocol` of TLS.
pub(super) const TLS: &str = "tls";
/// What Istio calls the extension that matches paths by a template.
pub(super) const URI_TEMPLATE: &str = "uri-template";

/// What Istio calls its counters of connections that RBAC looked at; Envoy wants some prefix there.
pub(super) const NETWORK_RBAC_STATS: &str = "tcp.";
/// The socket of [`AutoMtls`](mesh_core::model::cluster::ClusterTransport::AutoMtls) for mesh endpoints.
pub(super) const TLS_MODE_ISTIO: &str = "tlsMode-istio";
/// And for the others.
pub(super) const TLS_MODE_DISABLED: &str = "tlsMode-disabled";

/// Keys of `filter_metadata` and of what stands in it.
pub(super) mod metadata {
    /// Istio's: the origin, services, workload.
    pub(in crate::convert) const ISTIO: &str = "istio";
    /// Ours: the place in a file, the origins of policies.
    pub(in crate::convert) const MESH: &str = "mesh";
    /// What an endpoint says to `transport_socket_matches`.
    pub(in crate::convert) const SOCKET_MATCH: &str = "envoy.transport_socket_match";
    /// The API path of the resource.
    pub(in crate::convert) const CONFIG: &str = "config";
    /// File of the resource.
    pub(in crate::convert) const FILE: &str = "file";
    /// Line of the resource.
    pub(in crate::convert) const LINE: &str = "line";
    /// Origins of the policies of a listener, by their names.
    pub(in crate::convert) const POLICIES: &str = "policies";
    /// Services of a cluster.
    pub(in crate::convert) const SERVICES: &str = "services";
    /// Workload of an endpoint.
    pub(in crate::convert) const WORKLOAD: &str = "workload";
    /// Whether an endpoint takes mesh mTLS.
    pub(in crate::convert) const TLS_MODE: &str = "tlsMode";
    /// That it does.
    pub(in crate::convert) const TLS_MODE_ISTIO: &str = "istio";
}
