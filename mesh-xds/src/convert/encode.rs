//! Parts of a snapshot as Envoy v3 resources.
//!
//! Always succeeds. The same part always becomes the same bytes ([`pack`] orders maps), so that a hash of the
//! bytes can serve as a version and an Envoy that is sent the same listener again drains nothing.
//!
//! What the wire cannot say comes back changed: an empty prefix, suffix or infix matcher as a regular
//! expression that takes everything; an empty regular expression as an empty group; an empty list of
//! permissions or principals as one that takes nothing; rules about requests, where only connections are
//! seen, as what [`authorize`](mesh_core::decide::authorize::authorize) makes of them there; a TCP target of weight zero not at all; the fields of a JSON access log in the order of their names; a
//! TCP keep-alive's part of a second rounded up and an ejection share's part of a percent rounded down.

mod access_log;
mod canonical;
mod cluster;
mod endpoint;
mod http;
mod listener;
mod matcher;
mod metadata;
mod rbac;
mod route;
mod tls;
mod value;

use crate::convert::pb;
use mesh_core::model;
use prost::{Message, Name};

/// A listener, for LDS.
pub fn listener(listener: &model::Listener) -> pb::listener::Listener {
    listener::listener(listener)
}

/// A route table, for RDS.
pub fn route_table(table: &model::RouteTable) -> pb::route::RouteConfiguration {
    route::table(table)
}

/// A cluster, for CDS.
pub fn cluster(cluster: &model::Cluster) -> pb::cluster::Cluster {
    cluster::cluster(cluster)
}

/// The endpoints of a cluster, for EDS.
pub fn endpoints(endpoints: &model::Endpoints) -> pb::endpoint::ClusterLoadAssignment {
    endpoint::endpoints(endpoints)
}

/// The bytes of a message, with the entries of its maps in order.
pub fn bytes<T: Message + Name>(message: &T) -> Vec<u8> {
    canonical::sort_maps(&T::full_name(), message.encode_to_vec())
}

/// A message with its type URL; equal messages make equal bytes.
pub fn pack<T: Message + Name>(message: &T) -> pb::Any {
    pb::Any { type_url: T::type_url(), value: bytes(message) }
}
