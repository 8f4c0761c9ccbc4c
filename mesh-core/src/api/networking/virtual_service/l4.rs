//! Rules for connections: TLS that is passed through, and TCP.

use super::Destination;
use crate::api::number::{optional_count, optional_port_number};
use serde::Deserialize;
use std::collections::BTreeMap;

/// One rule for TLS that is passed through.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// What a connection must be like: one of these must match.
    pub r#match: Vec<TlsMatch>,
    /// Forwards to these destinations, by weight.
    pub route: Vec<RouteDestination>,
}

/// What a TLS connection must be like: all of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsMatch {
    /// The server names of the handshake, each covered by the VirtualService's hosts; one of them must match.
    pub sni_hosts: Vec<String>,
    /// The addresses or networks that the caller addressed; one of them must match.
    pub destination_subnets: Vec<String>,
    /// The port that the caller addressed.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Labels that the calling workload has.
    pub source_labels: BTreeMap<String, String>,
    /// The namespace of the calling workload.
    pub source_namespace: String,
    /// The gateways that the match holds for, in place of the resource's list.
    pub gateways: Vec<String>,
}

/// One rule for TCP.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpRoute {
    /// What a connection must be like: one of these must match. None match every connection.
    pub r#match: Vec<L4Match>,
    /// Forwards to these destinations, by weight.
    pub route: Vec<RouteDestination>,
}

/// What a connection must be like: all of it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct L4Match {
    /// The addresses or networks that the caller addressed; one of them must match.
    pub destination_subnets: Vec<String>,
    /// The port that the caller addressed.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// The address or network of the caller.
    pub source_subnet: String,
    /// Labels that the calling workload has.
    pub source_labels: BTreeMap<String, String>,
    /// The namespace of the calling workload.
    pub source_namespace: String,
    /// The gateways that the match holds for, in place of the resource's list.
    pub gateways: Vec<String>,
}

/// A destination of connections with its share.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteDestination {
    /// Where connections go.
    pub destination: Destination,
    /// Its share of the sum of all weights; 0 where nothing is written. A single destination takes all.
    #[serde(deserialize_with = "optional_count")]
    #[cfg_attr(feature = "schema", schemars(range(max = 2147483647)))]
    pub weight: Option<u32>,
}
