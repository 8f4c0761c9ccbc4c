//! ServiceEntries: addresses that TCP needs, and entries that contradict each other.

use super::context::{Context, Spot, beside, say};
use crate::api::Resource;
use crate::api::networking::ServiceEntry;
use crate::diagnostic::{Findings, code};
use crate::registry::{ExportTo, Protocol};
use std::collections::HashMap;
use std::sync::Arc;

/// TCP ports without addresses: nothing but its number tells a connection's service.
pub(super) fn addresses(ctx: &Context<'_>, out: &mut Findings) {
    let metadata = ctx.mesh.default_config.as_ref().map(|c| &c.proxy_metadata);
    let on = |key| metadata.and_then(|m| m.get(key)).is_some_and(|v| v == "true");
    if on("ISTIO_META_DNS_CAPTURE") && on("ISTIO_META_DNS_AUTO_ALLOCATE") {
        return;
    }
    for entry in ctx.world.of::<ServiceEntry>().filter(|e| e.spec.addresses.is_empty()) {
        for (i, port) in entry.spec.ports.iter().enumerate() {
            let plain = port.protocol.is_empty() || Protocol::parse(&port.protocol) == Some(Protocol::Tcp);
            if plain {
                let number = port.number;
                let message = format!(
                    "a TCP port without spec.addresses takes every connection to port {number}, whatever its host"
                );
                let finding = say(code::ADDRESSES_REQUIRED, message).at(entry, format!("spec.ports[{i}]"));
                out.push(finding.help("write the addresses of the hosts, or declare the protocol as TLS to tell hosts by server name"));
            }
        }
    }
}

/// Ports of one host that entries declare with different protocols for the same callers.
pub(super) fn conflicts(ctx: &Context<'_>, out: &mut Findings) {
    type First<'a> = (&'a Arc<Resource<ServiceEntry>>, usize, String);
    let mut first: HashMap<(String, u16), HashMap<Arc<str>, First<'_>>> = HashMap::new();
    for entry in ctx.world.of::<ServiceEntry>() {
        let own = &*entry.meta.namespace;
        let default = ExportTo::new(&ctx.mesh.default_service_export_to, own, &ExportTo::All);
        let scopes: Vec<Arc<str>> = match ExportTo::new(&entry.spec.export_to, own, &default) {
            ExportTo::All => vec!["*".into()],
            ExportTo::Nobody => vec![],
            ExportTo::Namespaces(names) => names.into_iter().collect(),
        };
        let ports = || entry.spec.ports.iter().enumerate();
        let all = entry.spec.hosts.iter().flat_map(|host| ports().map(move |(i, port)| (host, i, port)));
        let mut said = false;
        for (host, i, port) in all {
            let protocol = port.protocol.to_uppercase();
            let of_host = first.entry((host.to_lowercase(), port.number)).or_default();
            let near = scopes.iter().chain([&Arc::from("*")]).find_map(|scope| of_host.get(scope)).cloned();
            for scope in &scopes {
                of_host.entry(scope.clone()).or_insert_with(|| (entry, i, protocol.clone()));
            }
            let Some((other, p, theirs)) = near.filter(|(_, _, theirs)| *theirs != protocol) else {
                continue;
            };
            if said || Arc::ptr_eq(other, entry) {
                continue;
            }
            said = true;
            let message = format!(
                "port {} of `{host}` is {protocol} here, but {theirs} in ServiceEntry {}/{}",
                port.number, other.meta.namespace, other.meta.name
            );
            let path = format!("spec.ports[{i}].protocol");
            let help = "say the same in both, or keep one of them";
            let finding = say(code::ENTRIES_CONFLICT, message).at(entry, path).help(help);
            let spot = Spot::of(other, format!("spec.ports[{p}].protocol"));
            out.push(beside(finding, &spot, "the other one"));
        }
    }
}
