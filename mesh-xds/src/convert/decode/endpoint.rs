//! Endpoints.

use super::{metadata, refuse, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::pb;
use mesh_core::model::endpoint::{Endpoint, Endpoints, Health, Locality};
use pb::core::HealthStatus;
use pb::endpoint::lb_endpoint::HostIdentifier;

pub(super) fn endpoints(assignment: &pb::endpoint::ClusterLoadAssignment) -> Result<Endpoints, ConvertError> {
    refuse!(assignment; named_endpoints);
    if let Some(policy) = &assignment.policy {
        refuse_policy(policy).at("policy")?;
    }
    Ok(Endpoints {
        name: assignment.cluster_name.as_str().into(),
        localities: each(&assignment.endpoints, locality).at("endpoints")?,
    })
}

fn refuse_policy(policy: &pb::endpoint::cluster_load_assignment::Policy) -> Result<(), ConvertError> {
    refuse!(policy; drop_overloads, endpoint_stale_after, weighted_priority_health);
    Ok(())
}

fn locality(raw: &pb::endpoint::LocalityLbEndpoints) -> Result<Locality, ConvertError> {
    refuse!(raw; lb_config);
    let place = raw.locality.clone().unwrap_or_default();
    Ok(Locality {
        region: place.region.into(),
        zone: place.zone.into(),
        sub_zone: place.sub_zone.into(),
        priority: raw.priority,
        weight: raw.load_balancing_weight.as_ref().map(|w| w.value),
        endpoints: each(&raw.lb_endpoints, endpoint).at("lb_endpoints")?,
    })
}

fn endpoint(raw: &pb::endpoint::LbEndpoint) -> Result<Endpoint, ConvertError> {
    let address = address_of(raw)?.ok_or_else(|| ConvertError::missing("address").within("endpoint"))?;
    let address = value::address(address).at("endpoint.address")?;
    let weight = value::uint(raw.load_balancing_weight.as_ref(), 1);
    if weight == 0 {
        return Err(ConvertError::new("an endpoint weighs at least 1").within("load_balancing_weight"));
    }
    let health = match value::enumeration(raw.health_status).at("health_status")? {
        HealthStatus::Unknown | HealthStatus::Healthy => Health::Healthy,
        HealthStatus::Unhealthy | HealthStatus::Timeout => Health::Unhealthy,
        HealthStatus::Draining => Health::Draining,
        HealthStatus::Degraded => {
            return Err(ConvertError::new("DEGRADED is not supported").within("health_status"));
        }
    };
    Ok(Endpoint {
        address,
        weight,
        health,
        tls_mode: metadata::tls_mode(raw.metadata.as_ref()),
        workload: metadata::workload(raw.metadata.as_ref()),
    })
}

/// The only address of an endpoint.
pub(super) fn address_of(raw: &pb::endpoint::LbEndpoint) -> Result<Option<&pb::core::Address>, ConvertError> {
    match &raw.host_identifier {
        Some(HostIdentifier::Endpoint(endpoint)) => {
            refuse_details(endpoint).at("endpoint")?;
            Ok(endpoint.address.as_ref())
        }
        Some(HostIdentifier::EndpointName(_)) => Err(ConvertError::unsupported("endpoint_name")),
        None => Ok(None),
    }
}

fn refuse_details(endpoint: &pb::endpoint::Endpoint) -> Result<(), ConvertError> {
    refuse!(endpoint; additional_addresses);
    Ok(())
}
