//! What workloads and services are found by.

use super::index::Facet;
use super::{Provider, Workload};
use crate::hostname::Hostname;
use std::net::IpAddr;

/// What a workload is found by.
#[derive(Hash)]
pub(super) enum WorkloadFacet<'a> {
    /// Namespace and name.
    Name(&'a str, &'a str),
    /// One of its addresses.
    Ip(IpAddr),
    /// Namespace and a label, name and value.
    Label(&'a str, &'a str, &'a str),
    /// Namespace.
    Namespace(&'a str),
}

impl<'a> WorkloadFacet<'a> {
    pub(super) fn facet(&self) -> Facet {
        Facet::of(self)
    }

    pub(super) fn all_of(workload: &'a Workload) -> Vec<Facet> {
        let namespace = &*workload.namespace;
        let own = [Self::Name(namespace, &workload.name), Self::Namespace(namespace)];
        let ips = workload.ips.iter().map(|ip| Self::Ip(*ip));
        let labels = workload.labels.iter().map(|(k, v)| Self::Label(namespace, k, v));
        own.into_iter().chain(ips).chain(labels).map(|f| f.facet()).collect()
    }
}

/// What services are found by that one resource declares.
#[derive(Hash)]
pub(super) enum ServiceFacet<'a> {
    /// The resource: provider, namespace and name.
    Declares(Provider, &'a str, &'a str),
    /// One of their hosts.
    Host(&'a Hostname),
    /// They select by labels in a namespace; this is one of the labels, by name and value.
    Selects(&'a str, &'a str, &'a str),
    /// They select all of a namespace.
    SelectsAll(&'a str),
    /// Their endpoints refer to an address, and take what they can from a workload of a namespace there.
    Refers(&'a str, IpAddr),
    /// Their endpoints refer to a workload by namespace and name.
    RefersTo(&'a str, &'a str),
}

impl ServiceFacet<'_> {
    pub(super) fn facet(&self) -> Facet {
        Facet::of(self)
    }
}
