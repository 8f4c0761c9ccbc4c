//! What a rule answers by itself, and what it changes on the way.

use crate::api::networking::virtual_service::{
    CorsPolicy, HeaderOperations, Headers, HttpDirectResponse, HttpRedirect, HttpRewrite,
};
use crate::api::value::StringMatch;
use crate::validate::report::Report;
use http::HeaderName;
use std::collections::BTreeMap;

pub(super) fn redirect(to: &HttpRedirect, path: &str, report: &mut Report<'_>) {
    let changes = !to.uri.is_empty()
        || !to.prefix_rewrite.is_empty()
        || !to.authority.is_empty()
        || !to.scheme.is_empty()
        || to.port.is_some()
        || to.derive_port.is_some();
    if !changes {
        report.refuse(
            path,
            "a redirect to where the request is already",
            "write uri, authority, scheme or port",
        );
    }
    if let Some(status) = to.redirect_code.filter(|s| !matches!(s, 301 | 302 | 303 | 307 | 308)) {
        let message = format!("{status} is not the status of a redirect");
        report.refuse(&format!("{path}.redirectCode"), message, "write 301, 302, 303, 307 or 308");
    }
    if !matches!(to.scheme.as_str(), "" | "http" | "https") {
        let message = format!("{:?} is not a scheme of the web", to.scheme);
        report.refuse(&format!("{path}.scheme"), message, "write http or https");
    }
}

pub(super) fn direct_response(response: &HttpDirectResponse, path: &str, report: &mut Report<'_>) {
    use crate::api::networking::virtual_service::HttpBody;
    let status = response.status;
    if !(200..=599).contains(&status) {
        let message = format!("{status} is not an HTTP status");
        report.refuse(&format!("{path}.status"), message, "a status is between 200 and 599");
    }
    let length = match &response.body {
        Some(HttpBody::String(text) | HttpBody::Bytes(text)) => text.len(),
        None => 0,
    };
    if length > 1 << 20 {
        let message = format!("a body of {length} bytes");
        report.refuse(&format!("{path}.body"), message, "every proxy holds it: keep it below 1 MiB");
    }
}

pub(super) fn rewrite(to: &HttpRewrite, path: &str, report: &mut Report<'_>) {
    match &to.uri_regex_rewrite {
        Some(_) if !to.uri.is_empty() => {
            report.refuse(path, "`uri` beside `uriRegexRewrite`", "keep one of them");
        }
        Some(regex) => {
            let path = format!("{path}.uriRegexRewrite");
            report.regex(&format!("{path}.match"), &regex.r#match);
            if regex.rewrite.is_empty() {
                report.refuse(&format!("{path}.rewrite"), "what it becomes is missing", "write rewrite");
            }
        }
        None if to.uri.is_empty() && to.authority.is_empty() => {
            report.refuse(path, "a rewrite of nothing", "write uri, uriRegexRewrite or authority");
        }
        None => {}
    }
}

pub(super) fn cors(policy: &CorsPolicy, path: &str, report: &mut Report<'_>) {
    for (i, origin) in policy.allow_origins.iter().enumerate() {
        let path = format!("{path}.allowOrigins[{i}]");
        match origin {
            StringMatch::Exact(text) if text.is_empty() => {
                report.refuse(&path, "an empty origin", "write an origin such as https://example.com");
            }
            _ => report.required_match(&path, Some(origin)),
        }
    }
    for (i, method) in policy.allow_methods.iter().enumerate() {
        if method != "*" && method.parse::<http::Method>().is_err() {
            let message = format!("{method:?} is not an HTTP method");
            report.refuse(&format!("{path}.allowMethods[{i}]"), message, "such as GET");
        }
    }
    for (field, names) in [("allowHeaders", &policy.allow_headers), ("exposeHeaders", &policy.expose_headers)]
    {
        for (i, name) in names.iter().enumerate().filter(|(_, n)| *n != "*") {
            header_name(name, &format!("{path}.{field}[{i}]"), false, report);
        }
    }
    report.duration(&format!("{path}.maxAge"), policy.max_age);
}

pub(super) fn headers(changes: Option<&Headers>, path: &str, report: &mut Report<'_>) {
    let Some(changes) = changes else { return };
    for (side, operations) in [("request", &changes.request), ("response", &changes.response)] {
        let Some(HeaderOperations { set, add, remove }) = operations else { continue };
        let path = format!("{path}.{side}");
        // A request's authority may be set; nothing else that HTTP itself means may.
        let values = |field: &str, all: &BTreeMap<String, String>, report: &mut Report<'_>| {
            for (name, value) in all {
                let path = format!("{path}.{field}.{name}");
                header_name(name, &path, side == "request", report);
                if value.parse::<http::HeaderValue>().is_err() {
                    report.refuse(
                        &path,
                        "not the value of a header",
                        "leave out line ends and control characters",
                    );
                }
            }
        };
        values("set", set, report);
        values("add", add, report);
        for (i, name) in remove.iter().enumerate() {
            header_name(name, &format!("{path}.remove[{i}]"), false, report);
        }
    }
}

fn header_name(name: &str, path: &str, may_be_authority: bool, report: &mut Report<'_>) {
    let is_authority = name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority");
    if is_authority {
        if !may_be_authority {
            report.refuse(
                path,
                format!("`{name}` cannot be changed here"),
                "set it on the request, or rewrite.authority",
            );
        }
    } else if name.parse::<HeaderName>().is_err() {
        let message = format!("{name:?} is not the name of a header");
        report.refuse(path, message, "a header's name has letters, digits and dashes");
    }
}
