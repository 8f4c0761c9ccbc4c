//! Filters of HTTPRoute and GRPCRoute: the field of the type and no other, and what each may say.

use super::name::is_path_text;
use super::route;
use crate::api::gateway_api::filter::{
    CorsMethod, ExternalAuthProtocol, GrpcRouteFilter, GrpcRouteFilterType, HttpCorsFilter,
    HttpExternalAuthFilter, HttpHeader, HttpHeaderFilter, HttpPathModifier, HttpPathModifierType,
    HttpRequestMirrorFilter, HttpRequestRedirectFilter, HttpRouteFilter, HttpRouteFilterType,
    HttpUrlRewriteFilter,
};
use crate::api::gateway_api::reference::LocalObjectReference;
use crate::validate::names::is_longer_than;
use crate::validate::report::Report;
use std::collections::HashSet;
use std::hash::Hash;

/// The filters of a rule or of a backend.
pub(super) fn http(all: &[HttpRouteFilter], path: &str, report: &mut Report<'_>) {
    use HttpRouteFilterType as Type;
    report.at_most(path, all.len(), 16, "filter");
    let types = all.iter().map(|f| f.r#type);
    let repeatable = [Type::RequestMirror, Type::ExtensionRef, Type::ExternalAuth];
    unrepeated(types, |t| repeatable.contains(&t), path, report);
    let at = |wanted: Type| all.iter().position(|f| f.r#type == Some(wanted));
    if let (Some(_), Some(rewrite)) = (at(Type::RequestRedirect), at(Type::UrlRewrite)) {
        let help = "a redirected request is not forwarded; keep one of the two";
        report.refuse(&format!("{path}[{rewrite}]"), "URLRewrite beside RequestRedirect", help);
    }
    for (i, filter) in all.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let fields = [
            (Type::RequestHeaderModifier, "requestHeaderModifier", filter.request_header_modifier.is_some()),
            (
                Type::ResponseHeaderModifier,
                "responseHeaderModifier",
                filter.response_header_modifier.is_some(),
            ),
            (Type::RequestMirror, "requestMirror", filter.request_mirror.is_some()),
            (Type::RequestRedirect, "requestRedirect", filter.request_redirect.is_some()),
            (Type::UrlRewrite, "urlRewrite", filter.url_rewrite.is_some()),
            (Type::Cors, "cors", filter.cors.is_some()),
            (Type::ExternalAuth, "externalAuth", filter.external_auth.is_some()),
            (Type::ExtensionRef, "extensionRef", filter.extension_ref.is_some()),
        ];
        field_of_type(filter.r#type, &fields, &path, report);
        shared(
            filter.request_header_modifier.as_ref(),
            filter.response_header_modifier.as_ref(),
            filter.request_mirror.as_ref(),
            filter.extension_ref.as_ref(),
            &path,
            report,
        );
        if let Some(r) = &filter.request_redirect {
            redirect(r, &format!("{path}.requestRedirect"), report);
        }
        if let Some(HttpUrlRewriteFilter { hostname, path: new }) = &filter.url_rewrite {
            host_and_path(hostname, new.as_ref(), &format!("{path}.urlRewrite"), report);
        }
        if let Some(c) = &filter.cors {
            cors(c, &format!("{path}.cors"), report);
        }
        if let Some(auth) = &filter.external_auth {
            external_auth(auth, &format!("{path}.externalAuth"), report);
        }
    }
}

/// The filters of a GRPCRoute's rule or backend.
pub(super) fn grpc(all: &[GrpcRouteFilter], path: &str, report: &mut Report<'_>) {
    use GrpcRouteFilterType as Type;
    report.at_most(path, all.len(), 16, "filter");
    let types = all.iter().map(|f| f.r#type);
    unrepeated(types, |t| matches!(t, Type::RequestMirror | Type::ExtensionRef), path, report);
    for (i, filter) in all.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let fields = [
            (Type::RequestHeaderModifier, "requestHeaderModifier", filter.request_header_modifier.is_some()),
            (
                Type::ResponseHeaderModifier,
                "responseHeaderModifier",
                filter.response_header_modifier.is_some(),
            ),
            (Type::RequestMirror, "requestMirror", filter.request_mirror.is_some()),
            (Type::ExtensionRef, "extensionRef", filter.extension_ref.is_some()),
        ];
        field_of_type(filter.r#type, &fields, &path, report);
        shared(
            filter.request_header_modifier.as_ref(),
            filter.response_header_modifier.as_ref(),
            filter.request_mirror.as_ref(),
            filter.extension_ref.as_ref(),
            &path,
            report,
        );
    }
}

/// Each type once, but for some.
fn unrepeated<T: Copy + PartialEq>(
    types: impl Iterator<Item = Option<T>>,
    repeatable: impl Fn(T) -> bool,
    path: &str,
    report: &mut Report<'_>,
) {
    let mut seen = Vec::new();
    for (i, kind) in types.enumerate() {
        let Some(kind) = kind.filter(|k| !repeatable(*k)) else { continue };
        if seen.contains(&kind) {
            let help = "write all of it in one filter";
            report.refuse(&format!("{path}[{i}].type"), "a filter of this type is there before", help);
        }
        seen.push(kind);
    }
}

/// The field of a filter's type is written, and no field of another.
fn field_of_type<T: Copy + PartialEq>(
    kind: Option<T>,
    fields: &[(T, &str, bool)],
    path: &str,
    report: &mut Report<'_>,
) {
    let Some(kind) = kind else {
        let help = "name what the filter does, such as RequestHeaderModifier";
        return report.refuse(&format!("{path}.type"), "the type is missing", help);
    };
    for (of, field, written) in fields {
        match (*of == kind, written) {
            (true, false) => {
                let message = format!("a filter of this type needs {field}");
                report.refuse(&format!("{path}.type"), message, format!("write {field}"));
            }
            (false, true) => {
                let help = "a filter has the field of its type only; write another filter for this";
                report.refuse(&format!("{path}.{field}"), "a field of another type of filter", help);
            }
            _ => {}
        }
    }
}

/// What HTTPRoute's filters and GRPCRoute's have in common.
fn shared(
    request: Option<&HttpHeaderFilter>,
    response: Option<&HttpHeaderFilter>,
    mirror: Option<&HttpRequestMirrorFilter>,
    extension: Option<&LocalObjectReference>,
    path: &str,
    report: &mut Report<'_>,
) {
    for (field, modifier) in [("requestHeaderModifier", request), ("responseHeaderModifier", response)] {
        if let Some(modifier) = modifier {
            headers(modifier, &format!("{path}.{field}"), report);
        }
    }
    if let Some(mirror) = mirror {
        mirrored(mirror, &format!("{path}.requestMirror"), report);
    }
    if let Some(r) = extension {
        let path = format!("{path}.extensionRef");
        report.required_group(&path, r.group.as_ref(), &r.kind);
        report.object_name(&path, &r.name);
    }
}

fn headers(filter: &HttpHeaderFilter, path: &str, report: &mut Report<'_>) {
    let list = |list: &[HttpHeader], path: &str, report: &mut Report<'_>| {
        report.at_most(path, list.len(), 16, "header");
        report.header_names(path, list.iter().map(|h| h.name.as_str()));
        for (i, header) in list.iter().enumerate() {
            report.value(&format!("{path}[{i}]"), &header.value, 4096);
        }
    };
    list(&filter.set, &format!("{path}.set"), report);
    list(&filter.add, &format!("{path}.add"), report);
    let removed = format!("{path}.remove");
    report.at_most(&removed, filter.remove.len(), 16, "header");
    distinct(&filter.remove, &removed, report);
    // Each list was compared by itself, case and all; which of two actions wins is open.
    let all = [("set", &filter.set), ("add", &filter.add)];
    let named = all.iter().flat_map(|(f, l)| {
        l.iter().enumerate().map(move |(i, h)| (format!("{path}.{f}[{i}].name"), *f, h.name.as_str()))
    });
    let gone =
        filter.remove.iter().enumerate().map(|(i, n)| (format!("{removed}[{i}]"), "remove", n.as_str()));
    let mut seen: Vec<(&str, &str)> = Vec::new();
    // More are refused above, and each is compared with each here.
    for (at, action, name) in named.chain(gone).take(48) {
        if seen.iter().any(|(a, n)| *n != name && n.eq_ignore_ascii_case(name) || *a != action && *n == name)
        {
            report.warn(&at, format!("two things are done to header {name:?}"), "keep one of them");
        }
        seen.push((action, name));
    }
}

/// A list that is a set.
fn distinct<T: Eq + Hash + std::fmt::Debug>(all: &[T], path: &str, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (i, item) in all.iter().enumerate() {
        if !seen.insert(item) {
            report.refuse(&format!("{path}[{i}]"), format!("{item:?} is there twice"), "write it once");
        }
    }
}

fn mirrored(mirror: &HttpRequestMirrorFilter, path: &str, report: &mut Report<'_>) {
    route::backend(&format!("{path}.backendRef"), &mirror.backend_ref, report);
    if let Some(percent) = mirror.percent.filter(|p| !(0..=100).contains(p)) {
        let help = "a percentage is between 0 and 100";
        report.refuse(&format!("{path}.percent"), format!("{percent} is not a percentage"), help);
    }
    let Some(fraction) = mirror.fraction else { return };
    let path_of = format!("{path}.fraction");
    if mirror.percent.is_some() {
        report.refuse(&path_of, "fraction beside percent", "write one of the two");
    }
    if fraction.denominator < 1 {
        let help = "write 1 or more, or leave it out for 100";
        report.refuse(&format!("{path_of}.denominator"), "a denominator below 1", help);
    } else if fraction.numerator < 0 || fraction.numerator > fraction.denominator {
        let help = format!("write 0 to {}", fraction.denominator);
        report.refuse(&format!("{path_of}.numerator"), "not a part of the denominator", help);
    }
}

fn redirect(redirect: &HttpRequestRedirectFilter, path: &str, report: &mut Report<'_>) {
    if !matches!(redirect.status_code, 301 | 302 | 303 | 307 | 308) {
        let message = format!("{} is not a status of a redirect", redirect.status_code);
        report.refuse(&format!("{path}.statusCode"), message, "write 301, 302, 303, 307 or 308");
    }
    host_and_path(&redirect.hostname, redirect.path.as_ref(), path, report);
}

fn host_and_path(host: &str, new: Option<&HttpPathModifier>, path: &str, report: &mut Report<'_>) {
    report.filled(&format!("{path}.hostname"), host);
    if !host.is_empty() {
        report.dns_name(&format!("{path}.hostname"), host, false);
    }
    let Some(new) = new else { return };
    let path = format!("{path}.path");
    let Some(kind) = new.r#type else {
        let help = "write ReplaceFullPath or ReplacePrefixMatch";
        return report.refuse(&format!("{path}.type"), "the type is missing", help);
    };
    for (of, field, value) in [
        (HttpPathModifierType::ReplaceFullPath, "replaceFullPath", &new.replace_full_path),
        (HttpPathModifierType::ReplacePrefixMatch, "replacePrefixMatch", &new.replace_prefix_match),
    ] {
        match (of == kind, value) {
            (true, None) => {
                let message = format!("this type needs {field}");
                report.refuse(&format!("{path}.type"), message, format!("write {field}"));
            }
            (false, Some(_)) => {
                let help = "write the field of the type, or the other type";
                report.refuse(&format!("{path}.{field}"), "a field of another type", help);
            }
            (_, Some(value)) if is_longer_than(value, 1024) => {
                let message = "a path of more than 1024 characters";
                report.refuse(&format!("{path}.{field}"), message, "shorten it");
            }
            _ => {}
        }
    }
}

/// Whether a filter replaces the prefix that its rule matched, and the path of the field that says so.
pub(super) fn replaces_prefix(filter: &HttpRouteFilter) -> Option<&'static str> {
    let replaces = |path: Option<&HttpPathModifier>| {
        path.is_some_and(|p| {
            p.r#type == Some(HttpPathModifierType::ReplacePrefixMatch) && p.replace_prefix_match.is_some()
        })
    };
    if filter.request_redirect.as_ref().is_some_and(|r| replaces(r.path.as_ref())) {
        return Some("requestRedirect.path.replacePrefixMatch");
    }
    let rewrites = filter.url_rewrite.as_ref().is_some_and(|r| replaces(r.path.as_ref()));
    rewrites.then_some("urlRewrite.path.replacePrefixMatch")
}

fn cors(cors: &HttpCorsFilter, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    let alone = |has_any: bool, len: usize, path: &str, report: &mut Report<'_>| {
        if has_any && len > 1 {
            report.refuse(path, "`*` beside others", "`*` stands for all; write it alone");
        }
    };
    let origins = at("allowOrigins");
    report.at_most(&origins, cors.allow_origins.len(), 64, "origin");
    alone(cors.allow_origins.iter().any(|o| o == "*"), cors.allow_origins.len(), &origins, report);
    distinct(&cors.allow_origins, &origins, report);
    for (i, origin) in cors.allow_origins.iter().enumerate().filter(|(_, o)| !is_origin(o)) {
        let help = "write a scheme, a host and perhaps a port, such as https://shop.example.com:8443, or `*`";
        report.refuse(&format!("{origins}[{i}]"), format!("{origin:?} is not an origin"), help);
    }
    let methods = at("allowMethods");
    report.at_most(&methods, cors.allow_methods.len(), 9, "method");
    alone(cors.allow_methods.contains(&CorsMethod::Any), cors.allow_methods.len(), &methods, report);
    distinct(&cors.allow_methods, &methods, report);
    let allowed = at("allowHeaders");
    alone(cors.allow_headers.iter().any(|h| h == "*"), cors.allow_headers.len(), &allowed, report);
    for (path, list) in [(allowed, &cors.allow_headers), (at("exposeHeaders"), &cors.expose_headers)] {
        report.at_most(&path, list.len(), 64, "header");
        distinct(list, &path, report);
        for (i, name) in list.iter().enumerate() {
            report.header_name(&format!("{path}[{i}]"), name);
        }
    }
    if cors.max_age < 1 {
        report.refuse(&at("maxAge"), "less than a second", "write 1 or more seconds");
    }
}

fn is_origin(origin: &str) -> bool {
    if origin == "*" {
        return true;
    }
    let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    let Some(host) = host.filter(|_| origin.len() <= 253) else { return false };
    let (host, port) = match host.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (host, None),
    };
    let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'*');
    !host.is_empty()
        && host.bytes().all(legal)
        && port.is_none_or(|p| p.bytes().all(|b| b.is_ascii_digit()) && p.parse::<u16>().is_ok_and(|p| p > 0))
}

fn external_auth(auth: &HttpExternalAuthFilter, path: &str, report: &mut Report<'_>) {
    let at = |field: &str| format!("{path}.{field}");
    route::backend(&at("backendRef"), &auth.backend_ref, report);
    match auth.protocol {
        None => report.refuse(&at("protocol"), "the protocol is missing", "write HTTP or GRPC"),
        Some(protocol) => {
            for (of, field, written) in [
                (ExternalAuthProtocol::Http, "http", auth.http.is_some()),
                (ExternalAuthProtocol::Grpc, "grpc", auth.grpc.is_some()),
            ] {
                if (of == protocol) && !written {
                    let help = format!("write {field}: {{}} where the defaults will do");
                    report.refuse(&at("protocol"), format!("this protocol needs {field}"), help);
                } else if (of != protocol) && written {
                    let help = "write the field of the protocol, or the other protocol";
                    report.refuse(&at(field), "a field of another protocol", help);
                }
            }
        }
    }
    let grpc = auth.grpc.iter().map(|g| (at("grpc.allowedHeaders"), &g.allowed_headers));
    let http = auth.http.iter().flat_map(|h| {
        [
            (at("http.allowedHeaders"), &h.allowed_headers),
            (at("http.allowedResponseHeaders"), &h.allowed_response_headers),
        ]
    });
    for (path, list) in grpc.chain(http) {
        report.at_most(&path, list.len(), 64, "header");
        distinct(list, &path, report);
    }
    if let Some(http) = &auth.http {
        report.filled(&at("http.path"), &http.path);
        if !is_path_text(&http.path) {
            let message = format!("{:?} has characters in it that a path has only encoded", http.path);
            report.refuse(&at("http.path"), message, "write them as %xx");
        } else if http.path.len() > 1024 {
            report.refuse(&at("http.path"), "a path of more than 1024 bytes", "shorten it");
        }
    }
    if auth.forward_body.is_some_and(|b| b.max_size < 0) {
        report.refuse(&at("forwardBody.maxSize"), "a negative size", "write 0 or more bytes");
    }
}
