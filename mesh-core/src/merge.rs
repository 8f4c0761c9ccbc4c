//! Which of several resources holds, and what they say together.
//!
//! ```text
//! World ─▶ [merge] ─┬─▶ compile   (one proxy's Snapshot)
//!                   ├─▶ analyze   (what contradicts what)
//!                   └─▶ explain   (why a request went where it went)
//! ```
//!
//! One rule of Istio's per file, each a pure function of resources, a namespace and labels, so that whoever asks
//! hears the same. What a function returns names the resources that took part, in the order in which they count.
//!
//! | Rule | Function |
//! |---|---|
//! | who sees a VirtualService or DestinationRule | [`visibility`] |
//! | the Sidecar of a workload, and what its hosts import | [`sidecar`] |
//! | the VirtualService of a host | [`virtual_service`] |
//! | delegates of a VirtualService | [`delegate`] |
//! | the servers and hosts of several Gateways at one port | [`gateway`] |
//! | the DestinationRules of a host | [`destination_rule`] |
//! | which mTLS a port takes | [`peer_authentication`] |
//! | selectors, `targetRefs` and the root namespace | [`attachment`] |
//! | Telemetry, from the mesh down to the workload | [`telemetry`] |
//! | ProxyConfig, from the mesh down to the workload | [`proxy_config`] |
//! | the order of EnvoyFilters | [`envoy_filter`] |
//!
//! Where Istio leaves an order open, ours is [`World::of`](crate::world::World::of)'s: the oldest first, then by
//! name. Functions that take resources rather than a World expect them in that order.

pub mod attachment;
pub mod delegate;
pub mod destination_rule;
pub mod envoy_filter;
pub mod gateway;
pub mod peer_authentication;
pub mod proxy_config;
pub mod sidecar;
pub mod telemetry;
pub mod virtual_service;
pub mod visibility;

#[cfg(test)]
mod testing;

use std::collections::BTreeMap;

/// The workload that a rule is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
}
