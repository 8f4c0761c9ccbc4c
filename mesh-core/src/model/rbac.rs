//! Who may do what. Envoy's `rbac.v3`; [`mod@crate::decide::authorize`] reads it.

use super::Name;
use super::matcher::{HeaderMatch, StringMatch};
use crate::origin::Origin;
use ipnet::IpNet;

/// A list of policies with one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbac {
    /// Prefix of Envoy's counters; may be empty.
    pub stat_prefix: Name,
    /// What a match means.
    pub action: RbacAction,
    /// In order of their names.
    pub policies: Vec<RbacPolicy>,
}

/// What a match means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RbacAction {
    /// Allowed if any policy matches, denied if none does.
    Allow,
    /// Denied if any policy matches.
    Deny,
    /// Always allowed; a match is logged.
    Log,
}

/// One rule: matches if any permission and any principal does.
#[derive(Clone, Debug, PartialEq)]
pub struct RbacPolicy {
    /// Istio's name for it: `ns[NS]-policy[NAME]-rule[N]`.
    pub name: Name,
    /// What is done.
    pub permissions: Vec<Permission>,
    /// By whom.
    pub principals: Vec<Principal>,
    /// The resource that declared it.
    pub origin: Option<Origin>,
}

/// What is done. Envoy's `rbac.v3.Permission`.
#[derive(Clone, Debug, PartialEq)]
pub enum Permission {
    /// All of these.
    And(Vec<Permission>),
    /// One of these.
    Or(Vec<Permission>),
    /// Not this.
    Not(Box<Permission>),
    /// Anything.
    Any,
    /// A request header (or `:method`, `:authority`).
    Header(HeaderMatch),
    /// The path without its query.
    Path(StringMatch),
    /// The address that the connection was made to.
    DestinationIp(IpNet),
    /// The port that the connection was made to.
    DestinationPort(u16),
    /// The TLS server name.
    ServerName(StringMatch),
}

/// By whom it is done. Envoy's `rbac.v3.Principal`.
#[derive(Clone, Debug, PartialEq)]
pub enum Principal {
    /// All of these.
    And(Vec<Principal>),
    /// One of these.
    Or(Vec<Principal>),
    /// Not this.
    Not(Box<Principal>),
    /// Anyone.
    Any,
    /// A caller with a certificate whose URI SAN matches; `None` takes any certificate.
    Authenticated(Option<StringMatch>),
    /// The peer of the connection.
    DirectRemoteIp(IpNet),
    /// The caller, by `x-forwarded-for` where that is trusted.
    RemoteIp(IpNet),
    /// A request header.
    Header(HeaderMatch),
}
