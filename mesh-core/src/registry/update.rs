//! From one World's registry to the next one's: which services a change is about, and nothing else anew.
//!
//! A registry from scratch is the empty one after the change that adds everything, so there is one way only.

use super::draft::{Draft, Finished};
use super::facet::{ServiceFacet, WorkloadFacet};
use super::index::Facet;
use super::workload::WorkloadKey;
use super::{Provider, Registry, Workload, entry, kubernetes};
use crate::api::kubernetes::endpoint_slice::SERVICE_NAME_LABEL;
use crate::api::{AnyResource, Meta};
use crate::world::{Rank, World};
use std::collections::BTreeSet;
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

/// Which resource declares a service: provider, namespace and name.
type Declares = (Provider, Arc<str>, Arc<str>);

/// The services that are to be derived anew.
#[derive(Default)]
struct Stale(BTreeSet<Declares>);

impl Stale {
    fn add(&mut self, provider: Provider, meta: &Meta) {
        self.0.insert((provider, meta.namespace.clone(), meta.name.clone()));
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
        for change in changes.clone() {
            next.workload_changes(change, &mut stale);
            next.slice_changes(change, &mut stale);
            for resource in change.both() {
                match resource {
                    AnyResource::Service(r) => stale.add(Provider::Kubernetes, &r.meta),
                    AnyResource::Endpoints(r) => stale.add(Provider::Kubernetes, &r.meta),
                    AnyResource::ServiceEntry(r) => stale.add(Provider::External, &r.meta),
                    _ => {}
                }
            }
        }
        let export = &world.mesh().default_service_export_to;
        if *next.default_export != **export {
            next.default_export = export.as_slice().into();
            for service in self.services() {
                stale.0.insert((service.provider, service.namespace.clone(), service.name.clone()));
            }
        }
        for declares in &stale.0 {
            next.declare(world, declares);
        }
        next
    }

    fn workload_changes(&mut self, change: &Replaced, stale: &mut Stale) {
        if let Some(key) = change.old.as_ref().and_then(WorkloadKey::of)
            && let Some(old) = self.workloads.remove(&key)
        {
            self.stale_with(&old, stale);
        }
        let new = match &change.new {
            Some(AnyResource::WorkloadEntry(r)) => Some(entry::workload(r)),
            Some(AnyResource::Pod(r)) => kubernetes::workload(r),
            _ => None,
        };
        if let Some((key, new)) = change.new.as_ref().and_then(WorkloadKey::of).zip(new) {
            self.stale_with(&new, stale);
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
                let namespace = slice.meta.namespace.clone();
                stale.0.insert((Provider::Kubernetes, namespace, service.as_str().into()));
            }
        }
    }

    /// The services that looked for a workload like this one when they were derived, whether they found it
    /// or would have.
    fn stale_with(&self, workload: &Workload, stale: &mut Stale) {
        let namespace = &*workload.namespace;
        let labels = workload.labels.iter().map(|(k, v)| ServiceFacet::Selects(namespace, k, v));
        let ips = workload.ips.iter().map(|ip| ServiceFacet::Refers(namespace, *ip));
        let others = [ServiceFacet::SelectsAll(namespace), ServiceFacet::RefersTo(namespace, &workload.name)];
        for facet in labels {
            for declared in self.declared.with(facet.facet()) {
                stale.0.extend(declared.first().filter(|s| s.selects(workload)).map(|s| s.declares()));
            }
        }
        for facet in ips.chain(others) {
            for declared in self.declared.with(facet.facet()) {
                stale.0.extend(declared.first().map(|s| s.declares()));
            }
        }
    }

    /// Derives what a resource declares, if it is there.
    fn declare(&mut self, world: &World, declares: &Declares) {
        let (provider, namespace, name) = declares;
        let facet = ServiceFacet::Declares(*provider, namespace, name).facet();
        let before: Vec<_> = self.declared.with(facet).filter_map(|d| d.first()).collect();
        let before = before.into_iter().find(|s| s.declares() == *declares).map(|s| s.key.clone());
        let draft = match provider {
            Provider::Kubernetes => world
                .get(namespace, name)
                .map(|r| kubernetes::declare(Draft::new(self, world, r.as_ref()), r)),
            Provider::External => {
                world.get(namespace, name).map(|r| entry::declare(Draft::new(self, world, r.as_ref()), r))
            }
        };
        let after = draft.and_then(Draft::finish);
        if let Some(before) = before.filter(|b| after.as_ref().is_none_or(|a| a.key != *b))
            && let Some(old) = self.declared.remove(&before)
        {
            self.serves.replace(&before, &old.links(), &[]);
        }
        if let Some(Finished { key, declared, facets }) = after {
            let new = declared.links();
            let old = self.declared.insert(key.clone(), Arc::new(declared), facets);
            self.serves.replace(&key, &old.map(|o| o.links()).unwrap_or_default(), &new);
        }
    }
}
