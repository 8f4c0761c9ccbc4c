//! Systems outside: what only those who name them suffer from, so that it is warned of.

use crate::api::mesh::ExtensionProvider;
use crate::api::mesh::provider::{HttpHeader, RequestBody};
use crate::validate::names::{fqdn_error, is_ip};
use crate::validate::report::{Report, is_label};
use std::collections::HashSet;

pub(super) fn check(all: &[ExtensionProvider], report: &mut Report<'_>) {
    report.at_most("extensionProviders", all.len(), 1000, "provider");
    let mut names = HashSet::new();
    for (i, one) in all.iter().enumerate() {
        let path = format!("extensionProviders[{i}]");
        if one.name.is_empty() {
            report.warn(&path, "a provider without a name", "write the name that policies use");
        } else if !names.insert(one.name.as_str()) {
            let message = format!("provider `{}` is there twice", one.name);
            report.warn(&format!("{path}.name"), message, "give each a name of its own; the first holds");
        }
        systems(one, &path, report);
        authorization(one, &path, report);
        tracing(one, &path, report);
    }
}

fn systems(one: &ExtensionProvider, path: &str, report: &mut Report<'_>) {
    let systems = one.systems();
    match systems.as_slice() {
        [] => {
            let help = "write one, such as envoyExtAuthzGrpc, opentelemetry or envoyFileAccessLog";
            report.warn(path, "a provider that is no system", help);
        }
        [(first, _), (second, _), ..] => {
            let help = "a provider is one system; write a provider for each";
            report.refuse(&format!("{path}.{second}"), format!("`{first}` beside `{second}`"), help);
        }
        [_] => {}
    }
    for (name, at) in systems {
        let Some((service, port)) = at else { continue };
        let path = format!("{path}.{name}");
        if port == 0 {
            report.warn(&format!("{path}.port"), "the port's number is missing", "write port");
        }
        if service.is_empty() {
            report.warn(&format!("{path}.service"), "the service is missing", "write service");
        } else if let Some(error) = service_error(service) {
            let help = "write its full name such as otel.monitoring.svc.cluster.local, or namespace/name";
            report.warn(&format!("{path}.service"), format!("{service:?} is not a service: {error}"), help);
        }
    }
}

/// A full name or an IP address; or `namespace/name`.
fn service_error(service: &str) -> Option<String> {
    match service.split_once('/') {
        None if is_ip(service) => None,
        None => fqdn_error(service),
        Some((namespace, _)) if !matches!(namespace, "*" | "." | "~") && !is_label(namespace) => {
            Some(format!("{namespace:?} is not a namespace"))
        }
        Some((_, host)) if !host.contains('.') => Some(format!("{host:?} is a short name")),
        Some((_, host)) => fqdn_error(host),
    }
}

fn authorization(one: &ExtensionProvider, path: &str, report: &mut Report<'_>) {
    if let Some(http) = &one.envoy_ext_authz_http {
        let path = format!("{path}.envoyExtAuthzHttp");
        if !http.path_prefix.is_empty() && !http.path_prefix.starts_with('/') {
            let message = format!("{:?} does not begin with a slash", http.path_prefix);
            report.warn(&format!("{path}.pathPrefix"), message, "write /check, for example");
        }
        if !http.include_headers_in_check.is_empty() {
            let help = "write includeRequestHeadersInCheck";
            report.warn(&format!("{path}.includeHeadersInCheck"), "an old name of a field", help);
        }
        status(&http.status_on_error, &path, report);
        body(http.include_request_body_in_check.as_ref(), &path, report);
    }
    if let Some(grpc) = &one.envoy_ext_authz_grpc {
        let path = format!("{path}.envoyExtAuthzGrpc");
        status(&grpc.status_on_error, &path, report);
        body(grpc.include_request_body_in_check.as_ref(), &path, report);
    }
}

fn status(text: &str, path: &str, report: &mut Report<'_>) {
    if !text.is_empty() && !text.parse().is_ok_and(is_status) {
        let message = format!("{text:?} is not a status of HTTP that Envoy knows");
        report.warn(&format!("{path}.statusOnError"), message, "write a number, such as \"503\"");
    }
}

/// Envoy's `StatusCode`.
fn is_status(code: u16) -> bool {
    matches!(code,
        0 | 100 | 200..=208 | 226 | 300..=305 | 307 | 308 | 400..=417 | 421..=424 | 426 | 428 | 429 | 431
        | 500..=508 | 510 | 511)
}

fn body(body: Option<&RequestBody>, path: &str, report: &mut Report<'_>) {
    if body.is_some_and(|b| b.max_request_bytes == 0) {
        let path = format!("{path}.includeRequestBodyInCheck.maxRequestBytes");
        report.warn(&path, "a body of at most no bytes, which Envoy refuses", "write how many are sent");
    }
}

fn tracing(one: &ExtensionProvider, path: &str, report: &mut Report<'_>) {
    if let Some(zipkin) = &one.zipkin {
        headers(&zipkin.headers, &format!("{path}.zipkin.headers"), report);
    }
    if one.lightstep.as_ref().is_some_and(|l| l.access_token.is_empty()) {
        let path = format!("{path}.lightstep.accessToken");
        report.warn(&path, "the access token is missing", "write it, or use opentelemetry");
    }
    let Some(otel) = &one.opentelemetry else { return };
    let path = format!("{path}.opentelemetry");
    if otel.http.is_some() && otel.grpc.is_some() {
        report.warn(&format!("{path}.grpc"), "`http` beside `grpc`", "keep one of them");
    }
    if let Some(http) = &otel.http {
        if http.path.is_empty() {
            report.warn(&format!("{path}.http.path"), "the path is missing", "write one, such as /v1/traces");
        }
        headers(&http.headers, &format!("{path}.http.headers"), report);
    }
    if let Some(grpc) = &otel.grpc {
        headers(&grpc.initial_metadata, &format!("{path}.grpc.initialMetadata"), report);
    }
}

fn headers(all: &[HttpHeader], path: &str, report: &mut Report<'_>) {
    for (i, header) in all.iter().enumerate() {
        let path = format!("{path}[{i}]");
        if header.name.is_empty() {
            report.warn(&path, "a header without a name", "write name");
        }
        if header.value.is_some() && header.env_name.is_some() {
            report.refuse(&format!("{path}.envName"), "`value` beside `envName`", "keep one of them");
        }
    }
}
