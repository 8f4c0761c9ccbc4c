//! Why a request was allowed or denied, and which rules nearly said otherwise.
//!
//! Looks at every rule and allocates: for tools and for a log that somebody asked for, not for each request.

use super::evaluate::{Truth, permission, policy_matches, principal};
use super::{RequestFacts, Verdict, judge};
use crate::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};

/// No more near misses than this are told.
const MOST: usize = 5;

/// A verdict, and the rules that it nearly was another by.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation<'r> {
    /// The verdict, as [`judge`] gives it.
    pub verdict: Verdict<'r>,
    /// Rules that do not match, those first that lack the least; at most five.
    pub near_misses: Vec<NearMiss<'r>>,
}

/// A rule that does not match, and what it lacks.
#[derive(Clone, Debug, PartialEq)]
pub struct NearMiss<'r> {
    /// The rule.
    pub policy: &'r RbacPolicy,
    /// What its match would mean.
    pub action: RbacAction,
    /// Whether it would count.
    pub mode: EnforcementMode,
    /// What does not hold (or is not known) of the alternative that lacks the least. Never empty.
    pub failed: Vec<Condition<'r>>,
}

/// A condition of a rule.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Condition<'r> {
    /// On what is done.
    Permission(&'r Permission),
    /// On who does it.
    Principal(&'r Principal),
}

/// Evaluates the filters of a chain, and says what nearly happened.
pub fn explain<'r>(
    filters: impl IntoIterator<Item = &'r Rbac, IntoIter: Clone>,
    facts: &RequestFacts<'_>,
) -> Explanation<'r> {
    let filters = filters.into_iter();
    let mut near_misses: Vec<NearMiss<'r>> = Vec::new();
    for rbac in filters.clone() {
        for policy in &rbac.policies {
            if policy_matches(policy, facts) == Truth::Yes {
                continue;
            }
            let failed = failed(policy, facts);
            // Stable among those that lack as much, so that the order is that of the rules.
            let at = near_misses.partition_point(|other| other.failed.len() <= failed.len());
            if at < MOST && !failed.is_empty() {
                near_misses.insert(at, NearMiss { policy, action: rbac.action, mode: rbac.mode, failed });
                near_misses.truncate(MOST);
            }
        }
    }
    Explanation { verdict: judge(filters, facts), near_misses }
}

/// What the nearest alternatives of both halves of a rule lack.
fn failed<'r>(policy: &'r RbacPolicy, facts: &RequestFacts<'_>) -> Vec<Condition<'r>> {
    let permissions = policy.permissions.iter().map(|alternative| {
        let mut out = Vec::new();
        lacks_permission(alternative, facts, &mut out);
        out
    });
    let principals = policy.principals.iter().map(|alternative| {
        let mut out = Vec::new();
        lacks_principal(alternative, facts, &mut out);
        out
    });
    // A half without alternatives can never match: that is no near miss.
    match (permissions.min_by_key(Vec::len), principals.min_by_key(Vec::len)) {
        (Some(mut permissions), Some(principals)) => {
            permissions.extend(principals);
            permissions
        }
        _ => Vec::new(),
    }
}

fn lacks_permission<'r>(want: &'r Permission, facts: &RequestFacts<'_>, out: &mut Vec<Condition<'r>>) {
    match want {
        Permission::And(parts) => parts.iter().for_each(|part| lacks_permission(part, facts, out)),
        part if permission(part, facts) == Truth::Yes => {}
        part => out.push(Condition::Permission(part)),
    }
}

fn lacks_principal<'r>(want: &'r Principal, facts: &RequestFacts<'_>, out: &mut Vec<Condition<'r>>) {
    match want {
        Principal::And(parts) => parts.iter().for_each(|part| lacks_principal(part, facts, out)),
        part if principal(part, facts) == Truth::Yes => {}
        part => out.push(Condition::Principal(part)),
    }
}
