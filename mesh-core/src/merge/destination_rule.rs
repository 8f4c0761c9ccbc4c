//! The DestinationRules that hold for a workload's calls, and what they say about one port and subset.
//!
//! Istio: `destinationRule` in `pilot/pkg/model/push_context.go` chooses the place, `mergeDestinationRule` in
//! `pilot/pkg/model/destination_rule.go` merges what one place says, `SidecarScope.DestinationRule` in
//! `pilot/pkg/model/sidecar.go` chooses by selector.

mod index;
mod policy;
#[cfg(test)]
mod tests;

pub use index::{Conflict, Rules};
pub use policy::{Effective, Said};

use crate::api::Resource;
use crate::api::networking::DestinationRule;
use crate::api::networking::destination_rule::Subset;
use std::sync::Arc;

/// A DestinationRule.
pub type Rule = Arc<Resource<DestinationRule>>;

/// The rules that hold for one host, as one: the first traffic policy stands, whole, and of subsets of one name
/// the first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Merged<'w> {
    /// The rules, in the order in which they count.
    pub rules: Vec<&'w Rule>,
}

impl<'w> Merged<'w> {
    /// Every subset once, with its rule and its place in it.
    pub fn subsets(&self) -> Vec<(&'w Rule, usize, &'w Subset)> {
        let mut all: Vec<(&'w Rule, usize, &'w Subset)> = Vec::new();
        for rule in &self.rules {
            for (i, subset) in rule.spec.subsets.iter().enumerate() {
                if !all.iter().any(|(_, _, s)| s.name == subset.name) {
                    all.push((rule, i, subset));
                }
            }
        }
        all
    }

    /// A subset with its rule and its place in it; `None` where no rule declares it.
    pub fn subset(&self, name: &str) -> Option<(&'w Rule, usize, &'w Subset)> {
        let of = |rule: &&'w Rule| {
            let at = rule.spec.subsets.iter().position(|s| s.name == name)?;
            Some((*rule, at, rule.spec.subsets.get(at)?))
        };
        self.rules.iter().find_map(of)
    }
}
