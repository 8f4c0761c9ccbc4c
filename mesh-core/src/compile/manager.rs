//! The HTTP connection manager of each kind of listener, as istiod sets it up.

use super::access_log::{self, Side};
use super::scope::Scope;
use crate::api::mesh::{ForwardClientCertDetails, Normalization};
use crate::model::http::{Codec, ForwardClientCert, HttpFilter, HttpManager, PathNormalization, RouteSource};
use crate::model::listener::TcpProxy;
use crate::model::rbac::Rbac;
use crate::model::route::Target;
use std::sync::Arc;
use std::time::Duration;

/// Envoy's default.
const IDLE: Duration = Duration::from_secs(3600);

/// Calls of the workload.
pub(super) fn outbound(scope: &Scope<'_>, listener: &str, routes: RouteSource) -> HttpManager {
    HttpManager {
        access_logs: access_log::logs(scope, Side::Client),
        client_cert: ForwardClientCert::Sanitize,
        server_name: "envoy".to_owned(),
        ..base(scope, format!("outbound_{listener}"), routes, vec![])
    }
}

/// Calls to the workload.
pub(super) fn inbound(
    scope: &Scope<'_>,
    listener: &str,
    routes: RouteSource,
    rbac: &[Arc<Rbac>],
) -> HttpManager {
    HttpManager {
        access_logs: access_log::logs(scope, Side::Server),
        client_cert: ForwardClientCert::AppendForward,
        ..base(
            scope,
            format!("inbound_{listener}"),
            routes,
            rbac.iter().cloned().map(HttpFilter::Rbac).collect(),
        )
    }
}

/// Calls from outside, at the edge.
pub(super) fn gateway(
    scope: &Scope<'_>,
    listener: &str,
    routes: RouteSource,
    rbac: &[Arc<Rbac>],
) -> HttpManager {
    let topology = scope.mesh.default_config.as_ref().and_then(|c| c.gateway_topology.as_ref());
    let details = topology.and_then(|t| t.forward_client_cert_details);
    HttpManager {
        access_logs: access_log::logs(scope, Side::Client),
        use_remote_address: true,
        trusted_hops: topology.map_or(0, |t| t.num_trusted_proxies),
        client_cert: match details {
            None | Some(ForwardClientCertDetails::Undefined | ForwardClientCertDetails::SanitizeSet) => {
                ForwardClientCert::SanitizeSet
            }
            Some(ForwardClientCertDetails::Sanitize) => ForwardClientCert::Sanitize,
            Some(ForwardClientCertDetails::ForwardOnly) => ForwardClientCert::ForwardOnly,
            Some(ForwardClientCertDetails::AppendForward) => ForwardClientCert::AppendForward,
            Some(ForwardClientCertDetails::AlwaysForwardOnly) => ForwardClientCert::AlwaysForwardOnly,
        },
        ..base(
            scope,
            format!("outbound_{listener}"),
            routes,
            rbac.iter().cloned().map(HttpFilter::Rbac).collect(),
        )
    }
}

fn base(
    scope: &Scope<'_>,
    stat_prefix: String,
    routes: RouteSource,
    mut filters: Vec<HttpFilter>,
) -> HttpManager {
    filters.extend([HttpFilter::GrpcStats, HttpFilter::Fault, HttpFilter::Cors]);
    HttpManager {
        stat_prefix: stat_prefix.into(),
        codec: Codec::Auto,
        routes,
        filters,
        access_logs: vec![],
        use_remote_address: false,
        trusted_hops: 0,
        client_cert: ForwardClientCert::Sanitize,
        normalize: match scope.mesh.path_normalization.normalization {
            Normalization::None => PathNormalization::None,
            Normalization::Default | Normalization::Base => PathNormalization::Base,
            Normalization::MergeSlashes => PathNormalization::MergeSlashes,
            Normalization::DecodeAndMergeSlashes => PathNormalization::DecodeAndMergeSlashes,
        },
        upgrades: vec!["websocket".to_owned()],
        // As Istio, which sends 0 (what none is in xDS) rather than leave Envoy's five minutes in force: a
        // stream may be silent for as long as its route's timeout lets it.
        stream_idle_timeout: None,
        idle_timeout: Some(IDLE),
        server_name: "istio-envoy".to_owned(),
        generate_request_id: true,
    }
}

/// Bytes to a cluster.
pub(super) fn tcp(scope: &Scope<'_>, cluster: crate::model::Name, side: Side) -> TcpProxy {
    TcpProxy {
        stat_prefix: cluster.clone(),
        to: Target::Cluster(cluster),
        idle_timeout: Some(IDLE),
        max_connect_attempts: 1,
        access_logs: access_log::logs(scope, side),
    }
}
