//! What one resource declares: its services, and what each source of instances offers of them.
//!
//! ```text
//! Service, ServiceEntry ─▶ services
//! EndpointSlice, Pod, … ─▶ [Offer] each ─▶ instances in order
//! ```
//!
//! An offer is derived from one source alone, so that a Pod that changes among the thousands of a service
//! costs what one Pod costs. Everything is persistent: the next registry shares what stays.

use super::draft::Offer;
use super::index::Facet;
use super::instance::{Named, Placed};
use super::service::ServiceKey;
use super::workload::WorkloadKey;
use super::{Inbound, Instance, Provider, Service, Workload};
use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::world::Rank;
use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Bound;
use std::sync::Arc;

/// What says where the services of a resource are served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Means {
    /// Nothing does: connections go where they were going.
    #[default]
    Nothing,
    /// The resource itself.
    Written,
    /// A Service's EndpointSlices, and the WorkloadEntries that it selects.
    Slices,
    /// A Service's Endpoints, and the WorkloadEntries that it selects.
    Endpoints,
    /// The workloads that it selects.
    Selector,
}

/// One source of instances.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    /// The resource itself.
    Written,
    /// The Endpoints of its name.
    Endpoints,
    /// This EndpointSlice.
    Slice(Rank),
    /// This workload, which is selected.
    Workload(WorkloadKey),
}

/// What one resource declares: a Kubernetes Service one service, a ServiceEntry one for each host.
#[derive(Clone, Debug, Default)]
pub(super) struct Declared {
    pub(super) services: Arc<[Arc<Service>]>,
    /// Their places, by host: an entry may have hundreds.
    by_host: Arc<[usize]>,
    pub(super) means: Means,
    offers: OrdMap<Part, Shared>,
    instances: OrdSet<InOrder>,
}

/// An offer, the same as itself alone: of what two registries have, nobody looks inside to find what differs.
#[derive(Clone, Debug)]
struct Shared(Arc<Offer>);

impl PartialEq for Shared {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl PartialEq for Declared {
    fn eq(&self, other: &Self) -> bool {
        let Self { services, by_host, means, offers, instances } = self;
        let same_offers = || {
            let (ours, theirs) = (offers.iter(), other.offers.iter());
            offers.len() == other.offers.len()
                && ours.zip(theirs).all(|((part, ours), (other, theirs))| part == other && ours.0 == theirs.0)
        };
        (services, by_host, means) == (&other.services, &other.by_host, &other.means)
            && *instances == other.instances
            && same_offers()
    }
}

impl Declared {
    pub(super) fn new(services: Arc<[Arc<Service>]>, means: Means) -> Self {
        let by_host = by_host(&services);
        Self { services, by_host, means, offers: OrdMap::new(), instances: OrdSet::new() }
    }

    /// Puts services in the place of the ones that the same resource declared before.
    pub(super) fn set_services(&mut self, services: Arc<[Arc<Service>]>) {
        self.by_host = by_host(&services);
        self.services = services;
    }

    /// Those of its services that have exactly this host name.
    pub(super) fn services_at<'a, 'h>(
        &'a self,
        host: &'h Hostname,
    ) -> impl Iterator<Item = &'a Arc<Service>> + use<'a, 'h> {
        let of = |at: &usize| self.services.get(*at);
        let from = self.by_host.partition_point(|at| of(at).is_some_and(|s| s.host < *host));
        let rest = self.by_host.get(from..).unwrap_or_default().iter().filter_map(of);
        rest.take_while(move |s| s.host == *host)
    }

    /// The first of its services; all have the same resource, selector and provider.
    pub(super) fn first(&self) -> Option<&Arc<Service>> {
        self.services.first()
    }

    fn offer(&self, part: &Part) -> Option<&Offer> {
        self.offers.get(part).map(|offer| &*offer.0)
    }

    /// The offers that another one has not, or made anew: here and there. What both share is not looked at.
    pub(super) fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Part, Option<&'a Offer>, Option<&'a Offer>)> {
        self.offers.diff(&other.offers).map(|item| match item {
            DiffItem::Add(part, new) => (part, None, Some(&*new.0)),
            DiffItem::Update { old: (part, old), new: (_, new) } => (part, Some(&*old.0), Some(&*new.0)),
            DiffItem::Remove(part, old) => (part, Some(&*old.0), None),
        })
    }

    /// Puts an offer in the place of the one from the same source, or nothing.
    pub(super) fn set(&mut self, part: Part, offer: Option<Offer>) {
        let new = offer.map(Arc::new);
        let old = match &new {
            Some(new) => self.offers.insert(part, Shared(new.clone())),
            None => self.offers.remove(&part),
        };
        for placed in old.iter().flat_map(|o| &o.0.instances) {
            self.instances.remove(&InOrder(placed.clone()));
        }
        for placed in new.iter().flat_map(|o| &o.instances) {
            self.instances.insert(InOrder(placed.clone()));
        }
    }

    /// The instances of a port of its `nth` service, by address. An address that is listed in two slices is
    /// one endpoint that is being moved from one to the other.
    pub(super) fn instances(&self, nth: usize, port: u16) -> impl Iterator<Item = &Instance> {
        let from = (Bound::Included(&At(nth, port)), Bound::Unbounded);
        let all = self.instances.range::<_, At>(from).map(|p| &*p.0);
        let mut last: Option<&Placed> = None;
        all.take_while(move |p| (p.nth, p.port) == (nth, port))
            .filter(move |p| {
                let is_slice = |p: &Placed| matches!(p.part, Part::Slice(_));
                let again = |l: &Placed| l.instance.address == p.instance.address && is_slice(l);
                let listed_twice = is_slice(p) && last.is_some_and(again);
                last = Some(p);
                !listed_twice
            })
            .map(|p| &p.instance)
    }

    /// The names that a port of its `nth` service resolves, in order.
    pub(super) fn dns(&self, nth: usize, port: u16, labels: &BTreeMap<String, String>) -> Vec<DnsTarget> {
        let of_port = |n: &&Named| (n.nth, n.port) == (nth, port) && labels_match(labels, &n.labels);
        let all = self.offers.values().flat_map(|o| &o.0.named).filter(of_port);
        let mut targets: Vec<DnsTarget> = all.map(|n| n.target.clone()).collect();
        targets.sort_by(|a, b| (&a.host, a.port).cmp(&(&b.host, b.port)));
        targets
    }

    /// What an instance serves by the offer of one source.
    pub(super) fn inbound<'a, 'w>(
        &'a self,
        part: &Part,
        who: &'w Instancer,
    ) -> impl Iterator<Item = Inbound> + use<'a, 'w> {
        self.offer(part).into_iter().flat_map(|offer| offer.serving_of(who)).filter_map(|serving| {
            let service = self.services.get(serving.nth)?.clone();
            Some(Inbound { service, port: serving.port, target: serving.target })
        })
    }
}

fn by_host(services: &[Arc<Service>]) -> Arc<[usize]> {
    let mut places: Vec<usize> = (0..services.len()).collect();
    places.sort_by_key(|at| services.get(*at).map(|s| &s.host));
    places.into()
}

/// A source of a key: what the registry links facets of offers to.
pub(super) type Link = (ServiceKey, Part);

/// Who is an instance; its hash is the facet that an offer is linked by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Instancer {
    /// This workload.
    Workload(WorkloadKey),
    /// This address, where no workload is declared.
    Address(IpAddr),
}

impl Instancer {
    pub(super) fn facet(&self) -> Facet {
        Facet::of(self)
    }
}

impl Service {
    /// The resource that declares it.
    pub(super) fn declares(&self) -> (Provider, Arc<str>, Arc<str>) {
        (self.provider, self.namespace.clone(), self.name.clone())
    }

    /// Whether a workload of its namespace has the labels that it selects by.
    pub(super) fn selects(&self, workload: &Workload) -> bool {
        *self.namespace == *workload.namespace
            && self.selector.as_ref().is_some_and(|want| labels_match(want, &workload.labels))
    }
}

/// An instance, ordered by service, port, address, and who it is: an order that no two share, and that does
/// not tell in which order the resources came.
#[derive(Clone, Debug)]
struct InOrder(Arc<Placed>);

impl InOrder {
    fn key(&self) -> (usize, u16, &crate::addr::Address, &str, &Part, usize) {
        let Placed { nth, port, part, at, instance } = &*self.0;
        (*nth, *port, &instance.address, &instance.workload.name, part, *at)
    }
}

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InOrder {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for InOrder {}

/// The place before the first instance of a service's port.
struct At(usize, u16);

impl equivalent::Equivalent<InOrder> for At {
    fn equivalent(&self, _: &InOrder) -> bool {
        false
    }
}

impl equivalent::Comparable<InOrder> for At {
    fn compare(&self, key: &InOrder) -> Ordering {
        (self.0, self.1).cmp(&(key.0.nth, key.0.port)).then(Ordering::Less)
    }
}
