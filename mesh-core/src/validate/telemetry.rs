//! Telemetry.
//!
//! | Rule | Istio | Here | Why |
//! |---|---|---|---|
//! | a tag with no value, neither literal nor from anywhere | accepted | a warning | spans do not get it |
//! | a provider twice in one list | accepted | a warning | it counts once |
//! | `reportingInterval` finer than a millisecond | accepted | refused | as all times of the mesh |
//! | `customTags` with an empty name | refused | refused | |
//! | `tagOverrides` with an empty name | a warning | a warning | |

use super::cel;
use super::report::Report;
use crate::api::telemetry::{
    AccessLogging, CustomTag, Metrics, MetricsOverride, ProviderRef, TagOperation, Telemetry, Tracing,
};
use std::collections::HashSet;

pub(super) fn check(spec: &Telemetry, report: &mut Report<'_>) {
    report.targets(spec.selector.as_ref(), spec.target_ref.as_ref(), &spec.target_refs);
    if spec.tracing.len() > 1 {
        let help = "write all of it in the first";
        report.warn("spec.tracing[1]", "only the first of several is looked at", help);
    }
    for (i, tracing) in spec.tracing.iter().enumerate() {
        check_tracing(tracing, &format!("spec.tracing[{i}]"), report);
    }
    for (i, metrics) in spec.metrics.iter().enumerate() {
        check_metrics(metrics, &format!("spec.metrics[{i}]"), report);
    }
    for (i, logging) in spec.access_logging.iter().enumerate() {
        check_logging(logging, &format!("spec.accessLogging[{i}]"), report);
    }
}

fn check_providers(providers: &[ProviderRef], path: &str, report: &mut Report<'_>) {
    let mut seen = HashSet::new();
    for (i, provider) in providers.iter().enumerate() {
        let path = format!("{path}.providers[{i}].name");
        if provider.name.is_empty() {
            let help = "name one of extensionProviders of the MeshConfig";
            report.refuse(&path, "the provider's name is missing", help);
        } else if !seen.insert(&provider.name) {
            report.warn(&path, format!("provider `{}` is there twice", provider.name), "keep one of them");
        }
    }
}

fn check_tracing(tracing: &Tracing, path: &str, report: &mut Report<'_>) {
    check_providers(&tracing.providers, path, report);
    if tracing.providers.len() > 1 {
        let path = format!("{path}.providers[1]");
        report.warn(&path, "only the first of several providers is looked at", "keep one of them");
    }
    if let Some(share) = tracing.random_sampling_percentage.filter(|share| !(0.0..=100.0).contains(share)) {
        let path = format!("{path}.randomSamplingPercentage");
        let message = format!("{share} is not a percentage");
        report.refuse(&path, message, "a percentage is between 0 and 100");
    }
    for (name, tag) in &tracing.custom_tags {
        let path = format!("{path}.customTags.{name}");
        if name.is_empty() {
            report.refuse_key(&path, "the tag's name is missing", "name the tag");
        }
        check_tag(tag, &path, report);
    }
}

fn check_tag(tag: &CustomTag, path: &str, report: &mut Report<'_>) {
    let CustomTag { literal, environment, header, formatter } = tag;
    let written = [
        ("literal.value", literal.as_ref().map(|l| &l.value), "write the tag's value"),
        ("environment.name", environment.as_ref().map(|e| &e.name), "name a variable"),
        ("header.name", header.as_ref().map(|h| &h.name), "name a header of the request"),
        ("formatter.value", formatter.as_ref().map(|f| &f.value), "write a format such as %PROTOCOL%"),
    ];
    let ways = "write one of literal, environment, header and formatter";
    match written.iter().filter(|(_, text, _)| text.is_some()).count() {
        0 => report.warn(path, "a tag without a value", ways),
        1 => {}
        _ => report.refuse(path, "more than one value of a tag", ways),
    }
    for (field, text, help) in written {
        if text.is_some_and(String::is_empty) {
            report.refuse(&format!("{path}.{field}"), format!("`{field}` is missing"), help);
        }
    }
}

fn check_metrics(metrics: &Metrics, path: &str, report: &mut Report<'_>) {
    check_providers(&metrics.providers, path, report);
    for (i, one) in metrics.overrides.iter().enumerate() {
        check_override(one, &format!("{path}.overrides[{i}]"), report);
    }
    report.duration(&format!("{path}.reportingInterval"), metrics.reporting_interval);
}

fn check_override(one: &MetricsOverride, path: &str, report: &mut Report<'_>) {
    if let Some(selector) = &one.r#match {
        let at = format!("{path}.match.customMetric");
        if selector.custom_metric.as_ref().is_some_and(String::is_empty) {
            report.refuse(&at, "the metric's name is missing", "name it, or leave the field out");
        }
        if selector.metric.is_some() && selector.custom_metric.is_some() {
            report.refuse(&at, "customMetric beside metric", "keep one of them");
        }
    }
    for (name, tag) in &one.tag_overrides {
        let path = format!("{path}.tagOverrides.{name}");
        let value = format!("{path}.value");
        if name.is_empty() {
            report.warn(&path, "the label's name is missing", "name the label");
        }
        match tag.operation {
            TagOperation::Upsert if tag.value.is_empty() => {
                let help = "write a CEL expression such as request.host, or operation: REMOVE";
                report.refuse(&value, "the label's value is missing", help);
            }
            TagOperation::Remove if !tag.value.is_empty() || report.is_written(&value) => {
                report.refuse(&value, "a value of a label that is removed", "leave it out");
            }
            TagOperation::Upsert | TagOperation::Remove => {}
        }
    }
}

fn check_logging(logging: &AccessLogging, path: &str, report: &mut Report<'_>) {
    check_providers(&logging.providers, path, report);
    if let Some(filter) = &logging.filter
        && let Err(error) = cel::check(&filter.expression)
    {
        let help = "write an expression in CEL that is true of requests to log, such as response.code >= 400";
        report.refuse(&format!("{path}.filter.expression"), error.to_string(), help);
    }
}
