//! PeerAuthentication, AuthorizationPolicy and RequestAuthentication.
//!
//! Strict where a slip would open a door: an empty list that was meant to hold something is refused, since
//! the rule would otherwise match everybody.

use super::report::{Report, is_label};
use crate::api::security::authorization_policy::{
    Action, AuthorizationPolicy, Condition, Operation, Rule, Source,
};
use crate::api::security::{PeerAuthentication, RequestAuthentication};
use http::{HeaderName, Uri};

pub(super) fn peer_authentication(spec: &PeerAuthentication, report: &mut Report<'_>) {
    report.match_labels("spec.selector", spec.selector.as_ref());
    let selects = spec.selector.as_ref().is_some_and(|s| !s.match_labels.is_empty());
    let path = "spec.portLevelMtls";
    if !spec.port_level_mtls.is_empty() && !selects {
        let help = "write selector.matchLabels: ports are those of a workload";
        report.refuse(path, "portLevelMtls without a selector", help);
    }
    if spec.port_level_mtls.is_empty() && report.is_written(path) {
        report.refuse(path, "portLevelMtls without a port", "write a port, or leave it out");
    }
    if spec.port_level_mtls.contains_key(&0) {
        report.refuse(&format!("{path}.0"), "0 is not a port", "a port is between 1 and 65535");
    }
}

pub(super) fn authorization_policy(spec: &AuthorizationPolicy, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    let never = "add an empty rule `{}` to match every request";
    match spec.action {
        Action::Deny | Action::Custom if spec.rules.is_empty() => {
            report.refuse("spec.action", "without rules it never applies", never);
        }
        Action::Custom if spec.provider.as_ref().is_none_or(|p| p.name.is_empty()) => {
            report.refuse("spec", "CUSTOM without provider.name", "name a provider of the MeshConfig");
        }
        Action::Allow | Action::Deny | Action::Audit if spec.provider.is_some() => {
            report.refuse(
                "spec.provider",
                "a provider without action CUSTOM",
                "write action: CUSTOM, or leave it out",
            );
        }
        _ => {}
    }
    for (i, one) in spec.rules.iter().enumerate() {
        rule(one, spec.action, &format!("spec.rules[{i}]"), report);
    }
}

fn rule(rule: &Rule, action: Action, path: &str, report: &mut Report<'_>) {
    for (field, is_empty) in
        [("from", rule.from.is_empty()), ("to", rule.to.is_empty()), ("when", rule.when.is_empty())]
    {
        let path = format!("{path}.{field}");
        if is_empty && report.is_written(&path) {
            report.refuse(&path, format!("`{field}` is empty"), "leave it out to match everything");
        }
    }
    for (i, from) in rule.from.iter().enumerate() {
        let path = format!("{path}.from[{i}]");
        match &from.source {
            Some(source) => check_source(source, action, &format!("{path}.source"), report),
            None => report.refuse(&path, "`source` is missing", "write source with at least one field"),
        }
    }
    for (i, to) in rule.to.iter().enumerate() {
        let path = format!("{path}.to[{i}]");
        match &to.operation {
            Some(operation) => check_operation(operation, &format!("{path}.operation"), report),
            None => report.refuse(&path, "`operation` is missing", "write operation with at least one field"),
        }
    }
    for (i, condition) in rule.when.iter().enumerate() {
        check_condition(condition, &format!("{path}.when[{i}]"), report);
    }
}

fn check_source(source: &Source, action: Action, path: &str, report: &mut Report<'_>) {
    let lists = [
        ("principals", &source.principals),
        ("notPrincipals", &source.not_principals),
        ("requestPrincipals", &source.request_principals),
        ("notRequestPrincipals", &source.not_request_principals),
        ("namespaces", &source.namespaces),
        ("notNamespaces", &source.not_namespaces),
        ("serviceAccounts", &source.service_accounts),
        ("notServiceAccounts", &source.not_service_accounts),
        ("trustDomains", &source.trust_domains),
        ("notTrustDomains", &source.not_trust_domains),
        ("ipBlocks", &source.ip_blocks),
        ("notIpBlocks", &source.not_ip_blocks),
        ("remoteIpBlocks", &source.remote_ip_blocks),
        ("notRemoteIpBlocks", &source.not_remote_ip_blocks),
    ];
    check_lists(&lists, "source", path, report);
    for (field, list) in lists {
        if field.to_lowercase().ends_with("ipblocks") {
            for (i, text) in list.iter().enumerate().filter(|(_, t)| !t.is_empty()) {
                report.network(&format!("{path}.{field}[{i}]"), text);
            }
        }
        if field.to_lowercase().ends_with("serviceaccounts") {
            for (i, text) in list.iter().enumerate() {
                service_account(text, &format!("{path}.{field}[{i}]"), report);
            }
        }
        let by_certificate = !field.to_lowercase().ends_with("ipblocks");
        if action == Action::Custom && by_certificate && !list.is_empty() {
            let message = format!("`{field}` is not looked at under CUSTOM");
            report.refuse(&format!("{path}.{field}"), message, "use a DENY or ALLOW policy beside it");
        }
    }
    let accounts = !source.service_accounts.is_empty() || !source.not_service_accounts.is_empty();
    let others = [&source.principals, &source.not_principals, &source.namespaces, &source.not_namespaces];
    if accounts && others.iter().any(|l| !l.is_empty()) {
        report.refuse(path, "serviceAccounts beside namespaces or principals", "keep one of them");
    }
}

/// `account`, `namespace/account`: never a pattern, for a dot or a star in one must not widen it.
fn service_account(text: &str, path: &str, report: &mut Report<'_>) {
    let (namespace, account) = text.split_once('/').map_or((None, text), |(n, a)| (Some(n), a));
    let legal = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let is_account = !account.is_empty() && account.bytes().all(legal);
    if !is_account || namespace.is_some_and(|n| !is_label(n)) {
        let message = format!("{text:?} is not a service account");
        report.refuse(path, message, "write account or namespace/account, without wildcards");
    }
}

fn check_operation(operation: &Operation, path: &str, report: &mut Report<'_>) {
    let lists = [
        ("hosts", &operation.hosts),
        ("notHosts", &operation.not_hosts),
        ("ports", &operation.ports),
        ("notPorts", &operation.not_ports),
        ("methods", &operation.methods),
        ("notMethods", &operation.not_methods),
        ("paths", &operation.paths),
        ("notPaths", &operation.not_paths),
    ];
    check_lists(&lists, "operation", path, report);
    for (field, list) in lists {
        for (i, text) in list.iter().enumerate().filter(|(_, t)| !t.is_empty()) {
            let path = format!("{path}.{field}[{i}]");
            if field.to_lowercase().ends_with("ports") && !text.parse::<u16>().is_ok_and(|p| p > 0) {
                report.refuse(&path, format!("{text:?} is not a port"), "a port is between 1 and 65535");
            }
            if field.to_lowercase().ends_with("paths") {
                path_template(text, &path, report);
            }
        }
    }
}

/// `{*}` stands for one part, `{**}` for the rest; then no other wildcard may be there.
fn path_template(text: &str, path: &str, report: &mut Report<'_>) {
    if !text.contains(['{', '}']) {
        return;
    }
    let parts: Vec<&str> = text.split('/').skip(1).collect();
    let is_plain = |part: &&str| !part.is_empty() && !part.contains(['{', '}', '*']);
    let last = parts.len().saturating_sub(1);
    let whole = |(i, part): (usize, &&str)| match *part {
        "{*}" => true,
        "{**}" => parts.iter().filter(|p| **p == "{**}").count() == 1,
        "" => i == last,
        _ => is_plain(part),
    };
    if !text.starts_with('/') || !parts.iter().enumerate().all(whole) {
        let help = "`{*}` stands for one whole part of the path and `{**}`, once, for any number of them";
        report.refuse(path, format!("{text:?} is not a template of paths"), help);
    }
}

/// At least one list, and nothing empty in any: an empty one would match what nobody meant.
fn check_lists(lists: &[(&str, &Vec<String>)], what: &str, path: &str, report: &mut Report<'_>) {
    if lists.iter().all(|(_, list)| list.is_empty()) {
        report.refuse(path, format!("`{what}` is empty"), "write at least one of its fields");
    }
    for (field, list) in lists {
        let path = format!("{path}.{field}");
        if list.is_empty() && report.is_written(&path) {
            report.refuse(&path, format!("`{field}` is empty"), "write a value, or leave the field out");
        }
        for (i, _) in list.iter().enumerate().filter(|(_, value)| value.is_empty()) {
            report.refuse(
                &format!("{path}[{i}]"),
                "an empty value",
                "write a value; `*` for any that is there",
            );
        }
    }
}

/// Attributes that conditions may name; a final `[` asks for a name in brackets.
const ATTRIBUTES: &[&str] = &[
    "request.headers[",
    "request.auth.claims[",
    "experimental.envoy.filters.",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

fn check_condition(condition: &Condition, path: &str, report: &mut Report<'_>) {
    let Condition { key, values, not_values } = condition;
    let at = format!("{path}.key");
    let known = ATTRIBUTES.iter().any(|a| match a.strip_suffix('[') {
        Some(_) => key.strip_prefix(a).is_some_and(|rest| rest.len() > 1 && rest.ends_with(']')),
        None if a.ends_with('.') => key.starts_with(a),
        None => key == a,
    });
    if key.is_empty() {
        report.refuse(&at, "the key is missing", "write an attribute, such as request.headers[x-token]");
    } else if !known {
        let near = |a: &&&str| strsim::jaro_winkler(a, key);
        let best = ATTRIBUTES.iter().max_by(|a, b| near(a).total_cmp(&near(b))).copied().unwrap_or_default();
        let best = if best.ends_with('[') { format!("{best}NAME]") } else { best.to_owned() };
        report.refuse(&at, format!("`{key}` is not an attribute"), format!("did you mean `{best}`?"));
    }
    if values.is_empty() && not_values.is_empty() {
        report.refuse(path, "a condition without values", "write values or notValues");
    }
    for (field, list) in [("values", values), ("notValues", not_values)] {
        for (i, text) in list.iter().enumerate() {
            let path = format!("{path}.{field}[{i}]");
            match key.as_str() {
                "source.ip" | "remote.ip" | "destination.ip" => report.network(&path, text),
                "destination.port" if !text.parse::<u16>().is_ok_and(|p| p > 0) => {
                    report.refuse(&path, format!("{text:?} is not a port"), "a port is between 1 and 65535");
                }
                "source.serviceAccount" => service_account(text, &path, report),
                _ if text.is_empty() => report.refuse(&path, "an empty value", "write a value"),
                _ => {}
            }
        }
    }
}

pub(super) fn request_authentication(spec: &RequestAuthentication, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    for (i, rule) in spec.jwt_rules.iter().enumerate() {
        let path = format!("spec.jwtRules[{i}]");
        if rule.issuer.is_empty() && rule.jwks_uri.is_empty() {
            report.refuse(&path, "neither issuer nor jwksUri", "write the issuer of the tokens");
        }
        if !rule.jwks_uri.is_empty() {
            let uri = rule.jwks_uri.parse::<Uri>().ok();
            let is_web =
                uri.is_some_and(|u| matches!(u.scheme_str(), Some("http" | "https")) && u.host().is_some());
            if !is_web {
                let message = format!("{:?} is not a URL", rule.jwks_uri);
                report.refuse(&format!("{path}.jwksUri"), message, "write https://…");
            }
        }
        if !rule.jwks.is_empty() {
            let keys = serde_json::from_str::<serde_json::Value>(&rule.jwks).ok();
            if !keys.is_some_and(|k| k.get("keys").is_some_and(serde_json::Value::is_array)) {
                report.refuse(&format!("{path}.jwks"), "not a set of keys", r#"write {"keys": […]}"#);
            }
        }
        let lists = [
            ("audiences", rule.audiences.as_slice()),
            ("fromParams", &rule.from_params),
            ("fromCookies", &rule.from_cookies),
        ];
        for (field, list) in lists {
            for (n, _) in list.iter().enumerate().filter(|(_, text)| text.is_empty()) {
                report.refuse(&format!("{path}.{field}[{n}]"), "an empty value", "write a value");
            }
        }
        for (n, header) in rule.from_headers.iter().enumerate() {
            header_name(&header.name, &format!("{path}.fromHeaders[{n}].name"), report);
        }
        for (n, output) in rule.output_claim_to_headers.iter().enumerate() {
            let path = format!("{path}.outputClaimToHeaders[{n}]");
            header_name(&output.header, &format!("{path}.header"), report);
            if output.claim.is_empty() {
                report.refuse(&format!("{path}.claim"), "the claim is missing", "name a claim");
            }
        }
        report.duration(&format!("{path}.timeout"), rule.timeout);
    }
}

fn header_name(name: &str, path: &str, report: &mut Report<'_>) {
    if name.parse::<HeaderName>().is_err() {
        report.refuse(path, format!("{name:?} is not the name of a header"), "letters, digits and dashes");
    }
}
