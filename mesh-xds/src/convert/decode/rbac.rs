//! Authorization, of requests and of connections. A rule that cannot be read as a whole is refused: a
//! constraint that got lost would open a door.

use super::matcher::{header, metadata, string};
use super::metadata::PolicyOrigins;
use super::value::{cidr, enumeration, port};
use super::{refuse, unpack};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use mesh_core::model::matcher::UriTemplate;
use mesh_core::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use pb::rbac::permission::Rule;
use pb::rbac::principal::Identifier;

/// What is on trial first, then what counts: one filter of Envoy's may hold both.
pub(super) fn http(rbac: &pb::http_rbac::Rbac, origins: &PolicyOrigins) -> Result<Vec<Rbac>, ConvertError> {
    refuse!(rbac; matcher, shadow_matcher);
    let shadow = (rbac.shadow_rules.as_ref(), &*rbac.shadow_rules_stat_prefix);
    both(shadow, (rbac.rules.as_ref(), &*rbac.rules_stat_prefix), origins)
}

/// As [`http`], of connections.
pub(super) fn network(
    rbac: &pb::network_rbac::Rbac,
    origins: &PolicyOrigins,
) -> Result<Vec<Rbac>, ConvertError> {
    refuse!(rbac; matcher, shadow_matcher, delay_deny);
    // The whole of a connection is judged by what is known at its start, so how often does not matter.
    let prefix = match rbac.stat_prefix.as_str() {
        names::NETWORK_RBAC_STATS => "",
        prefix => prefix,
    };
    let shadow = (rbac.shadow_rules.as_ref(), &*rbac.shadow_rules_stat_prefix);
    both(shadow, (rbac.rules.as_ref(), prefix), origins)
}

type Rules<'r> = (Option<&'r pb::rbac::Rbac>, &'r str);

fn both(
    (shadow, shadow_prefix): Rules<'_>,
    (rules, prefix): Rules<'_>,
    origins: &PolicyOrigins,
) -> Result<Vec<Rbac>, ConvertError> {
    let read = |rules, prefix, mode| read_rules(rules, prefix, mode, origins);
    let shadow = shadow.map(|rules| read(rules, shadow_prefix, EnforcementMode::Shadow)).transpose();
    let enforced = rules.map(|rules| read(rules, prefix, EnforcementMode::Enforced)).transpose();
    let all: Vec<Rbac> = shadow.at("shadow_rules")?.into_iter().chain(enforced.at("rules")?).collect();
    if all.is_empty() { Err(ConvertError::missing("rules")) } else { Ok(all) }
}

fn read_rules(
    rules: &pb::rbac::Rbac,
    stat_prefix: &str,
    mode: EnforcementMode,
    origins: &PolicyOrigins,
) -> Result<Rbac, ConvertError> {
    refuse!(rules; audit_logging_options);
    let action = match enumeration(rules.action).at("action")? {
        pb::rbac::rbac::Action::Allow => RbacAction::Allow,
        pb::rbac::rbac::Action::Deny => RbacAction::Deny,
        pb::rbac::rbac::Action::Log => RbacAction::Log,
    };
    let mut policies = Vec::with_capacity(rules.policies.len());
    for (name, raw) in &rules.policies {
        let (permissions, principals) = policy(raw).at(&format!("[{name:?}]")).at("policies")?;
        policies.push(RbacPolicy {
            name: name.as_str().into(),
            permissions,
            principals,
            origin: origins.get(name).cloned(),
        });
    }
    policies.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Rbac { stat_prefix: stat_prefix.into(), mode, action, policies })
}

fn policy(policy: &pb::rbac::Policy) -> Result<(Vec<Permission>, Vec<Principal>), ConvertError> {
    refuse!(policy; condition, checked_condition, cel_config);
    let permissions = each(&policy.permissions, permission).at("permissions")?;
    let principals = each(&policy.principals, principal).at("principals")?;
    Ok((permissions, principals))
}

#[expect(deprecated)]
fn permission(want: &pb::rbac::Permission) -> Result<Permission, ConvertError> {
    Ok(match &want.rule {
        None => return Err(ConvertError::missing("rule")),
        Some(Rule::AndRules(set)) => {
            Permission::And(each(&set.rules, permission).at("rules").at("and_rules")?)
        }
        Some(Rule::OrRules(set)) => Permission::Or(each(&set.rules, permission).at("rules").at("or_rules")?),
        Some(Rule::NotRule(inner)) => Permission::Not(Box::new(permission(inner).at("not_rule")?)),
        Some(Rule::Any(true)) => Permission::Any,
        Some(Rule::Any(false)) => return Err(ConvertError::new("only true is supported").within("any")),
        Some(Rule::Header(want)) => Permission::Header(header(want).at("header")?),
        Some(Rule::UrlPath(path)) => Permission::Path(url_path(path).at("url_path")?),
        Some(Rule::DestinationIp(range)) => Permission::DestinationIp(cidr(range).at("destination_ip")?),
        Some(Rule::DestinationPort(number)) => {
            Permission::DestinationPort(port(*number).at("destination_port")?)
        }
        Some(Rule::RequestedServerName(want)) => {
            Permission::ServerName(string(want).at("requested_server_name")?)
        }
        Some(Rule::DestinationPortRange(_)) => {
            return Err(ConvertError::unsupported("destination_port_range"));
        }
        Some(Rule::Metadata(want)) => Permission::Metadata(metadata(want).at("metadata")?),
        Some(Rule::Matcher(_)) => return Err(ConvertError::unsupported("matcher")),
        Some(Rule::UriTemplate(want)) => Permission::UriTemplate(template(want).at("uri_template")?),
        Some(Rule::SourcedMetadata(_)) => return Err(ConvertError::unsupported("sourced_metadata")),
    })
}

fn template(want: &pb::core::TypedExtensionConfig) -> Result<UriTemplate, ConvertError> {
    let any = want.typed_config.as_ref().ok_or_else(|| ConvertError::missing("typed_config"))?;
    let config: pb::uri_template::UriTemplateMatchConfig = unpack(any).at("typed_config")?;
    UriTemplate::new(&config.path_template)
        .map_err(|e| ConvertError::new(e.to_string()).within("path_template").within("typed_config"))
}

fn url_path(path: &pb::matcher::PathMatcher) -> Result<mesh_core::model::matcher::StringMatch, ConvertError> {
    match &path.rule {
        Some(pb::matcher::path_matcher::Rule::Path(want)) => string(want).at("path"),
        None => Err(ConvertError::missing("path")),
    }
}

#[expect(deprecated)]
fn principal(want: &pb::rbac::Principal) -> Result<Principal, ConvertError> {
    Ok(match &want.identifier {
        None => return Err(ConvertError::missing("identifier")),
        Some(Identifier::AndIds(set)) => Principal::And(each(&set.ids, principal).at("ids").at("and_ids")?),
        Some(Identifier::OrIds(set)) => Principal::Or(each(&set.ids, principal).at("ids").at("or_ids")?),
        Some(Identifier::NotId(inner)) => Principal::Not(Box::new(principal(inner).at("not_id")?)),
        Some(Identifier::Any(true)) => Principal::Any,
        Some(Identifier::Any(false)) => return Err(ConvertError::new("only true is supported").within("any")),
        Some(Identifier::Authenticated(peer)) => {
            let name = peer.principal_name.as_ref().map(string).transpose();
            Principal::Authenticated(name.at("principal_name").at("authenticated")?)
        }
        Some(Identifier::DirectRemoteIp(range)) => {
            Principal::DirectRemoteIp(cidr(range).at("direct_remote_ip")?)
        }
        Some(Identifier::RemoteIp(range)) => Principal::RemoteIp(cidr(range).at("remote_ip")?),
        Some(Identifier::Header(want)) => Principal::Header(header(want).at("header")?),
        Some(Identifier::SourceIp(_)) => return Err(ConvertError::unsupported("source_ip")),
        Some(Identifier::UrlPath(path)) => Principal::Path(url_path(path).at("url_path")?),
        Some(Identifier::Metadata(want)) => Principal::Metadata(metadata(want).at("metadata")?),
        Some(Identifier::FilterState(_)) => return Err(ConvertError::unsupported("filter_state")),
        Some(Identifier::SourcedMetadata(_)) => return Err(ConvertError::unsupported("sourced_metadata")),
        Some(Identifier::Custom(_)) => return Err(ConvertError::unsupported("custom")),
    })
}
