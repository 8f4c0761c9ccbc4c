//! One field of a rule with its values: what it becomes, and what happens where it cannot be evaluated.

use super::{Layer, Problem, ProblemKind, Sight, value};
use crate::model::rbac::{Permission, Principal};

/// What a rule may speak of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Host,
    Method,
    Path,
    DestinationPort,
    DestinationIp,
    ServerName,
    Principal,
    Namespace,
    ServiceAccount,
    TrustDomain,
    SourceIp,
    RemoteIp,
    /// `request.headers[NAME]`.
    Header(String),
    /// `ISSUER/SUBJECT` of the request's token.
    RequestPrincipal,
    /// A claim of it, by its path.
    Claim(Vec<String>),
}

/// A condition: of what is done, or of who does it.
pub(super) enum Part {
    Permission(Permission),
    Principal(Principal),
}

impl Field {
    /// By the key of a `when`.
    pub(super) fn of_key(key: &str) -> Option<Self> {
        Some(match key {
            "source.ip" => Self::SourceIp,
            "remote.ip" => Self::RemoteIp,
            "source.namespace" => Self::Namespace,
            "source.serviceAccount" => Self::ServiceAccount,
            "source.trustDomain" => Self::TrustDomain,
            "source.principal" => Self::Principal,
            "destination.ip" => Self::DestinationIp,
            "destination.port" => Self::DestinationPort,
            "connection.sni" => Self::ServerName,
            "request.auth.principal" => Self::RequestPrincipal,
            "request.auth.audiences" => Self::Claim(vec!["aud".to_owned()]),
            "request.auth.presenter" => Self::Claim(vec!["azp".to_owned()]),
            _ if key.starts_with("request.auth.claims") => {
                let claims = key.strip_prefix("request.auth.claims[")?.strip_suffix(']')?;
                let claims: Vec<String> = claims.split("][").map(str::to_owned).collect();
                claims.iter().all(|name| !name.is_empty()).then_some(Self::Claim(claims))?
            }
            _ => {
                let name = key.strip_prefix("request.headers[")?.strip_suffix(']')?;
                Self::Header(name.to_owned())
            }
        })
    }

    /// Whether it needs to see a request.
    fn is_http(&self) -> bool {
        matches!(self, Self::Host | Self::Method | Self::Path | Self::Header(_)) || self.is_of_token()
    }

    /// Whether it needs a token to be verified.
    fn is_of_token(&self) -> bool {
        matches!(self, Self::RequestPrincipal | Self::Claim(_))
    }
}

/// Reads the conditions of one policy.
pub(super) struct Reader<'a> {
    /// The policy's.
    pub(super) namespace: &'a str,
    pub(super) sight: &'a Sight<'a>,
    /// Under ALLOW what cannot be evaluated narrows the rule to nothing; else it widens it.
    pub(super) narrow: bool,
    pub(super) problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    /// What cannot be evaluated: the whole alternative under ALLOW, this part alone otherwise.
    fn give_up(&self) -> Option<Vec<Part>> {
        if self.narrow { None } else { Some(vec![]) }
    }

    fn consequence(&self) -> &'static str {
        if self.narrow {
            "the rule matches nothing, so that it allows nothing"
        } else {
            "the condition is left out, so that the rule matches more"
        }
    }

    /// A key that nobody knows; `None` gives the rule up.
    pub(super) fn unknown_key(&mut self, path: &str, key: &str) -> Option<()> {
        self.problem(path, ProblemKind::NotHonoured(format!("the condition {key:?}")));
        (!self.narrow).then_some(())
    }

    fn problem(&mut self, path: &str, what: ProblemKind) {
        self.problems.push(Problem { path: path.to_owned(), what, instead: self.consequence() });
    }

    /// One of the values, and none of the others; `None` gives the alternative up.
    pub(super) fn read(
        &mut self,
        field: &Field,
        yes: &[String],
        no: &[String],
        yes_path: &str,
        no_path: &str,
    ) -> Option<Vec<Part>> {
        if yes.is_empty() && no.is_empty() {
            return Some(vec![]);
        }
        if field.is_of_token() && !self.sight.tokens {
            let path = if yes.is_empty() { no_path } else { yes_path };
            let what = "a condition on the token of a request".to_owned();
            self.problem(path, ProblemKind::NotHonoured(what));
            return self.give_up();
        }
        if self.sight.layer == Layer::Tcp && field.is_http() {
            return self.give_up();
        }
        let mut parts = Vec::new();
        if !yes.is_empty() {
            let any = self.values(field, yes, yes_path);
            match any {
                Some(Values::Permissions(all)) => parts.push(Part::Permission(any_permission(all))),
                Some(Values::Principals(all)) => parts.push(Part::Principal(any_principal(all))),
                None => return self.give_up(),
            }
        }
        if !no.is_empty() {
            match self.values(field, no, no_path) {
                Some(Values::Permissions(all)) => {
                    parts.push(Part::Permission(Permission::Not(Box::new(any_permission(all)))));
                }
                Some(Values::Principals(all)) => {
                    parts.push(Part::Principal(Principal::Not(Box::new(any_principal(all)))));
                }
                None => return self.give_up(),
            }
        }
        Some(parts)
    }

    /// All values, or `None` where one of them cannot be read.
    fn values(&mut self, field: &Field, values: &[String], path: &str) -> Option<Values> {
        let namespace = self.namespace;
        if let Field::Claim(claim) = field {
            // One look at the claim for all values.
            return Some(Values::Principals(vec![value::claim(claim, values)]));
        }
        let mut permissions = Vec::new();
        let mut principals = Vec::new();
        for (i, text) in values.iter().enumerate() {
            let read = match field {
                Field::Host => value::host(text).map(|p| permissions.push(p)),
                Field::Method => value::method(text).map(|p| permissions.push(p)),
                Field::Path => value::path(text).map(|p| permissions.push(p)),
                Field::DestinationPort => value::port(text).map(|p| permissions.push(p)),
                Field::DestinationIp => {
                    value::net(text).map(|n| permissions.push(Permission::DestinationIp(n)))
                }
                Field::ServerName => {
                    permissions.push(Permission::ServerName(value::string(text)));
                    Ok(())
                }
                Field::Principal => {
                    principals.extend(value::principal(text, self.sight.trust_domains));
                    Ok(())
                }
                Field::Namespace => value::namespace(text).map(|p| principals.push(p)),
                Field::ServiceAccount => value::service_account(text, namespace).map(|p| principals.push(p)),
                Field::TrustDomain => value::trust_domain(text).map(|p| principals.push(p)),
                Field::SourceIp => value::net(text).map(|n| principals.push(Principal::DirectRemoteIp(n))),
                Field::RemoteIp => value::net(text).map(|n| principals.push(Principal::RemoteIp(n))),
                Field::Header(name) => value::header(name, text).map(|p| principals.push(p)),
                Field::RequestPrincipal => {
                    principals.push(value::request_principal(text));
                    Ok(())
                }
                Field::Claim(_) => Ok(()),
            };
            if let Err(message) = read {
                self.problem(&format!("{path}[{i}]"), ProblemKind::Invalid(message));
                return None;
            }
        }
        Some(if permissions.is_empty() {
            Values::Principals(principals)
        } else {
            Values::Permissions(permissions)
        })
    }
}

enum Values {
    Permissions(Vec<Permission>),
    Principals(Vec<Principal>),
}

fn any_permission(mut all: Vec<Permission>) -> Permission {
    if all.len() == 1 { all.remove(0) } else { Permission::Or(all) }
}

fn any_principal(mut all: Vec<Principal>) -> Principal {
    if all.len() == 1 { all.remove(0) } else { Principal::Or(all) }
}
