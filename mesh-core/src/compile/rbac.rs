//! AuthorizationPolicies as Envoy's RBAC: who may do what at one workload.
//!
//! What cannot be evaluated fails closed. Under ALLOW a rule with such a part matches nothing; under DENY
//! (and AUDIT) the part alone is left out, so that the rule matches more. That holds for what the compiler
//! does not know as for requests where only connections are seen.

mod condition;
mod value;

use super::report::Report;
use super::scope::Scope;
use crate::api::Resource;
use crate::api::security::AuthorizationPolicy;
use crate::api::security::authorization_policy::{Action, Operation, Rule, Source, is_on_trial};
use crate::diagnostic::{Finding, code};
use crate::model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy};
use condition::{Field, Part};
use std::sync::Arc;

/// What a chain sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// Requests.
    Http,
    /// Connections.
    Tcp,
}

/// The filters of a workload's chain, in their order: what denies before what allows.
pub(super) fn filters(scope: &Scope<'_>, layer: Layer, report: &mut Report) -> Vec<Arc<Rbac>> {
    let mut deny = Vec::new();
    let mut log = Vec::new();
    let mut allow = None;
    for policy in scope.world.of::<AuthorizationPolicy>() {
        let spec = &policy.spec;
        let (selector, one) = (spec.selector.as_ref(), spec.target_ref.as_ref());
        if !scope.attaches(&policy.meta, selector, one, &spec.target_refs) {
            continue;
        }
        scope.uses(policy);
        if is_on_trial(&policy.meta) == Some(true) {
            let message = "a policy on trial is not enforced, and its verdicts are not recorded yet";
            report.add(Finding::warning(code::NOT_HONOURED, message).at(policy, "metadata.annotations"));
            continue;
        }
        let action = policy.spec.action;
        let list = match action {
            Action::Allow => allow.get_or_insert_with(Vec::new),
            Action::Audit => &mut log,
            Action::Deny => &mut deny,
            Action::Custom => {
                report.not_honoured(
                    policy,
                    "spec.action",
                    "an external authorizer (CUSTOM)",
                    "what the rules match is denied until it is",
                );
                &mut deny
            }
        };
        for (i, rule) in policy.spec.rules.iter().enumerate() {
            list.extend(of_rule(scope, policy, i, rule, layer, report));
        }
    }
    let filter = |action, mut policies: Vec<RbacPolicy>| {
        policies.sort_by(|a, b| a.name.cmp(&b.name));
        Arc::new(Rbac { stat_prefix: crate::model::Name::default(), action, policies })
    };
    let mut out = Vec::new();
    if !deny.is_empty() {
        out.push(filter(RbacAction::Deny, deny));
    }
    if !log.is_empty() {
        out.push(filter(RbacAction::Log, log));
    }
    // An ALLOW policy without rules is there to allow nothing.
    if let Some(allow) = allow {
        out.push(filter(RbacAction::Allow, allow));
    }
    out
}

fn of_rule(
    scope: &Scope<'_>,
    policy: &Arc<Resource<AuthorizationPolicy>>,
    index: usize,
    rule: &Rule,
    layer: Layer,
    report: &mut Report,
) -> Option<RbacPolicy> {
    let path = format!("spec.rules[{index}]");
    let narrow = policy.spec.action == Action::Allow;
    let mut cx = condition::Reader { scope, policy, layer, narrow, report };
    let (when_permissions, when_principals) = whens(&mut cx, rule, &path)?;
    let mut permissions = Vec::new();
    for (i, to) in rule.to.iter().enumerate() {
        let mut parts = match &to.operation {
            Some(operation) => match operations(&mut cx, operation, &format!("{path}.to[{i}].operation")) {
                Some(parts) => parts,
                // This alternative cannot be evaluated; others may be.
                None => continue,
            },
            None => vec![],
        };
        parts.extend(when_permissions.iter().cloned());
        permissions.push(all_permissions(parts));
    }
    if rule.to.is_empty() {
        permissions.push(all_permissions(when_permissions));
    }
    let mut principals = Vec::new();
    for (i, from) in rule.from.iter().enumerate() {
        let mut parts = match &from.source {
            Some(source) => match sources(&mut cx, source, &format!("{path}.from[{i}].source")) {
                Some(parts) => parts,
                None => continue,
            },
            None => vec![],
        };
        parts.extend(when_principals.iter().cloned());
        principals.push(all_principals(parts));
    }
    if rule.from.is_empty() {
        principals.push(all_principals(when_principals));
    }
    if permissions.is_empty() || principals.is_empty() {
        return None;
    }
    Some(RbacPolicy {
        name: format!("ns[{}]-policy[{}]-rule[{index}]", policy.meta.namespace, policy.meta.name).into(),
        permissions,
        principals,
        origin: Some(policy.origin_of(&path)),
    })
}

fn whens(
    cx: &mut condition::Reader<'_, '_>,
    rule: &Rule,
    path: &str,
) -> Option<(Vec<Permission>, Vec<Principal>)> {
    let (mut permissions, mut principals) = (Vec::new(), Vec::new());
    for (i, when) in rule.when.iter().enumerate() {
        let path = format!("{path}.when[{i}]");
        let Some(field) = Field::of_key(&when.key) else {
            cx.unknown_key(&format!("{path}.key"), &when.key)?;
            continue;
        };
        let (yes, no) = (format!("{path}.values"), format!("{path}.notValues"));
        for part in cx.read(&field, &when.values, &when.not_values, &yes, &no)? {
            match part {
                Part::Permission(p) => permissions.push(p),
                Part::Principal(p) => principals.push(p),
            }
        }
    }
    Some((permissions, principals))
}

fn operations(cx: &mut condition::Reader<'_, '_>, of: &Operation, path: &str) -> Option<Vec<Permission>> {
    let mut out = Vec::new();
    for (field, (yes, no), (yes_name, no_name)) in [
        (Field::Host, (&of.hosts, &of.not_hosts), ("hosts", "notHosts")),
        (Field::Method, (&of.methods, &of.not_methods), ("methods", "notMethods")),
        (Field::Path, (&of.paths, &of.not_paths), ("paths", "notPaths")),
        (Field::DestinationPort, (&of.ports, &of.not_ports), ("ports", "notPorts")),
    ] {
        for part in cx.read(&field, yes, no, &format!("{path}.{yes_name}"), &format!("{path}.{no_name}"))? {
            if let Part::Permission(permission) = part {
                out.push(permission);
            }
        }
    }
    Some(out)
}

fn sources(cx: &mut condition::Reader<'_, '_>, of: &Source, path: &str) -> Option<Vec<Principal>> {
    let mut out = Vec::new();
    for (field, (yes, no), (yes_name, no_name)) in [
        (Field::Principal, (&of.principals, &of.not_principals), ("principals", "notPrincipals")),
        (
            Field::Token,
            (&of.request_principals, &of.not_request_principals),
            ("requestPrincipals", "notRequestPrincipals"),
        ),
        (Field::Namespace, (&of.namespaces, &of.not_namespaces), ("namespaces", "notNamespaces")),
        (
            Field::ServiceAccount,
            (&of.service_accounts, &of.not_service_accounts),
            ("serviceAccounts", "notServiceAccounts"),
        ),
        (Field::TrustDomain, (&of.trust_domains, &of.not_trust_domains), ("trustDomains", "notTrustDomains")),
        (Field::SourceIp, (&of.ip_blocks, &of.not_ip_blocks), ("ipBlocks", "notIpBlocks")),
        (
            Field::RemoteIp,
            (&of.remote_ip_blocks, &of.not_remote_ip_blocks),
            ("remoteIpBlocks", "notRemoteIpBlocks"),
        ),
    ] {
        for part in cx.read(&field, yes, no, &format!("{path}.{yes_name}"), &format!("{path}.{no_name}"))? {
            if let Part::Principal(principal) = part {
                out.push(principal);
            }
        }
    }
    Some(out)
}

fn all_permissions(mut parts: Vec<Permission>) -> Permission {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Permission::Any,
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            Permission::And(parts)
        }
    }
}

fn all_principals(mut parts: Vec<Principal>) -> Principal {
    match (parts.pop(), parts.is_empty()) {
        (None, _) => Principal::Any,
        (Some(only), true) => only,
        (Some(last), false) => {
            parts.push(last);
            Principal::And(parts)
        }
    }
}
