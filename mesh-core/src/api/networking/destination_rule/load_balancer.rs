//! How an endpoint is chosen: by turns, by load, by a hash, by where it is.

use crate::api::value::Span;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancer {
    /// Without a hash; `LEAST_REQUEST` where neither this nor `consistentHash` is written.
    pub simple: Option<SimpleLb>,
    /// By a hash of the request, so that like requests go to the same endpoint.
    pub consistent_hash: Option<ConsistentHash>,
    /// By locality, in place of the mesh's setting.
    pub locality_lb_setting: Option<LocalityLbSetting>,
    /// In the caller's own zone as far as it has the capacity, in place of `localityLbSetting`.
    pub zone_aware_lb_setting: Option<ZoneAwareLbSetting>,
    /// Deprecated: use `warmup.duration`.
    pub warmup_duration_secs: Option<Span>,
    /// Gives new endpoints their full share step by step.
    pub warmup: Option<Warmup>,
}

/// Balancing without a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLb {
    /// The mesh chooses: least request.
    Unspecified,
    /// Deprecated name of `LEAST_REQUEST`.
    LeastConn,
    /// Any endpoint.
    Random,
    /// Where the connection was going in the first place.
    Passthrough,
    /// Each endpoint in turn.
    RoundRobin,
    /// Of two endpoints at random, the one with fewer requests in flight.
    LeastRequest,
}

/// What is hashed, and how the hash chooses.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsistentHash {
    /// Hashes this header.
    pub http_header_name: Option<String>,
    /// Hashes this cookie; the proxy makes one where `ttl` is written and the request has none.
    pub http_cookie: Option<HttpCookie>,
    /// Hashes the caller's address.
    pub use_source_ip: Option<bool>,
    /// Hashes this query parameter.
    pub http_query_parameter_name: Option<String>,
    /// Chooses on a ring; the default.
    pub ring_hash: Option<RingHash>,
    /// Chooses in a Maglev table: faster than a ring, less stable when endpoints change.
    pub maglev: Option<Maglev>,
    /// Deprecated: use `ringHash.minimumRingSize`.
    pub minimum_ring_size: Option<u64>,
}

/// A cookie that is hashed.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCookie {
    /// Its name.
    pub name: String,
    /// The path of a cookie that the proxy makes.
    pub path: String,
    /// The lifetime of a cookie that the proxy makes; `0s` for a cookie of the browser's session. Where nothing
    /// is written, no cookie is made.
    pub ttl: Option<Span>,
    /// Further attributes of a cookie that the proxy makes.
    pub attributes: Vec<CookieAttribute>,
}

/// An attribute of a cookie.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieAttribute {
    /// Its name, such as `SameSite`.
    pub name: String,
    /// Its value, such as `Strict`; empty for an attribute without one.
    pub value: String,
}

/// A ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RingHash {
    /// The least number of entries, at most 8388608; 1024 where nothing is written.
    pub minimum_ring_size: Option<u64>,
}

/// A Maglev table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Maglev {
    /// The number of entries: a prime below 5000011, such as 65537.
    pub table_size: Option<u64>,
}

/// Slow start of new endpoints.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Warmup {
    /// How long an endpoint is new.
    pub duration: Option<Span>,
    /// The share that it starts with, in percent of a full one; 10 where nothing is written.
    pub minimum_percent: Option<f64>,
    /// The curve: 1, the default, is a straight line; with more, the share grows fast first and slowly
    /// then.
    pub aggression: Option<f64>,
}

/// Balancing by locality.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LocalityLbSetting {
    /// Fixed shares, by where the caller is.
    pub distribute: Vec<Distribute>,
    /// The region to go to when all of a region fails.
    pub failover: Vec<Failover>,
    /// Labels, as `key` or `key=value`, in falling order of importance: endpoints that have more of them in common
    /// with the caller come first.
    pub failover_priority: Vec<String>,
    /// Whether locality counts at all; as the mesh says where nothing is written.
    pub enabled: Option<bool>,
}

/// Balancing in the caller's own zone, as far as it has the capacity.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ZoneAwareLbSetting {
    /// Whether it holds; as the mesh says where nothing is written.
    pub enabled: Option<bool>,
    /// The region to go to when all of the caller's own region fails; any where nothing is written.
    pub failover: Vec<Failover>,
    /// Labels, as `key` or `key=value`, that sort endpoints before their region does. Regions, zones and
    /// subzones are sorted in any case and cannot be named.
    pub failover_priority: Vec<String>,
    /// With fewer endpoints than this in the region, zones do not count; 6 where nothing is written.
    pub min_cluster_size: Option<u32>,
}

/// Shares of localities.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Distribute {
    /// Where the caller is, as `region/zone/subzone`; `*` at the end stands for the rest.
    pub from: String,
    /// Where its requests go, by locality, in percent that sum to 100.
    pub to: BTreeMap<String, u32>,
}

/// The next region.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Failover {
    /// The region that fails.
    pub from: String,
    /// The region that takes its place.
    pub to: String,
}
