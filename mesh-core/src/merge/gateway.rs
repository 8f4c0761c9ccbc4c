//! Several Gateways and VirtualServices at one gateway: which servers listen, and who routes which hosts.
//!
//! Istio: `mergeGateways` in `pilot/pkg/model/gateway.go`, and the host intersection of
//! `pilot/pkg/networking/core/gateway.go`.

#[cfg(test)]
mod tests;

use super::virtual_service::{gateway_name, hosts_of, is_bound_to};
use crate::api::Resource;
use crate::api::networking::gateway::Server;
use crate::api::networking::gateway::ServerTlsMode::{AutoPassthrough, Passthrough};
use crate::api::networking::{Gateway, VirtualService};
use crate::api::value::labels_match;
use crate::hostname::Hostname;
use crate::registry::Protocol;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A server of a Gateway with its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ServerOf<'w> {
    /// The Gateway.
    pub gateway: &'w Arc<Resource<Gateway>>,
    /// The place in its `servers`.
    pub index: usize,
    /// The server.
    pub server: &'w Server,
}

/// Where a gateway listens: the address as it is written, `0.0.0.0` where none is, and the port.
pub type Address = (String, u16);

/// The servers of all Gateways of a proxy by where they listen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged<'w> {
    /// In the order in which they were merged.
    pub servers: BTreeMap<Address, Vec<ServerOf<'w>>>,
    /// Servers that are left out.
    pub rejected: Vec<Rejected<'w>>,
}

/// A server that is left out, and for which other.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejected<'w> {
    /// The one that is left out.
    pub server: ServerOf<'w>,
    /// The one that is there already.
    pub by: ServerOf<'w>,
    /// Why.
    pub why: Why,
}

/// Why two servers cannot both be at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// Plain text is joined by plain HTTP to plain HTTP only.
    Protocol,
    /// At an address with TLS, a server needs TLS.
    NeedsTls,
    /// With TLS, a host is served once.
    Host,
    /// Servers of HTTPS of one Gateway are told apart by the names of their ports.
    PortName,
}

/// The Gateways that a proxy serves: whose `selector` its labels satisfy; one without a selector is for all.
pub fn selecting<'w>(
    world: &'w World,
    labels: &BTreeMap<String, String>,
) -> impl Iterator<Item = &'w Arc<Resource<Gateway>>> {
    world.of::<Gateway>().filter(move |g| labels_match(&g.spec.selector, labels))
}

impl<'w> Merged<'w> {
    /// Merges Gateways that are given in order of precedence. `listens_at` says for a server's port number at
    /// which port the proxy listens, where its Service maps it.
    ///
    /// The first server at an address decides what it is. One of plain HTTP is joined by others of plain HTTP; one
    /// of other plain text by none. One with TLS is joined by others with TLS for other hosts. Whatever else comes
    /// later is left out. Servers that bind different addresses do not meet.
    pub fn new(
        gateways: impl IntoIterator<Item = &'w Arc<Resource<Gateway>>>,
        listens_at: impl Fn(u16) -> u16,
    ) -> Self {
        let mut out = Self::default();
        for gateway in gateways {
            for (index, server) in gateway.spec.servers.iter().enumerate() {
                let bind = if server.bind.is_empty() { "0.0.0.0" } else { &server.bind };
                let address = (bind.to_owned(), listens_at(server.port.number));
                let new = ServerOf { gateway, index, server };
                let there = out.servers.entry(address).or_default();
                match there.iter().find_map(|by| Some((*by, clash(by, &new, there.first()?)?))) {
                    None => there.push(new),
                    Some((by, why)) => out.rejected.push(Rejected { server: new, by, why }),
                }
            }
        }
        out
    }
}

/// Why a server cannot join one that is there, at an address that `first` decided.
fn clash(by: &ServerOf<'_>, new: &ServerOf<'_>, first: &ServerOf<'_>) -> Option<Why> {
    let is_http = |s: &ServerOf<'_>| Protocol::parse(&s.server.port.protocol).is_some_and(Protocol::is_http);
    let both_tls = by.server.tls.is_some() && new.server.tls.is_some();
    if both_tls && !by.hosts().is_disjoint(&new.hosts()) {
        return Some(Why::Host);
    }
    if !first.is_tls() {
        return (!(is_http(first) && is_http(new))).then_some(Why::Protocol);
    }
    if new.server.tls.is_none() {
        return Some(Why::NeedsTls);
    }
    let same_name = Arc::ptr_eq(by.gateway, new.gateway) && by.server.port.name == new.server.port.name;
    (same_name && by.ends_https() && new.ends_https()).then_some(Why::PortName)
}

impl ServerOf<'_> {
    /// `namespace/name` of its Gateway, as VirtualServices name it.
    pub fn gateway_name(&self) -> String {
        gateway_name(&self.gateway.meta.name, &self.gateway.meta.namespace)
    }

    /// Whether connections begin with TLS. A server of plain HTTP with `httpsRedirect` has settings of TLS, and none.
    fn is_tls(&self) -> bool {
        let http = Protocol::parse(&self.server.port.protocol).is_some_and(Protocol::is_http);
        self.server.tls.is_some() && !http
    }

    /// Whether TLS ends here, with HTTP inside.
    fn ends_https(&self) -> bool {
        let https = Protocol::parse(&self.server.port.protocol) == Some(Protocol::Https);
        let mode = self.server.tls.as_ref().map(|t| t.mode);
        https && mode.is_some_and(|m| !matches!(m, Some(Passthrough | AutoPassthrough)))
    }

    /// Its hosts, with the namespaces of VirtualServices that they are open to: `*/host` is `host`, and `./host` is
    /// of the Gateway's own namespace.
    fn hosts(&self) -> BTreeSet<String> {
        let full = |host: &String| match host.split_once('/') {
            Some(("*", host)) => host.to_owned(),
            Some((".", host)) => format!("{}/{host}", self.gateway.meta.namespace),
            _ => host.clone(),
        };
        self.server.hosts.iter().map(full).collect()
    }
}

/// A VirtualService at a server, with the hosts that it routes there.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding<'w> {
    /// The server.
    pub server: ServerOf<'w>,
    /// The VirtualService.
    pub virtual_service: &'w Arc<Resource<VirtualService>>,
    /// Never empty.
    pub hosts: Vec<Hostname>,
}

/// Who routes which hosts at an address: server by server, the VirtualServices that are bound to its Gateway and
/// share hosts with it, in the order in which they are given. Rules of several for one host are asked in this
/// order, those that take every request after all others.
pub fn bindings<'w>(
    servers: &[ServerOf<'w>],
    virtual_services: &[&'w Arc<Resource<VirtualService>>],
) -> Vec<Binding<'w>> {
    let mut out = Vec::new();
    for server in servers {
        let own = server.gateway_name();
        for virtual_service in virtual_services.iter().copied().filter(|vs| is_bound_to(vs, &own)) {
            let hosts = shared_hosts(server, virtual_service);
            if !hosts.is_empty() {
                out.push(Binding { server: *server, virtual_service, hosts });
            }
        }
    }
    out
}

/// The hosts that a server and a VirtualService share: of two that overlap, the narrower. A host of the server
/// written `namespace/host` is open to VirtualServices of that namespace only, `./host` to the Gateway's own.
pub fn shared_hosts(of: &ServerOf<'_>, vs: &Resource<VirtualService>) -> Vec<Hostname> {
    let mut shared: Vec<Hostname> = Vec::new();
    for written in &of.server.hosts {
        let (namespace, host) = written.split_once('/').unwrap_or(("*", written));
        let near = match namespace {
            "*" => true,
            "." => vs.meta.namespace == of.gateway.meta.namespace,
            other => *vs.meta.namespace == *other,
        };
        let Some(server) = near.then(|| host.parse::<Hostname>().ok()).flatten() else { continue };
        for (_, host) in hosts_of(vs) {
            let narrower = match (server.covers(&host), host.covers(&server)) {
                (true, _) => host,
                (false, true) => server.clone(),
                (false, false) => continue,
            };
            if !shared.contains(&narrower) {
                shared.push(narrower);
            }
        }
    }
    shared
}
