//! An instance: one address at which one port of one service is served.

use super::declared::{Instancer, Part};
use super::draft::Offer;
use super::index::Facet;
use super::{Locality, Workload};
use crate::addr::Address;
use crate::model::cluster::DnsTarget;
use crate::model::endpoint::{Endpoint, Health, WorkloadRef};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

/// An instance of a service's port.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// Where it is reached.
    pub address: Address,
    /// Its share; at least 1.
    pub weight: u32,
    /// What the control plane knows of it.
    pub health: Health,
    /// Who serves there: its labels, which subsets select by, its namespace, service account and whether it
    /// takes mesh mTLS. The workload of an address that nobody declares one at is named after the service.
    pub workload: Arc<Workload>,
    /// Where a list of addresses says that it runs.
    pub(super) listed: Option<Arc<Locality>>,
}

impl Instance {
    /// Where it runs: as its workload says, or else as the list of addresses does.
    pub fn locality(&self) -> &Arc<Locality> {
        let own = &self.workload.locality;
        self.listed.as_ref().filter(|_| own.is_empty()).unwrap_or(own)
    }

    /// As the Snapshot says it.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint {
            address: self.address.clone(),
            weight: self.weight,
            health: self.health,
            tls_mode: self.workload.tls_mode,
            workload: Some(WorkloadRef::clone(&self.workload.telemetry)),
        }
    }

    /// Who it is to those that ask what they serve; nobody at a Unix socket, which has no address.
    pub(super) fn who(&self) -> Option<Instancer> {
        let at = self.address.socket()?;
        Some(self.workload.key.clone().map_or(Instancer::Address(at.ip()), Instancer::Workload))
    }

    /// Whether it is this one.
    pub(super) fn is(&self, who: &Instancer) -> bool {
        match (who, self.address.socket(), &self.workload.key) {
            (Instancer::Workload(who), Some(_), Some(key)) => who == key,
            (Instancer::Address(ip), Some(at), None) => *ip == at.ip(),
            _ => false,
        }
    }
}

/// An instance in its place: of which service and port.
#[derive(Debug, PartialEq)]
pub(super) struct Placed {
    pub(super) nth: usize,
    pub(super) port: u16,
    /// Its place in the source's list.
    pub(super) place: usize,
    /// What [`Instance::who`] is found by.
    pub(super) facet: Option<Facet>,
    pub(super) instance: Instance,
}

/// An instance, ordered by service, port, address, and who it is: an order that no two share, and that does
/// not tell in which order the resources came.
#[derive(Clone, Debug)]
pub(super) struct InOrder {
    head: Head,
    offer: Arc<Offer>,
    /// Which of the offer's.
    at: usize,
}

/// How the order begins, kept in the tree itself: it decides almost alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    nth: usize,
    port: u16,
    /// The variant of the address, and the first octets of an IP.
    address: (u8, [u8; 4]),
}

impl InOrder {
    /// All instances of an offer.
    pub(super) fn all_of(offer: &Arc<Offer>) -> impl Iterator<Item = Self> {
        let heads = offer.instances.iter().map(Head::of).enumerate();
        heads.map(|(at, head)| Self { head, offer: offer.clone(), at })
    }

    pub(super) fn placed(&self) -> Option<&Placed> {
        self.offer.instances.get(self.at)
    }

    /// The source that says it.
    pub(super) fn part(&self) -> &Part {
        &self.offer.part
    }

    fn rest(&self) -> (Option<(&Address, &str)>, &Part, Option<usize>) {
        let placed = self.placed();
        let known = placed.map(|p| (&p.instance.address, &*p.instance.workload.telemetry.name));
        (known, self.part(), placed.map(|p| p.place))
    }
}

impl Head {
    fn of(placed: &Placed) -> Self {
        let address = match &placed.instance.address {
            Address::Socket(SocketAddr::V4(at)) => (0, at.ip().octets()),
            Address::Socket(SocketAddr::V6(at)) => {
                let [a, b, c, d, ..] = at.ip().octets();
                (1, [a, b, c, d])
            }
            Address::Unix(_) => (2, [0; 4]),
        };
        Self { nth: placed.nth, port: placed.port, address }
    }
}

impl Ord for InOrder {
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| self.rest().cmp(&other.rest()))
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
pub(super) struct Before {
    pub(super) nth: usize,
    pub(super) port: u16,
}

impl equivalent::Equivalent<InOrder> for Before {
    fn equivalent(&self, _: &InOrder) -> bool {
        false
    }
}

impl equivalent::Comparable<InOrder> for Before {
    fn compare(&self, key: &InOrder) -> Ordering {
        (self.nth, self.port).cmp(&(key.head.nth, key.head.port)).then(Ordering::Less)
    }
}

/// A name to be resolved for a service's port, with the labels that subsets select by.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Named {
    pub(super) nth: usize,
    pub(super) port: u16,
    pub(super) target: DnsTarget,
    pub(super) labels: Arc<BTreeMap<String, String>>,
}
