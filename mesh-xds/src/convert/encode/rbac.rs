//! Authorization, of requests and of connections.

use super::matcher::{header, metadata, string};
use super::pack;
use super::value::cidr;
use crate::convert::{names, pb};
use mesh_core::model::matcher::{StringMatch, UriTemplate};
use mesh_core::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use pb::rbac::permission::Rule;
use pb::rbac::principal::Identifier;

/// The configuration of `envoy.filters.http.rbac`.
pub(super) fn http(rbac: &Rbac) -> pb::Any {
    let (rules, prefix) = (Some(rules(rbac, Sight::Requests)), (&*rbac.stat_prefix).into());
    pack(&match rbac.mode {
        EnforcementMode::Enforced => {
            pb::http_rbac::Rbac { rules, rules_stat_prefix: prefix, ..Default::default() }
        }
        EnforcementMode::Shadow => pb::http_rbac::Rbac {
            shadow_rules: rules,
            shadow_rules_stat_prefix: prefix,
            ..Default::default()
        },
    })
}

/// The filter `envoy.filters.network.rbac`.
pub(super) fn network(rbac: &Rbac) -> pb::listener::Filter {
    let or_tcp = |prefix: &str| {
        if prefix.is_empty() { names::NETWORK_RBAC_STATS.to_owned() } else { prefix.to_owned() }
    };
    // As `decide::authorize` has it: what cannot be known denies under DENY and does not match otherwise.
    let unknown = rbac.action == RbacAction::Deny;
    let rules = Some(rules(rbac, Sight::Connections { unknown }));
    let config = pack(&match rbac.mode {
        EnforcementMode::Enforced => {
            pb::network_rbac::Rbac { rules, stat_prefix: or_tcp(&rbac.stat_prefix), ..Default::default() }
        }
        EnforcementMode::Shadow => pb::network_rbac::Rbac {
            shadow_rules: rules,
            shadow_rules_stat_prefix: (&*rbac.stat_prefix).into(),
            stat_prefix: or_tcp(""),
            ..Default::default()
        },
    });
    pb::listener::Filter {
        name: names::NETWORK_RBAC.to_owned(),
        config_type: Some(pb::listener::filter::ConfigType::TypedConfig(config)),
    }
}

/// What the filter sees. Envoy refuses rules about requests where it sees connections only, so they are
/// written as what they come to there.
#[derive(Clone, Copy)]
enum Sight {
    Requests,
    Connections {
        /// What a rule about requests counts as. Turned round inside of a negation, so that it pulls the whole
        /// policy the same way.
        unknown: bool,
    },
}

impl Sight {
    fn negated(self) -> Self {
        match self {
            Self::Requests => self,
            Self::Connections { unknown } => Self::Connections { unknown: !unknown },
        }
    }
}

/// Always there, even without a policy: an ALLOW list without entries denies all.
fn rules(rbac: &Rbac, sight: Sight) -> pb::rbac::Rbac {
    let action = match rbac.action {
        RbacAction::Allow => pb::rbac::rbac::Action::Allow,
        RbacAction::Deny => pb::rbac::rbac::Action::Deny,
        RbacAction::Log => pb::rbac::rbac::Action::Log,
    };
    pb::rbac::Rbac {
        action: action.into(),
        policies: rbac.policies.iter().map(|p| ((&*p.name).into(), policy(p, sight))).collect(),
        audit_logging_options: None,
    }
}

fn policy(policy: &RbacPolicy, sight: Sight) -> pb::rbac::Policy {
    // Envoy refuses an empty list; what is written in its place matches nothing either.
    let permissions = match policy.permissions.as_slice() {
        [] => vec![pb::rbac::Permission { rule: Some(constant_rule(false)) }],
        some => some.iter().map(|p| permission(p, sight)).collect(),
    };
    let principals = match policy.principals.as_slice() {
        [] => vec![pb::rbac::Principal { identifier: Some(constant_identifier(false)) }],
        some => some.iter().map(|p| principal(p, sight)).collect(),
    };
    pb::rbac::Policy { permissions, principals, ..Default::default() }
}

/// Anything or nothing; Envoy knows "any" only.
fn constant_rule(value: bool) -> Rule {
    match value {
        true => Rule::Any(true),
        false => Rule::NotRule(Box::new(pb::rbac::Permission { rule: Some(Rule::Any(true)) })),
    }
}

/// Anyone or nobody.
fn constant_identifier(value: bool) -> Identifier {
    match value {
        true => Identifier::Any(true),
        false => Identifier::NotId(Box::new(pb::rbac::Principal { identifier: Some(Identifier::Any(true)) })),
    }
}

/// Istio writes, and Envoy reads, metadata under the name that has become deprecated.
#[expect(deprecated)]
fn permission(want: &Permission, sight: Sight) -> pb::rbac::Permission {
    let set = |all: &[Permission]| pb::rbac::permission::Set {
        rules: all.iter().map(|p| permission(p, sight)).collect(),
    };
    let rule = match (want, sight) {
        (
            Permission::Header(_)
            | Permission::Path(_)
            | Permission::UriTemplate(_)
            | Permission::Metadata(_),
            Sight::Connections { unknown },
        ) => constant_rule(unknown),
        (Permission::UriTemplate(want), Sight::Requests) => Rule::UriTemplate(template(want)),
        (Permission::Metadata(want), Sight::Requests) => Rule::Metadata(metadata(want)),
        (Permission::Header(want), Sight::Requests) => Rule::Header(header(want)),
        (Permission::Path(want), Sight::Requests) => Rule::UrlPath(url_path(want)),
        (Permission::And(all), _) if all.is_empty() => constant_rule(true),
        (Permission::And(all), _) => Rule::AndRules(set(all)),
        (Permission::Or(all), _) if all.is_empty() => constant_rule(false),
        (Permission::Or(all), _) => Rule::OrRules(set(all)),
        (Permission::Not(inner), _) => Rule::NotRule(Box::new(permission(inner, sight.negated()))),
        (Permission::Any, _) => Rule::Any(true),
        (Permission::DestinationIp(net), _) => Rule::DestinationIp(cidr(net)),
        (Permission::DestinationPort(port), _) => Rule::DestinationPort((*port).into()),
        (Permission::ServerName(want), _) => Rule::RequestedServerName(string(want)),
    };
    pb::rbac::Permission { rule: Some(rule) }
}

fn url_path(want: &StringMatch) -> pb::matcher::PathMatcher {
    pb::matcher::PathMatcher { rule: Some(pb::matcher::path_matcher::Rule::Path(string(want))) }
}

fn template(want: &UriTemplate) -> pb::core::TypedExtensionConfig {
    let config = pb::uri_template::UriTemplateMatchConfig { path_template: want.as_str().to_owned() };
    pb::core::TypedExtensionConfig { name: names::URI_TEMPLATE.to_owned(), typed_config: Some(pack(&config)) }
}

#[expect(deprecated)]
fn principal(want: &Principal, sight: Sight) -> pb::rbac::Principal {
    let set = |all: &[Principal]| pb::rbac::principal::Set {
        ids: all.iter().map(|p| principal(p, sight)).collect(),
    };
    let identifier = match (want, sight) {
        (
            Principal::Header(_) | Principal::Path(_) | Principal::Metadata(_),
            Sight::Connections { unknown },
        ) => constant_identifier(unknown),
        (Principal::Path(want), Sight::Requests) => Identifier::UrlPath(url_path(want)),
        (Principal::Metadata(want), Sight::Requests) => Identifier::Metadata(metadata(want)),
        (Principal::Header(want), Sight::Requests) => Identifier::Header(header(want)),
        (Principal::And(all), _) if all.is_empty() => constant_identifier(true),
        (Principal::And(all), _) => Identifier::AndIds(set(all)),
        (Principal::Or(all), _) if all.is_empty() => constant_identifier(false),
        (Principal::Or(all), _) => Identifier::OrIds(set(all)),
        (Principal::Not(inner), _) => Identifier::NotId(Box::new(principal(inner, sight.negated()))),
        (Principal::Any, _) => Identifier::Any(true),
        (Principal::Authenticated(name), _) => {
            Identifier::Authenticated(pb::rbac::principal::Authenticated {
                principal_name: name.as_ref().map(string),
            })
        }
        (Principal::DirectRemoteIp(net), _) => Identifier::DirectRemoteIp(cidr(net)),
        (Principal::RemoteIp(net), _) => Identifier::RemoteIp(cidr(net)),
    };
    pb::rbac::Principal { identifier: Some(identifier) }
}
