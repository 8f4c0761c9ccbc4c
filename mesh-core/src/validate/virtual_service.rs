//! VirtualService: exactly one action per rule, and every part of it possible.
//!
//! Where the verdict differs from Istio's:
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | `uri`, `scheme`, `method` or `authority` of `{}` | accepts | refuses | each request has them, so the match says nothing; most often a slip |
//! | two of `route`, `redirect`, `directResponse` and `delegate` | refuses some pairs | refuses all | one of them would be dropped in silence |
//! | a `delegate` without a name, or in what is no namespace | accepts | refuses | it refers to nothing |
//! | `mirror` beside `mirrors` in a rule that delegates | accepts | refuses | as in every other rule |
//! | names of headers to set, add or remove | any without a colon before it | those that HTTP takes | Envoy refuses the whole route table for another |
//! | a redirect's status | any 3xx | 301, 302, 303, 307, 308 | Envoy knows no others: Istio leaves the route out |
//! | `prefixRewrite` beside `uri` in a redirect | accepts | refuses | both replace the path |
//! | a status of 600 | accepts | refuses | Envoy refuses it |
//! | `rewrite` of a pattern with groups that it does not have | accepts | refuses | Envoy refuses it |
//! | a body in `bytes` that is not base64 | refuses, as unreadable | refuses | |
//! | `directResponse.body` of `{}` | accepts | refuses | it was meant to hold something; without a body leave it out |
//! | shares finer than 0.0001% of mirrors | accepts | refuses | they would be none |
//! | spaces and empty items in `retryOn`, statuses without a name | refuses | accepts | nothing is in doubt |
//! | a bound of a command in a header, as in `%REQ(X):3%`; no arguments, or quotes in them | refuses | accepts | Envoy knows it |
//! | a gRPC status by number | refuses | accepts | nothing is in doubt |
//! | `sourceNamespace` and `sourceSubnet` of TCP and TLS | any text | names, networks | another text matches nothing |
//! | weights that sum to more than 4294967295 | accepts | refuses | Envoy refuses it |
//! | a fault without a share; a delay without a length | accepts | warns | it does nothing |
//! | `fault.delay.percent`, `corsPolicy.allowOrigin` | its analyser warns | warns | deprecated |
//! | `fault.delay.percent` outside of 0 to 100 | accepts | refuses | it is no share |
//! | a `port` of 0 in a match or a redirect | accepts, as none | refuses | it is no port |
//! | `:status` among the headers of a match | accepts | refuses | a request has none, so that nothing would match |
//! | a comma in the name of a header | accepts | refuses | HTTP has no such name |
//! | a query parameter without a name | accepts | refuses | Envoy refuses it |
//! | hosts that differ in case alone | accepts | refuses | they are the same name |
//! | one IPv6 address in two spellings | accepts | refuses | it is the same address |
//! | `*a.com` beside `a.com` | refuses | accepts | they have no name in common |
//! | names of gateways behind one without a namespace | does not look | as the first | its loop ends too early |
//! | the port in `outbound_.80_._.HOST` | a text with a digit | a port | no cluster has another |
//! | values of labels of more than 63 bytes | accepts | refuses | no workload can have one |
//! | matches that earlier ones cover | by duplicates and some prefixes | by what they mean | see `unreachable` |

mod destination;
mod l4;
mod resilience;
mod rewrite;
mod unreachable;

use super::hosts::HostSet;
use super::names;
use super::report::{Report, is_label};
use crate::api::networking::VirtualService;
use crate::api::networking::virtual_service::{HttpMatch, HttpRoute};
use crate::api::value::StringMatch;
use http::HeaderName;
use resilience::{inject, retry};
use rewrite::{cors, direct_response, headers, redirect, rewrite};
use std::collections::{BTreeMap, HashSet};
use std::net::IpAddr;

pub(super) fn check(spec: &VirtualService, report: &mut Report<'_>) {
    let is_delegate = spec.hosts.is_empty();
    let on_mesh = spec.gateways.is_empty() || spec.gateways.iter().any(|g| g == "mesh");
    if is_delegate {
        let refused = [
            ("gateways", spec.gateways.is_empty()),
            ("tls", spec.tls.is_empty()),
            ("tcp", spec.tcp.is_empty()),
        ];
        for (field, _) in refused.iter().filter(|(_, empty)| !empty) {
            let path = format!("spec.{field}");
            report.refuse(&path, format!("`{field}` without `hosts`"), "name the hosts that it is for");
        }
    }
    hosts(spec, on_mesh, report);
    report.gateways("spec.gateways", &spec.gateways);
    if spec.http.is_empty() && spec.tls.is_empty() && spec.tcp.is_empty() {
        report.refuse("spec", "no rule: http, tls and tcp are all empty", "write at least one rule");
    }
    for (i, rule) in spec.http.iter().enumerate() {
        http(rule, &format!("spec.http[{i}]"), is_delegate, on_mesh, report);
    }
    l4::tls(spec, report);
    l4::tcp(spec, report);
    unreachable::check(spec, report);
    report.export_to(&spec.export_to, false);
}

fn hosts(spec: &VirtualService, on_mesh: bool, report: &mut Report<'_>) {
    let by_sni = spec.tls.iter().flat_map(|rule| &rule.r#match).any(|m| !m.sni_hosts.is_empty());
    let all = spec.hosts.iter().any(|host| host == "*");
    let mut known = HostSet::default();
    let mut addresses = HashSet::new();
    for (i, text) in spec.hosts.iter().enumerate() {
        let path = format!("spec.hosts[{i}]");
        if let Ok(address) = text.parse::<IpAddr>() {
            if all {
                let message = format!("`{text}` beside `*`, which has it among it");
                report.refuse(&path, message, "keep one of them");
            } else if !addresses.insert(address) {
                report.refuse(&path, format!("`{text}` is among the hosts already"), "keep one of them");
            }
            continue;
        }
        let read = if by_sni && !on_mesh {
            l4::server_name(&path, text, report)
        } else {
            report.dns_host(&path, text)
        };
        let Some(host) = read else { continue };
        if host.as_str() == "*" && on_mesh {
            let help = "name the hosts, or bind the VirtualService to a gateway only";
            report.refuse(&path, "host `*` for sidecars", help);
        }
        if let Some(other) = known.overlapping(&host) {
            report.refuse(&path, format!("`{host}` and `{other}` are the same hosts"), "keep one of them");
        }
        known.insert(host);
    }
}

fn http(rule: &HttpRoute, path: &str, is_delegate: bool, on_mesh: bool, report: &mut Report<'_>) {
    actions(rule, path, is_delegate, report);
    for (i, wanted) in rule.r#match.iter().enumerate() {
        http_match(wanted, &format!("{path}.match[{i}]"), on_mesh, report);
    }
    destination::http(rule, path, report);
    report.duration(&format!("{path}.timeout"), rule.timeout);
    if let Some(retries) = &rule.retries {
        retry(retries, &format!("{path}.retries"), report);
    }
    if let Some(fault) = &rule.fault {
        inject(fault, &format!("{path}.fault"), report);
    }
    destination::mirrors(rule, path, report);
    if let Some(redirected) = &rule.redirect {
        redirect(redirected, &format!("{path}.redirect"), report);
    }
    if let Some(response) = &rule.direct_response {
        direct_response(response, &format!("{path}.directResponse"), report);
    }
    if let Some(delegate) = &rule.delegate {
        let path = format!("{path}.delegate");
        if delegate.name.is_empty() {
            let path = format!("{path}.name");
            report.refuse(&path, "the delegate's name is missing", "name a VirtualService");
        }
        if !delegate.namespace.is_empty() && !is_label(&delegate.namespace) {
            let message = format!("{:?} is not a namespace", delegate.namespace);
            report.refuse(&format!("{path}.namespace"), message, "name the namespace of the VirtualService");
        }
    }
    if let Some(rewritten) = &rule.rewrite {
        rewrite(rewritten, &format!("{path}.rewrite"), report);
    }
    rewrite::one_authority(rule, path, report);
    if let Some(policy) = &rule.cors_policy {
        cors(policy, &format!("{path}.corsPolicy"), report);
    }
    headers(rule.headers.as_ref(), &format!("{path}.headers"), report);
}

/// Exactly one action, and nothing beside it that it would drop.
fn actions(rule: &HttpRoute, path: &str, is_delegate: bool, report: &mut Report<'_>) {
    let all = [
        ("route", !rule.route.is_empty()),
        ("redirect", rule.redirect.is_some()),
        ("directResponse", rule.direct_response.is_some()),
        ("delegate", rule.delegate.is_some()),
    ];
    let written: Vec<&str> = all.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
    match written.as_slice() {
        [] => {
            let help = "write one of route, redirect, directResponse and delegate";
            report.refuse(path, "a rule without an action", help);
        }
        [_] => {}
        [first, .., last] => {
            let message = format!("`{first}` and `{last}` in one rule");
            report.refuse(&format!("{path}.{last}"), message, "a rule has exactly one action");
        }
    }
    if is_delegate && rule.delegate.is_some() {
        let path = format!("{path}.delegate");
        report.refuse(&path, "a delegate of a delegate", "write the routes here");
    }
    for (field, is_written) in [("fault", rule.fault.is_some()), ("rewrite", rule.rewrite.is_some())] {
        if is_written && (rule.redirect.is_some() || rule.direct_response.is_some()) {
            let message = format!("`{field}` has no effect on a rule that answers by itself");
            report.refuse(&format!("{path}.{field}"), message, "leave one of them out");
        }
    }
}

fn http_match(wanted: &HttpMatch, path: &str, on_mesh: bool, report: &mut Report<'_>) {
    // An empty prefix of the path is one that every path has.
    let uri = wanted.uri.as_ref().filter(|uri| !matches!(uri, StringMatch::Prefix(p) if p.is_empty()));
    let parts = [
        ("uri", uri),
        ("scheme", wanted.scheme.as_ref()),
        ("method", wanted.method.as_ref()),
        ("authority", wanted.authority.as_ref()),
    ];
    for (field, part) in parts {
        report.required_match(&format!("{path}.{field}"), part);
    }
    report.matches(&format!("{path}.headers"), &wanted.headers);
    header_names(&wanted.headers, &format!("{path}.headers"), on_mesh, report);
    // As a pattern, `*` is none of RE2: here it means that the header must not be there at all.
    let star = |value: &StringMatch| matches!(value, StringMatch::Regex(re) if re == "*");
    let without = wanted.without_headers.iter().filter(|(_, value)| !star(value));
    let without: BTreeMap<_, _> = without.map(|(k, v)| (k.clone(), v.clone())).collect();
    report.matches(&format!("{path}.withoutHeaders"), &without);
    header_names(&wanted.without_headers, &format!("{path}.withoutHeaders"), on_mesh, report);
    report.matches(&format!("{path}.queryParams"), &wanted.query_params);
    source(&wanted.source_labels, &wanted.source_namespace, &wanted.gateways, path, report);
}

fn header_names(all: &BTreeMap<String, StringMatch>, path: &str, on_mesh: bool, report: &mut Report<'_>) {
    for name in all.keys().filter(|n| !n.is_empty()) {
        let path = format!("{path}.{name}");
        if is_claim(name) {
            if on_mesh {
                let help = "bind the VirtualService to a gateway only";
                report.refuse_key(&path, format!("`{name}` is known to gateways only"), help);
            }
        } else if !PSEUDO_HEADERS.contains(&name.as_str()) && name.parse::<HeaderName>().is_err() {
            let message = format!("{name:?} is not the name of a header");
            let help = match name.as_str() {
                ":status" => "a request has no status; match what it has",
                name if name.starts_with(':') => "of these there are :method, :scheme, :authority and :path",
                name if name.starts_with('@') => {
                    "a claim is @request.auth.claims.NAME or @request.auth.claims[NAME]"
                }
                _ => rewrite::HEADER_NAME,
            };
            report.refuse_key(&path, message, help);
        }
    }
}

/// What HTTP/2 writes of a request in the form of headers.
const PSEUDO_HEADERS: [&str; 4] = [":method", ":scheme", ":authority", ":path"];

/// A claim of a verified token in place of a header: `@request.auth.claims.a.b` or `@request.auth.claims[a][b]`.
fn is_claim(name: &str) -> bool {
    const START: &str = "@request.auth.claims";
    let Some((start, rest)) = name.split_at_checked(START.len()) else { return false };
    let dotted = rest.strip_prefix('.').is_some_and(|claim| !claim.is_empty());
    let bracketed = rest.strip_prefix('[').and_then(|r| r.strip_suffix(']')).is_some_and(|c| !c.is_empty());
    start.eq_ignore_ascii_case(START) && (dotted || bracketed)
}

/// What a match says of the caller.
fn source(
    labels: &BTreeMap<String, String>,
    namespace: &str,
    gateways: &[String],
    path: &str,
    report: &mut Report<'_>,
) {
    report.labels(&format!("{path}.sourceLabels"), labels);
    report.gateways(&format!("{path}.gateways"), gateways);
    if !namespace.is_empty() && !names::is_label(namespace) {
        let message = format!("{namespace:?} is not a namespace");
        report.refuse(&format!("{path}.sourceNamespace"), message, "name one namespace");
    }
}
