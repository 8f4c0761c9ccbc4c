//! What happens to a request: forwarded by weight, redirected, or answered at once.

use super::headers::Changes;
use super::{Place, RuleOf, fault, retry};
use crate::api::networking::virtual_service::{
    DerivePort, Destination, HttpDirectResponse, HttpRedirect, HttpRewrite, HttpRouteDestination,
};
use crate::api::value::Percent;
use crate::compile::cluster_policy::hash_policy;
use crate::compile::names;
use crate::compile::report::Report;
use crate::diagnostic::{Finding, code};
use crate::hostname::Hostname;
use crate::model::Name;
use crate::model::matcher::Regex;
use crate::model::route::{
    Action, DirectResponse, Forward, HashPolicy, Mirror, PathRewrite, Redirect, RedirectPath, Target,
    WeightedCluster,
};
use crate::model::values::Fraction;
use crate::registry::CLUSTER_DOMAIN;
use http::StatusCode;
use std::time::Duration;

/// The action of a rule; `None` where it cannot be done, which was said.
pub(super) fn action(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    changes: &mut Changes,
    report: &mut Report,
) -> Option<Action> {
    if let Some(said) = &rule.http.redirect {
        return redirect(place, rule, said, report).map(Action::Redirect);
    }
    if let Some(said) = &rule.http.direct_response {
        return respond(rule, said, report).map(Action::Respond);
    }
    forward(place, rule, changes, report).map(|f| Action::Forward(Box::new(f)))
}

fn forward(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    changes: &mut Changes,
    report: &mut Report,
) -> Option<Forward> {
    let http = rule.http;
    let mut hash = Vec::new();
    let to = match http.route.as_slice() {
        [] => {
            report.invalid(rule.vs, &rule.path, "a rule needs a route, a redirect or a directResponse");
            return None;
        }
        [only] => {
            let path = format!("{}.route[0]", rule.path);
            changes.add(rule.vs, only.headers.as_ref(), &format!("{path}.headers"), report);
            Target::Cluster(destination(place, rule, &only.destination, &path, &mut hash, report))
        }
        several => Target::Weighted(weighted(place, rule, several, &mut hash, report)?),
    };
    let mut forward = Forward {
        to,
        timeout: http.timeout.map(Duration::from).filter(|d| !d.is_zero()),
        retry: None,
        rewrite: http.rewrite.as_ref().and_then(|r| rewrite(rule, r, report)),
        host_rewrite: None,
        mirrors: mirrors(place, rule, report),
        priority: crate::model::values::Priority::Default,
        hash,
    };
    let own = http.rewrite.as_ref().map(|r| r.authority.clone()).filter(|a| !a.is_empty());
    forward.host_rewrite = own.or_else(|| changes.authority.clone());
    let said = http.retries.as_ref().or(place.scope.mesh.default_http_retry_policy.as_ref());
    let (policy, unknown) = retry::policy(said, !forward.hash.is_empty());
    if http.retries.is_some() {
        for condition in unknown {
            let message = format!("retry condition {condition:?} is not known");
            let at = format!("{}.retries.retryOn", rule.path);
            report.add(Finding::warning(code::NOT_HONOURED, message).at(rule.vs, at));
        }
    }
    forward.retry = policy;
    Some(forward)
}

fn weighted(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    several: &[HttpRouteDestination],
    hash: &mut Vec<HashPolicy>,
    report: &mut Report,
) -> Option<Vec<WeightedCluster>> {
    let mut out = Vec::with_capacity(several.len());
    for (i, entry) in several.iter().enumerate() {
        let path = format!("{}.route[{i}]", rule.path);
        let weight = entry.weight.unwrap_or(0);
        if weight == 0 {
            continue;
        }
        let cluster = destination(place, rule, &entry.destination, &path, hash, report);
        let mut changes = Changes::default();
        changes.add(rule.vs, entry.headers.as_ref(), &format!("{path}.headers"), report);
        if changes.authority.is_some() {
            let at = format!("{path}.headers.request");
            report.not_honoured(
                rule.vs,
                at,
                "an authority for one of several destinations",
                "set it on the rule",
            );
        }
        out.push(WeightedCluster { cluster, weight, headers: changes.headers });
    }
    if out.is_empty() {
        report.invalid(
            rule.vs,
            format!("{}.route", rule.path),
            "the weights of the destinations sum up to 0",
        );
        return None;
    }
    Some(out)
}

/// The cluster of a destination. One that does not exist gets a name all the same: its requests are
/// answered by 503, and the rest of the rules stand.
fn destination(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    to: &Destination,
    path: &str,
    hash: &mut Vec<HashPolicy>,
    report: &mut Report,
) -> Name {
    let at = format!("{path}.destination");
    let missing = |report: &mut Report, field: &str, message: String| {
        let finding = Finding::warning(code::REFERENCE, message).at(rule.vs, format!("{at}.{field}"));
        report.add(finding.help("requests that take this route are answered by 503"));
    };
    let host = match Hostname::resolve(&to.host, &rule.vs.meta.namespace, CLUSTER_DOMAIN) {
        Ok(host) => host,
        Err(e) => {
            report.invalid(rule.vs, format!("{at}.host"), e.to_string());
            return names::BLACK_HOLE.into();
        }
    };
    let written = to.port.map(|p| p.number);
    let Some(service) = place.scope.service(&host) else {
        missing(report, "host", format!("no service {host} is visible to {}", place.scope.node.namespace));
        return names::outbound(written.unwrap_or(place.port), &to.subset, host.as_str());
    };
    let port = match (written, service.ports.as_slice()) {
        (Some(port), _) => port,
        (None, [only]) => only.number,
        (None, _) => place.port,
    };
    if service.port(port).is_none() {
        missing(report, "port", format!("service {host} has no port {port}"));
    }
    let rules = place.scope.rules.of(service);
    if !to.subset.is_empty() && rules.subset(&to.subset).is_none() {
        missing(report, "subset", format!("no DestinationRule declares subset {:?} of {host}", to.subset));
    }
    hash.extend(hash_policy(&rules.policy(port, &to.subset)));
    names::outbound(port, &to.subset, host.as_str())
}

fn rewrite(rule: &RuleOf<'_>, said: &HttpRewrite, report: &mut Report) -> Option<PathRewrite> {
    if let Some(regex) = &said.uri_regex_rewrite {
        return match Regex::new(&regex.r#match) {
            Ok(pattern) => Some(PathRewrite::Regex { pattern, substitution: regex.rewrite.clone() }),
            Err(e) => {
                let at = format!("{}.rewrite.uriRegexRewrite.match", rule.path);
                report.invalid(rule.vs, at, e.to_string());
                None
            }
        };
    }
    (!said.uri.is_empty()).then(|| PathRewrite::Prefix(said.uri.clone()))
}

fn mirrors(place: &Place<'_, '_>, rule: &RuleOf<'_>, report: &mut Report) -> Vec<Mirror> {
    let http = rule.http;
    let whole = |percent: Option<u32>| percent.map(|p| Percent { value: f64::from(p) });
    let single = http.mirror.as_ref().map(|to| {
        let share = http.mirror_percentage.or(whole(http.mirror_percent.or(http.mirror_percent_snake_case)));
        (to, share, format!("{}.mirror", rule.path), format!("{}.mirrorPercentage", rule.path))
    });
    let several = http.mirrors.iter().enumerate().map(|(i, m)| {
        let path = format!("{}.mirrors[{i}]", rule.path);
        (&m.destination, m.percentage, path.clone(), format!("{path}.percentage"))
    });
    let mut out = Vec::new();
    for (to, share, path, share_path) in single.into_iter().chain(several) {
        let fraction = match share {
            Some(percent) => fault::share(rule, percent, &share_path, report).unwrap_or(Fraction::ZERO),
            None => Fraction::ONE,
        };
        if fraction > Fraction::ZERO {
            let cluster = destination(place, rule, to, &path, &mut Vec::new(), report);
            out.push(Mirror { cluster, fraction });
        }
    }
    out
}

fn redirect(
    place: &Place<'_, '_>,
    rule: &RuleOf<'_>,
    said: &HttpRedirect,
    report: &mut Report,
) -> Option<Redirect> {
    let code = said.redirect_code.filter(|c| *c != 0).unwrap_or(301);
    let status = StatusCode::from_u16(code).ok().filter(|_| matches!(code, 301 | 302 | 303 | 307 | 308));
    let Some(status) = status else {
        let at = format!("{}.redirect.redirectCode", rule.path);
        report.invalid(rule.vs, at, format!("{code} is not a redirect: 301, 302, 303, 307 and 308 are"));
        return None;
    };
    let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    let scheme = some(&said.scheme);
    let port = match said.derive_port {
        Some(DerivePort::FromRequestPort) => Some(place.port),
        Some(DerivePort::FromProtocolDefault) => None,
        None => said.port,
    };
    let own = if place.tls { "https" } else { "http" };
    // What a scheme implies is not written.
    let implied = match scheme.as_deref().unwrap_or(own) {
        "https" => Some(443),
        _ => Some(80),
    };
    let path = match some(&said.prefix_rewrite) {
        Some(prefix) => Some(RedirectPath::Prefix(prefix)),
        None => some(&said.uri).map(|uri| match uri.strip_prefix("%PREFIX()%") {
            Some(prefix) => RedirectPath::Prefix(prefix.to_owned()),
            None => RedirectPath::Full(uri),
        }),
    };
    Some(Redirect {
        port: port.filter(|p| Some(*p) != implied),
        scheme,
        host: some(&said.authority),
        path,
        status,
        strip_query: false,
    })
}

fn respond(rule: &RuleOf<'_>, said: &HttpDirectResponse, report: &mut Report) -> Option<DirectResponse> {
    let path = format!("{}.directResponse", rule.path);
    let status = StatusCode::from_u16(said.status).ok().filter(|_| (200..600).contains(&said.status));
    let Some(status) = status else {
        report.invalid(rule.vs, format!("{path}.status"), format!("{} is not an HTTP status", said.status));
        return None;
    };
    let body = match &said.body {
        None => bytes::Bytes::new(),
        Some(body) => match body.to_bytes() {
            Some(bytes) => bytes.into(),
            None => {
                report.invalid(rule.vs, format!("{path}.body.bytes"), "not base64".to_owned());
                return None;
            }
        },
    };
    Some(DirectResponse { status, body })
}
