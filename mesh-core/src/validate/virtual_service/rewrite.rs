//! What a rule answers by itself, and what it changes on the way.

use crate::api::networking::virtual_service::{
    CorsPolicy, HeaderOperations, Headers, HttpBody, HttpDirectResponse, HttpRedirect, HttpRewrite,
    HttpRoute, RegexRewrite,
};
use crate::api::value::StringMatch;
use crate::model::matcher::Regex;
use crate::validate::report::Report;
use http::{HeaderName, HeaderValue};
use std::collections::BTreeMap;

pub(super) fn redirect(to: &HttpRedirect, path: &str, report: &mut Report<'_>) {
    let changes = !to.uri.is_empty()
        || !to.prefix_rewrite.is_empty()
        || !to.authority.is_empty()
        || !to.scheme.is_empty()
        || to.port.is_some()
        || to.derive_port.is_some();
    if !changes {
        let help = "write uri, authority, scheme or port";
        report.refuse(path, "a redirect to where the request is already", help);
    }
    if !to.uri.is_empty() && !to.prefix_rewrite.is_empty() {
        report.refuse_key(
            &format!("{path}.prefixRewrite"),
            "`prefixRewrite` beside `uri`",
            "keep one of them",
        );
    }
    if to.port.is_some() && to.derive_port.is_some() {
        report.refuse_key(&format!("{path}.derivePort"), "`derivePort` beside `port`", "keep one of them");
    }
    if let Some(status) = to.redirect_code.filter(|s| !matches!(s, 0 | 301 | 302 | 303 | 307 | 308)) {
        let message = format!("{status} is not the status of a redirect");
        report.refuse(&format!("{path}.redirectCode"), message, "write 301, 302, 303, 307 or 308");
    }
    if !matches!(to.scheme.as_str(), "" | "http" | "https") {
        let message = format!("{:?} is not a scheme of the web", to.scheme);
        report.refuse(&format!("{path}.scheme"), message, "write http or https");
    }
}

pub(super) fn direct_response(response: &HttpDirectResponse, path: &str, report: &mut Report<'_>) {
    let help = "a status is between 200 and 599";
    match response.status {
        0 => report.refuse(&format!("{path}.status"), "the status is missing", help),
        200..=599 => {}
        status => report.refuse(&format!("{path}.status"), format!("{status} is not an HTTP status"), help),
    }
    let (field, length) = match &response.body {
        Some(HttpBody::String(text)) => ("string", Some(text.len())),
        Some(body @ HttpBody::Bytes(_)) => ("bytes", body.to_bytes().map(|bytes| bytes.len())),
        None => return,
    };
    let path = format!("{path}.body.{field}");
    let Some(length) = length else {
        return report.refuse(&path, "not base64", "encode the bytes in base64, or write string");
    };
    let message = format!("a body of {length} bytes");
    if length > 1 << 20 {
        report.refuse(&path, message, "every proxy holds it: keep it below 1 MiB");
    } else if length > 100 << 10 {
        report.warn(&path, message, "every proxy holds it: serve it from an upstream instead");
    }
}

pub(super) fn rewrite(to: &HttpRewrite, path: &str, report: &mut Report<'_>) {
    match &to.uri_regex_rewrite {
        Some(_) if !to.uri.is_empty() => {
            report.refuse(path, "`uri` beside `uriRegexRewrite`", "keep one of them");
        }
        Some(regex) => regex_rewrite(regex, &format!("{path}.uriRegexRewrite"), report),
        None if to.uri.is_empty() && to.authority.is_empty() => {
            report.refuse(path, "a rewrite of nothing", "write uri, uriRegexRewrite or authority");
        }
        None => {}
    }
}

fn regex_rewrite(regex: &RegexRewrite, path: &str, report: &mut Report<'_>) {
    match regex.r#match.as_str() {
        "" => report.refuse(&format!("{path}.match"), "what is replaced is missing", "write match"),
        pattern => report.regex(&format!("{path}.match"), pattern),
    }
    let path = format!("{path}.rewrite");
    if regex.rewrite.is_empty() {
        return report.refuse(&path, "what it becomes is missing", "write rewrite");
    }
    let Ok(pattern) = Regex::new(&regex.r#match) else { return };
    let mut text = regex.rewrite.chars();
    while let Some(c) = text.next() {
        if c != '\\' {
            continue;
        }
        match text.next().map(|escaped| (escaped, escaped.to_digit(10))) {
            Some(('\\', _)) => {}
            Some((_, Some(group))) if usize::try_from(group).is_ok_and(|g| g <= pattern.groups()) => {}
            Some((_, Some(group))) => {
                let message = format!("`\\{group}` is a group that the pattern does not have");
                let help = format!("groups of the pattern: {}", pattern.groups());
                return report.refuse(&path, message, help);
            }
            _ => {
                let message = "a backslash that is followed by neither a digit nor a backslash";
                return report.refuse(&path, message, "write \\1 for a group, \\\\ for a backslash");
            }
        }
    }
}

/// The authority is set in one place: here, or as a header.
pub(super) fn one_authority(rule: &HttpRoute, path: &str, report: &mut Report<'_>) {
    let mut set = rule.rewrite.as_ref().is_some_and(|r| !r.authority.is_empty());
    let Some(request) = rule.headers.as_ref().and_then(|h| h.request.as_ref()) else { return };
    for (field, all) in [("set", &request.set), ("add", &request.add)] {
        for name in all.keys().filter(|name| is_authority(name)) {
            if set {
                let path = format!("{path}.headers.request.{field}.{name}");
                report.refuse_key(&path, "the authority is set twice", "set it here or in rewrite.authority");
            }
            set = true;
        }
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
    if !policy.allow_origin.is_empty() {
        let help = "write allowOrigins, each with exact";
        report.deprecated(&format!("{path}.allowOrigin"), "`allowOrigin` is deprecated", help);
    }
    const METHODS: [&str; 10] =
        ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE", "*"];
    for (i, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let message = format!("{method:?} is not an HTTP method");
            let help = "the methods are GET, HEAD, POST, PUT, PATCH, DELETE, CONNECT, OPTIONS, TRACE and `*`";
            report.refuse(&format!("{path}.allowMethods[{i}]"), message, help);
        }
    }
    for (field, names) in [("allowHeaders", &policy.allow_headers), ("exposeHeaders", &policy.expose_headers)]
    {
        // `*` is a name like another, and stands for all.
        for (i, name) in names.iter().enumerate().filter(|(_, n)| n.parse::<HeaderName>().is_err()) {
            let message = format!("{name:?} is not the name of a header");
            report.refuse(&format!("{path}.{field}[{i}]"), message, HEADER_NAME);
        }
    }
    let max_age = format!("{path}.maxAge");
    match policy.max_age {
        Some(span) if span.0.as_millis() > 0 && span.0.subsec_nanos() != 0 => {
            report.refuse(&max_age, "finer than a second", "browsers count whole seconds");
        }
        span => report.duration(&max_age, span),
    }
}

pub(super) fn headers(changes: Option<&Headers>, path: &str, report: &mut Report<'_>) {
    let Some(changes) = changes else { return };
    for (side, operations) in [("request", &changes.request), ("response", &changes.response)] {
        let Some(HeaderOperations { set, add, remove }) = operations else { continue };
        let path = format!("{path}.{side}");
        // A request's authority may be set; nothing else that HTTP itself means may.
        values(set, &format!("{path}.set"), side == "request", report);
        values(add, &format!("{path}.add"), side == "request", report);
        for (i, name) in remove.iter().enumerate() {
            header_name(name, &format!("{path}.remove[{i}]"), false, report);
        }
    }
}

fn values(all: &BTreeMap<String, String>, path: &str, may_be_authority: bool, report: &mut Report<'_>) {
    for (name, value) in all {
        let path = format!("{path}.{name}");
        header_name(name, &path, may_be_authority, report);
        if HeaderValue::from_bytes(value.as_bytes()).is_err() {
            let help = "leave out line ends and control characters";
            report.refuse(&path, "not the value of a header", help);
        } else if let Err(problem) = commands(value) {
            report.refuse(
                &path,
                problem,
                "write %COMMAND% or %COMMAND(arguments)%, and %% for a percent sign",
            );
        }
    }
}

/// Whether each `%` in a header's value is doubled, or part of a command of Envoy's.
fn commands(value: &str) -> Result<(), &'static str> {
    const OPEN: &str = "a command that begins with `%` has no end";
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('%') {
        if let Some(after) = after.strip_prefix('%') {
            rest = after;
            continue;
        }
        let end = after.find(['%', '(']).ok_or(OPEN)?;
        let (_name, tail) = after.split_at(end);
        rest = match tail.strip_prefix('(') {
            Some(arguments) => after_arguments(arguments)?,
            None => tail.strip_prefix('%').ok_or(OPEN)?,
        };
    }
    Ok(())
}

/// What follows the arguments of a command and its closing `%`.
fn after_arguments(arguments: &str) -> Result<&str, &'static str> {
    let mut escaped = false;
    let end = arguments.find(|c: char| {
        let ends = c == ')' && !escaped;
        escaped = c == '\\' && !escaped;
        ends
    });
    let (_, tail) =
        end.and_then(|end| arguments.split_at_checked(end)).ok_or("a command's `(` has no `)`")?;
    let tail = tail.strip_prefix(')').unwrap_or(tail);
    // The most characters of what comes of it.
    let tail =
        tail.strip_prefix(':').map_or(tail, |length| length.trim_start_matches(|c: char| c.is_ascii_digit()));
    tail.trim_start_matches(' ').strip_prefix('%').ok_or("a command's arguments are not followed by `%`")
}

/// What a header's name looks like.
pub(super) const HEADER_NAME: &str =
    "a header's name has letters, digits, and marks such as `-`, `_` and `.`";

fn is_authority(name: &str) -> bool {
    name.eq_ignore_ascii_case("host") || name.eq_ignore_ascii_case(":authority")
}

fn header_name(name: &str, path: &str, may_be_authority: bool, report: &mut Report<'_>) {
    if is_authority(name) {
        if !may_be_authority {
            let help = "set it on the request, or rewrite.authority";
            report.refuse_key(path, format!("`{name}` cannot be changed here"), help);
        }
    } else if name.parse::<HeaderName>().is_err() {
        let message = match name {
            "" => "a header without a name".to_owned(),
            _ => format!("{name:?} is not the name of a header"),
        };
        report.refuse_key(path, message, HEADER_NAME);
    }
}
