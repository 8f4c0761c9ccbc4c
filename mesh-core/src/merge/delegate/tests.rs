//! Each name states the rule that is tested.

use super::*;
use crate::api::networking::virtual_service::HttpMatch;
use crate::api::value::StringMatch;
use crate::merge::testing::{names, world};

/// What `shop/root` with this rule makes of `team/d` with these.
fn merged<T>(root: &str, delegate: &str, f: impl FnOnce(Merged<'_>) -> T) -> T {
    let root = format!(
        "VirtualService shop/root: {{hosts: [a.example.com], http: [{{delegate: {{name: d, namespace: team}}, {root}}}, {{name: last, route: [{{destination: {{host: z}}}}]}}]}}"
    );
    let delegate = format!("VirtualService team/d: {{{delegate}}}");
    let world = world(&[&root, &delegate]);
    f(merge(&world, world.get::<VirtualService>("shop", "root").unwrap()))
}

const ROUTE: &str = "route: [{destination: {host: b}}]";

fn one(root: &str, rule: &str) -> Result<HttpRoute, Why<'static>> {
    merged(root, &format!("http: [{{{rule}, {ROUTE}}}]"), |m| match m.dropped.first() {
        None => Ok(m.rules[0].http.clone().into_owned()),
        Some(Dropped { why: Why::Conflict { path, .. }, .. }) => {
            Err(Why::NotFound { namespace: String::new(), name: path.clone() })
        }
        Some(other) => panic!("{other:?}"),
    })
}

/// How a rule that matches the first and delegates to a rule that matches the second matches; `None` for a conflict.
fn matches(root: &str, own: &str) -> Option<Vec<HttpMatch>> {
    one(&format!("match: {root}"), &format!("match: {own}")).ok().map(|h| h.r#match)
}

#[test]
fn the_rules_of_the_delegate_stand_in_the_place_of_the_rule_that_delegates() {
    let rules = format!("http: [{{name: one, {ROUTE}}}, {{name: two, {ROUTE}}}]");
    merged("name: r", &rules, |m| {
        let all: Vec<_> =
            m.rules.iter().map(|r| (r.http.name.as_str(), &*r.source.meta.name, r.path.as_str())).collect();
        assert_eq!(
            all,
            [
                ("r-one", "d", "spec.http[0]"),
                ("r-two", "d", "spec.http[1]"),
                ("last", "root", "spec.http[1]")
            ]
        );
        assert_eq!(names(m.delegates), ["team/d"]);
    });
}

#[test]
fn short_names_are_of_the_namespace_of_who_writes_them() {
    let http = one("mirror: {host: m}", "name: x").unwrap();
    assert_eq!(http.route[0].destination.host, "b.team.svc.cluster.local");
    assert_eq!(http.mirror.unwrap().host, "m.shop.svc.cluster.local");
}

#[test]
fn what_the_delegate_does_not_say_is_what_the_rule_that_delegates_says() {
    let http = one("timeout: 5s, retries: {attempts: 1}", "timeout: 1s").unwrap();
    assert_eq!((http.timeout, http.retries.map(|r| r.attempts)), (Some("1s".parse().unwrap()), Some(1)));
}

#[test]
fn without_matches_on_one_side_the_others_stand() {
    let uri = |http: HttpRoute| http.r#match.into_iter().map(|m| m.uri).collect::<Vec<_>>();
    let a = Some(StringMatch::Prefix("/a".to_owned()));
    assert_eq!(uri(one("match: [{uri: {prefix: /a}}]", "name: x").unwrap()), std::slice::from_ref(&a));
    assert_eq!(uri(one("name: x", "match: [{uri: {prefix: /a}}]").unwrap()), [a]);
}

#[test]
fn a_narrower_match_of_the_delegate_is_merged_into_every_outer_one_that_it_is_within() {
    let all = matches(
        "[{uri: {prefix: /a}, headers: {x: {exact: '1'}}}, {uri: {prefix: /}, port: 80}, {uri: {prefix: /z}}]",
        "[{uri: {exact: /a/b}}]",
    )
    .unwrap();
    let exact = Some(StringMatch::Exact("/a/b".to_owned()));
    assert_eq!(all.iter().map(|m| m.uri.clone()).collect::<Vec<_>>(), [exact.clone(), exact]);
    assert!(all[0].headers.contains_key("x") && all[1].port == Some(80));
}

#[test]
fn a_match_that_is_within_none_of_the_outer_ones_leaves_its_rule_out() {
    for (root, own) in [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /b}}"),
        ("{uri: {exact: /a}}", "{uri: {prefix: /a}}"),
        ("{uri: {exact: /a}}", "{uri: {exact: /b}}"),
        ("{uri: {regex: /a}}", "{uri: {exact: /a}}"),
        ("{uri: {prefix: /a}}", "{uri: {regex: /a}}"),
        ("{headers: {x: {exact: a}}}", "{headers: {x: {exact: b}}}"),
        ("{queryParams: {x: {exact: a}}}", "{queryParams: {x: {exact: b}}}"),
        ("{port: 80}", "{port: 81}"),
        ("{uri: {prefix: /a}, ignoreUriCase: true}", "{uri: {prefix: /a}}"),
        ("{sourceNamespace: a}", "{sourceNamespace: b}"),
        ("{sourceLabels: {a: b}}", "{sourceLabels: {a: c}}"),
    ] {
        assert_eq!(matches(&format!("[{root}]"), &format!("[{own}]")), None, "{root} {own}");
    }
    for (root, own) in [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /a/b}}"),
        ("{uri: {prefix: /a}}", "{uri: {exact: /ab}}"),
        ("{uri: {regex: /a}}", "{method: {exact: GET}}"),
        ("{headers: {x: {exact: a}}}", "{headers: {y: {exact: b}}}"),
        ("{port: 80}", "{port: 80}"),
        ("{sourceLabels: {a: b}}", "{sourceLabels: {c: d}}"),
    ] {
        assert!(matches(&format!("[{root}]"), &format!("[{own}]")).is_some(), "{root} {own}");
    }
}

#[test]
fn a_rule_in_conflict_leaves_the_others_of_the_delegate_standing() {
    let rules = format!(
        "http: [{{match: [{{uri: {{prefix: /z}}}}], {ROUTE}}}, {{match: [{{uri: {{prefix: /z}}}}, {{uri: {{prefix: /a/b}}}}], {ROUTE}}}, {{match: [{{uri: {{prefix: /a/c}}}}], {ROUTE}}}]"
    );
    merged("match: [{uri: {prefix: /a}}]", &rules, |m| {
        let dropped: Vec<_> = m.dropped.iter().map(|d| (d.path.as_str(), &d.why)).collect();
        let [
            ("spec.http[0]", Why::Conflict { path: a, .. }),
            ("spec.http[0]", Why::Conflict { path: b, .. }),
        ] = dropped.as_slice()
        else {
            panic!("{dropped:?}")
        };
        assert_eq!((a.as_str(), b.as_str()), ("spec.http[0]", "spec.http[1]"));
        assert_eq!(
            m.rules.iter().map(|r| r.path.as_str()).collect::<Vec<_>>(),
            ["spec.http[2]", "spec.http[1]"]
        );
    });
}

#[test]
fn a_merged_match_remembers_its_place_in_the_delegate() {
    let rules = format!("http: [{{match: [{{uri: {{prefix: /a/b}}}}, {{uri: {{prefix: /a/c}}}}], {ROUTE}}}]");
    merged("match: [{uri: {prefix: /a}}, {uri: {prefix: /}}]", &rules, |m| {
        let rule = &m.rules[0];
        assert_eq!((0..4).map(|i| rule.match_at(i)).collect::<Vec<_>>(), [0, 0, 1, 1]);
    });
}

#[test]
fn a_delegate_that_is_not_there_has_hosts_or_is_not_exported_leaves_only_its_rule_out() {
    let root = "VirtualService shop/root: {hosts: [a.example.com], http: [{delegate: {name: none}}, {delegate: {name: d, namespace: team}}, {delegate: {name: hosts, namespace: team}}, {name: last, route: [{destination: {host: z}}]}]}";
    let hidden = format!("VirtualService team/d: {{exportTo: ['.'], http: [{{{ROUTE}}}]}}");
    let hosts = format!("VirtualService team/hosts: {{hosts: [b.example.com], http: [{{{ROUTE}}}]}}");
    let world = world(&[root, &hidden, &hosts]);
    let merged = merge(&world, world.get::<VirtualService>("shop", "root").unwrap());
    assert_eq!(merged.rules.iter().map(|r| r.http.name.as_str()).collect::<Vec<_>>(), ["last"]);
    let why: Vec<_> = merged.dropped.iter().map(|d| &d.why).collect();
    let [Why::NotFound { namespace, name }, Why::NotExported(_), Why::HasHosts(_)] = why.as_slice() else {
        panic!("{why:?}")
    };
    assert_eq!((namespace.as_str(), name.as_str()), ("shop", "none"));
}
