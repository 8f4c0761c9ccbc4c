//! WorkloadEntry and WorkloadGroup: where a workload is, how it is found to be well.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a probe by gRPC | accepted by the schema, unknown to the webhook | accepted | the API has it |
//! | a probe by gRPC without a port | as with one | refused | there is nothing to ask |
//! | labels and names in a group's `template` | not looked at, but for lengths | as those of a WorkloadEntry | entries are made of it, and would be refused then |
//! | values of labels of more than 63 bytes | accepted | refused | no selector can name one |
//! | `locality` with more than three parts | accepted | warned of | what follows the subzone is never compared |
//! | a service account that Kubernetes could not have | accepted up to 253 bytes | refused | no certificate would name it |

use super::names::{fqdn_error, is_ip};
use super::report::{Report, is_label};
use crate::api::networking::workload_group::ReadinessProbe;
use crate::api::networking::{WorkloadEntry, WorkloadGroup};
use std::collections::HashSet;

/// Whether a workload's address must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Required,
    /// Each workload that registers brings its own.
    Optional,
}

/// A workload by itself, or an endpoint of a service whose ports have these names.
pub(super) fn entry(
    entry: &WorkloadEntry,
    path: &str,
    ports: Option<&HashSet<&str>>,
    wanted: Address,
    report: &mut Report<'_>,
) {
    address(entry, path, ports, wanted, report);
    report.at_most(&format!("{path}.ports"), entry.ports.len(), 128, "port");
    for name in entry.ports.keys() {
        let path = format!("{path}.ports.{name}");
        report.port_key(&path, name);
        if ports.is_some_and(|known| !known.contains(name.as_str())) {
            report.refuse_key(&path, format!("the service has no port `{name}`"), "name one of spec.ports");
        }
    }
    report.at_most(&format!("{path}.labels"), entry.labels.len(), 256, "label");
    report.labels(&format!("{path}.labels"), &entry.labels);
    report.no_longer_than(&format!("{path}.network"), &entry.network, 2048);
    let locality = format!("{path}.locality");
    report.no_longer_than(&locality, &entry.locality, 2048);
    if entry.locality.split('/').count() > 3 {
        report.warn(&locality, "more than a region, a zone and a subzone", "write region/zone/subzone");
    }
    let account = entry.service_account.as_str();
    if !account.is_empty() && (account.len() > 253 || !account.split('.').all(is_label)) {
        let message = format!("{account:?} is not the name of a service account");
        let help = "write its name alone, such as reviews";
        report.refuse(&format!("{path}.serviceAccount"), message, help);
    }
}

fn address(
    entry: &WorkloadEntry,
    path: &str,
    ports: Option<&HashSet<&str>>,
    wanted: Address,
    report: &mut Report<'_>,
) {
    let at = format!("{path}.address");
    let address = entry.address.as_str();
    if !report.no_longer_than(&at, address, 256) {
        return;
    }
    let help = "write an IP address, a name or unix:///path";
    if let Some(socket) = address.strip_prefix("unix://") {
        report.unix_path(&at, socket);
        if report.is_written(&format!("{path}.ports")) {
            report.refuse(&format!("{path}.ports"), "ports of a Unix socket", "leave them out");
        }
        if ports.is_some_and(|p| p.len() != 1) {
            report.refuse(&at, "a Unix socket serves one port", "declare exactly one port");
        }
    } else if address.is_empty() {
        match (wanted, entry.network.is_empty()) {
            (Address::Optional, _) => {}
            (Address::Required, true) => report.refuse(&at, "the address is missing", help),
            (Address::Required, false) => {
                let help = "write it, unless calls are to go through the network's gateway";
                report.warn(&at, format!("no address in network {:?}", entry.network), help);
            }
        }
    } else if !is_ip(address)
        && let Some(error) = fqdn_error(address)
    {
        let message = format!("{address:?} is neither an IP address nor a name: {error}");
        report.refuse(&at, message, help);
    }
}

pub(super) fn group(spec: &WorkloadGroup, report: &mut Report<'_>) {
    match &spec.template {
        Some(template) => entry(template, "spec.template", None, Address::Optional, report),
        None => report.refuse("spec", "the template is missing", "write template, be it {}"),
    }
    if let Some(metadata) = &spec.metadata {
        report.at_most("spec.metadata.labels", metadata.labels.len(), 256, "label");
        report.labels("spec.metadata.labels", &metadata.labels);
        report.at_most("spec.metadata.annotations", metadata.annotations.len(), 256, "annotation");
    }
    if let Some(one) = &spec.probe {
        probe(one, "spec.probe", report);
    }
}

/// How health is found out; `defaultConfig.readinessProbe` of the MeshConfig says it too.
pub(super) fn probe(probe: &ReadinessProbe, path: &str, report: &mut Report<'_>) {
    for (field, value) in [
        ("initialDelaySeconds", probe.initial_delay_seconds),
        ("timeoutSeconds", probe.timeout_seconds),
        ("periodSeconds", probe.period_seconds),
        ("successThreshold", probe.success_threshold),
        ("failureThreshold", probe.failure_threshold),
    ] {
        report.not_negative(&format!("{path}.{field}"), Some(value));
    }
    let ways = [
        ("httpGet", probe.http_get.is_some()),
        ("tcpSocket", probe.tcp_socket.is_some()),
        ("exec", probe.exec.is_some()),
        ("grpc", probe.grpc.is_some()),
    ];
    let mut written = ways.iter().filter(|(_, is)| *is).map(|(name, _)| *name);
    match (written.next(), written.next()) {
        (None, _) => {
            report.refuse(path, "a probe of nothing", "write httpGet, tcpSocket, exec or grpc");
        }
        (Some(first), Some(second)) => {
            let message = format!("`{first}` beside `{second}`");
            report.refuse(&format!("{path}.{second}"), message, "a workload is probed in one way; keep one");
        }
        (Some(_), None) => {}
    }
    if let Some(http) = &probe.http_get {
        report.port_number(&format!("{path}.httpGet.port"), http.port);
        for (i, header) in http.http_headers.iter().enumerate() {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
            if header.name.is_empty() || !header.name.bytes().all(legal) {
                let message = format!("{:?} is not the name of a header", header.name);
                let help = "a name has letters, digits and dashes";
                report.refuse(&format!("{path}.httpGet.httpHeaders[{i}].name"), message, help);
            }
        }
    }
    if let Some(tcp) = &probe.tcp_socket {
        report.port_number(&format!("{path}.tcpSocket.port"), tcp.port);
    }
    if probe.grpc.as_ref().is_some_and(|g| g.port.is_none()) {
        report.port_number(&format!("{path}.grpc.port"), 0);
    }
    if let Some(exec) = &probe.exec {
        let path = format!("{path}.exec.command");
        if exec.command.is_empty() {
            report.refuse(&path, "a probe without a command", "write the program and its arguments");
        }
        for (i, word) in exec.command.iter().enumerate().filter(|(_, w)| w.is_empty()) {
            let message = format!("{word:?} in a command");
            report.refuse(&format!("{path}[{i}]"), message, "leave it out, or write what is meant");
        }
    }
}
