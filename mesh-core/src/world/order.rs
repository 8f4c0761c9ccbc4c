//! Which of several resources of one kind comes first: one order for every place that asks.
//!
//! Istio's `sortConfigByCreationTime`: the oldest first, then by name, then by namespace. It sorts what the
//! Gateway API says by namespace before name, as that API's specification demands; so do we.
//!
//! [`World::of`](super::World::of) gives resources in this order, so whoever takes the first that fits takes
//! the one that has precedence. It decides:
//!
//! | Where several compete | Which one wins |
//! |---|---|
//! | two declarations of one resource | the older; of two equally old the first by file and line |
//! | Sidecar | the first that selects the workload, else the first of the namespace, else of the root |
//! | PeerAuthentication, Telemetry | the same |
//! | VirtualServices of a host | sidecars take the first; a gateway merges their routes in this order |
//! | DestinationRules of a host | merged in this order, those with a selector before those without |
//! | Gateways of a port | merged in this order |
//! | Services of a host | the caller's namespace's, then Kubernetes' before ServiceEntries', then this order |
//! | WorkloadEntry and Pod of one name | the WorkloadEntry |
//! | workloads at one address | WorkloadEntries before Pods, each in this order |
//! | EndpointSlices of a service | all of them, in this order |
//! | AuthorizationPolicy, RequestAuthentication | none: all hold |
//!
//! A kind with an order of its own (an EnvoyFilter's `priority` ascending, a WasmPlugin's descending) sorts by
//! that, stably, so that what is equal stays in this order.

use crate::api::Meta;
use std::cmp::Ordering;
use std::sync::Arc;

/// The group whose specification orders by namespace before name.
const GATEWAY_API: &str = "gateway.networking.k8s.io";

/// Which of two resources of one kind takes precedence: `Less` for the one that does.
///
/// A resource without a creation time is as old as can be, as Go's zero time is to Istio. Two resources
/// are equal only if they are one: of the same namespace and name, created at the same second.
///
/// ```
/// use mesh_core::{api::Meta, world::precedence};
/// let named = |name: &str, created| Meta { name: name.into(), created, ..Meta::default() };
/// assert!(precedence(&named("b", Some(1)), &named("a", Some(2))).is_lt());
/// assert!(precedence(&named("a", None), &named("b", None)).is_lt());
/// ```
pub fn precedence(a: &Meta, b: &Meta) -> Ordering {
    parts(a).cmp(&parts(b))
}

fn parts(meta: &Meta) -> (Option<i64>, &str, &str) {
    match &*meta.group {
        GATEWAY_API => (meta.created, &meta.namespace, &meta.name),
        _ => (meta.created, &meta.name, &meta.namespace),
    }
}

/// A resource's place in the order of [`precedence`], without the resource.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rank(Arc<(Option<i64>, Arc<str>, Arc<str>)>);

impl Rank {
    pub(crate) fn of(meta: &Meta) -> Self {
        Self(Arc::new(match &*meta.group {
            GATEWAY_API => (meta.created, meta.namespace.clone(), meta.name.clone()),
            _ => (meta.created, meta.name.clone(), meta.namespace.clone()),
        }))
    }
}

impl Ord for Rank {
    fn cmp(&self, other: &Self) -> Ordering {
        // Whoever looks for a key that stands there mostly holds a copy of it.
        if Arc::ptr_eq(&self.0, &other.0) { Ordering::Equal } else { self.0.cmp(&other.0) }
    }
}

impl PartialOrd for Rank {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(group: &str, namespace: &str, name: &str, created: Option<i64>) -> Meta {
        Meta {
            group: group.into(),
            namespace: namespace.into(),
            name: name.into(),
            created,
            ..Meta::default()
        }
    }

    #[test]
    fn the_oldest_comes_first_then_the_name_decides_and_in_the_gateway_api_the_namespace() {
        let istio = |ns, name, created| meta("networking.istio.io", ns, name, created);
        let gateway = |ns, name, created| meta(GATEWAY_API, ns, name, created);
        assert!(precedence(&istio("z", "z", Some(1)), &istio("a", "a", Some(2))).is_lt());
        assert!(precedence(&istio("z", "z", None), &istio("a", "a", Some(-9))).is_lt());
        assert!(precedence(&istio("z", "a", None), &istio("a", "b", None)).is_lt());
        assert!(precedence(&gateway("z", "a", None), &gateway("a", "b", None)).is_gt());
        assert!(precedence(&gateway("z", "a", Some(1)), &gateway("a", "b", Some(2))).is_lt());
        // A name that another one begins with: the separator must not decide, as it did in older Istios.
        assert!(precedence(&istio("a", "x", None), &istio("a", "x-y", None)).is_lt());
    }

    #[test]
    fn a_rank_is_ordered_as_its_resource_is() {
        let all: Vec<Meta> = [GATEWAY_API, "networking.istio.io"]
            .into_iter()
            .flat_map(|g| [None, Some(1)].map(|c| ["a", "b"].map(|ns| ["a", "b"].map(|n| meta(g, ns, n, c)))))
            .flatten()
            .flatten()
            .collect();
        for (a, b) in all.iter().flat_map(|a| all.iter().map(move |b| (a, b))) {
            if a.group == b.group {
                assert_eq!(Rank::of(a).cmp(&Rank::of(b)), precedence(a, b), "{a:?} {b:?}");
            }
        }
    }
}
