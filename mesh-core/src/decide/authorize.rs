//! Whether a caller may do what it asks for.
//!
//! Envoy's order of Istio's policies: every DENY before every ALLOW; with no ALLOW policy at all, allowed.
//! An engine that sees connections only cannot evaluate a rule about requests: such a rule denies under
//! DENY and does not match under ALLOW, so ignorance never opens a door.

use crate::identity::SpiffeId;
use crate::model::matcher::{Reading, RequestHead};
use crate::model::rbac::{Permission, Principal, Rbac, RbacAction, RbacPolicy};
use std::net::{IpAddr, SocketAddr};
use std::ops::Not;

/// What is known of a caller and of what it asks for.
#[derive(Clone, Copy, Debug)]
pub struct RequestFacts<'a> {
    /// The request; `None` where only the connection is known.
    pub head: Option<RequestHead<'a>>,
    /// The caller's identity, by its certificate.
    pub peer: Option<&'a SpiffeId>,
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
    /// seen, or a header's value where its bytes are no text.
    DeniedUnevaluable(&'r RbacPolicy),
    /// Denied, since there are ALLOW policies and none matches.
    DeniedNoneMatched,
}

impl Decision<'_> {
    /// Whether the request may pass.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::AllowedBy(_) | Self::AllowedByDefault)
    }
}

/// Evaluates the filters of a chain, in their order.
pub fn authorize<'r>(filters: impl IntoIterator<Item = &'r Rbac>, facts: &RequestFacts<'_>) -> Decision<'r> {
    let mut decision = Decision::AllowedByDefault;
    for rbac in filters {
        match rbac.action {
            RbacAction::Log => {}
            RbacAction::Deny => {
                for policy in &rbac.policies {
                    match policy_matches(policy, facts) {
                        Truth::Yes => return Decision::DeniedBy(policy),
                        Truth::Unknown => return Decision::DeniedUnevaluable(policy),
                        Truth::No => {}
                    }
                }
            }
            RbacAction::Allow => {
                match rbac.policies.iter().find(|p| policy_matches(p, facts) == Truth::Yes) {
                    Some(policy) => decision = Decision::AllowedBy(policy),
                    None => return Decision::DeniedNoneMatched,
                }
            }
        }
    }
    decision
}

/// Kleene's three values: what is not known stays unknown through every connective.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Truth {
    No,
    Unknown,
    Yes,
}

impl From<bool> for Truth {
    fn from(b: bool) -> Self {
        if b { Self::Yes } else { Self::No }
    }
}

impl From<Reading> for Truth {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Matches => Self::Yes,
            Reading::Differs => Self::No,
            Reading::Unreadable => Self::Unknown,
        }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

fn any<T>(of: &[T], mut test: impl FnMut(&T) -> Truth) -> Truth {
    let mut best = Truth::No;
    for item in of {
        match test(item) {
            Truth::Yes => return Truth::Yes,
            Truth::Unknown => best = Truth::Unknown,
            Truth::No => {}
        }
    }
    best
}

fn all<T>(of: &[T], mut test: impl FnMut(&T) -> Truth) -> Truth {
    !any(of, |item| !test(item))
}

fn policy_matches(policy: &RbacPolicy, facts: &RequestFacts<'_>) -> Truth {
    match any(&policy.permissions, |p| permission(p, facts)) {
        Truth::No => Truth::No,
        done => match any(&policy.principals, |p| principal(p, facts)) {
            Truth::Yes => done,
            other => other,
        },
    }
}

fn permission(want: &Permission, facts: &RequestFacts<'_>) -> Truth {
    match want {
        Permission::And(parts) => all(parts, |p| permission(p, facts)),
        Permission::Or(parts) => any(parts, |p| permission(p, facts)),
        Permission::Not(part) => !permission(part, facts),
        Permission::Any => Truth::Yes,
        Permission::Header(header) => of_head(facts, |head| header.read(head).into()),
        Permission::Path(path) => of_head(facts, |head| path.matches(head.path_only()).into()),
        Permission::DestinationIp(net) => net.contains(&facts.destination.ip()).into(),
        Permission::DestinationPort(port) => (facts.destination.port() == *port).into(),
        Permission::ServerName(name) => facts.server_name.is_some_and(|sni| name.matches(sni)).into(),
    }
}

fn principal(want: &Principal, facts: &RequestFacts<'_>) -> Truth {
    match want {
        Principal::And(parts) => all(parts, |p| principal(p, facts)),
        Principal::Or(parts) => any(parts, |p| principal(p, facts)),
        Principal::Not(part) => !principal(part, facts),
        Principal::Any => Truth::Yes,
        Principal::Authenticated(None) => facts.peer.is_some().into(),
        Principal::Authenticated(Some(name)) => facts.peer.is_some_and(|id| name.matches(id.uri())).into(),
        Principal::DirectRemoteIp(net) => net.contains(&facts.direct_remote).into(),
        Principal::RemoteIp(net) => net.contains(&facts.remote).into(),
        Principal::Header(header) => of_head(facts, |head| header.read(head).into()),
    }
}

fn of_head(facts: &RequestFacts<'_>, test: impl FnOnce(&RequestHead<'_>) -> Truth) -> Truth {
    facts.head.as_ref().map_or(Truth::Unknown, test)
}

#[cfg(test)]
mod tests;
