//! HTTPRoute and GRPCRoute.

use super::name::{Addresses, wrong_in_path};
use super::{filter, route};
use crate::api::gateway_api::grpc_route::{GrpcMethodMatch, GrpcRouteRule};
use crate::api::gateway_api::http_route::{
    HttpHeaderMatch, HttpPathMatch, HttpRouteMatch, HttpRouteRetry, HttpRouteRule, HttpRouteTimeouts,
    PathMatchType,
};
use crate::api::gateway_api::value::MatchType;
use crate::api::gateway_api::{GrpcRoute, HttpRoute};
use crate::validate::names::is_longer_than;
use crate::validate::report::Report;
use std::collections::HashSet;

/// Of all rules of a route together.
const MATCHES: usize = 128;

pub(in crate::validate) fn http_route(spec: &HttpRoute, report: &mut Report<'_>) {
    route::parents(&spec.parent_refs, report);
    report.hostnames(&spec.hostnames, 16, Addresses::Warned);
    report.between("spec.rules", spec.rules.len(), 16, "rule");
    route::rule_names(spec.rules.iter().map(|r| r.name.as_str()), report);
    total(spec.rules.iter().map(|r| r.matches.len()).sum(), report);
    for (i, rule) in spec.rules.iter().enumerate() {
        http_rule(rule, &format!("spec.rules[{i}]"), report);
    }
}

pub(in crate::validate) fn grpc_route(spec: &GrpcRoute, report: &mut Report<'_>) {
    route::parents(&spec.parent_refs, report);
    report.hostnames(&spec.hostnames, 16, Addresses::Warned);
    report.at_most("spec.rules", spec.rules.len(), 16, "rule");
    route::rule_names(spec.rules.iter().map(|r| r.name.as_str()), report);
    total(spec.rules.iter().map(|r| r.matches.len()).sum(), report);
    for (i, rule) in spec.rules.iter().enumerate() {
        grpc_rule(rule, &format!("spec.rules[{i}]"), report);
    }
}

fn total(matches: usize, report: &mut Report<'_>) {
    if matches > MATCHES {
        let message = format!("{matches} matches in all rules together; there may be {MATCHES}");
        report.refuse("spec.rules", message, "split the route in two");
    }
}

fn http_rule(rule: &HttpRouteRule, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    report.at_most(&at("matches"), rule.matches.len(), 64, "match");
    for (i, wanted) in rule.matches.iter().enumerate() {
        http_match(wanted, &format!("{path}.matches[{i}]"), report);
    }
    filter::http(&rule.filters, &at("filters"), report);
    report.at_most(&at("backendRefs"), rule.backend_refs.len(), 16, "backend");
    for (i, to) in rule.backend_refs.iter().enumerate() {
        let path = format!("{path}.backendRefs[{i}]");
        route::backend(&path, to, report);
        route::weight(&path, to.weight, report);
        filter::http(&to.filters, &format!("{path}.filters"), report);
    }
    let redirect = rule.filters.iter().position(|f| f.request_redirect.is_some());
    if let Some(i) = redirect.filter(|_| !rule.backend_refs.is_empty()) {
        let help = "a redirected request goes to no backend; keep the filter or backendRefs";
        report.refuse(&format!("{path}.filters[{i}]"), "a redirect beside backendRefs", help);
    }
    prefixes(rule, path, report);
    if let Some(timeouts) = rule.timeouts {
        in_order(timeouts, &at("timeouts"), report);
    }
    if let Some(retry) = &rule.retry {
        codes(retry, &at("retry.codes"), report);
    }
    route::session(&at("sessionPersistence"), rule.session_persistence.as_ref(), report);
}

/// A prefix can be replaced where the rule has exactly one match, and that of a prefix.
fn prefixes(rule: &HttpRouteRule, path: &str, report: &mut Report<'_>) {
    let one_prefix = match rule.matches.as_slice() {
        [only] => only.path.r#type == PathMatchType::PathPrefix,
        _ => false,
    };
    if one_prefix {
        return;
    }
    let own = rule.filters.iter().enumerate().map(|(i, f)| (format!("{path}.filters[{i}]"), f));
    let of_backends = rule.backend_refs.iter().enumerate().flat_map(|(i, to)| {
        let list = to.filters.iter().enumerate();
        list.map(move |(j, f)| (format!("{path}.backendRefs[{i}].filters[{j}]"), f))
    });
    for (at, each) in own.chain(of_backends) {
        if let Some(field) = filter::replaces_prefix(each) {
            let help = "give the rule exactly one match, of type PathPrefix, or write ReplaceFullPath";
            report.refuse(&format!("{at}.{field}"), "it is open which prefix is replaced", help);
        }
    }
}

fn in_order(timeouts: HttpRouteTimeouts, path: &str, report: &mut Report<'_>) {
    if let (Some(request), Some(each)) = (timeouts.request, timeouts.backend_request)
        && !request.0.is_zero()
        && each > request
    {
        let help = "an attempt is a part of the request; write at most the time of request";
        report.refuse(&format!("{path}.backendRequest"), "longer than request", help);
    }
}

fn codes(retry: &HttpRouteRetry, path: &str, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (i, code) in retry.codes.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if !(400..=599).contains(code) {
            let help = "a status after which to retry is between 400 and 599";
            report.refuse(&path, format!("{code} is not a status of an error"), help);
        } else if !seen.insert(code) {
            report.refuse(&path, format!("{code} is there twice"), "write it once");
        }
    }
}

fn http_match(wanted: &HttpRouteMatch, path: &str, report: &mut Report<'_>) {
    path_match(&wanted.path, &format!("{path}.path"), report);
    headers(&wanted.headers, &format!("{path}.headers"), report);
    let at = format!("{path}.queryParams");
    report.at_most(&at, wanted.query_params.len(), 16, "parameter");
    report.header_names(&at, wanted.query_params.iter().map(|q| q.name.as_str()));
    for (i, param) in wanted.query_params.iter().enumerate() {
        value(param.r#type, &param.value, 1024, &format!("{at}[{i}]"), report);
    }
}

fn headers(all: &[HttpHeaderMatch], path: &str, report: &mut Report<'_>) {
    report.at_most(path, all.len(), 16, "header");
    report.header_names(path, all.iter().map(|h| h.name.as_str()));
    for (i, header) in all.iter().enumerate() {
        value(header.r#type, &header.value, 4096, &format!("{path}[{i}]"), report);
    }
}

fn value(kind: MatchType, value: &str, most: usize, path: &str, report: &mut Report<'_>) {
    report.value(path, value, most);
    if kind == MatchType::RegularExpression && !value.is_empty() {
        report.regex(&format!("{path}.value"), value);
    }
}

fn path_match(wanted: &HttpPathMatch, path: &str, report: &mut Report<'_>) {
    let path = format!("{path}.value");
    let value = &wanted.value;
    if is_longer_than(value, 1024) {
        return report.refuse(&path, "a path of more than 1024 characters", "shorten it");
    }
    match wanted.r#type {
        PathMatchType::RegularExpression => report.regex(&path, value),
        PathMatchType::Exact | PathMatchType::PathPrefix => {
            if let Some(wrong) = wrong_in_path(value) {
                let help = "write the path as the proxy compares it: absolute, encoded and normalised, as /shop/cart";
                report.refuse(&path, format!("{value:?} {wrong}"), help);
            }
        }
    }
}

fn grpc_rule(rule: &GrpcRouteRule, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    report.at_most(&at("matches"), rule.matches.len(), 64, "match");
    for (i, wanted) in rule.matches.iter().enumerate() {
        let path = format!("{path}.matches[{i}]");
        headers(&wanted.headers, &format!("{path}.headers"), report);
        if let Some(method) = &wanted.method {
            grpc_method(method, &format!("{path}.method"), report);
        }
    }
    filter::grpc(&rule.filters, &at("filters"), report);
    report.at_most(&at("backendRefs"), rule.backend_refs.len(), 16, "backend");
    for (i, to) in rule.backend_refs.iter().enumerate() {
        let path = format!("{path}.backendRefs[{i}]");
        route::backend(&path, to, report);
        route::weight(&path, to.weight, report);
        filter::grpc(&to.filters, &format!("{path}.filters"), report);
    }
    route::session(&at("sessionPersistence"), rule.session_persistence.as_ref(), report);
}

fn grpc_method(wanted: &GrpcMethodMatch, path: &str, report: &mut Report<'_>) {
    if wanted.service.is_none() && wanted.method.is_none() {
        let help = "write service, method or both; leave the match out to take every call";
        return report.refuse(path, "neither a service nor a method", help);
    }
    let parts = [("service", &wanted.service, "shop.v1.Cart"), ("method", &wanted.method, "AddItem")];
    for (field, text, example) in parts {
        let Some(text) = text else { continue };
        let path = format!("{path}.{field}");
        if is_longer_than(text, 1024) {
            report.refuse(&path, format!("a {field} of more than 1024 characters"), "shorten it");
        } else if wanted.r#type == MatchType::RegularExpression {
            report.regex(&path, text);
        } else if !is_grpc_name(text, field == "service") {
            let message = format!("{text:?} is not the name of a {field}");
            report.refuse(&path, message, format!("write it as in the protobuf, such as {example}"));
        }
    }
}

/// Identifiers of protobuf; a service has dots between them and may have one before.
fn is_grpc_name(text: &str, dotted: bool) -> bool {
    let identifier = |s: &str| {
        s.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && s.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    match dotted {
        true => text.strip_prefix('.').unwrap_or(text).split('.').all(identifier),
        false => identifier(text),
    }
}
