//! What is to be said of DestinationRules that contradict each other.

use super::report::Report;
use crate::diagnostic::{Finding, code};
use crate::merge::destination_rule::{Conflict, Rules};

/// Names the rules, policies and subsets that are not taken.
pub(super) fn report_conflicts(rules: &Rules<'_>, report: &mut Report) {
    for conflict in rules.conflicts() {
        let finding = match conflict {
            Conflict::TrafficPolicy { first, second } => {
                let message = format!(
                    "another DestinationRule, {}/{}, declares the traffic policy of this host and takes precedence",
                    first.meta.namespace, first.meta.name
                );
                let finding = Finding::warning(code::CONFLICT, message).at(second, "spec.trafficPolicy");
                finding.help("declare a host's policy in one DestinationRule")
            }
            Conflict::Subset { first, second, at } => {
                let name = second.spec.subsets.get(at).map(|s| s.name.as_str()).unwrap_or_default();
                let message = format!(
                    "subset {name:?} is declared by DestinationRule {}/{} already, which takes precedence",
                    first.meta.namespace, first.meta.name
                );
                Finding::warning(code::CONFLICT, message).at(second, format!("spec.subsets[{at}].name"))
            }
            Conflict::NotMerged { taken, left } => {
                let message = format!(
                    "DestinationRule {}/{} of the same host has another exportTo; they are not merged, and the younger \
                     is taken",
                    taken.meta.namespace, taken.meta.name
                );
                let finding = Finding::warning(code::CONFLICT, message).at(left, "spec.exportTo");
                finding.help("write the same exportTo in both, or all in one DestinationRule")
            }
        };
        report.add(finding);
    }
}
