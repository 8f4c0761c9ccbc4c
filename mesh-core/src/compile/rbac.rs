//! AuthorizationPolicies as Envoy's RBAC: who may do what at one workload.
//!
//! ```text
//! AuthorizationPolicy… ─[Policies]─▶ Rbac… (decide::authorize), and whom to ask
//! ```
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
use crate::model::Name;
use crate::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use condition::{Field, Part, Reader};
use std::sync::Arc;

/// What a chain sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Requests.
    Http,
    /// Connections.
    Tcp,
}

/// What whoever enforces policies can find out and do.
#[derive(Clone, Copy, Debug)]
pub struct Sight<'a> {
    /// What it sees.
    pub layer: Layer,
    /// Whether it verifies tokens. Without that, a rule about them cannot be evaluated.
    pub tokens: bool,
    /// Whether it can ask external authorizers. Without that, what a CUSTOM policy matches is denied.
    pub providers: bool,
    /// Its trust domain, and the aliases of that.
    pub trust_domains: &'a [String],
}

/// A part of a policy that could not be taken as it is written. It was dealt with so that less is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `spec.rules[0].to[0].operation.paths[1]`.
    pub path: String,
    /// What it is about.
    pub what: ProblemKind,
    /// What was made of it.
    pub instead: &'static str,
}

/// What is wrong with a part of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// Nothing, but it cannot be evaluated here.
    NotHonoured(String),
    /// Its value is none.
    Invalid(String),
}

/// The rules of the policies of one workload, by what becomes of what they match.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    log: Vec<RbacPolicy>,
    deny: Vec<RbacPolicy>,
    /// `None` without an ALLOW policy; one without rules is there to allow nothing.
    allow: Option<Vec<RbacPolicy>>,
    /// The same of policies on trial.
    shadow_deny: Vec<RbacPolicy>,
    shadow_allow: Option<Vec<RbacPolicy>>,
    custom: Vec<Custom>,
}

/// The rules by which one external authorizer is asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Custom {
    /// Its name in `extensionProviders` of the MeshConfig.
    pub provider: String,
    /// What it is asked about.
    pub rules: Vec<RbacPolicy>,
}

impl Policies {
    /// Adds one that holds for the workload. What could not be taken as written is told.
    pub fn add(&mut self, policy: &Resource<AuthorizationPolicy>, sight: &Sight<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let on_trial = is_on_trial(&policy.meta) == Some(true);
        let mut rules = Vec::new();
        for (i, rule) in policy.spec.rules.iter().enumerate() {
            rules.extend(of_rule(policy, i, rule, sight, &mut problems));
        }
        match (policy.spec.action, on_trial) {
            (Action::Allow, false) => self.allow.get_or_insert_default().append(&mut rules),
            (Action::Allow, true) => self.shadow_allow.get_or_insert_default().append(&mut rules),
            (Action::Deny, false) => self.deny.append(&mut rules),
            (Action::Deny, true) => self.shadow_deny.append(&mut rules),
            (Action::Audit, false) => self.log.append(&mut rules),
            (Action::Audit, true) => {}
            (Action::Custom, true) => problems.push(Problem {
                path: "metadata.annotations".to_owned(),
                what: ProblemKind::NotHonoured("an external authorizer (CUSTOM) on trial".to_owned()),
                instead: "the policy does nothing: its authorizer is not asked",
            }),
            (Action::Custom, false) if sight.providers => self.ask(policy, rules),
            (Action::Custom, false) => {
                problems.push(Problem {
                    path: "spec.action".to_owned(),
                    what: ProblemKind::NotHonoured("an external authorizer (CUSTOM)".to_owned()),
                    instead: "what the rules match is denied until it is",
                });
                self.deny.append(&mut rules);
            }
        }
        problems
    }

    fn ask(&mut self, policy: &Resource<AuthorizationPolicy>, rules: Vec<RbacPolicy>) {
        let provider = policy.spec.provider.as_ref().map(|p| p.name.clone()).unwrap_or_default();
        match self.custom.iter_mut().find(|c| c.provider == provider) {
            Some(custom) => custom.rules.extend(rules),
            None => self.custom.push(Custom { provider, rules }),
        }
    }

    /// The external authorizers to be asked before all else, in the order of their names.
    pub fn custom(&self) -> Vec<Custom> {
        let mut all = self.custom.clone();
        all.sort_by(|a, b| a.provider.cmp(&b.provider));
        all.iter_mut().for_each(|custom| custom.rules.sort_by(|a, b| a.name.cmp(&b.name)));
        all
    }

    /// The filters, in Istio's order: what marks, what denies, what allows. The rules on trial stand before those
    /// that count, so that their verdict is there even where these end the matter.
    pub fn filters(self) -> Vec<Arc<Rbac>> {
        use EnforcementMode::{Enforced, Shadow};
        let (deny, allow) = ("istio_dry_run_deny_", "istio_dry_run_allow_");
        let some = |rules: Vec<RbacPolicy>| (!rules.is_empty()).then_some(rules);
        let lists = [
            ("", Enforced, RbacAction::Log, some(self.log)),
            (deny, Shadow, RbacAction::Deny, some(self.shadow_deny)),
            ("", Enforced, RbacAction::Deny, some(self.deny)),
            (allow, Shadow, RbacAction::Allow, self.shadow_allow),
            ("", Enforced, RbacAction::Allow, self.allow),
        ];
        let filter = |(prefix, mode, action, rules): (&str, _, _, Option<Vec<RbacPolicy>>)| {
            let mut policies = rules?;
            policies.sort_by(|a, b| a.name.cmp(&b.name));
            Some(Arc::new(Rbac { stat_prefix: Name::from(prefix), mode, action, policies }))
        };
        lists.into_iter().filter_map(filter).collect()
    }
}

/// The filters of a workload's chain.
pub(super) fn filters(scope: &Scope<'_>, layer: Layer, report: &mut Report) -> Vec<Arc<Rbac>> {
    let trust_domains = scope.trust_domains();
    // Our proxy neither verifies tokens yet nor asks authorizers.
    let sight = Sight { layer, tokens: false, providers: false, trust_domains: &trust_domains };
    let mut policies = Policies::default();
    for policy in scope.world.of::<AuthorizationPolicy>() {
        let spec = &policy.spec;
        let (selector, one) = (spec.selector.as_ref(), spec.target_ref.as_ref());
        if !scope.attaches(&policy.meta, selector, one, &spec.target_refs) {
            continue;
        }
        scope.uses(policy);
        for Problem { path, what, instead } in policies.add(policy, &sight) {
            match what {
                ProblemKind::NotHonoured(what) => report.not_honoured(policy, path, &what, instead),
                ProblemKind::Invalid(message) => report.invalid(policy, path, message),
            }
        }
        if is_on_trial(&policy.meta) == Some(true) && spec.action != Action::Custom {
            let message =
                "a policy on trial is not enforced; Envoy counts its verdicts, our proxy does not yet";
            report.add(Finding::info(code::NOT_HONOURED, message).at(policy, "metadata.annotations"));
        }
    }
    policies.filters()
}

fn of_rule(
    policy: &Resource<AuthorizationPolicy>,
    index: usize,
    rule: &Rule,
    sight: &Sight<'_>,
    problems: &mut Vec<Problem>,
) -> Option<RbacPolicy> {
    let path = format!("spec.rules[{index}]");
    let narrow = policy.spec.action == Action::Allow;
    let mut cx = Reader { namespace: &policy.meta.namespace, sight, narrow, problems };
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

fn whens(cx: &mut Reader<'_>, rule: &Rule, path: &str) -> Option<(Vec<Permission>, Vec<Principal>)> {
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

fn operations(cx: &mut Reader<'_>, of: &Operation, path: &str) -> Option<Vec<Permission>> {
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

fn sources(cx: &mut Reader<'_>, of: &Source, path: &str) -> Option<Vec<Principal>> {
    let mut out = Vec::new();
    for (field, (yes, no), (yes_name, no_name)) in [
        (Field::Principal, (&of.principals, &of.not_principals), ("principals", "notPrincipals")),
        (
            Field::RequestPrincipal,
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
