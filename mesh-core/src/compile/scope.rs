//! Which resources hold for one proxy: by namespace, by label, by `exportTo`, by its Sidecar.

use super::destination::report_conflicts;
use super::report::Report;
use super::unsupported::report_unsupported;
use crate::api::gateway_api;
use crate::api::kubernetes::ingress::GROUP as INGRESS_GROUP;
use crate::api::kubernetes::{ConfigMap, Service as KubernetesService};
use crate::api::networking::sidecar::{CaptureMode, EgressListener, OutboundMode, OutboundTrafficPolicy};
use crate::api::networking::{Gateway, ServiceEntry, Sidecar, VirtualService, WorkloadEntry};
use crate::api::security::{AuthorizationPolicy, RequestAuthentication};
use crate::api::telemetry::Telemetry;
use crate::api::value::{Selector, TargetRef};
use crate::api::{Kind, MeshConfig, Meta, Resource};
use crate::hostname::Hostname;
use crate::identity::TrustDomain;
use crate::merge::attachment::{self, Attachment, Target};
use crate::merge::destination_rule::Rules;
use crate::merge::peer_authentication::PeerModes;
use crate::merge::sidecar::{self, Imports};
use crate::merge::virtual_service::{ByHost, hosts_of, is_bound_to};
use crate::merge::{Subject, envoy_filter, gateway, proxy_config, visibility};
use crate::node::{Node, NodeKind};
use crate::registry::{Registry, Service};
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
    pub(super) virtuals: ByHost<'w>,
}

impl<'w> Scope<'w> {
    pub(super) fn new(world: &'w World, node: &'w Node, report: &mut Report) -> Self {
        let registry = world.registry();
        let mut labels = registry.workload_of(node).map(|w| BTreeMap::clone(&w.labels)).unwrap_or_default();
        labels.extend(node.labels.clone());
        let mesh = world.mesh();
        let trust_domain = trust_domain(world, report);
        let subject = Subject { namespace: &node.namespace, labels: &labels };
        let sidecar = match node.kind {
            NodeKind::Sidecar => sidecar::choose(world, subject),
            _ => None,
        };
        let rules = Rules::new(world, subject);
        report_conflicts(&rules, report);
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

    /// The workload, as the rules of [`merge`](crate::merge) are asked about it.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { namespace: &self.node.namespace, labels: &self.labels }
    }

    /// The proxy, as policies are attached to it.
    pub(super) fn target(&self) -> Target<'_> {
        let mut target = Target::new(self.subject(), &self.mesh.root_namespace);
        target.is_waypoint = self.node.kind == NodeKind::Waypoint;
        if self.node.kind == NodeKind::Router {
            let name = |g: &'w Arc<Resource<Gateway>>| (&*g.meta.namespace, &*g.meta.name);
            target.gateways = gateway::selecting(self.world, &self.labels).map(name).collect();
        }
        target
    }

    /// Whether a policy holds for this proxy.
    pub(super) fn attaches(
        &self,
        meta: &Meta,
        selector: Option<&Selector>,
        target_ref: Option<&TargetRef>,
        target_refs: &[TargetRef],
    ) -> bool {
        attachment::holds(&Attachment::new(meta, selector, target_ref, target_refs), &self.target())
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
        let services = self.services(|s| all || imports.service(&s.namespace, &s.host));
        let imported = |vs: &Resource<VirtualService>| {
            all || hosts_of(vs).any(|(_, host)| imports.virtual_service(&vs.meta.namespace, &host))
        };
        let mut virtual_services = self.virtual_services();
        virtual_services.retain(|vs| imported(vs) && is_bound_to(vs, "mesh"));
        let virtuals = ByHost::new(&virtual_services);
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
    pub(super) fn virtual_services(&self) -> Vec<&'w Arc<Resource<VirtualService>>> {
        visibility::virtual_services(self.world, &self.node.namespace)
    }

    /// Says what the resources that hold for this proxy say in vain.
    pub(super) fn report_unsupported(&self, report: &mut Report) {
        for filter in envoy_filter::applicable(self.world, self.subject()) {
            self.uses(filter);
        }
        for plugin in self.world.of::<crate::api::extensions::WasmPlugin>() {
            let spec = &plugin.spec;
            let (selector, one) = (spec.selector.as_ref(), spec.target_ref.as_ref());
            if self.attaches(&plugin.meta, selector, one, &spec.target_refs) {
                self.uses(plugin);
            }
        }
        for extension in self.world.of::<crate::api::extensions::TrafficExtension>() {
            let spec = &extension.spec;
            if self.attaches(&extension.meta, spec.selector.as_ref(), None, &spec.target_refs) {
                self.uses(extension);
            }
        }
        for config in proxy_config::effective(self.world, self.subject(), None).by {
            self.uses(config);
        }
        for jwt in self.world.of::<RequestAuthentication>() {
            let spec = &jwt.spec;
            let (selector, one) = (spec.selector.as_ref(), spec.target_ref.as_ref());
            if self.attaches(&jwt.meta, selector, one, &spec.target_refs) {
                self.uses(jwt);
            }
        }
        // What is attached to what does not exist here is said as well, where it stands.
        for telemetry in self.world.of::<Telemetry>() {
            if self.attaches(&telemetry.meta, telemetry.spec.selector.as_ref(), None, &[]) {
                self.uses(telemetry);
            }
        }
        for policy in self.world.of::<AuthorizationPolicy>() {
            let spec = &policy.spec;
            let selector = spec.selector.as_ref();
            if self.attaches(&policy.meta, selector, None, &[]) {
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
        // What enters the mesh is every gateway's business, what is routed in a namespace that of its proxies.
        for resource in self.world.iter() {
            let meta = resource.meta();
            let near = self.node.kind == NodeKind::Router || *meta.namespace == *self.node.namespace;
            if near && matches!(&*meta.group, gateway_api::GROUP | gateway_api::X_GROUP | INGRESS_GROUP) {
                report_unsupported(resource, self.mesh, report);
            }
        }
        for (group, kind, namespace, name) in self.used.borrow().iter() {
            if let Some(resource) = self.world.find(group, kind, namespace, name) {
                report_unsupported(resource, self.mesh, report);
            }
        }
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

/// Whether a Sidecar declares a socket, of either direction.
pub(super) fn has_own_sockets(sidecar: &Sidecar) -> bool {
    sidecar.ingress.iter().any(|i| i.capture_mode == CaptureMode::None)
        || sidecar.egress.iter().any(|e| e.capture_mode == CaptureMode::None)
}
