//! The VirtualService of a host.
//!
//! In a sidecar one VirtualService routes a host. At a gateway several do, one after the other:
//! [`gateway`](super::gateway).

use crate::api::Resource;
use crate::api::networking::VirtualService;
use crate::hostname::Hostname;
use crate::registry::CLUSTER_DOMAIN;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

type Vs = Arc<Resource<VirtualService>>;

/// The hosts of a VirtualService as full names, with their place in its list. Those that are no names at all are
/// left out, since validation refuses them.
pub fn hosts_of(vs: &Resource<VirtualService>) -> impl Iterator<Item = (usize, Hostname)> {
    vs.spec.hosts.iter().enumerate().filter_map(|(i, host)| {
        let host = Hostname::resolve(host, &vs.meta.namespace, CLUSTER_DOMAIN).ok()?;
        Some((i, host))
    })
}

/// The full name of a gateway, `namespace/name`, as a resource of a namespace writes it: `name`, `./name`,
/// `namespace/name`, or the older `name.namespace` and `name.namespace.svc.cluster.local`. `mesh` is itself.
///
/// Istio: `resolveGatewayName` in `pilot/pkg/model/virtualservice.go`.
pub fn gateway_name(name: &str, namespace: &str) -> String {
    match (name.split_once('/'), name.split_once('.')) {
        _ if name == "mesh" => name.to_owned(),
        (Some((".", name)), _) => format!("{namespace}/{name}"),
        (Some(_), _) => name.to_owned(),
        (None, None) => format!("{namespace}/{name}"),
        (None, Some((name, rest))) => {
            format!("{}/{name}", rest.split_once('.').map_or(rest, |(namespace, _)| namespace))
        }
    }
}

/// Whether a VirtualService is bound to a gateway, `mesh` or `namespace/name`. One that names no gateways is bound
/// to `mesh`.
pub fn is_bound_to(vs: &Resource<VirtualService>, gateway: &str) -> bool {
    match vs.spec.gateways.as_slice() {
        [] => gateway == "mesh",
        named => named.iter().any(|g| gateway_name(g, &vs.meta.namespace) == gateway),
    }
}

/// VirtualServices by host.
#[derive(Clone, Debug, Default)]
pub struct ByHost<'w> {
    exact: HashMap<Hostname, Vec<(usize, &'w Vs)>>,
    /// Most specific first.
    wild: BTreeMap<Hostname, Vec<(usize, &'w Vs)>>,
}

/// The VirtualService of a host, and those that it is chosen over.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen<'w> {
    /// The one that routes the host.
    pub winner: &'w Vs,
    /// Others with the very same host, with its place in their lists: they are not asked.
    pub others: Vec<(usize, &'w Vs)>,
}

impl<'w> ByHost<'w> {
    /// Indexes VirtualServices that are given in order of precedence.
    pub fn new(all: &[&'w Vs]) -> Self {
        let mut out = Self::default();
        for vs in all {
            for (i, host) in hosts_of(vs) {
                let of = match host.is_wildcard() {
                    true => out.wild.entry(host).or_default(),
                    false => out.exact.entry(host).or_default(),
                };
                of.push((i, *vs));
            }
        }
        out
    }

    /// The VirtualService of a host: of those with this host, else with the longest wildcard that covers it, the
    /// first in order of precedence. The rest of them is not merged into it, as it is at a gateway.
    ///
    /// Istio: `BuildSidecarVirtualHostWrapper` in `pilot/pkg/networking/core/route/route.go`.
    pub fn choose(&self, host: &Hostname) -> Option<Chosen<'w>> {
        let exact = self.exact.get(host);
        let all = exact.or_else(|| self.wild.iter().find(|(w, _)| w.covers(host)).map(|(_, all)| all))?;
        let ((_, winner), others) = all.split_first()?;
        let others = others.iter().filter(|(_, o)| !Arc::ptr_eq(o, winner)).copied().collect();
        Some(Chosen { winner, others })
    }

    /// Every host without a wildcard, in alphabetical order.
    pub fn exact_hosts(&self) -> impl Iterator<Item = &Hostname> {
        self.exact.keys().collect::<std::collections::BTreeSet<_>>().into_iter()
    }

    /// Every host with a wildcard, the most specific first.
    pub fn wildcards(&self) -> impl Iterator<Item = &Hostname> {
        self.wild.keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::{names, world};
    use crate::merge::visibility::virtual_services;

    fn vs(head: &str, hosts: &str) -> String {
        format!(
            "VirtualService {head}: {{hosts: [{hosts}], http: [{{route: [{{destination: {{host: a}}}}]}}]}}"
        )
    }

    #[test]
    fn the_most_specific_host_decides_and_of_the_same_host_the_oldest() {
        let texts = [
            vs("shop/wide@1", "'*.example.com'"),
            vs("shop/young@3", "a.example.com"),
            vs("shop/old@2", "b.example.com, a.example.com"),
            vs("shop/longer@4", "'*.c.example.com'"),
        ];
        let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        let by_host = ByHost::new(&virtual_services(&world, "shop"));
        let winner = |h: &str| names(by_host.choose(&h.parse().unwrap()).map(|c| c.winner));
        assert_eq!(winner("a.example.com"), ["shop/old"]);
        assert_eq!(winner("x.example.com"), ["shop/wide"]);
        assert_eq!(winner("x.c.example.com"), ["shop/longer"]);
        assert_eq!(winner("example.org"), Vec::<String>::new());
        let chosen = by_host.choose(&"a.example.com".parse().unwrap()).unwrap();
        assert_eq!(
            chosen.others.iter().map(|(i, o)| (*i, &*o.meta.name)).collect::<Vec<_>>(),
            [(0, "young")]
        );
    }

    #[test]
    fn a_gateway_is_named_by_itself_with_its_namespace_or_in_the_older_way() {
        for (written, full) in [
            ("mesh", "mesh"),
            ("g", "shop/g"),
            ("./g", "shop/g"),
            ("edge/g", "edge/g"),
            ("g.edge", "edge/g"),
            ("g.edge.svc.cluster.local", "edge/g"),
        ] {
            assert_eq!(gateway_name(written, "shop"), full, "{written}");
        }
    }

    #[test]
    fn without_gateways_it_is_the_meshs() {
        let world = world(&[&vs("shop/a", "a.example.com")]);
        let vs = world.get::<VirtualService>("shop", "a").unwrap();
        assert!(is_bound_to(vs, "mesh") && !is_bound_to(vs, "shop/mesh"));
    }
}
