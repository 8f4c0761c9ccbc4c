//! Each name states the rule that is tested.

use super::*;
use crate::merge::testing::{names, with_subject, world};

const MESH: &str = "Mesh a/b: {defaultConfig: {concurrency: 1, proxyMetadata: {A: mesh, B: mesh}, tracing: {sampling: 1, zipkin: {address: z}}}}";
const ROOT: &str =
    "ProxyConfig istio-system/root: {concurrency: 2, environmentVariables: {A: root, C: root}}";
const ALL: &str = "ProxyConfig shop/all: {environmentVariables: {C: all}}";
const OWN: &str = "ProxyConfig shop/own: {selector: {matchLabels: {app: a}}, concurrency: 4}";

/// The settings and who took part, of an app with an annotation.
fn of(texts: &[&str], namespace: &str, app: &str, annotation: Option<&str>) -> (ProxyDefaults, Vec<String>) {
    let world = world(texts);
    with_subject(namespace, app, |s| {
        let out = effective(&world, s, annotation);
        assert_eq!(out.refused, None);
        (out.settings, names(out.by))
    })
}

#[test]
fn the_workload_stands_over_the_annotation_over_the_namespace_over_the_root_over_the_mesh() {
    let texts = [MESH, ROOT, ALL, OWN];
    let (settings, by) = of(&texts, "shop", "a", Some("concurrency: 3\nproxyMetadata:\n  B: pod\n"));
    assert_eq!(by, ["istio-system/root", "shop/all", "shop/own"]);
    assert_eq!(settings.concurrency, Some(4));
    let metadata: Vec<_> = settings.proxy_metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
    assert_eq!(metadata, [("A", "root"), ("B", "pod"), ("C", "all")]);
    assert_eq!(of(&texts, "shop", "b", Some("concurrency: 3")).0.concurrency, Some(3));
    assert_eq!(of(&texts, "bank", "a", None).0.concurrency, Some(2));
    assert_eq!(of(&[MESH], "bank", "a", None).0.concurrency, Some(1));
}

#[test]
fn messages_are_merged_field_by_field() {
    let (settings, _) = of(&[MESH], "shop", "a", Some("{tracing: {sampling: 7}}"));
    let tracing = settings.tracing.unwrap();
    assert_eq!((tracing.sampling, tracing.zipkin.unwrap().address), (Some(7.0), "z".to_owned()));
}

#[test]
fn of_systems_that_exclude_each_other_the_last_stays() {
    let (settings, _) = of(&[MESH], "shop", "a", Some("{tracing: {sampling: 0, datadog: {address: d}}}"));
    let tracing = settings.tracing.unwrap();
    assert_eq!((tracing.sampling, tracing.zipkin), (Some(0.0), None));
    assert_eq!(tracing.datadog.unwrap().address, "d");
}

#[test]
fn of_two_on_one_level_the_older_counts_and_they_are_not_merged() {
    let (old, young) = (
        "ProxyConfig shop/z@1: {environmentVariables: {A: old}}",
        "ProxyConfig shop/a@2: {concurrency: 9, environmentVariables: {A: young}}",
    );
    let (settings, by) = of(&[old, young], "shop", "a", None);
    assert_eq!((by, settings.concurrency), (vec!["shop/z".to_owned()], None));
}

#[test]
fn a_selector_without_labels_selects_nothing_and_one_in_the_root_namespace_no_other() {
    let empty = "ProxyConfig shop/empty: {selector: {}, concurrency: 9}";
    let root = "ProxyConfig istio-system/own: {selector: {matchLabels: {app: a}}, concurrency: 9}";
    assert_eq!(of(&[empty, root], "shop", "a", None).1, Vec::<String>::new());
    assert_eq!(of(&[empty, root], "istio-system", "a", None).1, ["istio-system/own"]);
}

#[test]
fn an_annotation_that_cannot_be_read_is_passed_over_and_said() {
    let world = world(&[MESH]);
    let out = with_subject("shop", "a", |s| effective(&world, s, Some("concurrency: many")));
    assert_eq!(out.settings.concurrency, Some(1));
    assert!(out.refused.is_some_and(|f| f.path == "concurrency"));
}
