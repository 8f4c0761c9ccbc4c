//! One field of a rule with its values: what it becomes, and what happens where it cannot be evaluated.

use super::{Layer, value};
use crate::api::Resource;
use crate::api::security::AuthorizationPolicy;
use crate::compile::report::Report;
use crate::compile::scope::Scope;
use crate::model::rbac::{Permission, Principal};
use std::sync::Arc;

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
    /// The token of a request: principal, audiences, claims.
    Token,
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
            _ if key.starts_with("request.auth.") => Self::Token,
            _ => {
                let name = key.strip_prefix("request.headers[")?.strip_suffix(']')?;
                Self::Header(name.to_owned())
            }
        })
    }

    /// Whether it needs to see a request.
    fn is_http(&self) -> bool {
        matches!(self, Self::Host | Self::Method | Self::Path | Self::Header(_) | Self::Token)
    }
}

/// Reads the conditions of one policy.
pub(super) struct Reader<'a, 'w> {
    pub(super) scope: &'a Scope<'w>,
    pub(super) policy: &'a Arc<Resource<AuthorizationPolicy>>,
    pub(super) layer: Layer,
    /// Under ALLOW what cannot be evaluated narrows the rule to nothing; else it widens it.
    pub(super) narrow: bool,
    pub(super) report: &'a mut Report,
}

impl Reader<'_, '_> {
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
        let what = format!("the condition {key:?}");
        self.report.not_honoured(self.policy, path, &what, self.consequence());
        (!self.narrow).then_some(())
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
        if *field == Field::Token {
            let path = if yes.is_empty() { no_path } else { yes_path };
            self.report.not_honoured(
                self.policy,
                path,
                "a condition on the token of a request",
                self.consequence(),
            );
            return self.give_up();
        }
        if self.layer == Layer::Tcp && field.is_http() {
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
        let namespace = &self.policy.meta.namespace;
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
                    principals.extend(value::principal(text, &self.scope.trust_domains()));
                    Ok(())
                }
                Field::Namespace => value::namespace(text).map(|p| principals.push(p)),
                Field::ServiceAccount => value::service_account(text, namespace).map(|p| principals.push(p)),
                Field::TrustDomain => value::trust_domain(text).map(|p| principals.push(p)),
                Field::SourceIp => value::net(text).map(|n| principals.push(Principal::DirectRemoteIp(n))),
                Field::RemoteIp => value::net(text).map(|n| principals.push(Principal::RemoteIp(n))),
                Field::Header(name) => value::header(name, text).map(|p| principals.push(p)),
                Field::Token => Err("a token is not evaluated".to_owned()),
            };
            if let Err(message) = read {
                self.report.invalid(self.policy, format!("{path}[{i}]"), message);
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
