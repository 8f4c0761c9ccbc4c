//! Who routes a host: VirtualServices of the same host for the same sidecars, and hosts that are claimed by
//! another namespace than their own.
//!
//! A sidecar follows one VirtualService per host: of those that it sees the oldest, then the first by name,
//! then by namespace. Istio leaves that order open; here it is always the same, and said.

use super::context::{Context, Routing, Spot, beside, beside_any, say};
use crate::api::Meta;
use crate::api::networking::ServiceEntry;
use crate::diagnostic::{Finding, Findings, code};
use crate::hostname::Hostname;
use crate::registry::{CLUSTER_DOMAIN, ExportTo, Provider, Registry, Service};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// VirtualServices that route the same host for the same sidecars; the winner is named.
pub(super) fn overlaps(ctx: &Context<'_>, out: &mut Findings) {
    for (host, places) in ctx.on_mesh.iter() {
        let mut first = First::default();
        for (at, place) in places {
            let Some(routing) = ctx.routings.get(*at) else { continue };
            let here = Placed { routing, place: *place };
            if let Some((winner, same_scope)) = first.before(routing) {
                report(host, here, winner, same_scope, out);
            }
            first.add(here);
        }
    }
}

/// A VirtualService, and the place of a host in its `spec.hosts`.
#[derive(Clone, Copy)]
struct Placed<'a, 'w> {
    routing: &'a Routing<'w>,
    place: usize,
}

/// The first VirtualServices of a host, by who sees them.
#[derive(Default)]
struct First<'a, 'w> {
    any: Option<Placed<'a, 'w>>,
    all: Option<Placed<'a, 'w>>,
    of: HashMap<Arc<str>, Placed<'a, 'w>>,
}

impl<'a, 'w> First<'a, 'w> {
    fn add(&mut self, one: Placed<'a, 'w>) {
        match &one.routing.seen_by {
            ExportTo::All => {
                self.all.get_or_insert(one);
                self.any.get_or_insert(one);
            }
            ExportTo::Namespaces(names) => {
                for name in names {
                    self.of.entry(name.clone()).or_insert(one);
                }
                self.any.get_or_insert(one);
            }
            ExportTo::Nobody => {}
        }
    }

    /// Who wins over this one in some namespace, and whether `istioctl` would see it: both are for all
    /// namespaces, or both name one.
    fn before(&self, routing: &Routing<'w>) -> Option<(Placed<'a, 'w>, bool)> {
        match &routing.seen_by {
            ExportTo::Nobody => None,
            ExportTo::All => self.all.map(|w| (w, true)).or(self.any.map(|w| (w, false))),
            ExportTo::Namespaces(names) => {
                let named = names.iter().find_map(|n| self.of.get(n)).map(|w| (*w, true));
                named.or(self.all.map(|w| (w, false)))
            }
        }
    }
}

fn report(
    host: &Hostname,
    loser: Placed<'_, '_>,
    winner: Placed<'_, '_>,
    same_scope: bool,
    out: &mut Findings,
) {
    let path = |place: usize| format!("spec.hosts[{place}]");
    let (at, winner_at) = (path(loser.place), path(winner.place));
    let (loser, winner) = (loser.routing, winner.routing);
    if Arc::ptr_eq(loser.of, winner.of) {
        return;
    }
    let why = reason(&winner.of.meta, &loser.of.meta);
    let name = |m: &Meta| format!("VirtualService {}/{}", m.namespace, m.name);
    let (code, message) = match same_scope {
        true => (
            code::MESH_HOSTS_CONFLICT,
            format!(
                "{} routes `{host}` as well and wins, {why}: no sidecar follows this one for it",
                name(&winner.of.meta)
            ),
        ),
        false => (
            code::OVERLAP,
            format!("where both are seen, {} routes `{host}` as well and wins, {why}", name(&winner.of.meta)),
        ),
    };
    let help = "put all rules of a host into one VirtualService";
    let finding = say(code, message).at(loser.of, at).help(help);
    out.push(beside(finding, &Spot::of(winner.of, winner_at), "this one wins"));
}

/// Why one of two takes precedence.
pub(super) fn reason(winner: &Meta, loser: &Meta) -> &'static str {
    if winner.created != loser.created {
        "since it is older"
    } else if winner.name != loser.name {
        "since its name sorts first"
    } else {
        "since its namespace sorts first"
    }
}

/// Hosts of one namespace that a resource of another claims for callers beyond its own.
pub(super) fn claims(ctx: &Context<'_>, out: &mut Findings) {
    let root = &*ctx.mesh.root_namespace;
    let owners = Owners::new(ctx.registry);
    for routing in ctx.routings.iter().filter(|r| r.mesh && *r.of.meta.namespace != *root) {
        let own = &*routing.of.meta.namespace;
        let Some(reach) = beyond(&routing.seen_by, own) else { continue };
        for (i, host) in &routing.hosts {
            let Some(owner) = owners.of(host, own) else { continue };
            let what = if host.is_wildcard() { "hosts such as " } else { "host " };
            let message = format!(
                "routes {what}`{}` of namespace `{}` for callers in {reach}",
                owner.host, owner.namespace
            );
            let finding = say(code::HOST_CLAIM, message).at(routing.of, format!("spec.hosts[{i}]"));
            out.push(owned(ctx, finding, owner, own));
        }
    }
    for entry in ctx.world.of::<ServiceEntry>().filter(|e| *e.meta.namespace != *root) {
        let own = &*entry.meta.namespace;
        let default = ExportTo::new(&ctx.mesh.default_service_export_to, own, &ExportTo::All);
        let seen_by = ExportTo::new(&entry.spec.export_to, own, &default);
        let Some(reach) = beyond(&seen_by, own) else { continue };
        for (i, host) in entry.spec.hosts.iter().enumerate() {
            let Ok(host) = host.parse::<Hostname>() else { continue };
            let Some(owner) = owners.of(&host, own) else { continue };
            let message = format!(
                "declares host `{}` of namespace `{}` a second time, for callers in {reach}",
                owner.host, owner.namespace
            );
            let finding = say(code::HOST_CLAIM, message).at(entry, format!("spec.hosts[{i}]"));
            out.push(owned(ctx, finding, owner, own));
        }
    }
}

/// Who sees a thing beside its own namespace.
fn beyond(seen_by: &ExportTo, own: &str) -> Option<String> {
    match seen_by {
        ExportTo::All => Some("every namespace".to_owned()),
        ExportTo::Nobody => None,
        ExportTo::Namespaces(names) => {
            let others: Vec<&str> = names.iter().map(|n| &**n).filter(|n| *n != own).collect();
            (!others.is_empty()).then(|| format!("namespace {}", others.join(", ")))
        }
    }
}

/// Which namespace a host belongs to by its form, `service.NAMESPACE.svc.cluster.local`. What lies outside of the
/// cluster belongs to nobody.
struct Owners<'w> {
    registry: &'w Registry,
    /// Under each wildcard, services of two namespaces: one of them is another's than that of who asks.
    wild: HashMap<Hostname, Vec<&'w Arc<Service>>>,
    /// Of hosts that were asked for, the service that has the host by its form.
    exact: RefCell<HashMap<Hostname, Option<&'w Arc<Service>>>>,
}

impl<'w> Owners<'w> {
    fn new(registry: &'w Registry) -> Self {
        let mut wild: HashMap<Hostname, Vec<&Arc<Service>>> = HashMap::new();
        for service in registry.services().filter(|s| s.provider == Provider::Kubernetes) {
            for wider in super::context::wider(&service.host).skip(1) {
                let of = wild.entry(wider).or_default();
                if of.len() < 2 && of.iter().all(|s| s.namespace != service.namespace) {
                    of.push(service);
                }
            }
        }
        Self { registry, wild, exact: RefCell::default() }
    }

    /// The service of another namespace that a host means.
    fn of(&self, host: &Hostname, own: &str) -> Option<&'w Arc<Service>> {
        let belongs = |s: &Service| {
            let suffix = format!(".{}.svc.{CLUSTER_DOMAIN}", s.namespace);
            *s.namespace != *own && s.host.as_str().ends_with(&suffix)
        };
        if host.is_wildcard() {
            return self.wild.get(host).into_iter().flatten().copied().find(|s| belongs(s));
        }
        // Whose host it is does not depend on who asks, so that each is looked for once.
        let (_, owner) =
            host.as_str().strip_suffix(CLUSTER_DOMAIN)?.strip_suffix(".svc.")?.rsplit_once('.')?;
        let mut known = self.exact.borrow_mut();
        let find = |host: &Hostname| self.registry.services_at(host).find(|s| *s.namespace == *owner);
        let found = *known.entry(host.clone()).or_insert_with_key(find);
        found.filter(|s| *s.namespace != *own)
    }
}

/// Says whose host it is, and what may be done.
fn owned(ctx: &Context<'_>, finding: Finding, owner: &Service, own: &str) -> Finding {
    let help = format!(
        "move it to namespace `{}`, or keep it to your own callers with exportTo: [\".\"] in `{own}`",
        owner.namespace
    );
    beside_any(finding, ctx.declared(owner, "metadata.name"), "the service that has it").help(help)
}
