//! From one World's registry to the next one's: which services a change is about, and nothing else anew.
//!
//! A registry from scratch is the empty one after the change that adds everything, so there is one way only.

use super::declared::{Declared, Part};
use super::declaring::{Declares, Declaring};
use super::draft::Offer;
use super::facet::{ServiceFacet, WorkloadFacet};
use super::index::Facet;
use super::service::ServiceKey;
use super::workload::WorkloadKey;
use super::{Provider, Registry, Workload, entry, kubernetes};
use crate::api::kubernetes::endpoint_slice::SERVICE_NAME_LABEL;
use crate::api::{AnyResource, Meta};
use crate::world::{Rank, World};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A resource that took the place of another, or of none, or that left it to none.
#[derive(Clone, Debug)]
pub(crate) struct Replaced {
    pub(crate) old: Option<AnyResource>,
    pub(crate) new: Option<AnyResource>,
}

impl Replaced {
    /// Whether the registry reads resources of its kind.
    pub(crate) fn concerns_registry(&self) -> bool {
        self.both().any(|resource| {
            matches!(
                resource,
                AnyResource::Service(_)
                    | AnyResource::ServiceEntry(_)
                    | AnyResource::WorkloadEntry(_)
                    | AnyResource::Pod(_)
                    | AnyResource::EndpointSlice(_)
                    | AnyResource::Endpoints(_)
            )
        })
    }

    fn both(&self) -> impl Iterator<Item = &AnyResource> {
        self.old.iter().chain(&self.new)
    }
}

/// How much of what a resource declares is to be derived anew.
#[derive(Clone, Copy, Default, PartialEq, PartialOrd)]
enum Extent {
    /// The offers of some sources.
    #[default]
    Offers,
    /// These, and the services, whose offers stay what they are.
    Services,
    /// All of it.
    All,
}

/// What is to be derived anew of what a resource declares.
#[derive(Default)]
struct Touched {
    extent: Extent,
    parts: BTreeSet<Part>,
}

impl Touched {
    fn extend(&mut self, extent: Extent) {
        if extent > self.extent {
            self.extent = extent;
        }
    }
}

/// What is to be derived anew, by the resource that declares it.
#[derive(Default)]
struct Stale(BTreeMap<Declares, Touched>);

impl Stale {
    fn of(&mut self, provider: Provider, meta: &Meta) -> &mut Touched {
        self.0.entry((provider, meta.namespace.clone(), meta.name.clone())).or_default()
    }
}

impl Registry {
    /// The registry of a World that differs from this one's by these changes.
    pub(crate) fn after<'c>(
        &self,
        world: &World,
        changes: impl Iterator<Item = &'c Replaced> + Clone,
    ) -> Self {
        let mut next = self.clone();
        let mut stale = Stale::default();
        for change in changes {
            next.workload_changes(change, &mut stale);
            next.slice_changes(change, &mut stale);
            next.service_changes(change, &mut stale);
        }
        let export = &world.mesh().default_service_export_to;
        if *next.default_export != **export {
            next.default_export = export.as_slice().into();
            for service in self.services() {
                stale.0.entry(service.declares()).or_default().extend(Extent::Services);
            }
        }
        for (declares, touched) in &stale.0 {
            next.declare(world, declares, touched);
        }
        next
    }

    fn workload_changes(&mut self, change: &Replaced, stale: &mut Stale) {
        if let Some(key) = change.old.as_ref().and_then(WorkloadKey::of)
            && let Some(old) = self.workloads.remove(&key)
        {
            self.stale_with(&key, &old, stale);
        }
        let new = match &change.new {
            Some(AnyResource::WorkloadEntry(r)) => Some(entry::workload(r)),
            Some(AnyResource::Pod(r)) => kubernetes::workload(r),
            _ => None,
        };
        if let Some((key, new)) = change.new.as_ref().and_then(WorkloadKey::of).zip(new) {
            self.stale_with(&key, &new, stale);
            let facets = WorkloadFacet::all_of(&new);
            self.workloads.insert(key, Arc::new(new), facets);
        }
    }

    fn slice_changes(&mut self, change: &Replaced, stale: &mut Stale) {
        if let Some(AnyResource::EndpointSlice(old)) = &change.old {
            self.slices.remove(&Rank::of(&old.meta));
        }
        if let Some(AnyResource::EndpointSlice(new)) = &change.new
            && let Some(service) = new.meta.labels.get(SERVICE_NAME_LABEL)
        {
            let facet = Facet::of((&new.meta.namespace, service));
            self.slices.insert(Rank::of(&new.meta), new.clone(), vec![facet]);
        }
        for resource in change.both() {
            if let AnyResource::EndpointSlice(slice) = resource
                && let Some(service) = slice.meta.labels.get(SERVICE_NAME_LABEL)
            {
                let declares = (Provider::Kubernetes, slice.meta.namespace.clone(), service.as_str().into());
                stale.0.entry(declares).or_default().parts.insert(Part::Slice(Rank::of(&slice.meta)));
            }
        }
    }

    /// What is offered of a service depends on its spec alone.
    fn service_changes(&self, change: &Replaced, stale: &mut Stale) {
        let extent = match (&change.old, &change.new) {
            (Some(AnyResource::Service(a)), Some(AnyResource::Service(b))) if a.spec == b.spec => {
                Extent::Services
            }
            (Some(AnyResource::ServiceEntry(a)), Some(AnyResource::ServiceEntry(b))) if a.spec == b.spec => {
                Extent::Services
            }
            _ => Extent::All,
        };
        for resource in change.both() {
            match resource {
                AnyResource::Service(r) => stale.of(Provider::Kubernetes, &r.meta).extend(extent),
                AnyResource::ServiceEntry(r) => stale.of(Provider::External, &r.meta).extend(extent),
                AnyResource::Endpoints(r) => {
                    stale.of(Provider::Kubernetes, &r.meta).parts.insert(Part::Endpoints);
                }
                _ => {}
            }
        }
    }

    /// The offers that looked for a workload like this one when they were derived, whether they found it
    /// or would have, and those that it makes itself.
    fn stale_with(&self, key: &WorkloadKey, workload: &Workload, stale: &mut Stale) {
        let namespace = &*workload.namespace;
        let labels = workload.labels.iter().map(|(k, v)| ServiceFacet::Selects(namespace, k, v));
        for facet in labels.chain([ServiceFacet::SelectsAll(namespace)]) {
            let all = self.declared.with(facet.facet()).filter_map(|d| d.first());
            for service in all.filter(|s| s.selects(workload)) {
                let touched = stale.0.entry(service.declares()).or_default();
                touched.parts.insert(Part::Workload(key.clone()));
            }
        }
        let ips = workload.ips.iter().map(|ip| ServiceFacet::Refers(namespace, *ip));
        for facet in ips.chain([ServiceFacet::RefersTo(namespace, &workload.name)]) {
            for (key, part) in self.refers.with(facet.facet()) {
                let Some(service) = self.declared.get(key).and_then(|d| d.first()) else { continue };
                stale.0.entry(service.declares()).or_default().parts.insert(part.clone());
            }
        }
    }

    /// Derives what a resource declares, if it is there.
    fn declare(&mut self, world: &World, declares: &Declares, touched: &Touched) {
        let before = self.declared_by(declares);
        let resource = Declaring::find(world, declares);
        let key = resource.as_ref().map(Declaring::key);
        let (same, gone) = match before {
            Some((was, old)) if Some(&was) == key.as_ref() => (Some(old), None),
            other => (None, other),
        };
        if let Some((was, old)) = gone {
            self.forget(&was, &old);
        }
        let Some((resource, key)) = resource.zip(key) else { return };
        match (self.derive(world, &resource, same.as_deref(), touched), same) {
            (None, None) => {}
            (None, Some(old)) => self.forget(&key, &old),
            (Some(new), old) => {
                self.relink(&key, old.as_deref(), Some(&new));
                let facets = new.facets();
                self.declared.insert(key, Arc::new(new), facets);
            }
        }
    }

    /// What a resource declares, if it declares anything.
    fn derive(
        &self,
        world: &World,
        resource: &Declaring<'_>,
        before: Option<&Declared>,
        touched: &Touched,
    ) -> Option<Declared> {
        let means = resource.means(self, world);
        match before.filter(|b| b.means == means && touched.extent != Extent::All) {
            Some(before) => {
                let mut next = before.clone();
                if touched.extent == Extent::Services {
                    next.set_services(resource.services(world));
                }
                next.first()?;
                for part in &touched.parts {
                    let site = next.site(self, world, part);
                    match site.and_then(|site| resource.offer(self, &next, &site)) {
                        Some(offer) => next.insert(offer),
                        None => next.remove(part.clone()),
                    }
                }
                Some(next)
            }
            None => {
                let mut next = Declared::new(resource.services(world), means);
                next.first()?;
                for site in next.sites(self, world) {
                    if let Some(offer) = resource.offer(self, &next, &site) {
                        next.insert(offer);
                    }
                }
                Some(next)
            }
        }
    }

    fn forget(&mut self, key: &ServiceKey, old: &Declared) {
        self.declared.remove(key);
        self.relink(key, Some(old), None);
    }

    /// Links offers by who their instances are and by what they looked for; those that stayed are not touched.
    fn relink(&mut self, key: &ServiceKey, old: Option<&Declared>, new: Option<&Declared>) {
        let nothing = Declared::default();
        for (part, old, new) in old.unwrap_or(&nothing).differences(new.unwrap_or(&nothing)) {
            if refers(old) == refers(new) && serves(old).eq(serves(new)) {
                continue;
            }
            let link = (key.clone(), part.clone());
            self.refers.replace(&link, refers(old), refers(new));
            let all = |offer| serves(offer).collect::<Vec<_>>();
            self.serves.replace(&link, &all(old), &all(new));
        }
    }
}

/// What an offer looked for, if there is one.
fn refers(offer: Option<&Offer>) -> &[Facet] {
    offer.map_or(&[], |o| &o.refers)
}

/// Who its instances are.
fn serves(offer: Option<&Offer>) -> impl Iterator<Item = Facet> {
    offer.into_iter().flat_map(Offer::serves)
}
