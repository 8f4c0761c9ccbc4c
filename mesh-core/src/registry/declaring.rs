//! A resource that declares services, whichever its kind: what it declares, and what says where that is
//! served.

use super::declared::{Declared, Means, Part};
use super::draft::{Draft, Offer};
use super::facet::{ServiceFacet, WorkloadFacet};
use super::index::Facet;
use super::service::ServiceKey;
use super::{Provider, Registry, Service, Workload, WorkloadSource, entry, kubernetes};
use crate::api::Resource;
use crate::api::kubernetes::endpoint_slice::SERVICE_NAME_LABEL;
use crate::api::kubernetes::{self as api, EndpointSlice, Endpoints};
use crate::api::networking::ServiceEntry;
use crate::api::value::labels_match;
use crate::world::{Rank, World};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Which resource declares a service: provider, namespace and name.
pub(super) type Declares = (Provider, Arc<str>, Arc<str>);

/// A resource that declares services.
pub(super) enum Declaring<'a> {
    Service(&'a Resource<api::Service>),
    Entry(&'a Resource<ServiceEntry>),
}

/// What a [`Part`] stands for, at one time.
pub(super) enum Site<'a> {
    /// The resource itself.
    Written,
    /// The Endpoints of its name.
    Endpoints(&'a Resource<Endpoints>),
    /// An EndpointSlice of it.
    Slice(&'a Resource<EndpointSlice>),
    /// A workload that it selects.
    Workload(&'a Arc<Workload>),
}

impl Site<'_> {
    fn part(&self) -> Option<Part> {
        Some(match self {
            Self::Written => Part::Written,
            Self::Endpoints(_) => Part::Endpoints,
            Self::Slice(of) => Part::Slice(Rank::of(&of.meta)),
            Self::Workload(of) => Part::Workload(of.key.clone()?),
        })
    }
}

impl<'a> Declaring<'a> {
    /// The resource, if it is there.
    pub(super) fn find(world: &'a World, (provider, namespace, name): &Declares) -> Option<Self> {
        match provider {
            Provider::Kubernetes => world.get(namespace, name).map(|r| Self::Service(r)),
            Provider::External => world.get(namespace, name).map(|r| Self::Entry(r)),
        }
    }

    pub(super) fn key(&self) -> ServiceKey {
        match self {
            Self::Service(r) => (Provider::Kubernetes, Rank::of(&r.meta)),
            Self::Entry(r) => (Provider::External, Rank::of(&r.meta)),
        }
    }

    /// What it declares.
    pub(super) fn services(&self, world: &World) -> Arc<[Arc<Service>]> {
        let key = self.key();
        let all: Vec<Service> = match self {
            Self::Service(r) => kubernetes::service(world, r).into_iter().collect(),
            Self::Entry(r) => entry::services(world, r).collect(),
        };
        let placed = |(nth, service)| Arc::new(Service { key: key.clone(), nth, ..service });
        all.into_iter().enumerate().map(placed).collect()
    }

    pub(super) fn means(&self, registry: &Registry, world: &World) -> Means {
        match self {
            Self::Service(r) => kubernetes::means(registry, world, r),
            Self::Entry(r) => entry::means(r),
        }
    }

    /// What a source offers of its services; `None` if there is nothing to tell it by.
    pub(super) fn offer(&self, registry: &Registry, of: &Declared, site: &Site<'_>) -> Option<Offer> {
        let mut draft = Draft::new(registry, site.part()?);
        for service in of.services.iter() {
            match self {
                Self::Service(r) => kubernetes::offer(&mut draft, r, service, site),
                Self::Entry(r) => entry::offer(&mut draft, r, service, site),
            }
        }
        Some(draft.finish())
    }
}

impl Declared {
    /// All sources of its instances.
    pub(super) fn sites<'a>(&self, registry: &'a Registry, world: &'a World) -> Vec<Site<'a>> {
        let Some(service) = self.first() else { return Vec::new() };
        let mut all = match self.means {
            Means::Nothing | Means::Selector => Vec::new(),
            Means::Written => return vec![Site::Written],
            Means::Slices => {
                let slices = registry.slices_of(&service.namespace, &service.name);
                slices.map(|slice| Site::Slice(slice)).collect()
            }
            Means::Endpoints => self.site(registry, world, &Part::Endpoints).into_iter().collect(),
        };
        let selected = registry.selected(service).into_iter();
        all.extend(selected.filter(|w| self.means.takes(w)).map(Site::Workload));
        all
    }

    /// One of them, if it is one now.
    pub(super) fn site<'a>(&self, registry: &'a Registry, world: &'a World, part: &Part) -> Option<Site<'a>> {
        let service = self.first()?;
        let (namespace, name) = (&service.namespace, &service.name);
        match (part, self.means) {
            (Part::Written, Means::Written) => Some(Site::Written),
            (Part::Endpoints, Means::Endpoints) => world.get(namespace, name).map(|r| Site::Endpoints(r)),
            (Part::Slice(rank), Means::Slices) => {
                let slice = registry.slices.get(rank)?;
                is_slice_of(slice, namespace, name).then_some(Site::Slice(slice))
            }
            (Part::Workload(key), _) => {
                let workload = registry.workloads.get(key)?;
                (self.means.takes(workload) && service.selects(workload)).then_some(Site::Workload(workload))
            }
            _ => None,
        }
    }

    /// What it is found by, itself; [`Offer::refers`] is what its offers are found by.
    pub(super) fn facets(&self) -> Vec<Facet> {
        let mut all: Vec<Facet> = self.services.iter().map(|s| ServiceFacet::Host(&s.host).facet()).collect();
        if let Some(first) = self.first() {
            all.push(ServiceFacet::Declares(first.provider, &first.namespace, &first.name).facet());
            if let Some(want) = &first.selector {
                // Whoever has all of the labels has the first.
                all.push(match want.first_key_value() {
                    Some((k, v)) => ServiceFacet::Selects(&first.namespace, k, v).facet(),
                    None => ServiceFacet::SelectsAll(&first.namespace).facet(),
                });
            }
        }
        all
    }
}

impl Means {
    /// Whether a workload that is selected is a source of instances: where endpoints are listed, Pods are
    /// listed among them.
    fn takes(self, workload: &Workload) -> bool {
        match self {
            Self::Selector => true,
            Self::Slices | Self::Endpoints => workload.source == WorkloadSource::Entry,
            Self::Nothing | Self::Written => false,
        }
    }
}

fn is_slice_of(slice: &Resource<EndpointSlice>, namespace: &str, service: &str) -> bool {
    let label = slice.meta.labels.get(SERVICE_NAME_LABEL);
    *slice.meta.namespace == *namespace && label.is_some_and(|l| l == service)
}

impl Registry {
    /// The slices of a service in order of precedence.
    pub(super) fn slices_of(
        &self,
        namespace: &str,
        service: &str,
    ) -> impl Iterator<Item = &Arc<Resource<EndpointSlice>>> {
        let all = self.slices.with(Facet::of((namespace, service)));
        all.filter(move |slice| is_slice_of(slice, namespace, service))
    }

    /// The workloads that a service selects. A ServiceEntry's empty selector selects all of its namespace; a
    /// Kubernetes Service with an empty one has none.
    fn selected(&self, service: &Service) -> Vec<&Arc<Workload>> {
        let namespace = &*service.namespace;
        match &service.selector {
            None => Vec::new(),
            Some(want) if want.is_empty() => {
                let all = self.workloads.with(WorkloadFacet::Namespace(namespace).facet());
                all.filter(|w| *w.namespace == *namespace).collect()
            }
            Some(want) => self.with_labels(namespace, want),
        }
    }

    fn with_labels(&self, namespace: &str, want: &BTreeMap<String, String>) -> Vec<&Arc<Workload>> {
        let label = |(k, v): (&String, &String)| WorkloadFacet::Label(namespace, k, v).facet();
        let mut lists: Vec<_> = want.iter().map(|l| (self.workloads.with(label(l)), Vec::new())).collect();
        // All lists at once, so that the shortest one decides how far is looked.
        loop {
            for (list, seen) in &mut lists {
                match list.next() {
                    Some(workload) => seen.push(workload),
                    None => {
                        seen.retain(|w| *w.namespace == *namespace && labels_match(want, &w.labels));
                        return std::mem::take(seen);
                    }
                }
            }
        }
    }

    /// What a resource declares, by its place.
    pub(super) fn declared_by(&self, declares: &Declares) -> Option<(ServiceKey, Arc<Declared>)> {
        let (provider, namespace, name) = declares;
        let found = self.declared.with(ServiceFacet::Declares(*provider, namespace, name).facet());
        let mut found = found.filter_map(|d| Some((d.first()?, d)));
        let (first, declared) = found.find(|(first, _)| first.declares() == *declares)?;
        Some((first.key.clone(), declared.clone()))
    }
}
