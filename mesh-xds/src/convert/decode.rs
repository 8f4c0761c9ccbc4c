//! Envoy v3 resources as parts of a snapshot.
//!
//! Every value is checked; a field that is set, that would change how traffic is treated and that we do not
//! support is an error with its path. What only concerns statistics, tracing or buffer sizes is left aside.
//! Defaults of absent fields are Envoy's.

mod access_log;
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

use super::error::ConvertError;
use crate::convert::pb;
use mesh_core::model;
use prost::{Message, Name};

/// Fails with the path of the first of these fields that is set.
macro_rules! refuse {
    ($message:expr; $($field:ident),+ $(,)?) => {{
        $(if $crate::convert::decode::is_set(&$message.$field) {
            return Err($crate::convert::error::ConvertError::unsupported(stringify!($field)));
        })+
    }};
}
use refuse;

/// Whether a field differs from what an absent one is read as.
fn is_set<T: Default + PartialEq>(field: &T) -> bool {
    *field != T::default()
}

/// A listener, from LDS.
///
/// # Errors
/// The field that cannot be expressed.
pub fn listener(listener: &pb::listener::Listener) -> Result<model::Listener, ConvertError> {
    listener::listener(listener)
}

/// A route table, from RDS.
///
/// # Errors
/// The field that cannot be expressed.
pub fn route_table(table: &pb::route::RouteConfiguration) -> Result<model::RouteTable, ConvertError> {
    route::table(table)
}

/// A cluster, from CDS.
///
/// # Errors
/// The field that cannot be expressed.
pub fn cluster(cluster: &pb::cluster::Cluster) -> Result<model::Cluster, ConvertError> {
    cluster::cluster(cluster)
}

/// The endpoints of a cluster, from EDS.
///
/// # Errors
/// The field that cannot be expressed.
pub fn endpoints(assignment: &pb::endpoint::ClusterLoadAssignment) -> Result<model::Endpoints, ConvertError> {
    endpoint::endpoints(assignment)
}

/// One filter of connections, for tests of what it becomes.
#[cfg(test)]
pub(crate) fn network_rbac(rbac: &pb::network_rbac::Rbac) -> Result<Vec<model::rbac::Rbac>, ConvertError> {
    rbac::network(rbac, &metadata::PolicyOrigins::default())
}

/// Reads the message that an `Any` holds.
///
/// # Errors
/// If it says that it holds another type, or its bytes are not of this type.
pub fn unpack<T: Message + Name + Default>(any: &pb::Any) -> Result<T, ConvertError> {
    if !holds::<T>(any) {
        return Err(ConvertError::new(format!("is {}, not {}", type_name(any), T::full_name())));
    }
    T::decode(&*any.value).map_err(|e| ConvertError::new(format!("is not a {}: {e}", T::full_name())))
}

/// Whether an `Any` says that it holds this type.
fn holds<T: Name>(any: &pb::Any) -> bool {
    type_name(any) == T::full_name()
}

/// The name of the type, without the prefix of its URL.
fn type_name(any: &pb::Any) -> &str {
    any.type_url.rsplit_once('/').map_or(&*any.type_url, |(_, name)| name)
}
