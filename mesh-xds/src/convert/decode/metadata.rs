//! Origins, services and workloads, where somebody wrote them down.
//!
//! Traffic does not depend on them, so what cannot be read here is as if it were absent.

use crate::convert::names::metadata::{
    CONFIG, FILE, ISTIO, LINE, MESH, POLICIES, SERVICES, SOCKET_MATCH, TLS_MODE, TLS_MODE_ISTIO, WORKLOAD,
};
use crate::convert::pb;
use mesh_core::model::Name;
use mesh_core::model::cluster::ServiceRef;
use mesh_core::model::endpoint::{TlsMode, WorkloadRef};
use mesh_core::origin::{Origin, Place};
use std::collections::HashMap;

/// The origins of a listener's policies, by their names.
pub(super) type PolicyOrigins = HashMap<String, Origin>;

fn part<'m>(metadata: Option<&'m pb::core::Metadata>, key: &str) -> Option<&'m pb::Struct> {
    metadata?.filter_metadata.get(key)
}

fn text<'s>(part: &'s pb::Struct, key: &str) -> Option<&'s str> {
    match &part.fields.get(key)?.kind {
        Some(pb::Kind::StringValue(text)) => Some(text),
        _ => None,
    }
}

fn object(value: &pb::Value) -> Option<&pb::Struct> {
    match &value.kind {
        Some(pb::Kind::StructValue(object)) => Some(object),
        _ => None,
    }
}

fn place(part: &pb::Struct) -> Option<Place> {
    let file = text(part, FILE)?.into();
    let Some(pb::Kind::NumberValue(line)) = part.fields.get(LINE)?.kind else { return None };
    // In range and whole, so the conversion is exact.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let line = (line.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&line)).then_some(line as u32)?;
    Some(Place { file, line })
}

fn origin_of(config: Option<&pb::Struct>, mesh: Option<&pb::Struct>) -> Option<Origin> {
    let origin = Origin::from_api_path(text(config?, CONFIG)?)?;
    Some(Origin { place: mesh.and_then(place), ..origin })
}

/// Where a resource was declared.
pub(super) fn origin(metadata: Option<&pb::core::Metadata>) -> Option<Origin> {
    origin_of(part(metadata, ISTIO), part(metadata, MESH))
}

/// Where the policies of a listener were declared.
pub(super) fn policies(metadata: Option<&pb::core::Metadata>) -> PolicyOrigins {
    let policies = part(metadata, MESH).and_then(|mesh| object(mesh.fields.get(POLICIES)?));
    let each = policies.into_iter().flat_map(|policies| &policies.fields);
    each.filter_map(|(name, value)| {
        let value = object(value);
        Some((name.clone(), origin_of(value, value)?))
    })
    .collect()
}

/// The services that a cluster stands for.
pub(super) fn services(metadata: Option<&pb::core::Metadata>) -> Vec<ServiceRef> {
    let list = part(metadata, ISTIO).and_then(|istio| match &istio.fields.get(SERVICES)?.kind {
        Some(pb::Kind::ListValue(list)) => Some(&list.values),
        _ => None,
    });
    let service = |value: &pb::Value| {
        let service = object(value)?;
        let field = |key| Some(Name::from(text(service, key)?));
        Some(ServiceRef { host: field("host")?, name: field("name")?, namespace: field("namespace")? })
    };
    list.into_iter().flatten().filter_map(service).collect()
}

/// Whether an endpoint takes mesh mTLS.
pub(super) fn tls_mode(metadata: Option<&pb::core::Metadata>) -> TlsMode {
    match part(metadata, SOCKET_MATCH).and_then(|socket| text(socket, TLS_MODE)) {
        Some(TLS_MODE_ISTIO) => TlsMode::Istio,
        _ => TlsMode::Disabled,
    }
}

/// The workload behind an endpoint.
pub(super) fn workload(metadata: Option<&pb::core::Metadata>) -> Option<WorkloadRef> {
    let parts: Vec<&str> = text(part(metadata, ISTIO)?, WORKLOAD)?.split(';').collect();
    let [name, namespace, service, revision, cluster] = parts.as_slice() else { return None };
    Some(WorkloadRef {
        name: (*name).into(),
        namespace: (*namespace).into(),
        canonical_service: (*service).into(),
        canonical_revision: (*revision).into(),
        cluster: (*cluster).into(),
    })
}

/// Whether a matcher of `transport_socket_matches` looks for endpoints that take mesh mTLS, and for nothing
/// else.
pub(super) fn is_mesh_tls(want: &pb::Struct) -> bool {
    want.fields.len() == 1 && text(want, TLS_MODE) == Some(TLS_MODE_ISTIO)
}
