//! Route tables, virtual hosts and routes.

mod action;

use super::{http, matcher, metadata, refuse, unpack, value};
use crate::convert::error::{At, ConvertError, each};
use crate::convert::{names, pb};
use ::http::{HeaderName, HeaderValue};
use mesh_core::model::http::Fault;
use mesh_core::model::route::{
    Action, HeaderChanges, HeaderEdit, PathMatch, Route, RouteMatch, RouteTable, VirtualHost,
};
use pb::core::header_value_option::HeaderAppendAction;
use pb::route::route_match::PathSpecifier;
use std::collections::HashMap;

/// The four lists that a virtual host, a route and a weighted cluster have alike.
macro_rules! changes {
    ($raw:expr) => {
        HeaderChanges {
            request: HeaderEdit {
                remove: removals(&$raw.request_headers_to_remove).at("request_headers_to_remove")?,
                ..additions(&$raw.request_headers_to_add).at("request_headers_to_add")?
            },
            response: HeaderEdit {
                remove: removals(&$raw.response_headers_to_remove).at("response_headers_to_remove")?,
                ..additions(&$raw.response_headers_to_add).at("response_headers_to_add")?
            },
        }
    };
}
use changes;

pub(super) fn table(table: &pb::route::RouteConfiguration) -> Result<RouteTable, ConvertError> {
    refuse!(
        table;
        vhds,
        internal_only_headers,
        response_headers_to_add,
        response_headers_to_remove,
        request_headers_to_add,
        request_headers_to_remove,
        cluster_specifier_plugins,
        request_mirror_policies,
        vhost_header,
        ignore_path_parameters_in_path_matching,
        typed_per_filter_config,
        route_specifiers,
    );
    Ok(RouteTable {
        name: table.name.as_str().into(),
        virtual_hosts: each(&table.virtual_hosts, virtual_host).at("virtual_hosts")?,
        ignore_port_in_host_matching: table.ignore_port_in_host_matching,
    })
}

#[expect(deprecated)]
fn virtual_host(host: &pb::route::VirtualHost) -> Result<VirtualHost, ConvertError> {
    refuse!(
        host;
        matcher,
        require_tls,
        rate_limits,
        cors,
        typed_per_filter_config,
        include_attempt_count_in_response,
        retry_policy,
        retry_policy_typed_config,
        hedge_policy,
        include_is_timeout_retry_header,
        per_request_buffer_limit_bytes,
        request_body_buffer_limit,
        request_mirror_policies,
        route_specifiers,
    );
    Ok(VirtualHost {
        name: host.name.as_str().into(),
        domains: each(&host.domains, |name| domain(name)).at("domains")?,
        routes: each(&host.routes, route).at("routes")?,
        headers: changes!(host),
        include_attempt_count: host.include_request_attempt_count,
        origin: metadata::origin(host.metadata.as_ref()),
    })
}

/// Authorities are compared without case, so one spelling is enough.
fn domain(domain: &str) -> Result<String, ConvertError> {
    if domain.is_empty() {
        return Err(ConvertError::new("a domain is not empty"));
    }
    Ok(domain.to_ascii_lowercase())
}

#[expect(deprecated)]
fn route(route: &pb::route::Route) -> Result<Route, ConvertError> {
    use pb::route::route::Action as Raw;
    refuse!(route; per_request_buffer_limit_bytes, request_body_buffer_limit, route_specifiers);
    let want = route.r#match.as_ref().ok_or_else(|| ConvertError::missing("match"))?;
    let action = match &route.action {
        Some(Raw::Route(raw)) => Action::Forward(Box::new(action::forward(raw).at("route")?)),
        Some(Raw::Redirect(raw)) => Action::Redirect(action::redirect(raw).at("redirect")?),
        Some(Raw::DirectResponse(raw)) => Action::Respond(action::respond(raw).at("direct_response")?),
        Some(Raw::FilterAction(_)) => return Err(ConvertError::unsupported("filter_action")),
        Some(Raw::NonForwardingAction(_)) => return Err(ConvertError::unsupported("non_forwarding_action")),
        None => return Err(ConvertError::missing("action")),
    };
    Ok(Route {
        name: route.name.as_str().into(),
        matches: route_match(want).at("match")?,
        action,
        headers: changes!(route),
        fault: fault(&route.typed_per_filter_config)?,
        decorator: route.decorator.as_ref().map(|d| d.operation.as_str().into()),
        origin: metadata::origin(route.metadata.as_ref()),
    })
}

/// The only filter that we configure by route.
fn fault(configs: &HashMap<String, pb::Any>) -> Result<Option<Fault>, ConvertError> {
    let mut fault = None;
    for (key, any) in configs {
        let read = || -> Result<Option<Fault>, ConvertError> {
            if super::holds::<pb::route::FilterConfig>(any) {
                let wrapped: pb::route::FilterConfig = unpack(any)?;
                refuse!(wrapped; disabled);
                return match wrapped.config {
                    Some(any) if super::holds::<pb::fault::HttpFault>(&any) => {
                        http::fault(&unpack(&any)?).map(Some).at("config")
                    }
                    _ if wrapped.is_optional => Ok(None),
                    _ => Err(ConvertError::new("is not supported")),
                };
            }
            match super::holds::<pb::fault::HttpFault>(any) {
                true => http::fault(&unpack(any)?).map(Some),
                false => Err(ConvertError::new("is not supported")),
            }
        };
        let found = read().at(&format!("[{key:?}]")).at("typed_per_filter_config")?;
        // By its name if there are several; one that is called otherwise is of a filter called so.
        if found.is_some() && (fault.is_none() || key == names::FAULT) {
            fault = found;
        }
    }
    Ok(fault)
}

fn route_match(want: &pb::route::RouteMatch) -> Result<RouteMatch, ConvertError> {
    refuse!(want; cookies, grpc, tls_context, dynamic_metadata, filter_state);
    let path = match &want.path_specifier {
        Some(PathSpecifier::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
        Some(PathSpecifier::PathSeparatedPrefix(prefix)) => PathMatch::Segments(prefix.clone()),
        Some(PathSpecifier::Path(path)) => PathMatch::Exact(path.clone()),
        Some(PathSpecifier::SafeRegex(regex)) => PathMatch::Regex(matcher::regex(regex).at("safe_regex")?),
        Some(PathSpecifier::ConnectMatcher(_)) => return Err(ConvertError::unsupported("connect_matcher")),
        Some(PathSpecifier::PathMatchPolicy(_)) => {
            return Err(ConvertError::unsupported("path_match_policy"));
        }
        None => return Err(ConvertError::missing("path_specifier")),
    };
    let fraction = want.runtime_fraction.as_ref().map(value::runtime_fraction).transpose();
    Ok(RouteMatch {
        path,
        case_sensitive: value::boolean(want.case_sensitive.as_ref(), true),
        headers: each(&want.headers, matcher::header).at("headers")?,
        query: each(&want.query_parameters, matcher::query).at("query_parameters")?,
        fraction: fraction.at("runtime_fraction")?,
    })
}

/// What is set and what is added. The model sets before it adds; a list in which a header is set after it
/// was added to says something else.
fn additions(options: &[pb::core::HeaderValueOption]) -> Result<HeaderEdit, ConvertError> {
    let mut edit = HeaderEdit::default();
    for (i, option) in options.iter().enumerate() {
        addition(option, &mut edit).map_err(|e| e.within(&format!("[{i}]")))?;
    }
    Ok(edit)
}

#[expect(deprecated)]
fn addition(option: &pb::core::HeaderValueOption, edit: &mut HeaderEdit) -> Result<(), ConvertError> {
    let header = option.header.as_ref().ok_or_else(|| ConvertError::missing("header"))?;
    let name = value::header_name(&header.key).at("header.key")?;
    let value = header_value(header).at("header")?;
    if value.is_empty() && !option.keep_empty_value {
        // Envoy adds no empty value unless it is told to.
        return Ok(());
    }
    let action = match &option.append {
        Some(append) if append.value => HeaderAppendAction::AppendIfExistsOrAdd,
        Some(_) => HeaderAppendAction::OverwriteIfExistsOrAdd,
        None => value::enumeration(option.append_action).at("append_action")?,
    };
    match action {
        HeaderAppendAction::AppendIfExistsOrAdd => edit.add.push((name, value)),
        HeaderAppendAction::OverwriteIfExistsOrAdd if edit.add.iter().any(|(added, _)| *added == name) => {
            return Err(ConvertError::new(format!("{name} is set after it was added to")));
        }
        HeaderAppendAction::OverwriteIfExistsOrAdd => edit.set.push((name, value)),
        action => {
            let message = format!("{} is not supported", action.as_str_name());
            return Err(ConvertError::new(message).within("append_action"));
        }
    }
    Ok(())
}

/// A value without commands: `%%` is a percent sign, `%` alone would start one.
fn header_value(header: &pb::core::HeaderValue) -> Result<HeaderValue, ConvertError> {
    let raw = if header.value.is_empty() { &*header.raw_value } else { header.value.as_bytes() };
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'%' && bytes.next() != Some(&b'%') {
            let message = "a command (%…%) in a header's value is not supported";
            return Err(ConvertError::new(message).within("value"));
        }
        text.push(*byte);
    }
    HeaderValue::from_bytes(&text)
        .map_err(|_| ConvertError::new("holds a byte that no header may hold").within("value"))
}

fn removals(names: &[String]) -> Result<Vec<HeaderName>, ConvertError> {
    each(names, |name| value::header_name(name))
}
