//! Each name states the rule that is tested.

use super::*;
use crate::merge::testing::{names, with_subject, world};
use crate::world::World;

const HOST: &str = "a.far.svc.cluster.local";

/// The rules that hold for calls from app `app` of `namespace` to a service of `far`.
fn rules(world: &World, namespace: &str, app: &str) -> Vec<String> {
    with_subject(namespace, app, |s| names(Rules::new(world, s).of_host(&HOST.parse().unwrap(), "far").rules))
}

fn rule(head: &str, rest: &str) -> String {
    format!("DestinationRule {head}: {{host: {HOST}{rest}}}")
}

fn of(texts: &[String]) -> World {
    world(&texts.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn the_callers_namespace_comes_before_the_services_and_that_before_the_root() {
    let texts = [rule("shop/own", ""), rule("far/theirs", ""), rule("istio-system/root", "")];
    assert_eq!(rules(&of(&texts), "shop", "x"), ["shop/own"]);
    assert_eq!(rules(&of(&texts[1..]), "shop", "x"), ["far/theirs"]);
    assert_eq!(rules(&of(&texts[2..]), "shop", "x"), ["istio-system/root"]);
    assert_eq!(rules(&of(&texts), "bank", "x"), ["far/theirs"]);
}

#[test]
fn a_caller_in_the_root_namespace_asks_the_services_namespace_before_what_is_for_all() {
    let texts = [rule("istio-system/all", ""), rule("far/theirs", "")];
    assert_eq!(rules(&of(&texts), "istio-system", "x"), ["far/theirs"]);
    let texts = [rule("istio-system/mine", ", exportTo: ['.']"), rule("far/theirs", "")];
    assert_eq!(rules(&of(&texts), "istio-system", "x"), ["istio-system/mine"]);
}

#[test]
fn what_is_not_exported_to_the_caller_is_passed_over_in_favour_of_the_root() {
    let texts = [rule("far/theirs", ", exportTo: [bank]"), rule("istio-system/root", "")];
    assert_eq!(rules(&of(&texts), "bank", "x"), ["far/theirs"]);
    assert_eq!(rules(&of(&texts), "shop", "x"), ["istio-system/root"]);
    let hidden = [rule("far/theirs", ", exportTo: ['.']")];
    assert_eq!(rules(&of(&hidden), "shop", "x"), Vec::<String>::new());
}

#[test]
fn the_exact_host_comes_before_the_longer_wildcard_before_the_shorter() {
    let wild = |head: &str, host: &str| format!("DestinationRule {head}: {{host: '{host}'}}");
    let texts =
        [wild("shop/short", "*.local"), wild("shop/long", "*.far.svc.cluster.local"), rule("shop/x", "")];
    assert_eq!(rules(&of(&texts), "shop", "x"), ["shop/x"]);
    assert_eq!(rules(&of(&texts[..2]), "shop", "x"), ["shop/long"]);
}

#[test]
fn rules_of_one_host_and_namespace_are_merged_oldest_first() {
    let texts = [
        rule("shop/young@2", ", trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1}, {name: v2}]"),
        rule("shop/old@1", ", subsets: [{name: v1, labels: {version: v1}}]"),
    ];
    let world = of(&texts);
    assert_eq!(rules(&world, "shop", "x"), ["shop/old", "shop/young"]);
    with_subject("shop", "x", |s| {
        let all = Rules::new(&world, s);
        let merged = all.of_host(&HOST.parse().unwrap(), "far");
        let from: Vec<_> =
            merged.subsets().iter().map(|(r, _, s)| (&*r.meta.name, s.name.as_str())).collect();
        assert_eq!(from, [("old", "v1"), ("young", "v2")]);
        // The first policy that there is, whole: the older rule has none.
        assert_eq!(&*merged.policy(80, "v1").tls.unwrap().rule.meta.name, "young");
        let conflicts = all.conflicts();
        assert!(conflicts.iter().all(|c| matches!(c, Conflict::Subset { at: 0, .. })), "{conflicts:?}");
    });
}

#[test]
fn a_rule_that_selects_the_caller_stands_alone_before_those_without_a_selector() {
    let texts = [
        rule("shop/all@1", ", subsets: [{name: v1}]"),
        rule("shop/own@2", ", workloadSelector: {matchLabels: {app: x}}"),
        rule("shop/same@3", ", workloadSelector: {matchLabels: {app: x}}"),
        rule("shop/other@0", ", workloadSelector: {matchLabels: {app: z}}"),
    ];
    let world = of(&texts);
    assert_eq!(rules(&world, "shop", "x"), ["shop/own", "shop/same"]);
    assert_eq!(rules(&world, "shop", "z"), ["shop/other"]);
    assert_eq!(rules(&world, "shop", "w"), ["shop/all"]);
    // A selector is about its own namespace.
    assert_eq!(rules(&of(&texts[1..]), "bank", "x"), Vec::<String>::new());
}

#[test]
fn a_rule_of_the_namespace_alone_is_merged_into_those_with_selectors() {
    let texts = [
        rule("shop/own", ", workloadSelector: {matchLabels: {app: x}}"),
        rule("shop/all", ", exportTo: ['.'], subsets: [{name: v1}]"),
    ];
    assert_eq!(rules(&of(&texts), "shop", "x"), ["shop/own", "shop/all"]);
    assert_eq!(rules(&of(&texts), "shop", "z"), ["shop/all"]);
}

#[test]
fn a_place_with_nothing_but_selectors_that_do_not_match_decides_that_there_is_no_rule() {
    let texts = [rule("shop/own", ", workloadSelector: {matchLabels: {app: x}}"), rule("far/theirs", "")];
    assert_eq!(rules(&of(&texts), "shop", "z"), Vec::<String>::new());
}

#[test]
fn rules_that_write_different_export_to_are_not_merged_and_the_younger_is_taken() {
    let texts = [rule("shop/old@1", ", exportTo: ['*']"), rule("shop/young@2", ", exportTo: ['.']")];
    let world = of(&texts);
    assert_eq!(rules(&world, "shop", "x"), ["shop/young"]);
    with_subject("shop", "x", |s| {
        let all = Rules::new(&world, s);
        let conflicts = all.conflicts();
        let [Conflict::NotMerged { taken, left }] = conflicts.as_slice() else { panic!("{conflicts:?}") };
        assert_eq!((&*taken.meta.name, &*left.meta.name), ("young", "old"));
    });
}

#[test]
fn a_rule_for_more_namespaces_is_merged_where_the_narrower_is_seen_and_stands_alone_elsewhere() {
    let texts = [rule("far/a@1", ", exportTo: [shop]"), rule("far/b@2", ", exportTo: [shop, bank]")];
    let world = of(&texts);
    assert_eq!(rules(&world, "shop", "x"), ["far/a", "far/b"]);
    assert_eq!(rules(&world, "bank", "x"), ["far/b"]);
}

#[test]
fn settings_of_a_port_replace_the_hosts_and_a_subsets_stand_over_both() {
    let text = rule(
        "shop/own",
        ", trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 81}, tls: {mode: ISTIO_MUTUAL}}]}, subsets: [{name: v1, trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}}]",
    );
    let world = of(&[text]);
    with_subject("shop", "x", |s| {
        let merged = Rules::new(&world, s).of_host(&HOST.parse().unwrap(), "far");
        let (host, port) = (merged.policy(80, ""), merged.policy(81, ""));
        assert!(host.load_balancer.is_some() && host.tls.is_some());
        assert!(port.load_balancer.is_none() && port.tls != host.tls);
        let subset = merged.policy(80, "v1");
        assert!(subset.load_balancer != host.load_balancer && subset.tls == host.tls);
    });
}

#[test]
fn a_subsets_settings_of_a_port_leave_nothing_of_what_the_host_says() {
    let text = rule(
        "shop/own",
        ", trafficPolicy: {loadBalancer: {simple: RANDOM}, tls: {mode: DISABLE}}, subsets: [{name: v1, trafficPolicy: {portLevelSettings: [{port: {number: 81}, outlierDetection: {}}]}}]",
    );
    let world = of(&[text]);
    with_subject("shop", "x", |s| {
        let merged = Rules::new(&world, s).of_host(&HOST.parse().unwrap(), "far");
        let own = merged.policy(81, "v1");
        assert!(own.outlier_detection.is_some() && own.load_balancer.is_none() && own.tls.is_none());
        assert!(merged.policy(80, "v1").tls.is_some(), "for other ports the host's stands");
    });
}
