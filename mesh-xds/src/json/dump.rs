//! A snapshot in the shape of Envoy's `/config_dump`.

use super::any_to_json;
use crate::convert::encode;
use mesh_core::model::{Cluster, Endpoints, Listener, RouteTable, Snapshot};
use prost::{Message, Name};
use serde_json::{Value, json};

/// A part of a snapshot that has a form as a resource.
pub trait Resource {
    /// The resource as JSON, with its `@type`.
    fn to_json(&self) -> Value;
}

impl Resource for Listener {
    fn to_json(&self) -> Value {
        packed(&encode::listener(self))
    }
}

impl Resource for RouteTable {
    fn to_json(&self) -> Value {
        packed(&encode::route_table(self))
    }
}

impl Resource for Cluster {
    fn to_json(&self) -> Value {
        packed(&encode::cluster(self))
    }
}

impl Resource for Endpoints {
    fn to_json(&self) -> Value {
        packed(&encode::endpoints(self))
    }
}

/// One resource as JSON, with its `@type`.
pub fn resource(part: &impl Resource) -> Value {
    part.to_json()
}

/// What we encode is of types that we know; were it not, the page would say so in that resource's place
/// rather than fail as a whole.
fn packed<T: Message + Name>(message: &T) -> Value {
    any_to_json(&encode::pack(message))
        .unwrap_or_else(|error| json!({ "@type": T::type_url(), "error": error.to_string() }))
}

/// A snapshot as Envoy would show it after it took it: listeners, clusters, route tables, endpoints.
///
/// `istioctl proxy-config` reads it.
pub fn config_dump(snapshot: &Snapshot) -> Value {
    let version = snapshot.version.as_str();
    let entry = |key: &str, resource: Value| json!({ "version_info": version, key: resource });
    let listeners = snapshot.listeners.values().map(|listener| {
        let state = entry("listener", listener.to_json());
        json!({ "name": &*listener.name, "active_state": state })
    });
    let clusters = snapshot.clusters.values().map(|cluster| entry("cluster", cluster.to_json()));
    let routes = snapshot.routes.values().map(|table| entry("route_config", table.to_json()));
    let endpoints = snapshot.endpoints.values().map(|part| entry("endpoint_config", part.to_json()));
    json!({ "configs": [
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump",
            "version_info": version,
            "dynamic_listeners": listeners.collect::<Vec<_>>(),
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.ClustersConfigDump",
            "version_info": version,
            "dynamic_active_clusters": clusters.collect::<Vec<_>>(),
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.RoutesConfigDump",
            "dynamic_route_configs": routes.collect::<Vec<_>>(),
        },
        {
            "@type": "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump",
            "dynamic_endpoint_configs": endpoints.collect::<Vec<_>>(),
        },
    ]})
}
