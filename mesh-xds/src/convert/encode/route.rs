//! Route tables, virtual hosts and routes.

mod action;

use super::{http, matcher, metadata, value};
use crate::convert::{names, pb};
use http_types::{HeaderName, HeaderValue};
use mesh_core::model::route::{Action, HeaderEdit, PathMatch, Route, RouteMatch, RouteTable, VirtualHost};
use pb::core::header_value_option::HeaderAppendAction;
use pb::route::route_match::PathSpecifier;

use ::http as http_types;

pub(super) use action::weights;

pub(super) fn table(table: &RouteTable) -> pb::route::RouteConfiguration {
    pb::route::RouteConfiguration {
        name: (&*table.name).into(),
        virtual_hosts: table.virtual_hosts.iter().map(virtual_host).collect(),
        // A route may be there before its cluster is; until then its requests get a 503.
        validate_clusters: Some(value::boolean(false)),
        ignore_port_in_host_matching: table.ignore_port_in_host_matching,
        ..Default::default()
    }
}

fn virtual_host(host: &VirtualHost) -> pb::route::VirtualHost {
    pb::route::VirtualHost {
        name: (&*host.name).into(),
        domains: host.domains.clone(),
        routes: host.routes.iter().map(route).collect(),
        request_headers_to_add: additions(&host.headers.request),
        request_headers_to_remove: removals(&host.headers.request),
        response_headers_to_add: additions(&host.headers.response),
        response_headers_to_remove: removals(&host.headers.response),
        include_request_attempt_count: host.include_attempt_count,
        metadata: metadata::origin(host.origin.as_ref()),
        ..Default::default()
    }
}

fn route(route: &Route) -> pb::route::Route {
    let fault = route.fault.as_ref().map(|fault| (names::FAULT.to_owned(), http::fault(fault)));
    pb::route::Route {
        name: (&*route.name).into(),
        r#match: Some(route_match(&route.matches)),
        metadata: metadata::origin(route.origin.as_ref()),
        decorator: route
            .decorator
            .as_ref()
            .map(|operation| pb::route::Decorator { operation: (&**operation).into(), propagate: None }),
        typed_per_filter_config: fault.into_iter().collect(),
        request_headers_to_add: additions(&route.headers.request),
        request_headers_to_remove: removals(&route.headers.request),
        response_headers_to_add: additions(&route.headers.response),
        response_headers_to_remove: removals(&route.headers.response),
        action: Some(match &route.action {
            Action::Forward(forward) => pb::route::route::Action::Route(action::forward(forward)),
            Action::Redirect(redirect) => pb::route::route::Action::Redirect(action::redirect(redirect)),
            Action::Respond(response) => pb::route::route::Action::DirectResponse(action::respond(response)),
        }),
        ..Default::default()
    }
}

fn route_match(want: &RouteMatch) -> pb::route::RouteMatch {
    let path = match &want.path {
        PathMatch::Prefix(prefix) => PathSpecifier::Prefix(prefix.clone()),
        PathMatch::Segments(prefix) => PathSpecifier::PathSeparatedPrefix(prefix.clone()),
        PathMatch::Exact(path) => PathSpecifier::Path(path.clone()),
        PathMatch::Regex(regex) => PathSpecifier::SafeRegex(matcher::regex(regex)),
    };
    pb::route::RouteMatch {
        case_sensitive: (!want.case_sensitive).then(|| value::boolean(false)),
        runtime_fraction: want.fraction.map(value::runtime_fraction),
        headers: want.headers.iter().map(matcher::header).collect(),
        query_parameters: want.query.iter().map(matcher::query).collect(),
        path_specifier: Some(path),
        ..Default::default()
    }
}

fn additions(edit: &HeaderEdit) -> Vec<pb::core::HeaderValueOption> {
    let set = edit.set.iter().map(|pair| (pair, HeaderAppendAction::OverwriteIfExistsOrAdd));
    let add = edit.add.iter().map(|pair| (pair, HeaderAppendAction::AppendIfExistsOrAdd));
    set.chain(add).map(|((name, value), action)| addition(name, value, action)).collect()
}

fn addition(
    name: &HeaderName,
    value: &HeaderValue,
    action: HeaderAppendAction,
) -> pb::core::HeaderValueOption {
    // Envoy reads `%` as the start of a command; ours is the text itself.
    let mut escaped = Vec::with_capacity(value.len());
    for byte in value.as_bytes() {
        if *byte == b'%' {
            escaped.push(b'%');
        }
        escaped.push(*byte);
    }
    let (text, raw) = match String::from_utf8(escaped) {
        Ok(text) => (text, Vec::new()),
        Err(not_text) => (String::new(), not_text.into_bytes()),
    };
    pb::core::HeaderValueOption {
        header: Some(pb::core::HeaderValue { key: name.to_string(), value: text, raw_value: raw }),
        append_action: action.into(),
        keep_empty_value: value.is_empty(),
        ..Default::default()
    }
}

fn removals(edit: &HeaderEdit) -> Vec<String> {
    edit.remove.iter().map(HeaderName::to_string).collect()
}
