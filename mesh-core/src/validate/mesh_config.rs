//! The settings of the mesh and of its proxies: texts inside of other resources.
//!
//! ```text
//! ConfigMap istio-system/istio ─┬─ data.mesh         MeshConfig
//!                               └─ data.meshNetworks MeshNetworks
//! Pod ── annotation proxy.istio.io/config            the proxy's part of the MeshConfig
//! ```
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | an unknown field | dropped in silence | refused | a slip in a setting of the whole mesh is not silent |
//! | names of fields with underscores | accepted | refused | one name per field; the help names the right one |
//! | numbers as texts | accepted | ports of services only | as in the CRDs; only there do charts write them |
//! | a trust domain with `@` | refused | accepted, as a dot | accounts of cloud providers are written so |
//! | the form of a trust domain | labels of DNS, in any case | SPIFFE's: lower case, with `_` | certificates carry no other |
//! | a trust domain alias that is none | refused | warned of | nobody has such an identity; the mesh works without |
//! | an extension provider that is wrong | logged | warned of | it matters to those who name it alone |
//! | labels' conditions, exports, the root namespace | not looked at | warned of | they would select and show nothing |
//! | `configPath`, `binaryPath`, `serviceCluster`, `discoveryAddress` missing | refused | accepted | defaults that no user writes |
//! | `proxyInboundListenPort: 0`, `ca.address` that is none, a negative `concurrency` or bound, a probe of nothing, a pattern that RE2 refuses | not looked at | refused | no proxy starts with it |
//! | an unknown cipher suite, roots without certificates or without HTTPS, a share of sampling beyond 100 | not looked at | warned of | it has no effect |
//! | more than 1000 extension providers | not looked at | refused | each costs every proxy |
//! | a gateway of a network by name | refused, unless a feature is on (it is by default) | accepted | names are resolved |
//! | entries of `meshNetworks` without a source or an address, or twice | not looked at | warned of | they say nothing |
//! | a wrong annotation of a pod | the pod is not started | warned of | the pod runs; without it its endpoints would be gone |

mod networks;
mod provider;
mod proxy;

use super::kubernetes::bad_trust_domain;
use super::names::problem_of_host;
use super::report::{Report, is_label};
use super::{server_tls, targets, traffic_policy};
use crate::api::Meta;
use crate::api::gateway_api::value::LabelSelector;
use crate::api::kubernetes::ConfigMap;
use crate::api::mesh::MeshConfig;
use crate::api::mesh::identity::{CertificateData, TlsConfig};
use crate::api::networking::sidecar::OutboundMode;
use crate::api::value::Span;
use crate::diagnostic::{Finding, Level};
use crate::identity::TrustDomain;
use crate::yaml::{Limits, documents, mesh_config, mesh_networks, proxy_defaults, transplant};
use std::time::Duration;

pub(super) fn config_map(map: &ConfigMap, report: &mut Report<'_>) {
    if &*report.meta.name != "istio" || &*report.meta.namespace != "istio-system" {
        return;
    }
    if let Some(text) = map.data.get("mesh") {
        in_text(text, "data.mesh", mesh_config(text), mesh, report);
    }
    if let Some(text) = map.data.get("meshNetworks") {
        in_text(text, "data.meshNetworks", mesh_networks(text), networks::check, report);
    }
}

const ANNOTATION: &str = "proxy.istio.io/config";

/// A pod runs whatever its annotation says, so what is wrong with it is warned of.
pub(super) fn pod(report: &mut Report<'_>) {
    let Some(text) = report.meta.annotations.get(ANNOTATION) else { return };
    let mut inner = Report::new(report.meta, report.source);
    in_text(
        text,
        &format!("metadata.annotations.{ANNOTATION}"),
        proxy_defaults(text),
        proxy::check,
        &mut inner,
    );
    for finding in inner.into_findings() {
        let level = finding.level.min(Level::Warning);
        report.push(Finding { level, ..finding });
    }
}

/// Checks what a text inside of a resource says, and puts the findings where the text stands.
fn in_text<T>(
    text: &str,
    at: &str,
    read: Result<T, Box<Finding>>,
    check: impl FnOnce(&T, &mut Report<'_>),
    report: &mut Report<'_>,
) {
    let found = match read {
        Err(finding) => vec![*finding],
        Ok(read) => {
            let documents = documents("mesh", text, &Limits::default()).documents;
            let source = documents.into_iter().next().map(|d| d.source).unwrap_or_default();
            let meta = Meta { namespace: report.meta.namespace.clone(), ..Meta::default() };
            let mut inner = Report::new(&meta, &source);
            check(&read, &mut inner);
            inner.into_findings()
        }
    };
    for finding in found {
        report.push(transplant(finding, report.meta, report.source, at));
    }
}

fn mesh(mesh: &MeshConfig, report: &mut Report<'_>) {
    for (field, port) in [
        ("proxyListenPort", mesh.proxy_listen_port),
        ("proxyInboundListenPort", mesh.proxy_inbound_listen_port),
    ] {
        report.port_number(field, port);
    }
    times(mesh, report);
    identity(mesh, report);
    if let Some(setting) = &mesh.locality_lb_setting {
        traffic_policy::locality(setting, true, "localityLbSetting", report);
    }
    if let Some(setting) = &mesh.zone_aware_lb_setting {
        let path = "zoneAwareLbSetting";
        // Upstream merges its defaults first, by which localityLbSetting is always there.
        if mesh.locality_lb_setting.as_ref().is_some_and(|setting| setting.enabled != Some(false)) {
            let message = "`localityLbSetting` has no effect beside `zoneAwareLbSetting`";
            report.warn("localityLbSetting", message, "leave it out, or write enabled: false");
        }
        traffic_policy::zones(setting, true, path, report);
    }
    if let Some(policy) = &mesh.default_traffic_policy {
        let pool = policy.connection_pool.as_ref();
        traffic_policy::connection_pool(pool, "defaultTrafficPolicy.connectionPool", report);
        let outlier = policy.outlier_detection.as_ref();
        traffic_policy::outlier_detection(outlier, "defaultTrafficPolicy.outlierDetection", report);
    }
    if let Some(policy) = &mesh.outbound_traffic_policy
        && policy.tls.is_some()
        && policy.mode != OutboundMode::AllowAnyDynamicDns
    {
        let help = "write mode: ALLOW_ANY_DYNAMIC_DNS, or leave tls out";
        report.warn("outboundTrafficPolicy.tls", "TLS has no effect on traffic to where it was going", help);
    }
    for (i, settings) in mesh.service_settings.iter().enumerate() {
        for (j, host) in settings.hosts.iter().enumerate() {
            if let Some(error) = problem_of_host(host) {
                let help = "write a full name such as a.b.svc.cluster.local, or *.b.svc.cluster.local";
                let message = format!("{host:?} is not a host: {error}");
                report.refuse(&format!("serviceSettings[{i}].hosts[{j}]"), message, help);
            }
        }
    }
    scope(mesh, report);
    provider::check(&mesh.extension_providers, report);
    if let Some(defaults) = &mesh.default_config {
        proxy::check_at(defaults, "defaultConfig.", report);
    }
}

fn times(mesh: &MeshConfig, report: &mut Report<'_>) {
    let Span(connect) = mesh.connect_timeout;
    if connect < Duration::from_millis(1) || connect > Duration::from_secs(3600) {
        let message = format!("{} is not a time to connect in", mesh.connect_timeout);
        report.refuse("connectTimeout", message, "write 1ms to 1h, or leave it out for 10s");
    } else {
        report.duration("connectTimeout", Some(mesh.connect_timeout));
    }
    let Span(detection) = mesh.protocol_detection_timeout;
    if detection.subsec_nanos() % 1_000_000 != 0 {
        let help = "use whole milliseconds, or 0s for no bound";
        report.refuse("protocolDetectionTimeout", "a duration finer than a millisecond", help);
    }
}

fn identity(mesh: &MeshConfig, report: &mut Report<'_>) {
    if let Err(error) = mesh.parsed_trust_domain() {
        let finding = bad_trust_domain(mesh, error).about(report.meta, report.source, "trustDomain");
        report.push(finding);
    }
    for (i, alias) in mesh.trust_domain_aliases.iter().enumerate() {
        if let Err(error) = alias.parse::<TrustDomain>() {
            let message = format!("{alias:?} is nobody's trust domain: {error}");
            let path = format!("trustDomainAliases[{i}]");
            report.warn(&path, message, "write one such as cluster.local");
        }
    }
    for (i, root) in mesh.ca_certificates.iter().enumerate() {
        certificate(root, &format!("caCertificates[{i}]"), report);
    }
    if let Some(ca) = &mesh.ca {
        proxy::host_and_port(&ca.address, "ca.address", "the authority's address", report);
        report.duration("ca.requestTimeout", ca.request_timeout);
    }
    if let Some(tls) = &mesh.mesh_mtls {
        if !tls.ecdh_curves.is_empty() {
            let help = "leave them out; tlsDefaults.ecdhCurves are for all other TLS";
            report.refuse("meshMTLS.ecdhCurves", "curves of the mesh's own mTLS cannot be chosen", help);
        }
        ciphers(tls, "meshMTLS", report);
    }
    if let Some(tls) = &mesh.tls_defaults {
        let path = "tlsDefaults.ecdhCurves";
        server_tls::names(&tls.ecdh_curves, path, "curve", server_tls::is_ecdh_curve, report);
        ciphers(tls, "tlsDefaults", report);
    }
}

fn ciphers(tls: &TlsConfig, path: &str, report: &mut Report<'_>) {
    let path = format!("{path}.cipherSuites");
    server_tls::names(&tls.cipher_suites, &path, "cipher suite", server_tls::is_cipher_suite, report);
}

fn certificate(root: &CertificateData, path: &str, report: &mut Report<'_>) {
    match (&root.pem, &root.spiffe_bundle_url) {
        (Some(_), Some(_)) => {
            let path = format!("{path}.spiffeBundleUrl");
            report.refuse(&path, "`pem` beside `spiffeBundleUrl`", "keep one of them");
        }
        (None, None) => report.warn(path, "roots without certificates", "write pem or spiffeBundleUrl"),
        (Some(pem), None) if !pem.contains("-----BEGIN CERTIFICATE-----") => {
            let help = "write PEM, which begins with -----BEGIN CERTIFICATE-----";
            report.warn(&format!("{path}.pem"), "no certificate is in it", help);
        }
        (None, Some(url)) if !url.starts_with("https://") => {
            let help = "write https://; a bundle that anybody could replace is no root of trust";
            report.warn(&format!("{path}.spiffeBundleUrl"), format!("{url:?} is not HTTPS"), help);
        }
        _ => {}
    }
    for (i, domain) in root.trust_domains.iter().enumerate() {
        if let Err(error) = domain.parse::<TrustDomain>() {
            let message = format!("{domain:?} is nobody's trust domain: {error}");
            report.warn(&format!("{path}.trustDomains[{i}]"), message, "write one such as cluster.local");
        }
    }
}

fn scope(mesh: &MeshConfig, report: &mut Report<'_>) {
    if !is_label(&mesh.root_namespace) {
        let message = format!("{:?} is not a namespace", mesh.root_namespace);
        report.warn("rootNamespace", message, "write one such as istio-system");
    }
    for (field, list) in [
        ("defaultServiceExportTo", &mesh.default_service_export_to),
        ("defaultVirtualServiceExportTo", &mesh.default_virtual_service_export_to),
        ("defaultDestinationRuleExportTo", &mesh.default_destination_rule_export_to),
    ] {
        for (i, entry) in list.iter().enumerate() {
            let path = format!("{field}[{i}]");
            if !matches!(entry.as_str(), "*" | "." | "~") && !is_label(entry) {
                let message = format!("{entry:?} is not a namespace");
                report.warn(&path, message, "write `.`, `*`, `~` or a namespace");
            } else if matches!(entry.as_str(), "*" | "~") && list.len() > 1 {
                report.warn(&path, format!("`{entry}` beside other namespaces"), "write it alone");
            }
        }
    }
    for (i, selector) in mesh.discovery_selectors.iter().enumerate() {
        label_selector(selector, &format!("discoverySelectors[{i}]"), report);
    }
    for (i, config) in mesh.service_scope_configs.iter().enumerate() {
        let path = format!("serviceScopeConfigs[{i}]");
        if let Some(selector) = &config.namespace_selector {
            label_selector(selector, &format!("{path}.namespaceSelector"), report);
        }
        if let Some(selector) = &config.services_selector {
            label_selector(selector, &format!("{path}.servicesSelector"), report);
        }
    }
    let policies = mesh.service_entry_visibility.iter().flat_map(|v| v.policies.iter().enumerate());
    for (i, policy) in policies {
        for (j, rule) in policy.matching_rules.iter().enumerate() {
            let path = format!("serviceEntryVisibility.policies[{i}].matchingRules[{j}]");
            match &rule.namespace_selector {
                Some(selector) => label_selector(selector, &format!("{path}.namespaceSelector"), report),
                None => report.warn(&path, "a rule that matches nothing", "write namespaceSelector"),
            }
        }
    }
}

/// A condition that cannot be judged selects nothing, or keeps the whole list from holding.
fn label_selector(selector: &LabelSelector, path: &str, report: &mut Report<'_>) {
    for problem in targets::problems_of_selector(selector) {
        report.warn(&format!("{path}.{}", problem.path), problem.message, problem.help);
    }
}
