//! Chains of calls: what retries and timeouts come to.

use super::said;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// `a` calls `b` calls `c`, as policies say.
fn chain(a_to_b: &str, b_to_c: &str) -> Vec<String> {
    let mut text = String::new();
    for (at, name) in ["a", "b", "c"].into_iter().enumerate() {
        text += &format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{ports: [{{port: 80, name: http}}], selector: {{app: {name}}}}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}-{at}, labels: {{app: {name}}}}}\n\
             spec: {{serviceAccountName: {name}}}\n---\n"
        );
    }
    for (caller, callee) in [("a", "b"), ("b", "c")] {
        text += &format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {callee}}}\n\
             spec: {{selector: {{matchLabels: {{app: {callee}}}}}, \
             rules: [{{from: [{{source: {{serviceAccounts: [{caller}]}}}}]}}]}}\n---\n"
        );
    }
    for (host, policy) in [("b", a_to_b), ("c", b_to_c)] {
        if !policy.is_empty() {
            text += &format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {host}}}\n\
                 spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: {host}}}}}], {policy}}}]}}\n---\n"
            );
        }
    }
    said(&text)
}

#[test]
fn retries_that_nobody_wrote_are_no_news() {
    assert!(chain("", "").is_empty());
}

#[test]
fn retries_multiply_and_the_chain_is_named() {
    let found = chain("retries: {attempts: 3, retryOn: 5xx}", "retries: {attempts: 4, retryOn: 5xx}");
    assert_eq!(
        found,
        [
            "MESH0103 spec.http[0].retries.attempts: a.default → b.default → c.default can send up to 20 requests for one: 4 × 5 attempts"
        ]
    );
    // The default counts beside what is written.
    assert!(chain("", "retries: {attempts: 4, retryOn: 5xx}")[0].contains("3 × 5 attempts"));
}

#[test]
fn one_hop_without_retries_stops_it() {
    assert!(chain("retries: {attempts: 0}", "retries: {attempts: 9, retryOn: 5xx}").is_empty());
}

#[test]
fn a_caller_that_waits_less_than_its_callee_may_is_told() {
    let short = chain("timeout: 2s, retries: {attempts: 0}", "timeout: 5s, retries: {attempts: 0}");
    assert_eq!(
        short,
        [
            "MESH0104 spec.http[0].timeout: a.default waits 2s for b.default, which may itself wait 5s for c.default: a timeout of 5s"
        ]
    );
    assert!(chain("timeout: 5s, retries: {attempts: 0}", "timeout: 5s, retries: {attempts: 0}").is_empty());
    // The bound of one attempt is what the callee has.
    let each = "retries: {attempts: 1, perTryTimeout: 1s}, timeout: 9s";
    let found = chain(each, "timeout: 3s, retries: {attempts: 0}");
    assert!(
        found[0].starts_with("MESH0104 spec.http[0].retries.perTryTimeout: a.default waits 1s"),
        "{found:?}"
    );
}

#[test]
fn a_circle_of_calls_comes_to_an_end() {
    let mut text = String::new();
    for (name, caller) in [("a", "b"), ("b", "a")] {
        text += &format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{ports: [{{port: 80, name: http}}], selector: {{app: {name}}}}}\n---\n\
             apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}}}}}\n\
             spec: {{serviceAccountName: {name}}}\n---\n\
             apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
             spec: {{hosts: [{name}], http: [{{route: [{{destination: {{host: {name}}}}}], retries: {{attempts: 5, retryOn: 5xx}}}}]}}\n---\n\
             apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
             rules: [{{from: [{{source: {{serviceAccounts: [{caller}]}}}}]}}]}}\n---\n"
        );
    }
    // Each may be the first; the way back is not counted.
    assert!(
        said(&text).iter().all(|f| f.starts_with("MESH0103") && !f.contains("6 × 6 × 6")),
        "{:?}",
        said(&text)
    );
}

#[test]
fn sidecars_and_labels_of_callers_tell_of_calls_as_well() {
    let services: String = ["a", "b", "c"]
        .iter()
        .map(|name| {
            format!(
                "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
                 spec: {{ports: [{{port: 80, name: http}}], selector: {{app: {name}}}}}\n---\n"
            )
        })
        .collect();
    let found = said(&format!(
        "{services}apiVersion: networking.istio.io/v1\nkind: Sidecar\nmetadata: {{name: a}}\n\
         spec: {{workloadSelector: {{labels: {{app: a}}}}, egress: [{{hosts: [./b.default.svc.cluster.local]}}]}}\n---\n\
         apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: c}}\n\
         spec: {{hosts: [c], http: [{{match: [{{sourceLabels: {{app: b}}}}], route: [{{destination: {{host: c}}}}], \
         retries: {{attempts: 4, retryOn: 5xx}}}}]}}\n"
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("a.default → b.default → c.default can send up to 15"), "{found:?}");
}

/// Services that call one another as given, each with a route that ends so.
fn graph(calls: &[(&str, &str)], mesh: &str, route: impl Fn(&str) -> String) -> Vec<String> {
    let names: BTreeSet<&str> = calls.iter().flat_map(|(a, b)| [*a, *b]).collect();
    let mut text = match mesh {
        "" => String::new(),
        mesh => format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: istio, namespace: istio-system}}\n\
             data: {{mesh: '{mesh}'}}\n---\n"
        ),
    };
    for name in names {
        let callers: Vec<&str> = calls.iter().filter(|(_, to)| *to == name).map(|(from, _)| *from).collect();
        text += &format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
             spec: {{ports: [{{port: 80, name: http}}], selector: {{app: {name}}}}}\n---\n\
             apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: {name}}}\n\
             spec: {{template: {{metadata: {{labels: {{app: {name}}}}}, spec: {{serviceAccountName: {name}}}}}}}\n---\n"
        );
        if !callers.is_empty() {
            text += &format!(
                "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}}}\n\
                 spec: {{selector: {{matchLabels: {{app: {name}}}}}, \
                 rules: [{{from: [{{source: {{serviceAccounts: [{}]}}}}]}}]}}\n---\n",
                callers.join(", ")
            );
        }
        let http = route(name);
        if !http.is_empty() {
            text += &format!(
                "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}}}\n\
                 spec: {{hosts: [{name}], http: [{http}]}}\n---\n"
            );
        }
    }
    said(&text)
}

#[test]
fn the_meshs_own_default_counts_where_a_route_says_nothing() {
    let mesh = "defaultHttpRetryPolicy: {attempts: 4, retryOn: 5xx}";
    let last = |name: &str| match name {
        "c" => "{route: [{destination: {host: c}}], retries: {attempts: 2, retryOn: 5xx}}".to_owned(),
        _ => String::new(),
    };
    let found = graph(&[("a", "b"), ("b", "c")], mesh, last);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("can send up to 15 requests for one: 5 × 3 attempts"), "{found:?}");
    // None by default: one hop alone is left.
    let none = graph(&[("a", "b"), ("b", "c")], "defaultHttpRetryPolicy: {attempts: 0}", last);
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn a_timeout_of_zero_is_none() {
    let route = |outer: &str, inner: &str| {
        let of = |name: &str| {
            let time = if name == "b" { outer } else { inner };
            format!(
                "{{route: [{{destination: {{host: {name}}}}}], timeout: {time}, retries: {{attempts: 0}}}}"
            )
        };
        graph(&[("a", "b"), ("b", "c")], "", of)
    };
    assert!(route("0s", "5s").is_empty());
    assert!(route("2s", "0s").is_empty(), "what has no bound is not known to be longer");
    assert_eq!(route("2s", "5s").len(), 1);
}

#[test]
fn weights_and_headers_make_a_way_no_better_than_its_worst() {
    let of = |name: &str| match name {
        "b" => "{match: [{headers: {x-try: {exact: hard}}}], route: [{destination: {host: b}}], \
                retries: {attempts: 4, retryOn: 5xx}}, \
                {route: [{destination: {host: b}, weight: 90}, {destination: {host: c}, weight: 10}], \
                retries: {attempts: 0}}"
            .to_owned(),
        _ => "{route: [{destination: {host: c}}], retries: {attempts: 2, retryOn: 5xx}}".to_owned(),
    };
    let found = graph(&[("a", "b"), ("b", "c")], "", of);
    assert_eq!(
        found,
        [
            "MESH0103 spec.http[0].retries.attempts: a.default → b.default → c.default can send up to 15 requests for one: 5 × 3 attempts"
        ]
    );
}

#[test]
fn of_several_ways_the_worst_counts_behind_a_circle_too() {
    // a → b ⇄ c → d, and a → d: the way back from c to b adds nothing.
    let calls = [("a", "b"), ("b", "c"), ("c", "b"), ("c", "d"), ("a", "d")];
    let found = graph(&calls, "", |name| {
        format!("{{route: [{{destination: {{host: {name}}}}}], retries: {{attempts: 2, retryOn: 5xx}}}}")
    });
    assert_eq!(found.len(), 1, "{found:?}");
    let wanted = "a.default → b.default → c.default → d.default can send up to 27 requests for one";
    assert!(found[0].contains(wanted), "{found:?}");
}

#[test]
fn a_thousand_services_that_call_each_other_are_walked_at_once() {
    let names: Vec<String> = (0..1_000).map(|i| format!("s{i}")).collect();
    let next = |i: usize, by: usize| (names[i].as_str(), names[(i * 7 + by) % 1_000].as_str());
    let chain = (1..1_000).map(|i| (names[i - 1].as_str(), names[i].as_str()));
    let calls: Vec<(&str, &str)> = chain.chain((0..1_000).flat_map(|i| [next(i, 3), next(i, 11)])).collect();
    let start = Instant::now();
    let found = graph(&calls, "", |name| {
        format!("{{route: [{{destination: {{host: {name}}}}}], retries: {{attempts: 9, retryOn: 5xx}}}}")
    });
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    assert!(!found.is_empty() && found.iter().all(|f| f.starts_with("MESH0103")), "{found:?}");
}
