//! What a policy holds for: workloads by their labels, or resources that it is attached to.
//!
//! One set of rules for all kinds of policies, so that a selector means the same everywhere.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | `targetRefs: []` beside a selector | refused by the schema, accepted by the webhook | accepted | an empty list attaches to nothing |
//! | the same target twice | accepted | a warning | it holds once; another one was meant |

use super::names::is_longer_than;
use super::report::Report;
use crate::api::gateway_api::value::{LabelSelector, LabelSelectorOperator};
use crate::api::value::{Selector, TargetRef};
use std::collections::{BTreeMap, HashSet};

/// The longest value that a label can have, so that a longer one selects nothing. Characters.
const LONGEST_LABEL_VALUE: usize = 63;
/// As many labels may a selector of a policy have, and one of a networking kind.
const MOST_LABELS: usize = 4096;
const MOST_WORKLOAD_LABELS: usize = 256;
/// The longest name that a resource can have.
const LONGEST_NAME: usize = 253;
/// As many resources may one policy be attached to.
const MOST_TARGETS: usize = 16;

/// Group and kind of what a policy may be attached to: the same for every kind of policy.
const KINDS: &[(&str, &str)] = &[
    ("", "Service"),
    ("networking.istio.io", "ServiceEntry"),
    ("gateway.networking.k8s.io", "Gateway"),
    ("gateway.networking.k8s.io", "GatewayClass"),
];

impl Report<'_> {
    /// A selector: labels are compared literally, so a `*` in one selects nothing that was meant.
    pub(super) fn selector(&mut self, path: &str, labels: &BTreeMap<String, String>) {
        for (key, value) in labels {
            let path = format!("{path}.{key}");
            if key.is_empty() {
                self.refuse_key(&path, "a label without a name", "name the label");
            } else if key.contains('*') {
                self.refuse_key(&path, "a wildcard in a selector", "labels are compared literally");
            } else if value.contains('*') {
                self.refuse(&path, "a wildcard in a selector", "labels are compared literally");
            } else if is_longer_than(value, LONGEST_LABEL_VALUE) {
                let message = format!("a label's value of {} characters", value.chars().count());
                self.refuse(&path, message, "no workload has one: a label's value has at most 63");
            }
        }
    }

    /// `selector.matchLabels`.
    pub(super) fn match_labels(&mut self, path: &str, selector: Option<&Selector>) {
        let Some(selector) = selector else { return };
        let path = format!("{path}.matchLabels");
        if selector.match_labels.is_empty() {
            self.warn(&path, "a selector without labels", "leave it out to select all workloads");
        }
        self.at_most(&path, selector.match_labels.len(), MOST_LABELS, "label");
        self.selector(&path, &selector.match_labels);
    }

    /// `labels` that select workloads, as networking kinds write them.
    pub(super) fn workload_labels(&mut self, path: &str, labels: &BTreeMap<String, String>, help: &str) {
        let path = format!("{path}.labels");
        if labels.is_empty() {
            self.warn(&path, "a selector without labels: it selects all of the namespace", help);
        }
        self.at_most(&path, labels.len(), MOST_WORKLOAD_LABELS, "label");
        self.selector(&path, labels);
    }

    /// One of `selector`, `targetRef` and `targetRefs`, and targets of kinds that a policy attaches to.
    pub(super) fn targets(
        &mut self,
        selector: Option<&Selector>,
        one: Option<&TargetRef>,
        all: &[TargetRef],
    ) {
        self.match_labels("spec.selector", selector);
        let ways = [
            (selector.is_some(), "spec.selector"),
            (one.is_some(), "spec.targetRef"),
            (!all.is_empty(), "spec.targetRefs"),
        ];
        let mut written = ways.into_iter().filter(|(is_written, _)| *is_written);
        if let (Some((_, first)), Some((_, second))) = (written.next(), written.next()) {
            let message = "more than one of selector, targetRef and targetRefs";
            let first = first.trim_start_matches("spec.");
            self.refuse(second, message, format!("keep one of them: this, or {first}"));
        }
        if all.len() > MOST_TARGETS {
            let message = format!("{} targets", all.len());
            self.refuse("spec.targetRefs", message, "at most 16; write another policy for the rest");
        }
        if let Some(target) = one {
            self.target("spec.targetRef", target);
        }
        let mut seen = HashSet::new();
        for (i, target) in all.iter().enumerate() {
            let path = format!("spec.targetRefs[{i}]");
            self.target(&path, target);
            if !seen.insert((core(&target.group), &target.kind, &target.name)) {
                let message = format!("{} {} is a target twice", target.kind, target.name);
                self.warn(&path, message, "keep one of them");
            }
        }
    }

    fn target(&mut self, path: &str, target: &TargetRef) {
        if target.name.is_empty() {
            self.refuse(&format!("{path}.name"), "the target's name is missing", "name the resource");
        } else if is_longer_than(&target.name, LONGEST_NAME) {
            let message = "a name of more than 253 characters";
            self.refuse(&format!("{path}.name"), message, "no resource has so long a name");
        }
        if !target.namespace.is_empty() {
            let path = format!("{path}.namespace");
            let help = "leave it out: targets are of the policy's own namespace";
            self.refuse(&path, "a target in another namespace", help);
        }
        if target.kind.is_empty() {
            let help = format!("write kind: {}", kinds());
            return self.refuse(&format!("{path}.kind"), "the target's kind is missing", help);
        }
        let group = core(&target.group);
        let of_kind = KINDS.iter().find(|(_, kind)| *kind == target.kind);
        match of_kind {
            Some((right, _)) if *right == group => {}
            Some((right, kind)) => {
                let path = format!("{path}.group");
                let message = format!("{kind} is not of group {:?}", target.group);
                self.refuse(&path, message, format!("write group: {right:?}"));
            }
            None => {
                let message = format!("{} is not a kind that a policy attaches to", target.kind);
                let help = format!("attach it to a {}", kinds());
                self.refuse(&format!("{path}.kind"), message, help);
            }
        }
    }
}

/// Kubernetes' core group has two names.
fn core(group: &str) -> &str {
    if group == "core" { "" } else { group }
}

fn kinds() -> String {
    let names: Vec<&str> = KINDS.iter().map(|(_, kind)| *kind).collect();
    match names.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => names.concat(),
    }
}

/// A condition of a selector that cannot be judged.
pub(super) struct Problem {
    /// From the selector.
    pub(super) path: String,
    pub(super) message: &'static str,
    pub(super) help: &'static str,
}

/// Conditions that Kubernetes does not take. What becomes of a resource that holds one is for the caller to say.
pub(super) fn problems_of_selector(selector: &LabelSelector) -> Vec<Problem> {
    use LabelSelectorOperator::{DoesNotExist, Exists, In, NotIn};
    let mut problems = Vec::new();
    for (i, each) in selector.match_expressions.iter().enumerate() {
        let mut add = |field: &str, message, help| {
            problems.push(Problem { path: format!("matchExpressions[{i}].{field}"), message, help });
        };
        if each.key.is_empty() {
            add("key", "the key is missing", "name the label");
        }
        match (each.operator, each.values.is_empty()) {
            (None, _) => {
                let help = "the operators are In, NotIn, Exists and DoesNotExist";
                add("operator", "the operator is missing", help);
            }
            (Some(In | NotIn), true) => add("values", "In and NotIn need values", "list the values"),
            (Some(Exists | DoesNotExist), false) => {
                add("values", "Exists and DoesNotExist look at no values", "write In to compare values");
            }
            _ => {}
        }
    }
    problems
}
