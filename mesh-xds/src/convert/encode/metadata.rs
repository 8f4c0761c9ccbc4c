//! What tools and telemetry read beside the configuration itself: origins, services, workloads.

use crate::convert::names::metadata::{
    CONFIG, FILE, ISTIO, LINE, MESH, POLICIES, SERVICES, SOCKET_MATCH, TLS_MODE, TLS_MODE_ISTIO, WORKLOAD,
};
use crate::convert::pb;
use mesh_core::model::cluster::ServiceRef;
use mesh_core::model::endpoint::{Endpoint, TlsMode, WorkloadRef};
use mesh_core::origin::{Origin, Place};
use std::collections::HashMap;

type Fields = HashMap<String, pb::Value>;

fn text(value: &str) -> pb::Value {
    pb::Value { kind: Some(pb::Kind::StringValue(value.to_owned())) }
}

fn object(fields: Fields) -> pb::Value {
    pb::Value { kind: Some(pb::Kind::StructValue(pb::Struct { fields })) }
}

fn place(place: &Place) -> [(String, pb::Value); 2] {
    let line = pb::Value { kind: Some(pb::Kind::NumberValue(place.line.into())) };
    [(FILE.to_owned(), text(&place.file)), (LINE.to_owned(), line)]
}

/// Puts parts with content together; nothing if there are none.
fn metadata(parts: impl IntoIterator<Item = (&'static str, Fields)>) -> Option<pb::core::Metadata> {
    let filter_metadata: HashMap<_, _> = parts
        .into_iter()
        .filter(|(_, fields)| !fields.is_empty())
        .map(|(key, fields)| (key.to_owned(), pb::Struct { fields }))
        .collect();
    let any = !filter_metadata.is_empty();
    any.then(|| pb::core::Metadata { filter_metadata, ..Default::default() })
}

/// Istio's part and ours of an origin.
fn origin_parts(origin: Option<&Origin>) -> (Fields, Fields) {
    let istio = origin.map(|o| (CONFIG.to_owned(), text(&o.api_path())));
    let mesh = origin.and_then(|o| o.place.as_ref()).map(place);
    (istio.into_iter().collect(), mesh.into_iter().flatten().collect())
}

/// Where a virtual host or a route was declared.
pub(super) fn origin(origin: Option<&Origin>) -> Option<pb::core::Metadata> {
    let (istio, mesh) = origin_parts(origin);
    metadata([(ISTIO, istio), (MESH, mesh)])
}

/// Where a listener was declared, and the policies that it enforces: those have no metadata of their own.
pub(super) fn listener<'a>(
    origin: Option<&Origin>,
    policies: impl Iterator<Item = (&'a str, &'a Origin)>,
) -> Option<pb::core::Metadata> {
    let (istio, mut mesh) = origin_parts(origin);
    let policies: Fields = policies
        .map(|(name, origin)| {
            let config = (CONFIG.to_owned(), text(&origin.api_path()));
            let place = origin.place.as_ref().map(place);
            let fields = std::iter::once(config).chain(place.into_iter().flatten()).collect();
            (name.to_owned(), object(fields))
        })
        .collect();
    if !policies.is_empty() {
        mesh.insert(POLICIES.to_owned(), object(policies));
    }
    metadata([(ISTIO, istio), (MESH, mesh)])
}

/// Where a cluster was declared, and the services that it stands for.
pub(super) fn cluster(origin: Option<&Origin>, services: &[ServiceRef]) -> Option<pb::core::Metadata> {
    let (mut istio, mesh) = origin_parts(origin);
    if !services.is_empty() {
        let service = |s: &ServiceRef| {
            let parts = [("host", &s.host), ("name", &s.name), ("namespace", &s.namespace)];
            object(parts.map(|(key, value)| (key.to_owned(), text(value))).into())
        };
        let values = services.iter().map(service).collect();
        let list = pb::Value { kind: Some(pb::Kind::ListValue(pb::ListValue { values })) };
        istio.insert(SERVICES.to_owned(), list);
    }
    metadata([(ISTIO, istio), (MESH, mesh)])
}

/// How an endpoint takes mesh mTLS, and the workload behind it.
pub(super) fn endpoint(endpoint: &Endpoint) -> Option<pb::core::Metadata> {
    let socket = (endpoint.tls_mode == TlsMode::Istio).then(|| (TLS_MODE.to_owned(), text(TLS_MODE_ISTIO)));
    let workload = endpoint.workload.as_ref().map(|w| (WORKLOAD.to_owned(), text(&workload(w))));
    metadata([(SOCKET_MATCH, socket.into_iter().collect()), (ISTIO, workload.into_iter().collect())])
}

fn workload(w: &WorkloadRef) -> String {
    let WorkloadRef { name, namespace, canonical_service, canonical_revision, cluster } = w;
    format!("{name};{namespace};{canonical_service};{canonical_revision};{cluster}")
}

/// What `transport_socket_matches` looks for in an endpoint that takes mesh mTLS.
pub(super) fn takes_mesh_tls() -> pb::Struct {
    pb::Struct { fields: Fields::from([(TLS_MODE.to_owned(), text(TLS_MODE_ISTIO))]) }
}
