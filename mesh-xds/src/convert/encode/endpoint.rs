//! Endpoints.

use super::{metadata, value};
use crate::convert::pb;
use mesh_core::model::endpoint::{Endpoint, Endpoints, Health, Locality};

pub(super) fn endpoints(endpoints: &Endpoints) -> pb::endpoint::ClusterLoadAssignment {
    pb::endpoint::ClusterLoadAssignment {
        cluster_name: (&*endpoints.name).into(),
        endpoints: endpoints.localities.iter().map(locality).collect(),
        ..Default::default()
    }
}

fn locality(locality: &Locality) -> pb::endpoint::LocalityLbEndpoints {
    pb::endpoint::LocalityLbEndpoints {
        // There even if it is empty: gRPC clients leave out endpoints without one.
        locality: Some(pb::core::Locality {
            region: (&*locality.region).into(),
            zone: (&*locality.zone).into(),
            sub_zone: (&*locality.sub_zone).into(),
        }),
        lb_endpoints: locality.endpoints.iter().map(endpoint).collect(),
        load_balancing_weight: locality.weight.map(value::uint),
        priority: locality.priority,
        ..Default::default()
    }
}

fn endpoint(endpoint: &Endpoint) -> pb::endpoint::LbEndpoint {
    let health = match endpoint.health {
        Health::Healthy => pb::core::HealthStatus::Healthy,
        Health::Unhealthy => pb::core::HealthStatus::Unhealthy,
        Health::Draining => pb::core::HealthStatus::Draining,
    };
    pb::endpoint::LbEndpoint {
        health_status: health.into(),
        metadata: metadata::endpoint(endpoint),
        load_balancing_weight: Some(value::uint(endpoint.weight)),
        host_identifier: Some(at(value::address(&endpoint.address))),
    }
}

/// An endpoint that is known by its address alone.
pub(super) fn at(address: pb::core::Address) -> pb::endpoint::lb_endpoint::HostIdentifier {
    pb::endpoint::lb_endpoint::HostIdentifier::Endpoint(pb::endpoint::Endpoint {
        address: Some(address),
        ..Default::default()
    })
}
