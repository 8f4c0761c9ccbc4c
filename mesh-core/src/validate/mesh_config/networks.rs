//! MeshNetworks: endpoints by network or cluster, and gateways that can be reached.

use crate::api::mesh::MeshNetworks;
use crate::validate::names::{fqdn_error, is_ip};
use crate::validate::report::{Report, is_label};
use std::collections::{BTreeMap, HashSet};

pub(super) fn check(all: &MeshNetworks, report: &mut Report<'_>) {
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, network) in &all.networks {
        let path = format!("networks.{name}");
        for (i, endpoints) in network.endpoints.iter().enumerate() {
            let path = format!("{path}.endpoints[{i}]");
            match (&endpoints.from_cidr, &endpoints.from_registry) {
                (Some(_), Some(_)) => {
                    let path = format!("{path}.fromRegistry");
                    report.refuse(&path, "`fromCidr` beside `fromRegistry`", "write each as an entry");
                }
                (None, None) => report.warn(&path, "endpoints of nothing", "write fromCidr or fromRegistry"),
                (Some(cidr), None) => report.network(&format!("{path}.fromCidr"), cidr),
                (None, Some(registry)) => {
                    let path = format!("{path}.fromRegistry");
                    if !is_label(registry) {
                        let message = format!("{registry:?} is not the name of a cluster");
                        report.refuse(&path, message, "a name has up to 63 letters, digits and dashes");
                    } else if let Some(other) = seen.insert(registry, name) {
                        let message = format!("cluster `{registry}` is in network `{other}` already");
                        report.warn(&path, message, "keep it in one network");
                    }
                }
            }
        }
        let mut ways = HashSet::new();
        for (i, gateway) in network.gateways.iter().enumerate() {
            let path = format!("{path}.gateways[{i}]");
            report.port_number(&format!("{path}.port"), gateway.port.0);
            if !ways.insert((&gateway.registry_service_name, &gateway.address, gateway.port)) {
                report.warn(&path, "this gateway is there twice", "leave it out");
            }
            match (&gateway.registry_service_name, &gateway.address) {
                (Some(_), Some(_)) => {
                    let path = format!("{path}.address");
                    report.refuse(&path, "`registryServiceName` beside `address`", "keep one of them");
                }
                (None, None) => {
                    report.warn(&path, "a gateway at nowhere", "write registryServiceName or address");
                }
                (Some(service), None) => {
                    if let Some(error) = fqdn_error(service) {
                        let message = format!("{service:?} is not a service: {error}");
                        let help = "write its full name, such as gateway.istio-system.svc.cluster.local";
                        report.refuse(&format!("{path}.registryServiceName"), message, help);
                    }
                }
                (None, Some(address)) if !is_ip(address) => {
                    if let Some(error) = fqdn_error(address) {
                        let message = format!("{address:?} is neither an IP address nor a name: {error}");
                        report.refuse(
                            &format!("{path}.address"),
                            message,
                            "write what others can connect to",
                        );
                    }
                }
                (None, Some(_)) => {}
            }
        }
    }
}
