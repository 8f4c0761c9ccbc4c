use super::*;
use crate::model::http::{AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay};
use crate::model::route::{Action, DirectResponse, PathRewrite, Redirect, RedirectPath, Target};
use crate::model::values::Fraction;
use http::StatusCode;
use std::time::Duration;

const V1: &str = "outbound|9080|v1|reviews.default.svc.cluster.local";
const V2: &str = "outbound|9080|v2|reviews.default.svc.cluster.local";

fn virtual_service(http: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: reviews, namespace: default}}\nspec:\n  hosts: [reviews]\n  http:\n{http}\n"
    )
}

fn compiled(http: &str) -> Compiled {
    quiet(&bookinfo(&[SUBSETS, &virtual_service(http)]))
}

fn routes(compiled: &Compiled) -> Vec<Route> {
    host(table(compiled, "9080"), "reviews.default.svc.cluster.local:9080").routes.clone()
}

#[test]
fn a_service_without_a_virtual_service_has_the_default_route() {
    let routes = routes(&quiet(&bookinfo(&[])));
    assert_eq!(routes.len(), 1);
    assert_eq!(&*routes[0].name, "default");
    assert_eq!(routes[0].decorator.as_deref(), Some("reviews.default.svc.cluster.local:9080/*"));
    let forward = forward(&routes[0]);
    assert_eq!(forward.to, Target::Cluster("outbound|9080||reviews.default.svc.cluster.local".into()));
    assert_eq!(forward.timeout, None);
    let retry = forward.retry.as_ref().unwrap();
    assert_eq!((retry.retries, retry.avoid_previous_hosts), (2, 5));
}

#[test]
fn a_user_goes_to_a_subset_and_the_rest_is_split_by_weight() {
    let compiled = compiled(
        r#"
  - match: [{headers: {end-user: {exact: jason}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - route:
    - {destination: {host: reviews, subset: v1}, weight: 90}
    - {destination: {host: reviews, subset: v2}, weight: 10}
"#,
    );
    let table = table(&compiled, "9080");
    assert_eq!(send(table, "reviews:9080", "/", &[("end-user", "jason")]), V2);
    assert_eq!(send(table, "reviews:9080", "/", &[("end-user", "jasons")]), V1);
    let routes = routes(&compiled);
    let Target::Weighted(weighted) = &forward(&routes[1]).to else { panic!() };
    let shares: Vec<_> = weighted.iter().map(|w| (&*w.cluster, w.weight)).collect();
    assert_eq!(shares, [(V1, 90), (V2, 10)]);
    assert_eq!(routes[1].decorator.as_deref(), Some("reviews:9080/*"));
}

#[test]
fn a_pseudo_header_matches_what_it_stands_for() {
    let compiled = compiled(
        r#"
  - match: [{headers: {":path": {prefix: /v2}, x.y: {exact: z}}}]
    route: [{destination: {host: reviews, subset: v2}}]
  - match: [{headers: {":authority": {exact: "reviews:9080"}}, withoutHeaders: {":method": {exact: POST}}}]
    route: [{destination: {host: reviews, subset: v1}}]
"#,
    );
    let table = table(&compiled, "9080");
    assert_eq!(send(table, "reviews:9080", "/v2?a=b", &[("x.y", "z")]), V2);
    assert_eq!(send(table, "reviews:9080", "/v2", &[]), V1);
}

#[test]
fn a_weight_of_zero_is_left_out() {
    let compiled = compiled(
        "  - route: [{destination: {host: reviews, subset: v1}, weight: 0}, {destination: {host: reviews, subset: v2}, weight: 100}]",
    );
    let routes = routes(&compiled);
    let Target::Weighted(weighted) = &forward(&routes[0]).to else { panic!() };
    assert_eq!(weighted.iter().map(|w| &*w.cluster).collect::<Vec<_>>(), [V2]);
}

#[test]
fn every_match_is_a_route_and_after_one_that_takes_all_none_follows() {
    let compiled = compiled(
        r#"
  - name: first
    match: [{name: a, uri: {exact: /a}}, {name: b, uri: {prefix: /b}}, {uri: {prefix: /}}, {uri: {exact: /never}}]
    route: [{destination: {host: reviews, subset: v1}}]
  - route: [{destination: {host: reviews, subset: v2}}]
"#,
    );
    let names: Vec<_> = routes(&compiled).iter().map(|r| r.name.to_string()).collect();
    assert_eq!(names, ["first.a", "first.b", "first"]);
}

#[test]
fn matches_look_at_every_part_of_a_request() {
    let v1 = "route: [{destination: {host: reviews, subset: v1}}]";
    let v2 = "route: [{destination: {host: reviews, subset: v2}}]";
    for (wanted, path, headers, hit) in [
        ("uri: {prefix: /API}, ignoreUriCase: true", "/api/x", &[][..], true),
        ("uri: {prefix: /API}", "/api/x", &[], false),
        ("uri: {regex: \"/v[0-9]+\"}", "/v12", &[], true),
        ("uri: {regex: \"/v[0-9]+\"}", "/v12/x", &[], false),
        ("method: {exact: GET}", "/", &[], true),
        ("method: {exact: POST}", "/", &[], false),
        ("authority: {prefix: reviews}", "/", &[], true),
        ("scheme: {exact: https}", "/", &[], false),
        ("queryParams: {q: {exact: \"1\"}}", "/?q=1", &[], true),
        ("queryParams: {q: {}}", "/?p=1", &[], false),
        ("headers: {x-a: {}}", "/", &[("x-a", "anything")], true),
        ("headers: {x-a: {regex: \"*\"}}", "/", &[], false),
        ("headers: {X-A: {regex: \"a.c\"}}", "/", &[("x-a", "abc")], true),
        ("withoutHeaders: {x-a: {exact: \"1\"}}", "/", &[("x-a", "1")], false),
        ("withoutHeaders: {x-a: {exact: \"1\"}}", "/", &[("x-a", "2")], true),
        ("withoutHeaders: {x-a: {exact: \"1\"}}", "/", &[], true),
        ("withoutHeaders: {x-a: {}}", "/", &[], true),
        ("withoutHeaders: {x-a: {}}", "/", &[("x-a", "1")], false),
    ] {
        let compiled = compiled(&format!("  - match: [{{{wanted}}}]\n    {v1}\n  - {v2}"));
        let want = if hit { V1 } else { V2 };
        assert_eq!(
            send(table(&compiled, "9080"), "reviews", path, headers),
            want,
            "{wanted} of {path} {headers:?}"
        );
    }
}

#[test]
fn matches_on_the_caller_and_the_port_are_settled_beforehand() {
    let v1 = "route: [{destination: {host: reviews, subset: v1}}]";
    let v2 = "route: [{destination: {host: reviews, subset: v2}}]";
    for (wanted, hit) in [
        ("sourceLabels: {app: reviews}", true),
        ("sourceLabels: {app: ratings}", false),
        ("sourceNamespace: default", true),
        ("sourceNamespace: other", false),
        ("port: 9080", true),
        ("port: 9081", false),
        ("gateways: [mesh]", true),
        ("gateways: [front]", false),
    ] {
        let compiled = compiled(&format!("  - match: [{{{wanted}}}]\n    {v1}\n  - {v2}"));
        let want = if hit { V1 } else { V2 };
        assert_eq!(send(table(&compiled, "9080"), "reviews", "/", &[]), want, "{wanted}");
    }
}

#[test]
fn a_virtual_service_with_no_rule_for_a_port_leaves_the_service_alone() {
    let compiled =
        compiled("  - match: [{port: 1234}]\n    route: [{destination: {host: reviews, subset: v2}}]");
    assert_eq!(&*routes(&compiled)[0].name, "default");
}

#[test]
fn timeouts_and_retries_are_what_is_written() {
    let compiled = compiled(
        "  - route: [{destination: {host: reviews, subset: v1}}]\n    timeout: 0.5s\n    retries: {attempts: 3, perTryTimeout: 2s, retryOn: \"gateway-error,409\"}",
    );
    let routes = routes(&compiled);
    let forward = forward(&routes[0]);
    assert_eq!(forward.timeout, Some(Duration::from_millis(500)));
    let retry = forward.retry.as_ref().unwrap();
    assert_eq!((retry.retries, retry.per_try_timeout), (3, Some(Duration::from_secs(2))));
    assert_eq!(retry.on.to_string(), "gateway-error,retriable-status-codes");
    assert_eq!(retry.retriable_status_codes, [StatusCode::CONFLICT]);
    let never = self::compiled(
        "  - route: [{destination: {host: reviews, subset: v1}}]\n    timeout: 0s\n    retries: {attempts: 0}",
    );
    let routes = self::routes(&never);
    assert_eq!((super::forward(&routes[0]).timeout, &super::forward(&routes[0]).retry), (None, &None));
}

#[test]
fn the_meshs_default_retries_hold_where_a_route_says_nothing() {
    let mesh = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    defaultHttpRetryPolicy: {attempts: 7}\n";
    let compiled = quiet(&bookinfo(&[mesh]));
    assert_eq!(forward(&routes(&compiled)[0]).retry.as_ref().unwrap().retries, 7);
}

#[test]
fn faults_have_their_shares() {
    let compiled = compiled(
        r#"
  - fault:
      delay: {fixedDelay: 7s, percentage: {value: 0.1}}
      abort: {httpStatus: 500, percentage: {value: 100}}
    route: [{destination: {host: reviews, subset: v1}}]
"#,
    );
    let delay =
        FaultDelay { by: DelayBy::Fixed(Duration::from_secs(7)), fraction: Fraction::millionths(1000) };
    let abort = FaultAbort {
        by: AbortBy::Fixed(AbortWith::Http(StatusCode::INTERNAL_SERVER_ERROR)),
        fraction: Fraction::ONE,
    };
    assert_eq!(
        routes(&compiled)[0].fault,
        Some(Fault { delay: Some(delay), abort: Some(abort), ..Fault::default() })
    );
    let without = self::compiled(
        "  - fault: {delay: {fixedDelay: 1s}, abort: {grpcStatus: UNAVAILABLE}}\n    route: [{destination: {host: reviews, subset: v1}}]",
    );
    let fault = routes(&without)[0].fault.clone().unwrap();
    assert_eq!(fault.delay.unwrap().fraction, Fraction::ZERO);
    assert_eq!(
        fault.abort,
        Some(FaultAbort { by: AbortBy::Fixed(AbortWith::Grpc(14)), fraction: Fraction::ZERO })
    );
}

#[test]
fn copies_go_to_mirrors_unless_their_share_is_zero() {
    let compiled = compiled(
        r#"
  - route: [{destination: {host: reviews, subset: v1}}]
    mirror: {host: reviews, subset: v2}
    mirrorPercentage: {value: 25}
    mirrors: [{destination: {host: ratings}}, {destination: {host: ratings}, percentage: {value: 0}}]
"#,
    );
    let routes = routes(&compiled);
    let mirrors: Vec<_> = forward(&routes[0]).mirrors.iter().map(|m| (&*m.cluster, m.fraction)).collect();
    let ratings = "outbound|9080||ratings.default.svc.cluster.local";
    assert_eq!(mirrors, [(V2, Fraction::percent(25.0).unwrap()), (ratings, Fraction::ONE)]);
}

#[test]
fn paths_hosts_and_headers_are_rewritten() {
    let compiled = compiled(
        r#"
  - match: [{uri: {prefix: /old}}]
    rewrite: {uri: /new, authority: other.host}
    headers: {request: {set: {X-A: "1"}, remove: [x-b]}, response: {add: {x-c: "2"}}}
    route: [{destination: {host: reviews, subset: v1}, headers: {request: {add: {x-d: "3"}}}}]
  - rewrite: {uriRegexRewrite: {match: "^/a/(.*)$", rewrite: '/b/\1'}}
    headers: {request: {set: {Host: by.header}}}
    route: [{destination: {host: reviews, subset: v2}}]
"#,
    );
    let routes = routes(&compiled);
    let first = forward(&routes[0]);
    assert_eq!(first.rewrite, Some(PathRewrite::Prefix("/new".into())));
    assert_eq!(first.host_rewrite.as_deref(), Some("other.host"));
    let request = &routes[0].headers.request;
    assert_eq!(
        (request.set[0].0.as_str(), request.add[0].0.as_str(), request.remove[0].as_str()),
        ("x-a", "x-d", "x-b")
    );
    assert_eq!(routes[0].headers.response.add[0].0.as_str(), "x-c");
    let second = forward(&routes[1]);
    assert!(
        matches!(&second.rewrite, Some(PathRewrite::Regex { substitution, .. }) if substitution == r"/b/\1")
    );
    assert_eq!(second.host_rewrite.as_deref(), Some("by.header"));
    assert!(routes[1].headers.request.is_empty());
}

#[test]
fn redirects_and_answers_need_no_upstream() {
    let compiled = compiled(
        r#"
  - match: [{uri: {exact: /r}}]
    redirect: {uri: /there, authority: other.host, redirectCode: 308, scheme: https, port: 443}
  - match: [{uri: {exact: /p}}]
    redirect: {prefixRewrite: /q, derivePort: FROM_REQUEST_PORT}
  - directResponse: {status: 418, body: {string: short}}
"#,
    );
    let routes = routes(&compiled);
    let want = Redirect {
        scheme: Some("https".into()),
        host: Some("other.host".into()),
        port: None,
        path: Some(RedirectPath::Full("/there".into())),
        status: StatusCode::PERMANENT_REDIRECT,
        strip_query: false,
    };
    assert!(matches!(&routes[0].action, Action::Redirect(r) if *r == want));
    assert!(
        matches!(&routes[1].action, Action::Redirect(r) if r.port == Some(9080) && r.status == 301 && r.path == Some(RedirectPath::Prefix("/q".into())))
    );
    let want = DirectResponse { status: StatusCode::IM_A_TEAPOT, body: "short".into() };
    assert!(matches!(&routes[2].action, Action::Respond(r) if *r == want));
}

#[test]
fn of_two_virtual_services_for_a_host_the_older_wins_and_the_younger_is_told() {
    let vs = |name: &str, created: &str, subset: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: {name}, namespace: default, creationTimestamp: \"{created}\"}}\nspec: {{hosts: [reviews], http: [{{route: [{{destination: {{host: reviews, subset: {subset}}}}}]}}]}}\n"
        )
    };
    let world = bookinfo(&[
        SUBSETS,
        &vs("a-young", "2026-02-01T00:00:00Z", "v2"),
        &vs("z-old", "2026-01-01T00:00:00Z", "v1"),
    ]);
    let compiled = compile(&world, &reviews());
    assert_eq!(send(table(&compiled, "9080"), "reviews", "/", &[]), V1);
    let [finding] = compiled.findings.as_slice() else { panic!("{:?}", messages(&compiled)) };
    assert_eq!((&*finding.resource.name, finding.path.as_str()), ("a-young", "spec.hosts[0]"));
    assert!(finding.message.contains("default/z-old"), "{finding}");
}

#[test]
fn an_exact_host_wins_over_a_wildcard_and_nobody_complains() {
    let wild = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: wild, namespace: default}\nspec: {hosts: [\"*.default.svc.cluster.local\"], http: [{route: [{destination: {host: reviews, subset: v2}}]}]}";
    let exact = virtual_service("  - route: [{destination: {host: reviews, subset: v1}}]");
    let compiled = quiet(&bookinfo(&[SUBSETS, wild, &exact]));
    assert_eq!(send(table(&compiled, "9080"), "reviews", "/", &[]), V1);
    assert_eq!(send(table(&compiled, "9080"), "ratings", "/", &[]), V2);
}

#[test]
fn a_virtual_service_that_is_not_exported_is_not_seen() {
    let vs = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r, namespace: far}\nspec: {exportTo: [\".\"], hosts: [reviews.default.svc.cluster.local], http: [{route: [{destination: {host: reviews.default.svc.cluster.local, subset: v2}}]}]}";
    let compiled = quiet(&bookinfo(&[SUBSETS, vs]));
    assert_eq!(&*routes(&compiled)[0].name, "default");
}

#[test]
fn a_host_that_no_service_has_is_routed_on_plain_http() {
    let vs = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r, namespace: default}\nspec: {hosts: [shop.example.com], http: [{route: [{destination: {host: reviews, subset: v1}}]}]}";
    let compiled = quiet(&bookinfo(&[SUBSETS, SIDECAR, vs]));
    assert_eq!(send(table(&compiled, "15080"), "shop.example.com", "/", &[]), V1);
}
