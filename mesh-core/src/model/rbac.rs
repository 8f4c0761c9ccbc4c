//! Who may do what. Envoy's `rbac.v3`; [`mod@crate::decide::authorize`] reads it.

use super::Name;
use super::matcher::{HeaderMatch, StringMatch, UriTemplate};
use crate::origin::Origin;
use ipnet::IpNet;

/// A list of policies with one action.
#[derive(Clone, Debug, PartialEq)]
pub struct Rbac {
    /// Prefix of Envoy's counters; may be empty.
    pub stat_prefix: Name,
    /// Whether its verdict counts, or is only noted.
    pub mode: EnforcementMode,
    /// What a match means.
    pub action: RbacAction,
    /// In order of their names.
    pub policies: Vec<RbacPolicy>,
}

/// Whether a verdict counts. A filter of Envoy has a list of each kind; here they are two filters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum EnforcementMode {
    /// Envoy's `rules`: what is denied does not pass.
    #[default]
    Enforced,
    /// Envoy's `shadow_rules`, Istio's dry run: the verdict is noted, and the request passes.
    Shadow,
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
    /// The same by a template. Envoy's `uri_template`.
    UriTemplate(UriTemplate),
    /// The address that the connection was made to.
    DestinationIp(IpNet),
    /// The port that the connection was made to.
    DestinationPort(u16),
    /// The TLS server name.
    ServerName(StringMatch),
    /// What a filter before this one found out.
    Metadata(MetadataMatch),
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
    /// The path without its query.
    Path(StringMatch),
    /// What a filter before this one found out, such as the claims of a token.
    Metadata(MetadataMatch),
}

/// What a filter before this one must have found out. Envoy's `type.matcher.v3.MetadataMatcher`.
#[derive(Clone, Debug, PartialEq)]
pub struct MetadataMatch {
    /// Whose finding, such as [`JWT_AUTHN`].
    pub filter: String,
    /// The way to the value, such as `payload`, `iss`.
    pub path: Vec<String>,
    /// What the value must be like.
    pub value: MetadataValue,
    /// Turn the answer round.
    pub invert: bool,
}

/// What a value of metadata must be like. Envoy's `type.matcher.v3.ValueMatcher`.
#[derive(Clone, Debug, PartialEq)]
pub enum MetadataValue {
    /// It is there.
    Present,
    /// It is null.
    Null,
    /// It is this truth value.
    Bool(bool),
    /// It is this number.
    Number(f64),
    /// It is a number in `[start, end)`.
    Range {
        /// First that matches.
        start: f64,
        /// First that does not.
        end: f64,
    },
    /// It is a text that matches.
    String(StringMatch),
    /// It is a list, and one of its members is like this.
    OneOf(Box<MetadataValue>),
    /// One of these holds.
    Or(Vec<MetadataValue>),
}

/// The filter that verifies tokens: `payload` in its metadata is the claims.
pub const JWT_AUTHN: &str = "envoy.filters.http.jwt_authn";
/// The key of the claims in the metadata of [`JWT_AUTHN`].
pub const JWT_PAYLOAD: &str = "payload";
/// The filter by which older Istio wrote down what is known of a token.
pub const ISTIO_AUTHN: &str = "istio_authn";

impl MetadataMatch {
    /// A claim of the request's token, as Istio asks for it.
    pub fn claim<'a>(path: impl IntoIterator<Item = &'a str>, value: MetadataValue) -> Self {
        let path = std::iter::once(JWT_PAYLOAD).chain(path).map(str::to_owned).collect();
        Self { filter: JWT_AUTHN.to_owned(), path, value, invert: false }
    }
}

impl MetadataValue {
    /// A text that matches one of these, or a list with such a text.
    pub fn text_or_list(mut any: Vec<StringMatch>) -> Self {
        let value = match any.len() {
            1 => Self::String(any.remove(0)),
            _ => Self::Or(any.into_iter().map(Self::String).collect()),
        };
        Self::Or(vec![value.clone(), Self::OneOf(Box::new(value))])
    }
}
