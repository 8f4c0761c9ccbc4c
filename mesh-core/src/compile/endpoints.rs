//! The endpoints of a cluster: instances of a service's port, filtered by a subset, grouped by locality.

use super::scope::Scope;
use crate::api::security::peer_authentication::MtlsMode;
use crate::merge::Subject;
use crate::model::Name;
use crate::model::endpoint::{Endpoints, Locality, TlsMode};
use crate::registry::{self, Service, Workload};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The endpoints of a port, with the labels of a subset.
///
/// Endpoints whose workload refuses mTLS are marked as not taking it, so that auto mTLS does not offer it.
pub(super) fn endpoints(
    scope: &Scope<'_>,
    name: Name,
    service: &Service,
    port: u16,
    labels: &BTreeMap<String, String>,
) -> Endpoints {
    let mut by_locality: BTreeMap<Arc<registry::Locality>, Locality> = BTreeMap::new();
    for instance in scope.registry.instances(service, port, labels) {
        let mut endpoint = instance.endpoint();
        if endpoint.tls_mode == TlsMode::Istio {
            let target = instance.address.socket().map_or(port, |a| a.port());
            let Workload { namespace, labels, .. } = &*instance.workload;
            let subject = Subject { namespace, labels };
            if scope.peers.decide(subject, target).mode == MtlsMode::Disable {
                endpoint.tls_mode = TlsMode::Disabled;
            }
        }
        let at = instance.locality();
        let locality = by_locality.entry(at.clone()).or_insert_with(|| Locality {
            region: at.region.clone(),
            zone: at.zone.clone(),
            sub_zone: at.sub_zone.clone(),
            ..Locality::default()
        });
        // gRPC clients pass over a locality without a weight (gRFC A27), so it has its endpoints' sum.
        locality.weight = Some(locality.weight.unwrap_or(0).saturating_add(endpoint.weight));
        locality.endpoints.push(endpoint);
    }
    Endpoints { name, localities: by_locality.into_values().collect() }
}
