//! Which resources hold for one proxy: by namespace, by label, by `exportTo`, by its Sidecar.

use super::destination::Rules;
use super::peer::PeerModes;
use super::report::Report;
use super::unsupported::report_unsupported;
use super::virtual_hosts::Virtuals;
use crate::api::kubernetes::{ConfigMap, Service as KubernetesService};
use crate::api::networking::sidecar::{CaptureMode, EgressListener, OutboundMode, OutboundTrafficPolicy};
use crate::api::networking::{
    EnvoyFilter, ProxyConfig, ServiceEntry, Sidecar, VirtualService, WorkloadEntry,
};
use crate::api::security::{AuthorizationPolicy, RequestAuthentication};
use crate::api::telemetry::Telemetry;
use crate::api::value::{Selector, WorkloadSelector, labels_match};
use crate::api::{Kind, MeshConfig, Resource};
use crate::hostname::Hostname;
use crate::identity::TrustDomain;
use crate::node::{Node, NodeKind};
use crate::registry::{CLUSTER_DOMAIN, ExportTo, Registry, Service};
use crate::validate::kubernetes::bad_trust_domain;
use crate::world::World;
use crate::yaml::InMeshConfig;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Group, kind, namespace and name.
type UsedKey = (&'static str, &'static str, Arc<str>, Arc<str>);

/// What holds for one proxy.
pub(super) struct Scope<'w> {
    pub(super) world: &'w World,
    pub(super) node: &'w Node,
    pub(super) mesh: &'w MeshConfig,
    pub(super) registry: &'w Registry,
    /// Labels of the workload: declared ones, and over them what the proxy says of itself.
    pub(super) labels: BTreeMap<String, String>,
    pub(super) trust_domain: TrustDomain,
    pub(super) sidecar: Option<&'w Arc<Resource<Sidecar>>>,
    pub(super) rules: Rules<'w>,
    pub(super) peers: PeerModes<'w>,
    /// Resources that went into the Snapshot, so that what they say in vain is reported.
    used: RefCell<BTreeSet<UsedKey>>,
}

/// What a proxy may call through one of its egress listeners.
pub(super) struct Egress<'w> {
    /// The listener with its place in the Sidecar; `None` where no Sidecar restricts the proxy.
    pub(super) listener: Option<(usize, &'w EgressListener)>,
    /// One service per host, in the order of hosts.
    pub(super) services: Vec<&'w Arc<Service>>,
    /// In order of precedence.
    pub(super) virtual_services: Vec<&'w Arc<Resource<VirtualService>>>,
    /// The same by host.
    pub(super) virtuals: Virtuals<'w>,
}

impl<'w> Scope<'w> {
    pub(super) fn new(world: &'w World, node: &'w Node, report: &mut Report) -> Self {
        let registry = world.registry();
        let mut labels = registry.workload_of(node).map(|w| w.labels.clone()).unwrap_or_default();
        labels.extend(node.labels.clone());
        let mesh = world.mesh();
        let trust_domain = trust_domain(world, report);
        let sidecar = match node.kind {
            NodeKind::Sidecar => choose_sidecar(world, &node.namespace, &labels, &mesh.root_namespace),
            _ => None,
        };
        let rules = Rules::new(world, &node.namespace, &labels, report);
        let peers = PeerModes::new(world);
        let used = RefCell::default();
        let scope = Self { world, node, mesh, registry, labels, trust_domain, sidecar, rules, peers, used };
        if let Some(sidecar) = sidecar {
            scope.uses(sidecar);
        }
        scope
    }

    /// The domain of short names.
    pub(super) fn domain(&self) -> &'w str {
        self.node.cluster_domain()
    }

    /// Remembers that a resource went into the Snapshot.
    pub(super) fn uses<T: Kind>(&self, resource: &Resource<T>) {
        let key = (T::GROUP, T::KIND, resource.meta.namespace.clone(), resource.meta.name.clone());
        self.used.borrow_mut().insert(key);
    }

    /// Whether a policy of a namespace with a selector holds for this workload.
    pub(super) fn selects(&self, namespace: &str, selector: Option<&Selector>) -> bool {
        let near = *namespace == *self.node.namespace || *namespace == *self.mesh.root_namespace;
        near && selector.is_none_or(|s| labels_match(&s.match_labels, &self.labels))
    }

    /// The service of a host as this proxy sees it.
    pub(super) fn service(&self, host: &Hostname) -> Option<&'w Arc<Service>> {
        self.registry.service(host, &self.node.namespace)
    }

    /// Trust domains whose identities are ours: the mesh's own first.
    pub(super) fn trust_domains(&self) -> Vec<String> {
        let mut all = vec![self.trust_domain.to_string()];
        for alias in &self.mesh.trust_domain_aliases {
            if !all.contains(alias) {
                all.push(alias.clone());
            }
        }
        all
    }

    /// What becomes of traffic to unknown hosts, and the Sidecar's policy if that says it.
    pub(super) fn outbound_policy(&self) -> (OutboundMode, Option<&'w OutboundTrafficPolicy>) {
        let own = self.sidecar.and_then(|s| s.spec.outbound_traffic_policy.as_ref());
        let in_mesh = self.mesh.outbound_traffic_policy.as_ref();
        let mode = own.map(|p| p.mode).or(in_mesh.map(|p| p.mode));
        (mode.unwrap_or(OutboundMode::AllowAny), own)
    }

    /// Whether the proxy's traffic comes by sockets of its own rather than by redirection: then there is no
    /// original destination to go to.
    pub(super) fn has_own_sockets(&self) -> bool {
        self.sidecar.is_some_and(|s| has_own_sockets(&s.spec))
    }

    /// The egress listeners: those of the Sidecar, or one that sees everything.
    pub(super) fn egress(&self) -> Vec<Egress<'w>> {
        match self.sidecar.map(|s| &s.spec.egress).filter(|e| !e.is_empty()) {
            None => vec![self.egress_of(None, &[])],
            Some(all) => {
                all.iter().enumerate().map(|(i, e)| self.egress_of(Some((i, e)), &e.hosts)).collect()
            }
        }
    }

    fn egress_of(&self, listener: Option<(usize, &'w EgressListener)>, hosts: &[String]) -> Egress<'w> {
        let imports = Imports::new(hosts, &self.node.namespace);
        let all = listener.is_none();
        let services = self.services(|s| all || imports.covers(&s.namespace, &s.host));
        let virtual_services: Vec<_> = self
            .virtual_services()
            .filter(|vs| {
                let namespace = &vs.meta.namespace;
                all || hosts_of(vs).any(|(_, host)| imports.overlaps(namespace, &host))
            })
            .filter(|vs| vs.spec.gateways.is_empty() || vs.spec.gateways.iter().any(|g| g == "mesh"))
            .collect();
        let virtuals = Virtuals::new(&virtual_services);
        Egress { listener, services, virtual_services, virtuals }
    }

    /// One service per host among those that this proxy sees.
    pub(super) fn services(&self, wanted: impl Fn(&Service) -> bool) -> Vec<&'w Arc<Service>> {
        let mut by_host: BTreeMap<&str, &'w Arc<Service>> = BTreeMap::new();
        for service in self.registry.services_visible_to(&self.node.namespace) {
            if !wanted(service) {
                continue;
            }
            let preferred = self.service(&service.host);
            match by_host.get(service.host.as_str()) {
                // Of two that both may be seen, the one that a lookup gives.
                Some(_) if preferred.is_none_or(|p| !Arc::ptr_eq(p, service)) => {}
                _ => {
                    by_host.insert(service.host.as_str(), service);
                }
            }
        }
        by_host.into_values().collect()
    }

    /// The VirtualServices that are exported to this proxy, in order of precedence.
    pub(super) fn virtual_services(&self) -> impl Iterator<Item = &'w Arc<Resource<VirtualService>>> {
        let default = ExportTo::new(&self.mesh.default_virtual_service_export_to, "", &ExportTo::All);
        self.world.of::<VirtualService>().filter(move |vs| {
            let own = &vs.meta.namespace;
            ExportTo::new(&vs.spec.export_to, own, &default).covers(&self.node.namespace)
        })
    }

    /// Says what the resources that hold for this proxy say in vain.
    pub(super) fn report_unsupported(&self, report: &mut Report) {
        for filter in self.world.of::<EnvoyFilter>() {
            if self.selects_by_labels(&filter.meta.namespace, filter.spec.workload_selector.as_ref()) {
                self.uses(filter);
            }
        }
        for plugin in self.world.of::<crate::api::extensions::WasmPlugin>() {
            if self.selects(&plugin.meta.namespace, plugin.spec.selector.as_ref()) {
                self.uses(plugin);
            }
        }
        for config in self.world.of::<ProxyConfig>() {
            if self.selects(&config.meta.namespace, config.spec.selector.as_ref()) {
                self.uses(config);
            }
        }
        for jwt in self.world.of::<RequestAuthentication>() {
            if self.selects(&jwt.meta.namespace, jwt.spec.selector.as_ref()) {
                self.uses(jwt);
            }
        }
        for telemetry in self.world.of::<Telemetry>() {
            if self.selects(&telemetry.meta.namespace, telemetry.spec.selector.as_ref()) {
                self.uses(telemetry);
            }
        }
        for policy in self.world.of::<AuthorizationPolicy>() {
            if self.selects(&policy.meta.namespace, policy.spec.selector.as_ref()) {
                self.uses(policy);
            }
        }
        for entry in self.world.of::<ServiceEntry>() {
            if entry.meta.namespace.as_ref() == self.node.namespace.as_str() {
                self.uses(entry);
            }
        }
        for service in self.world.of::<KubernetesService>() {
            if service.meta.namespace.as_ref() == self.node.namespace.as_str() {
                self.uses(service);
            }
        }
        for workload in self.world.of::<WorkloadEntry>() {
            if workload.meta.namespace.as_ref() == self.node.namespace.as_str() {
                self.uses(workload);
            }
        }
        if let Some(config) = self.world.get::<ConfigMap>("istio-system", "istio") {
            self.uses(config);
        }
        for (group, kind, namespace, name) in self.used.borrow().iter() {
            if let Some(resource) = self.world.find(group, kind, namespace, name) {
                report_unsupported(resource, self.mesh, report);
            }
        }
    }

    fn selects_by_labels(&self, namespace: &str, selector: Option<&WorkloadSelector>) -> bool {
        let near = *namespace == *self.node.namespace || *namespace == *self.mesh.root_namespace;
        near && selector.is_none_or(|s| labels_match(&s.labels, &self.labels))
    }
}

/// The mesh's trust domain. One that is none is a source's to refuse; a World that was made otherwise has
/// the default's name and hears of it.
fn trust_domain(world: &World, report: &mut Report) -> TrustDomain {
    let mesh = world.mesh();
    mesh.parsed_trust_domain().unwrap_or_else(|error| {
        let finding = bad_trust_domain(mesh, error);
        match world.get::<ConfigMap>("istio-system", "istio") {
            Some(map) => {
                let text = map.spec.data.get("mesh").map(String::as_str).unwrap_or_default();
                report.add(InMeshConfig::new(text, &map.meta, &map.source).put(finding, "trustDomain"));
            }
            None => report.add(finding),
        }
        TrustDomain::default()
    })
}

/// The hosts of a VirtualService as full names; those that are no names at all are left out, since
/// validation names them.
pub(super) fn hosts_of(vs: &Resource<VirtualService>) -> impl Iterator<Item = (usize, Hostname)> {
    vs.spec.hosts.iter().enumerate().filter_map(|(i, host)| {
        let host = Hostname::resolve(host, &vs.meta.namespace, CLUSTER_DOMAIN).ok()?;
        Some((i, host))
    })
}

/// Whether a Sidecar declares a socket, of either direction.
pub(super) fn has_own_sockets(sidecar: &Sidecar) -> bool {
    sidecar.ingress.iter().any(|i| i.capture_mode == CaptureMode::None)
        || sidecar.egress.iter().any(|e| e.capture_mode == CaptureMode::None)
}

/// The proxy's Sidecar: one that selects it, else its namespace's, else the root namespace's.
pub(super) fn choose_sidecar<'w>(
    world: &'w World,
    namespace: &str,
    labels: &BTreeMap<String, String>,
    root: &str,
) -> Option<&'w Arc<Resource<Sidecar>>> {
    let of = |ns: &str| {
        let ns = ns.to_owned();
        world.of::<Sidecar>().filter(move |s| *s.meta.namespace == *ns)
    };
    let selector = |s: &Resource<Sidecar>| s.spec.workload_selector.clone().filter(|s| !s.labels.is_empty());
    of(namespace)
        .find(|s| selector(s).is_some_and(|want| labels_match(&want.labels, labels)))
        .or_else(|| of(namespace).find(|s| selector(s).is_none()))
        .or_else(|| of(root).find(|s| selector(s).is_none()))
}

/// The hosts of an egress listener: `namespace/host`, with `.`, `*` and `~` for namespaces.
struct Imports {
    /// Namespace (`*` for any) and host.
    wanted: Vec<(String, Hostname)>,
    /// From `~namespace/host`: what is left out of the above.
    unwanted: Vec<(String, Hostname)>,
}

impl Imports {
    fn new(hosts: &[String], own: &str) -> Self {
        let mut imports = Self { wanted: vec![], unwanted: vec![] };
        for entry in hosts {
            let (namespace, host) = entry.split_once('/').unwrap_or(("*", entry));
            let Ok(host) = host.parse::<Hostname>() else { continue };
            match namespace {
                // `~/*` imports nothing; it is written so that the list is not empty.
                "~" => {}
                "." => imports.wanted.push((own.to_owned(), host)),
                other => match other.strip_prefix('~') {
                    Some(without) => imports.unwanted.push((without.to_owned(), host)),
                    None => imports.wanted.push((other.to_owned(), host)),
                },
            }
        }
        imports
    }

    fn covers(&self, namespace: &str, host: &Hostname) -> bool {
        let hit = |list: &[(String, Hostname)]| {
            list.iter().any(|(ns, want)| (ns == "*" || ns == namespace) && want.covers(host))
        };
        hit(&self.wanted) && !hit(&self.unwanted)
    }

    /// For VirtualServices, whose hosts may be wider than what is imported.
    fn overlaps(&self, namespace: &str, host: &Hostname) -> bool {
        let near = |ns: &str| ns == "*" || ns == namespace;
        self.wanted.iter().any(|(ns, want)| near(ns) && want.overlaps(host))
            && !self.unwanted.iter().any(|(ns, want)| near(ns) && want.covers(host))
    }
}
