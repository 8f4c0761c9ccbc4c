//! What every analyzer asks of a World, indexed once, so that the whole analysis stays near-linear.

use super::selecting::Selecting;
use super::workloads::Workloads;
use crate::api::networking::{DestinationRule, Gateway, ServiceEntry, VirtualService};
use crate::api::{AnyResource, MeshConfig, Meta, Resource, kubernetes};
use crate::diagnostic::{Finding, Label, Level, ResourceKey, SourceMap, code};
use crate::hostname::Hostname;
use crate::registry::{CLUSTER_DOMAIN, ExportTo, Provider, Registry, Service};
use crate::world::World;
use std::cell::{Cell, OnceCell};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::SystemTime;

/// How many names are compared in search of a likely one, in all: suggestions must not cost what the
/// analysis itself does not.
const GUESSES: usize = 20_000;
/// How many names are looked at in that search, in all; most differ in length already.
const LOOKS: usize = 1_000_000;

/// A World with the indexes that analyzers share.
#[derive(Debug)]
pub struct Context<'w> {
    pub(super) world: &'w World,
    pub(super) mesh: &'w MeshConfig,
    pub(super) registry: &'w Registry,
    pub(super) workloads: Workloads<'w>,
    pub(super) selecting: Selecting<'w>,
    /// In order of precedence.
    pub(super) routings: Vec<Routing<'w>>,
    /// The places in `routings` of those that hold for sidecars, with the host's place in `spec.hosts`, by host.
    pub(super) on_mesh: ByHost<(usize, usize)>,
    pub(super) rules: ByHost<Rule<'w>>,
    namespaces: HashMap<&'w str, &'w Meta>,
    inhabited: HashSet<&'w str>,
    guesses: Cell<usize>,
    looks: Cell<usize>,
    /// Whether a service of the root namespace is here.
    root_known: OnceCell<bool>,
    /// What certificates are compared with.
    pub(super) now: SystemTime,
}

/// A VirtualService, read.
#[derive(Debug)]
pub(super) struct Routing<'w> {
    pub(super) of: &'w Arc<Resource<VirtualService>>,
    /// Full names, with their places in `spec.hosts`.
    pub(super) hosts: Vec<(usize, Hostname)>,
    pub(super) seen_by: ExportTo,
    /// Whether it holds for sidecars.
    pub(super) mesh: bool,
    /// The gateways that `spec.gateways` names, with their places in it.
    pub(super) gateways: Vec<(usize, GatewayName<'w>)>,
}

/// A DestinationRule, read.
#[derive(Debug)]
pub(super) struct Rule<'w> {
    pub(super) of: &'w Arc<Resource<DestinationRule>>,
    pub(super) seen_by: ExportTo,
}

/// Namespace and name of a Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct GatewayName<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
}

impl<'a> GatewayName<'a> {
    /// `namespace/name`, the older `name.namespace…`, or a name of the resource's own namespace; `None` for
    /// `mesh`.
    pub(super) fn read(text: &'a str, own: &'a str) -> Option<Self> {
        if text == "mesh" {
            return None;
        }
        if let Some((namespace, name)) = text.split_once('/') {
            return Some(Self { namespace, name });
        }
        Some(match text.split_once('.') {
            Some((name, rest)) => Self { namespace: rest.split('.').next().unwrap_or(rest), name },
            None => Self { namespace: own, name: text },
        })
    }
}

impl<'w> Context<'w> {
    /// Indexes a World, to be judged at this time.
    pub fn new(world: &'w World, now: SystemTime) -> Self {
        let mesh = world.mesh();
        let routings: Vec<Routing<'w>> = world.of::<VirtualService>().map(|of| routing(of, mesh)).collect();
        let mut on_mesh = ByHost::default();
        for (at, routing) in routings.iter().enumerate().filter(|(_, r)| r.mesh) {
            for (place, host) in &routing.hosts {
                on_mesh.insert(host.clone(), (at, *place));
            }
        }
        let mut rules = ByHost::default();
        for of in world.of::<DestinationRule>() {
            let own = &of.meta.namespace;
            let default = ExportTo::new(&mesh.default_destination_rule_export_to, own, &ExportTo::All);
            if let Ok(host) = full_name(&of.spec.host, own) {
                rules.insert(host, Rule { of, seen_by: ExportTo::new(&of.spec.export_to, own, &default) });
            }
        }
        Self {
            world,
            mesh,
            registry: world.registry(),
            workloads: Workloads::new(world),
            selecting: Selecting::new(world.registry()),
            routings,
            on_mesh,
            rules,
            namespaces: world.of::<kubernetes::Namespace>().map(|n| (&*n.meta.name, &n.meta)).collect(),
            inhabited: world.iter().map(|r| &*r.meta().namespace).collect(),
            guesses: Cell::new(GUESSES),
            looks: Cell::new(LOOKS),
            root_known: OnceCell::new(),
            now,
        }
    }

    /// The Namespace resource of a name.
    pub(super) fn namespace(&self, name: &str) -> Option<&'w Meta> {
        self.namespaces.get(name).copied()
    }

    /// Whether a namespace is declared or has resources.
    pub(super) fn has_namespace(&self, name: &str) -> bool {
        self.namespaces.contains_key(name) || self.inhabited.contains(name)
    }

    /// The names of all namespaces that are declared or have resources; empty where none is declared, since
    /// then they are made elsewhere.
    pub(super) fn all_namespaces(&self) -> Option<impl Iterator<Item = &'w str>> {
        let inhabited = self.inhabited.iter().copied();
        (!self.namespaces.is_empty()).then(|| self.namespaces.keys().copied().chain(inhabited))
    }

    /// The service of a host as callers of a namespace see it: of its own name, or of a wildcard over it.
    pub(super) fn service(&self, host: &Hostname, from: &str) -> Option<&'w Arc<Service>> {
        wider(host).find_map(|name| self.registry.service(&name, from))
    }

    /// A field of the resource that declares a service: a Service, or a ServiceEntry.
    pub(super) fn declared(&self, service: &Service, path: &str) -> Option<Spot<'w>> {
        let Service { namespace, name, .. } = service;
        let source = match service.provider {
            Provider::Kubernetes => &self.world.get::<kubernetes::Service>(namespace, name)?.source,
            Provider::External => &self.world.get::<ServiceEntry>(namespace, name)?.source,
        };
        Some(Spot { source, path: path.to_owned() })
    }

    /// Whether a host that no service has may be one of the mesh's own installation: of the root namespace, of which
    /// no service is here. What serves gateways and istiod is seldom among a user's files.
    pub(super) fn may_be_installed(&self, host: &Hostname) -> bool {
        let root = &*self.mesh.root_namespace;
        let suffix = format!(".{root}.svc.{CLUSTER_DOMAIN}");
        let known = || self.registry.services().any(|s| *s.namespace == *root);
        host.as_str().ends_with(&suffix) && !*self.root_known.get_or_init(known)
    }

    /// The Gateway of a name.
    pub(super) fn gateway(&self, name: GatewayName<'_>) -> Option<&'w Arc<Resource<Gateway>>> {
        self.world.get::<Gateway>(name.namespace, name.name)
    }

    /// The VirtualService that sidecars of a namespace follow for a host: of the most specific ones the first.
    pub(super) fn routing(&self, host: &Hostname, from: &str) -> Option<&Routing<'w>> {
        let mut found = self.on_mesh.covering(host).filter_map(|(at, _)| self.routings.get(*at));
        found.find(|r| r.seen_by.covers(from))
    }

    /// The likely name among some, at most three letters away.
    pub(super) fn nearest<'n>(&self, wrong: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        let mut best: Option<(usize, &str)> = None;
        for name in names {
            self.looks.set(self.looks.get().checked_sub(1)?);
            if name.len().abs_diff(wrong.len()) > 3 {
                continue;
            }
            let left = self.guesses.get().checked_sub(1)?;
            self.guesses.set(left);
            let found = (strsim::damerau_levenshtein(name, wrong), name);
            if found.0 <= 3 && best.is_none_or(|b| found < b) {
                best = Some(found);
            }
        }
        best.map(|(_, name)| name)
    }
}

/// So many names are listed in one sentence.
const LISTED: usize = 20;

/// `a, b, c`, or the first of them and how many more there are.
pub(super) fn list<T: ToString>(names: impl ExactSizeIterator<Item = T>) -> String {
    let more = names.len().saturating_sub(LISTED);
    let first: Vec<String> = names.take(LISTED).map(|name| name.to_string()).collect();
    match more {
        0 => first.join(", "),
        _ => format!("{} and {more} more", first.join(", ")),
    }
}

/// A host as a full name.
pub(super) fn full_name(host: &str, namespace: &str) -> Result<Hostname, crate::hostname::InvalidHostname> {
    Hostname::resolve(host, namespace, CLUSTER_DOMAIN)
}

fn routing<'w>(of: &'w Arc<Resource<VirtualService>>, mesh: &MeshConfig) -> Routing<'w> {
    let own = &*of.meta.namespace;
    let default = ExportTo::new(&mesh.default_virtual_service_export_to, own, &ExportTo::All);
    let hosts = of.spec.hosts.iter().enumerate();
    let gateways = of.spec.gateways.iter().enumerate();
    Routing {
        of,
        hosts: hosts.filter_map(|(i, host)| Some((i, full_name(host, own).ok()?))).collect(),
        seen_by: ExportTo::new(&of.spec.export_to, own, &default),
        mesh: of.spec.gateways.is_empty() || of.spec.gateways.iter().any(|g| g == "mesh"),
        gateways: gateways.filter_map(|(i, text)| Some((i, GatewayName::read(text, own)?))).collect(),
    }
}

/// Things by host name; a name is found under itself and under the wildcards over it.
#[derive(Debug)]
pub(super) struct ByHost<T>(HashMap<Hostname, Vec<T>>);

impl<T> Default for ByHost<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> ByHost<T> {
    pub(super) fn insert(&mut self, host: Hostname, thing: T) {
        self.0.entry(host).or_default().push(thing);
    }

    /// What is of a name or of a wildcard over it, the most specific first.
    pub(super) fn covering(&self, host: &Hostname) -> impl Iterator<Item = &T> {
        wider(host).filter_map(|name| self.0.get(&name)).flatten()
    }

    /// All, by name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Hostname, &[T])> {
        let mut all: Vec<_> = self.0.iter().map(|(host, things)| (host, things.as_slice())).collect();
        all.sort_by(|a, b| a.0.cmp(b.0));
        all.into_iter()
    }
}

/// A name and every wildcard over it: `a.b`, `*.b`, `*`.
pub(super) fn wider(host: &Hostname) -> impl Iterator<Item = Hostname> {
    let text = host.as_str();
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let wild = bare.match_indices('.').filter_map(|(at, _)| format!("*{}", bare.get(at..)?).parse().ok());
    let all = (text != "*").then(|| "*".parse().ok()).flatten();
    std::iter::once(host.clone()).chain(wild).chain(all)
}

/// A finding of a code, at the code's level.
pub(super) fn say(code: &'static str, message: impl Into<String>) -> Finding {
    let level = code::find(code).map_or(Level::Warning, |c| c.level);
    Finding::new(level, code, message)
}

/// A field of a resource that a finding about another one speaks of as well.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Spot<'w> {
    pub(super) source: &'w Arc<SourceMap>,
    pub(super) path: String,
}

impl<'w> Spot<'w> {
    pub(super) fn of<T>(resource: &'w Resource<T>, path: impl Into<String>) -> Self {
        Self { source: &resource.source, path: path.into() }
    }
}

/// Lets a finding show another place; the text says what stands there.
pub(super) fn beside(finding: Finding, spot: &Spot<'_>, text: &str) -> Finding {
    finding.beside(spot.source, &spot.path, text)
}

/// Lets a finding show another place, where there is one.
pub(super) fn beside_any(finding: Finding, spot: Option<Spot<'_>>, text: &str) -> Finding {
    match spot {
        Some(spot) => beside(finding, &spot, text),
        None => finding,
    }
}

/// As [`beside`], at the name of the field: its value may be long, or blotted out.
pub(super) fn beside_key(mut finding: Finding, spot: &Spot<'_>, text: &str) -> Finding {
    let span = spot.source.key(&spot.path).or_else(|| spot.source.locate(&spot.path));
    finding.labels.push(Label { source: spot.source.clone(), span, text: text.to_owned() });
    finding
}

/// The codes that resources silence by annotation, as `istioctl` reads it.
#[derive(Debug, Default)]
pub(super) struct Silenced(HashMap<ResourceKey, Vec<String>>);

impl Silenced {
    pub(super) fn new(world: &World) -> Self {
        let listed = |r: &AnyResource| {
            let text = r.meta().annotations.get("galley.istio.io/analyze-suppress")?;
            let codes = text.split(',').map(|c| c.trim().to_owned()).collect();
            Some((ResourceKey::of(r.meta()), codes))
        };
        Self(world.iter().filter_map(listed).collect())
    }

    pub(super) fn covers(&self, finding: &Finding) -> bool {
        let codes = self.0.get(&finding.resource);
        codes.is_some_and(|codes| codes.iter().any(|c| c == "*" || c == finding.code))
    }
}
