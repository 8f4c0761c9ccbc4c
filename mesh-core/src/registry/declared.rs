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
use super::instance::{Before, InOrder, Named};
use super::service::ServiceKey;
use super::workload::WorkloadKey;
use super::{Inbound, Instance, Provider, Service, Workload};
use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::model::cluster::DnsTarget;
use crate::world::Rank;
use imbl::ordmap::DiffItem;
use imbl::{OrdMap, OrdSet};
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
    offers: OrdMap<Filed, Shared>,
    instances: OrdSet<InOrder>,
}

/// A source in the map of offers. Its facet decides almost alone, so that finding its place among thousands
/// does not look at the names of each on the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Filed {
    facet: Facet,
    part: Part,
}

impl Filed {
    fn new(part: Part) -> Self {
        let facet = match &part {
            Part::Workload(key) => key.facet(),
            Part::Slice(rank) => Facet::of(rank),
            Part::Written | Part::Endpoints => Facet::default(),
        };
        Self { facet, part }
    }
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
        self.offers.get(&Filed::new(part.clone())).map(|offer| &*offer.0)
    }

    /// The offers that another one has not, or made anew: here and there. What both share is not looked at.
    pub(super) fn differences<'a>(
        &'a self,
        other: &'a Self,
    ) -> impl Iterator<Item = (&'a Part, Option<&'a Offer>, Option<&'a Offer>)> {
        self.offers.diff(&other.offers).map(|item| match item {
            DiffItem::Add(filed, new) => (&filed.part, None, Some(&*new.0)),
            DiffItem::Update { old: (filed, old), new: (_, new) } => {
                (&filed.part, Some(&*old.0), Some(&*new.0))
            }
            DiffItem::Remove(filed, old) => (&filed.part, Some(&*old.0), None),
        })
    }

    /// Puts an offer in the place of the one from the same source.
    pub(super) fn insert(&mut self, offer: Offer) {
        let new = Arc::new(offer);
        if let Some(old) = self.offers.insert(Filed::new(new.part.clone()), Shared(new.clone())) {
            self.take_back(&old.0);
        }
        self.instances.extend(InOrder::all_of(&new));
    }

    pub(super) fn remove(&mut self, part: Part) {
        if let Some(old) = self.offers.remove(&Filed::new(part)) {
            self.take_back(&old.0);
        }
    }

    fn take_back(&mut self, offer: &Arc<Offer>) {
        for instance in InOrder::all_of(offer) {
            self.instances.remove(&instance);
        }
    }

    /// The instances of a port of its `nth` service, by address. An address that is listed in two slices is
    /// one endpoint that is being moved from one to the other.
    pub(super) fn instances(&self, nth: usize, port: u16) -> impl Iterator<Item = &Instance> {
        let from = (Bound::Included(&Before { nth, port }), Bound::Unbounded);
        let all = self.instances.range::<_, Before>(from).map_while(move |i| {
            let placed = i.placed().filter(|p| (p.nth, p.port) == (nth, port))?;
            Some((&placed.instance, matches!(i.part(), Part::Slice(_))))
        });
        let mut last = None;
        all.filter(move |(instance, is_slice)| {
            let listed = is_slice.then_some(&instance.address);
            let listed_twice = listed.is_some() && listed == last;
            last = listed;
            !listed_twice
        })
        .map(|(instance, _)| instance)
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
        self.offer(part).into_iter().flat_map(|offer| offer.served_by(who)).filter_map(|placed| {
            let service = self.services.get(placed.nth)?.clone();
            let target = placed.instance.address.socket()?.port();
            Some(Inbound { service, port: placed.port, target })
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

/// Who is an instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Instancer {
    /// This workload.
    Workload(WorkloadKey),
    /// This address, where no workload is declared.
    Address(IpAddr),
}

impl Instancer {
    /// What the offers of its instances are linked by.
    pub(super) fn facet(&self) -> Facet {
        match self {
            Self::Workload(key) => key.facet(),
            Self::Address(ip) => Facet::of(ip),
        }
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
