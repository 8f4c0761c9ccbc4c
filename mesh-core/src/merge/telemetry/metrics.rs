//! Metrics of both sides, provider by provider.

use super::{Side, names};
use crate::api::telemetry::{MetricSelector, MetricsOverride, TagOverride, Telemetry};
use crate::api::value::Span;
use crate::api::{MeshConfig, Resource};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Istio's metrics, as `metric` names them.
const ALL: [&str; 10] = [
    "GRPC_REQUEST_MESSAGES",
    "GRPC_RESPONSE_MESSAGES",
    "REQUEST_COUNT",
    "REQUEST_DURATION",
    "REQUEST_SIZE",
    "RESPONSE_SIZE",
    "TCP_CLOSED_CONNECTIONS",
    "TCP_OPENED_CONNECTIONS",
    "TCP_RECEIVED_BYTES",
    "TCP_SENT_BYTES",
];

/// What one provider gets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProviderMetrics<'w> {
    /// How often metrics of open TCP connections are reported.
    pub reporting_interval: Option<Span>,
    /// Of calls that the workload makes.
    pub client: SideMetrics<'w>,
    /// Of calls that it takes.
    pub server: SideMetrics<'w>,
}

/// What one side measures.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SideMetrics<'w> {
    /// Nothing at all.
    pub disabled: bool,
    /// Changes by the metric's name: one of Istio's, such as `REQUEST_COUNT`, or another.
    pub changes: BTreeMap<String, MetricChange<'w>>,
}

/// How one metric differs from Istio's standard.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricChange<'w> {
    /// It is left out.
    pub disabled: bool,
    /// Changes of its labels, by name.
    pub tags: BTreeMap<&'w str, &'w TagOverride>,
}

/// What the providers of metrics get, by their names.
///
/// The narrowest entry that names providers decides which ones there are. Changes of every entry, from the widest
/// to the narrowest, are put over each other, metric by metric and label by label; one that names no providers is
/// about those of the entry before it, or the default ones. To disable all metrics of a side disables the side,
/// until a later change of any metric of it. Without Telemetry the default providers get the standard metrics.
pub fn metrics<'w>(
    telemetries: &[&'w Arc<Resource<Telemetry>>],
    mesh: &'w MeshConfig,
) -> BTreeMap<&'w str, ProviderMetrics<'w>> {
    let defaults = mesh.default_providers.as_ref().map(|d| d.metrics.as_slice()).unwrap_or_default();
    let defaults: Vec<&str> = defaults.iter().map(String::as_str).collect();
    let entries = || telemetries.iter().flat_map(|t| &t.spec.metrics);
    if entries().next().is_none() {
        return defaults.into_iter().map(|p| (p, ProviderMetrics::default())).collect();
    }
    let named = entries().rfind(|m| !m.providers.is_empty()).map(|m| names(&m.providers));
    let in_scope: BTreeSet<&str> = named.unwrap_or_else(|| defaults.clone()).into_iter().collect();
    let mut parents = defaults;
    let mut out: BTreeMap<&str, ProviderMetrics<'w>> = BTreeMap::new();
    for entry in entries() {
        if !entry.providers.is_empty() {
            parents = names(&entry.providers);
        }
        for provider in parents.iter().copied().filter(|p| in_scope.contains(p)) {
            let of = out.entry(provider).or_default();
            of.reporting_interval = entry.reporting_interval.or(of.reporting_interval);
            for change in &entry.overrides {
                let mode = change.r#match.as_ref().map(|m| m.mode).unwrap_or_default();
                for (side, metrics) in [(Side::Client, &mut of.client), (Side::Server, &mut of.server)] {
                    if side.is_in(mode) {
                        metrics.put(change);
                    }
                }
            }
        }
    }
    out
}

impl<'w> SideMetrics<'w> {
    fn put(&mut self, change: &'w MetricsOverride) {
        let which = selected(change.r#match.as_ref());
        if which.is_none() && change.disabled == Some(true) {
            self.disabled = true;
            return;
        }
        self.disabled = false;
        for name in which.map_or_else(|| ALL.map(str::to_owned).to_vec(), |name| vec![name]) {
            let of = self.changes.entry(name).or_default();
            of.disabled = change.disabled.unwrap_or(of.disabled);
            of.tags.extend(change.tag_overrides.iter().map(|(label, to)| (label.as_str(), to)));
        }
    }
}

/// The one metric that is meant; `None` for all.
fn selected(which: Option<&MetricSelector>) -> Option<String> {
    let which = which?;
    let custom = which.custom_metric.clone();
    custom.or_else(|| which.metric?.name().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::merge::testing::world;

    const MESH: &str = "Mesh a/b: {defaultProviders: {metrics: [d]}}";

    fn measured<T>(entries: &[&str], f: impl FnOnce(BTreeMap<&str, ProviderMetrics<'_>>) -> T) -> T {
        let mut texts = vec![MESH.to_owned()];
        let telemetry = |(i, e): (usize, &&str)| format!("Telemetry shop/t{i}@{i}: {{metrics: [{e}]}}");
        texts.extend(entries.iter().enumerate().map(telemetry));
        let world = world(&texts.iter().map(String::as_str).collect::<Vec<_>>());
        f(metrics(&world.of::<Telemetry>().collect::<Vec<_>>(), world.mesh()))
    }

    #[test]
    fn without_telemetry_the_default_providers_get_the_standard_metrics() {
        measured(&[], |m| assert_eq!(m, BTreeMap::from([("d", ProviderMetrics::default())])));
    }

    #[test]
    fn the_narrowest_that_names_providers_decides_which_ones_there_are() {
        let entries = ["{providers: [{name: a}, {name: b}]}", "{providers: [{name: b}]}"];
        measured(&entries, |m| assert_eq!(m.keys().collect::<Vec<_>>(), [&"b"]));
    }

    #[test]
    fn changes_are_put_over_each_other_metric_by_metric_and_label_by_label() {
        let wide = "{overrides: [{match: {metric: REQUEST_COUNT}, tagOverrides: {a: {value: x}, b: {value: z}}}], reportingInterval: 5s}";
        let narrow = "{overrides: [{match: {metric: REQUEST_COUNT, mode: SERVER}, disabled: true, tagOverrides: {b: {operation: REMOVE}}}]}";
        measured(&[wide, narrow], |m| {
            let d = &m["d"];
            let (client, server) = (&d.client.changes["REQUEST_COUNT"], &d.server.changes["REQUEST_COUNT"]);
            assert!(!client.disabled && server.disabled);
            assert_eq!(server.tags.keys().collect::<Vec<_>>(), [&"a", &"b"]);
            assert!(server.tags["a"] == client.tags["a"] && server.tags["b"] != client.tags["b"]);
            assert_eq!(d.reporting_interval, Some("5s".parse().unwrap()));
        });
    }

    #[test]
    fn what_is_said_of_all_metrics_is_said_of_each() {
        measured(&["{overrides: [{tagOverrides: {a: {value: x}}}]}"], |m| {
            assert_eq!(m["d"].client.changes.len(), ALL.len());
        });
    }

    #[test]
    fn a_side_whose_metrics_are_all_disabled_is_enabled_by_a_later_change() {
        let off = "{overrides: [{match: {metric: ALL_METRICS, mode: CLIENT}, disabled: true}]}";
        measured(&[off], |m| assert!(m["d"].client.disabled && !m["d"].server.disabled));
        let on = "{overrides: [{match: {metric: REQUEST_COUNT}, disabled: false}]}";
        measured(&[off, on], |m| assert!(!m["d"].client.disabled));
    }
}
