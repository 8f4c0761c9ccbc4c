//! Whether a caller may do what it asks for.
//!
//! Envoy's order of Istio's policies: every DENY before every ALLOW; with no ALLOW policy at all, allowed.
//! An engine that sees connections only cannot evaluate a rule about requests: such a rule denies under
//! DENY and does not match under ALLOW, so ignorance never opens a door. The same holds for a rule about
//! tokens where nobody verifies them.
//!
//! ```text
//! Rbac… ─Authorizer::new─▶ index ─[judge]─▶ Verdict { decision, shadow, audited }
//!   └────────[authorize, judge, explain]──▶ the same, rule by rule
//! ```
//!
//! [`judge`] looks at every rule and is what the [`Authorizer`] is measured by: its answers are the same, and
//! its cost that of the rules that can concern the request.

mod authorizer;
mod evaluate;
mod explain;
mod index;

pub use authorizer::Authorizer;
pub use explain::{Condition, Explanation, NearMiss, explain};

use super::claims::Token;
use crate::identity::SpiffeId;
use crate::model::matcher::RequestHead;
use crate::model::rbac::{EnforcementMode, Rbac, RbacAction, RbacPolicy};
use evaluate::{Truth, policy_matches};
use std::net::{IpAddr, SocketAddr};

/// What is known of a caller and of what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The request; `None` where only the connection is known.
    pub head: Option<RequestHead<'a>>,
    /// The caller's identity, by its certificate.
    pub peer: Option<&'a SpiffeId>,
    /// The token of the request.
    pub token: Token<'a>,
    /// Where the connection was made to.
    pub destination: SocketAddr,
    /// The peer of the connection.
    pub direct_remote: IpAddr,
    /// The caller, by `x-forwarded-for` where that is trusted; else the peer of the connection.
    pub remote: IpAddr,
    /// The server name of the TLS hello.
    pub server_name: Option<&'a str>,
}

/// The answer, with the rule that gave it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decision<'r> {
    /// Allowed by this rule.
    AllowedBy(&'r RbacPolicy),
    /// Allowed, since there is no ALLOW policy.
    AllowedByDefault,
    /// Denied by this rule.
    DeniedBy(&'r RbacPolicy),
    /// Denied by this rule, which cannot be evaluated: it needs to see a request where only a connection is
    /// seen, a token where none is verified, or a header's value where its bytes are no text.
    DeniedUnevaluable(&'r RbacPolicy),
    /// Denied, since there are ALLOW policies and none matches.
    DeniedNoneMatched,
}

impl<'r> Decision<'r> {
    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::AllowedBy(_) | Self::AllowedByDefault)
    }

    /// The rule that decided, if one did.
    pub fn policy(&self) -> Option<&'r RbacPolicy> {
        match self {
            Self::AllowedBy(policy) | Self::DeniedBy(policy) | Self::DeniedUnevaluable(policy) => {
                Some(policy)
            }
            Self::AllowedByDefault | Self::DeniedNoneMatched => None,
        }
    }
}

/// All that the filters of a chain say of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Verdict<'r> {
    /// Whether it passes.
    pub decision: Decision<'r>,
    /// What the filters on trial say, by themselves; `None` where none is on trial.
    pub shadow: Option<Decision<'r>>,
    /// The AUDIT rule that marks it, the first in order. A request that was denied before is not marked, as in
    /// Envoy.
    pub audited: Option<&'r RbacPolicy>,
}

/// Evaluates the filters of a chain, in their order: the verdict that counts.
pub fn authorize<'r>(filters: impl IntoIterator<Item = &'r Rbac>, facts: &RequestFacts<'_>) -> Decision<'r> {
    let enforced = filters.into_iter().filter(|f| f.mode == EnforcementMode::Enforced);
    judge(enforced, facts).decision
}

/// Evaluates the filters of a chain, in their order, those on trial as well.
pub fn judge<'r>(filters: impl IntoIterator<Item = &'r Rbac>, facts: &RequestFacts<'_>) -> Verdict<'r> {
    judge_by(filters.into_iter().map(|rbac| (rbac, ())), |rbac, (), least| {
        let mut truths = rbac.policies.iter().map(|policy| (policy, policy_matches(policy, facts)));
        truths.find(|(_, truth)| *truth >= least)
    })
}

/// The rule of a list that a request matches, the first in order; `None` if it matches none. Where it cannot be
/// said of a rule, that is an answer only to who denies by it.
///
/// For what is neither allowed nor denied by a match, such as asking an external authorizer.
pub fn first_match<'r>(
    policies: &'r [RbacPolicy],
    facts: &RequestFacts<'_>,
) -> Option<(&'r RbacPolicy, Certainty)> {
    policies.iter().find_map(|policy| match policy_matches(policy, facts) {
        Truth::Yes => Some((policy, Certainty::Known)),
        Truth::Unknown => Some((policy, Certainty::Unknown)),
        Truth::No => None,
    })
}

/// Whether a match is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Certainty {
    /// It is.
    Known,
    /// It may be: something that the rule asks for is not known.
    Unknown,
}

/// The order of filters, whatever finds the first rule of each that is at least so true.
fn judge_by<'r, I>(
    filters: impl IntoIterator<Item = (&'r Rbac, I)>,
    mut first: impl FnMut(&'r Rbac, I, Truth) -> Option<(&'r RbacPolicy, Truth)>,
) -> Verdict<'r> {
    let mut verdict = Verdict { decision: Decision::AllowedByDefault, shadow: None, audited: None };
    for (rbac, index) in filters {
        let slot = match rbac.mode {
            EnforcementMode::Enforced => &mut verdict.decision,
            EnforcementMode::Shadow => verdict.shadow.get_or_insert(Decision::AllowedByDefault),
        };
        if !slot.is_allowed() {
            continue;
        }
        match rbac.action {
            RbacAction::Log => {
                if rbac.mode == EnforcementMode::Enforced && verdict.audited.is_none() {
                    verdict.audited = first(rbac, index, Truth::Yes).map(|(policy, _)| policy);
                }
            }
            RbacAction::Deny => match first(rbac, index, Truth::Unknown) {
                Some((policy, Truth::Yes)) => *slot = Decision::DeniedBy(policy),
                Some((policy, _)) => *slot = Decision::DeniedUnevaluable(policy),
                None => {}
            },
            RbacAction::Allow => {
                *slot = match first(rbac, index, Truth::Yes) {
                    Some((policy, _)) => Decision::AllowedBy(policy),
                    None => Decision::DeniedNoneMatched,
                }
            }
        }
    }
    verdict
}

#[cfg(test)]
#[cfg(feature = "config")]
mod tests;
