//! Conditions of an AuthorizationPolicy: attributes that are known, and values that they can have.

use super::super::report::Report;
use crate::api::security::authorization_policy::{Action, Condition};
use http::HeaderName;

/// Attributes that conditions may name; a final `[` asks for a name in brackets.
const ATTRIBUTES: &[&str] = &[
    "request.headers[",
    "request.auth.claims[",
    "experimental.envoy.filters.",
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "source.trustDomain",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
];

/// Attributes of Istio's first policies, and what says the same now.
const FORMER: &[(&str, &str)] = &[
    ("destination.namespace", "a policy holds for the namespace that it is in"),
    ("destination.labels", "use the policy's selector"),
    ("destination.name", "use the policy's selector or targetRefs"),
    ("destination.user", "use the policy's selector"),
];

pub(super) fn check(condition: &Condition, action: Action, path: &str, report: &mut Report<'_>) {
    let Condition { key, values, not_values } = condition;
    check_key(key, action, &format!("{path}.key"), report);
    for (field, list) in [("values", values), ("notValues", not_values)] {
        let path = format!("{path}.{field}");
        // Both empty is said below.
        if list.is_empty() && report.is_written(&path) && values.len() + not_values.len() > 0 {
            report.refuse(&path, format!("`{field}` is empty"), "write a value, or leave the field out");
        }
        for (i, text) in list.iter().enumerate() {
            check_value(key, text, &format!("{path}[{i}]"), report);
        }
    }
    if values.is_empty() && not_values.is_empty() {
        report.refuse(path, "a condition without values", "write values or notValues");
    }
}

fn check_key(key: &str, action: Action, path: &str, report: &mut Report<'_>) {
    if key.is_empty() {
        let help = "write an attribute, such as request.headers[x-token]";
        return report.refuse(path, "the key is missing", help);
    }
    if let Some((_, help)) = FORMER.iter().find(|(former, _)| key.starts_with(former)) {
        return report.refuse(path, format!("`{key}` is no longer an attribute"), *help);
    }
    if !is_attribute(key) {
        return report.refuse(path, format!("`{key}` is not an attribute"), nearest(key));
    }
    if let Some(name) = key.strip_prefix("request.headers[").and_then(|rest| rest.strip_suffix(']'))
        && name.parse::<HeaderName>().is_err()
    {
        report.refuse(
            path,
            format!("{name:?} is not the name of a header"),
            "a header's name has letters, digits and dashes",
        );
    }
    let by_identity = key.starts_with("request.auth.")
        || matches!(
            key,
            "source.namespace" | "source.principal" | "source.serviceAccount" | "source.trustDomain"
        );
    if action == Action::Custom && by_identity {
        let message = format!("`{key}` is not looked at under CUSTOM");
        report.refuse(path, message, "use a DENY or ALLOW policy beside it");
    }
}

fn is_attribute(key: &str) -> bool {
    let named = |rest: &str| {
        let name = rest.split_once('[').and_then(|(_, name)| name.strip_suffix(']'));
        name.is_some_and(|name| !name.is_empty())
    };
    ATTRIBUTES.iter().any(|attribute| match attribute.strip_suffix(['[', '.']) {
        Some(prefix) if attribute.ends_with('[') => {
            key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('[') && named(rest))
        }
        Some(prefix) => key.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('.') && named(rest)),
        None => key == *attribute,
    })
}

fn nearest(key: &str) -> String {
    let near = |a: &&&str| strsim::jaro_winkler(a, key);
    let best = ATTRIBUTES.iter().max_by(|a, b| near(a).total_cmp(&near(b))).copied().unwrap_or_default();
    let whole = match best.chars().last() {
        Some('[') => format!("{best}NAME]"),
        Some('.') => format!("{best}FILTER[KEY]"),
        _ => best.to_owned(),
    };
    format!("did you mean `{whole}`?")
}

fn check_value(key: &str, text: &str, path: &str, report: &mut Report<'_>) {
    match key {
        _ if text.is_empty() => {
            report.refuse(path, "an empty value", "write a value; `*` for any that is there");
        }
        "source.ip" | "remote.ip" | "destination.ip" => report.network(path, text),
        "destination.port" => super::port(text, path, report),
        "source.serviceAccount" => super::service_account(text, path, report),
        _ => {}
    }
}
