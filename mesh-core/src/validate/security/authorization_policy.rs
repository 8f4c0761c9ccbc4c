//! AuthorizationPolicy.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | an empty list, such as `namespaces: []`, beside others | accepted: read as not written | refused | it was meant to hold something; without it the rule matches everybody |
//! | `serviceAccounts` with a wildcard | accepted; compared literally | refused | such an account does not exist, so the rule means less than it says |
//! | `serviceAccounts`, `trustDomains` under `CUSTOM` | accepted | refused | like the other identities, they are not known where the authorizer is asked |
//! | port `0` | accepted | refused | no connection has it |
//! | a template with two `{**}`, or with text beside `{*}` in one part | accepted; Envoy refuses the listener | refused | a policy that is not in force protects nothing |
//! | `/a/{id}` | accepted; compared literally | a warning | no path holds a brace |
//! | a DENY rule on requests whose ports stand in `when` | a warning | accepted | its ports are said |
//! | the name in `request.headers[…]` is none | accepted; Envoy refuses the listener | refused | as above |

use super::super::report::Report;
use super::condition;
use crate::api::security::authorization_policy::{
    Action, AuthorizationPolicy, DRY_RUN, Operation, Rule, Source, is_on_trial,
};

/// As many rules, and sources of one rule, does Istio's schema allow.
const MOST_RULES: usize = 512;
/// As many service accounts does Istio's schema allow in one list.
const MOST_ACCOUNTS: usize = 16;

pub(in crate::validate) fn check(spec: &AuthorizationPolicy, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    check_action(spec, report);
    if is_on_trial(report.meta).is_none() {
        let path = format!("metadata.annotations.{DRY_RUN}");
        report.refuse(
            &path,
            "neither true nor false",
            "write \"true\" to try the policy out, or leave it out",
        );
    }
    if spec.rules.len() > MOST_RULES {
        let message = format!("{} rules", spec.rules.len());
        return report.refuse("spec.rules", message, "at most 512; write another policy for the rest");
    }
    for (i, one) in spec.rules.iter().enumerate() {
        check_rule(one, spec.action, &format!("spec.rules[{i}]"), report);
    }
}

fn check_action(spec: &AuthorizationPolicy, report: &mut Report<'_>) {
    match spec.action {
        Action::Deny | Action::Custom if spec.rules.is_empty() => {
            let help = "write `rules: [{}]` to match every request";
            report.refuse("spec.action", "without rules it never applies", help);
        }
        Action::Custom if spec.provider.as_ref().is_none_or(|p| p.name.is_empty()) => {
            let path = if spec.provider.is_some() { "spec.provider.name" } else { "spec.action" };
            let help = "name one of extensionProviders of the MeshConfig";
            report.refuse(path, "CUSTOM without provider.name", help);
        }
        Action::Allow | Action::Deny | Action::Audit if spec.provider.is_some() => {
            let help = "write action: CUSTOM, or leave the provider out";
            report.refuse("spec.provider", "a provider without action CUSTOM", help);
        }
        _ => {}
    }
}

fn check_rule(rule: &Rule, action: Action, path: &str, report: &mut Report<'_>) {
    let clauses =
        [("from", rule.from.is_empty()), ("to", rule.to.is_empty()), ("when", rule.when.is_empty())];
    for (field, is_empty) in clauses {
        let path = format!("{path}.{field}");
        if is_empty && report.is_written(&path) {
            report.refuse(&path, format!("`{field}` is empty"), "leave it out to match everything");
        }
    }
    if rule.from.len() > MOST_RULES {
        let message = format!("{} sources", rule.from.len());
        let help = "at most 512; write another rule for the rest";
        return report.refuse(&format!("{path}.from"), message, help);
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
    for (i, one) in rule.when.iter().enumerate() {
        condition::check(one, action, &format!("{path}.when[{i}]"), report);
    }
    if action == Action::Deny {
        warn_of_connections(rule, path, report);
    }
}

/// Of a plain connection no host, method, path or token is known. A DENY rule takes what is not known for a
/// match, so that one which does not say its ports denies connections that it was not meant for.
fn warn_of_connections(rule: &Rule, path: &str, report: &mut Report<'_>) {
    let sees = |source: &Source| {
        let by_connection = [
            &source.principals,
            &source.not_principals,
            &source.namespaces,
            &source.not_namespaces,
            &source.service_accounts,
            &source.not_service_accounts,
            &source.trust_domains,
            &source.not_trust_domains,
            &source.ip_blocks,
            &source.not_ip_blocks,
            &source.remote_ip_blocks,
            &source.not_remote_ip_blocks,
        ];
        by_connection.iter().any(|list| !list.is_empty())
    };
    let mut sources = rule.from.iter().filter_map(|f| f.source.as_ref()).peekable();
    let mut operations = rule.to.iter().filter_map(|t| t.operation.as_ref()).peekable();
    let has_operations = operations.peek().is_some();
    let of_ports = operations.any(|o| !o.ports.is_empty() || !o.not_ports.is_empty())
        || rule.when.iter().any(|condition| condition.key == "destination.port");
    let blind_to = has_operations && !of_ports;
    let blind_from = !has_operations && !of_ports && sources.peek().is_some() && !sources.any(sees);
    if blind_to || blind_from {
        let path = format!("{path}.{}", if blind_to { "to" } else { "from" });
        let message = "on ports that are not HTTP, where no request is seen, this denies whole connections";
        report.warn(&path, message, "write to.operation.ports to say which ports are meant");
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
        let is_network = field.to_lowercase().ends_with("ipblocks");
        let is_account = field.to_lowercase().ends_with("serviceaccounts");
        for (i, text) in list.iter().enumerate().filter(|(_, t)| !t.is_empty()) {
            let path = format!("{path}.{field}[{i}]");
            if is_network {
                report.network(&path, text);
            }
            if is_account {
                super::service_account(text, &path, report);
            }
        }
        let path = format!("{path}.{field}");
        if is_account && list.len() > MOST_ACCOUNTS {
            let message = format!("{} service accounts", list.len());
            report.refuse(&path, message, "at most 16; write another source for the rest");
        }
        if action == Action::Custom && !is_network && !list.is_empty() {
            let message = format!("`{field}` is not looked at under CUSTOM");
            report.refuse(&path, message, "use a DENY or ALLOW policy beside it");
        }
    }
    let accounts = !source.service_accounts.is_empty() || !source.not_service_accounts.is_empty();
    let others = [&source.principals, &source.not_principals, &source.namespaces, &source.not_namespaces];
    if accounts && others.iter().any(|l| !l.is_empty()) {
        let help = "keep one of them: an account is of one namespace";
        report.refuse(path, "serviceAccounts beside namespaces or principals", help);
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
            if field.to_lowercase().ends_with("ports") {
                super::port(text, &path, report);
            }
            if field.to_lowercase().ends_with("paths") {
                path_template(text, &path, report);
            }
        }
    }
}

/// `{*}` stands for one part of a path, `{**}` for any number of them; then no other wildcard may be there.
fn path_template(text: &str, path: &str, report: &mut Report<'_>) {
    if !text.contains("{*}") && !text.contains("{**}") {
        if text.contains(['{', '}']) {
            let help = "write `{*}` for one part of the path and `{**}` for any number of them";
            report.warn(path, format!("{text:?} is compared with its braces"), help);
        }
        return;
    }
    let parts: Vec<&str> = text.split('/').skip(1).collect();
    let is_plain = |part: &str| !part.is_empty() && !part.contains(['{', '}', '*']);
    let last = parts.len().saturating_sub(1);
    let whole = |(i, part): (usize, &&str)| match *part {
        "{*}" | "{**}" => true,
        "" => i == last,
        part => is_plain(part),
    };
    let once = parts.iter().filter(|p| **p == "{**}").count() <= 1;
    if !text.starts_with('/') || !once || !parts.iter().enumerate().all(whole) {
        let help = "`{*}` stands for one whole part of the path and `{**}`, once, for any number of them";
        report.refuse(path, format!("{text:?} is not a template of paths"), help);
    }
}

/// At least one list, and nothing empty in any: an empty one would match what nobody meant.
fn check_lists(lists: &[(&str, &Vec<String>)], what: &str, path: &str, report: &mut Report<'_>) {
    let mut is_said = false;
    for (field, list) in lists {
        let path = format!("{path}.{field}");
        if list.is_empty() && report.is_written(&path) {
            is_said = true;
            report.refuse(&path, format!("`{field}` is empty"), "write a value, or leave the field out");
        }
        for (i, _) in list.iter().enumerate().filter(|(_, value)| value.is_empty()) {
            let path = format!("{path}[{i}]");
            report.refuse(&path, "an empty value", "write a value; `*` for any that is there");
        }
    }
    if !is_said && lists.iter().all(|(_, list)| list.is_empty()) {
        report.refuse(path, format!("`{what}` is empty"), "write at least one of its fields");
    }
}
