use super::{about, is_fine, only};

/// A VirtualService of one rule with a route, and more in the rule.
pub(super) fn rule(more: &str) -> String {
    format!("{{hosts: [a], http: [{{route: [{{destination: {{host: a}}}}]{more}}}]}}")
}

fn about_rule(more: &str) -> String {
    only("VirtualService", &rule(more))
}

#[test]
fn a_rule_has_exactly_one_action() {
    let one = |rule: &str| only("VirtualService", &format!("{{hosts: [a], http: [{{{rule}}}]}}"));
    assert_eq!(one("name: r"), "spec.http[0]: a rule without an action");
    assert_eq!(
        one("route: [{destination: {host: a}}], redirect: {uri: /x}"),
        "spec.http[0].redirect: `route` and `redirect` in one rule"
    );
    assert_eq!(
        one("directResponse: {status: 200}, fault: {abort: {httpStatus: 500, percentage: {value: 1}}}"),
        "spec.http[0].fault: `fault` has no effect on a rule that answers by itself"
    );
    assert_eq!(only("VirtualService", "{hosts: [a]}"), "spec: no rule: http, tls and tcp are all empty");
}

#[test]
fn weights_must_not_all_be_nothing() {
    let weights = |a: u32, b: u32| {
        about(
            "VirtualService",
            &format!(
                "{{hosts: [a], http: [{{route: [{{destination: {{host: a}}, weight: {a}}}, {{destination: {{host: b}}, weight: {b}}}]}}]}}"
            ),
        )
    };
    assert_eq!(weights(0, 0), ["spec.http[0].route: total destination weight = 0"]);
    assert!(weights(0, 1).is_empty() && weights(2_147_483_647, 2_147_483_647).is_empty());
    let heavy = "{destination: {host: a}, weight: 2147483647}, ".repeat(3);
    let said = only("VirtualService", &format!("{{hosts: [a], http: [{{route: [{heavy}]}}]}}"));
    assert!(said.contains("6442450941"), "{said}");
}

#[test]
fn hosts_of_a_virtual_service_are_names_and_not_twice_the_same() {
    let hosts = |hosts: &str| only("VirtualService", &rule("").replace("[a]", hosts));
    assert!(hosts("[a_b/c]").starts_with("spec.hosts[0]: \"a_b/c\" is not a host"));
    assert_eq!(hosts("['*']"), "spec.hosts[0]: host `*` for sidecars");
    assert_eq!(hosts("['*.b.c', a.b.c]"), "spec.hosts[1]: `a.b.c` and `*.b.c` are the same hosts");
    is_fine("VirtualService", &rule("").replace("[a]", "[10.0.0.1, 10.0.0.2, 'fd00::1', a]"));
    assert_eq!(hosts("['fd00::1', 'fd00:0::1']"), "spec.hosts[1]: `fd00:0::1` is among the hosts already");
}

#[test]
fn a_destination_names_a_host() {
    let to = |to: &str| only("VirtualService", &rule("").replace("{host: a}", to));
    assert_eq!(to("{subset: v1}"), "spec.http[0].route[0].destination.host: a host is missing");
    assert_eq!(to("{host: '*'}"), "spec.http[0].route[0].destination.host: `*` is not a destination");
    assert!(to("{host: a, subset: 'v 1'}").contains("is not the name of a subset"));
}

#[test]
fn durations_are_whole_milliseconds_and_not_nothing() {
    assert_eq!(about_rule(", timeout: 0s"), "spec.http[0].timeout: a duration of less than 1ms");
    assert_eq!(about_rule(", timeout: 1.5ms"), "spec.http[0].timeout: a duration finer than a millisecond");
}

#[test]
fn percentages_are_between_0_and_100() {
    let delay = |value: &str| {
        about_rule(&format!(", fault: {{delay: {{fixedDelay: 1s, percentage: {{value: {value}}}}}}}"))
    };
    let path = "spec.http[0].fault.delay.percentage.value";
    assert_eq!(delay("100.1"), format!("{path}: 100.1 is not a percentage"));
    assert_eq!(delay("-1"), format!("{path}: -1 is not a percentage"));
    assert_eq!(delay("0.00001"), format!("{path}: 0.00001% is finer than can be told apart"));
}

#[test]
fn faults_say_what_and_how_much() {
    let fault = |fault: &str| about_rule(&format!(", fault: {fault}"));
    assert_eq!(fault("{}"), "spec.http[0].fault: a fault that is none");
    assert_eq!(
        fault("{abort: {httpStatus: 600, percentage: {value: 1}}}"),
        "spec.http[0].fault.abort.httpStatus: 600 is not an HTTP status"
    );
    assert_eq!(
        fault("{abort: {}}"),
        "warning spec.http[0].fault.abort: an abort without a status answers no request"
    );
    assert_eq!(
        fault("{delay: {percentage: {value: 5}}}"),
        "warning spec.http[0].fault.delay: a delay without a length holds no request back"
    );
    assert!(fault("{abort: {grpcStatus: NOPE, percentage: {value: 1}}}").contains("is not a gRPC status"));
}

#[test]
fn a_fault_without_a_percentage_is_for_no_request_and_says_so() {
    let fault = |fault: &str| about_rule(&format!(", fault: {fault}"));
    assert_eq!(
        fault("{delay: {fixedDelay: 1s}}"),
        "warning spec.http[0].fault.delay: a delay without a percentage holds no request back"
    );
    assert_eq!(
        fault("{abort: {httpStatus: 500}}"),
        "warning spec.http[0].fault.abort: an abort without a percentage answers no request"
    );
    is_fine("VirtualService", &rule(", fault: {delay: {fixedDelay: 1s, percentage: {value: 0}}}"));
    assert_eq!(
        fault("{delay: {fixedDelay: 1s, percent: 5}}"),
        "warning spec.http[0].fault.delay.percent: `percent` is deprecated"
    );
}

#[test]
fn retries_are_on_conditions_that_exist() {
    assert_eq!(
        about_rule(", retries: {attempts: 0, perTryTimeout: 1s}"),
        "spec.http[0].retries.attempts: retries are configured, but attempts is 0"
    );
    assert_eq!(
        about_rule(", retries: {attempts: 1, retryOn: '5xx,conect-failure'}"),
        "spec.http[0].retries.retryOn: `conect-failure` is not a condition to retry on"
    );
    is_fine("VirtualService", &rule(", retries: {attempts: 0}"));
}

#[test]
fn matches_are_possible() {
    let wanted = |m: &str| about_rule(&format!(", match: [{m}]"));
    assert_eq!(wanted("{uri: {}}"), "spec.http[0].match[0].uri: a match of nothing");
    assert_eq!(wanted("{method: {prefix: ''}}"), "spec.http[0].match[0].method.prefix: an empty prefix");
    assert!(wanted("{headers: {':status': {exact: c}}}").contains("is not the name of a header"));
    is_fine(
        "VirtualService",
        &rule(
            ", match: [{headers: {':authority': {exact: c}, ':method': {}, ':path': {prefix: /}, x.y_z!: {}}}]",
        ),
    );
    assert!(wanted("{headers: {x: {regex: '*'}}}").starts_with("spec.http[0].match[0].headers.x.regex: "));
    assert!(wanted("{sourceLabels: {app: 'a b'}}").contains("is not the value of a label"));
    is_fine("VirtualService", &rule(", match: [{uri: {prefix: ''}}]"));
    is_fine("VirtualService", &rule(", match: [{withoutHeaders: {x: {regex: '*'}, y: {}}}]"));
    assert!(wanted("{uri: {regex: '(?=a)'}}").starts_with("spec.http[0].match[0].uri.regex: look-around"));
    assert!(wanted("{headers: {x: {regex: '['}}}").starts_with("spec.http[0].match[0].headers.x.regex: "));
    assert!(wanted("{headers: {'a b': {exact: c}}}").contains("is not the name of a header"));
    assert!(wanted("{headers: {'@request.auth.claims.x': {exact: c}}}").contains("known to gateways only"));
    is_fine("VirtualService", &rule(", match: [{headers: {x: {}}}]"));
}

#[test]
fn claims_of_a_token_are_matched_at_gateways_alone() {
    let at = |gateways: &str, name: &str| {
        about(
            "VirtualService",
            &format!(
                "{{hosts: [a], gateways: {gateways}, http: [{{match: [{{headers: {{'{name}': {{exact: b}}}}}}], \
             route: [{{destination: {{host: a}}}}]}}]}}"
            ),
        )
    };
    for claim in ["@request.auth.claims.a.b", "@request.auth.claims[a][b]", "@Request.auth.claims[a]"] {
        assert!(at("[ns/gw]", claim).is_empty(), "{claim}");
        assert!(at("[ns/gw, mesh]", claim)[0].contains("known to gateways only"), "{claim}");
    }
    for slip in
        ["@request.auth.claims", "@request.auth.claims.", "@request.auth.claims[]", "@request.auth.claim.a"]
    {
        assert!(at("[ns/gw]", slip)[0].contains("is not the name of a header"), "{slip}");
    }
}

#[test]
fn gateways_are_named_with_their_namespace() {
    let named = |name: &str| {
        about(
            "VirtualService",
            &rule("").replace("hosts: [a]", &format!("hosts: [a.b], gateways: ['{name}']")),
        )
    };
    for good in ["mesh", "gw", "ns/gw"] {
        assert!(named(good).is_empty(), "{good}");
    }
    for bad in ["", "/gw", "ns/", "a/b/c", "a_b", "*", "123"] {
        assert!(named(bad)[0].contains("is not the name of a gateway"), "{bad}");
    }
    assert!(named("gw.ns.svc.cluster.local")[0].starts_with("warning "));
}

#[test]
fn redirects_and_rewrites_change_something() {
    let redirect = |to: &str| only("VirtualService", &format!("{{hosts: [a], http: [{{redirect: {to}}}]}}"));
    assert_eq!(redirect("{}"), "spec.http[0].redirect: a redirect to where the request is already");
    assert_eq!(
        redirect("{uri: /a, redirectCode: 304}"),
        "spec.http[0].redirect.redirectCode: 304 is not the status of a redirect"
    );
    assert!(redirect("{uri: /a, prefixRewrite: /b}").contains("`prefixRewrite` beside `uri`"));
    assert!(redirect("{port: 80, derivePort: FROM_REQUEST_PORT}").contains("`derivePort` beside `port`"));
    assert_eq!(
        about("VirtualService", "{hosts: [a], http: [{redirect: {scheme: https, redirectCode: 0}}]}").len(),
        0
    );
    assert_eq!(about_rule(", rewrite: {}"), "spec.http[0].rewrite: a rewrite of nothing");
    assert_eq!(
        about_rule(", rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}"),
        "spec.http[0].rewrite: `uri` beside `uriRegexRewrite`"
    );
}

#[test]
fn a_rewrite_refers_to_groups_that_its_pattern_has() {
    let to = |to: &str| {
        about(
            "VirtualService",
            &rule(&format!(", rewrite: {{uriRegexRewrite: {{match: '/(a)/(b)', rewrite: '{to}'}}}}")),
        )
    };
    for good in [r"\2/\1", r"\0", r"a\\1", "/"] {
        assert!(to(good).is_empty(), "{good}: {:?}", to(good));
    }
    assert!(to(r"\3")[0].contains("a group that the pattern does not have"));
    assert!(to(r"\d")[0].contains("backslash") && to(r"a\")[0].contains("backslash"));
}

#[test]
fn commands_in_headers_have_an_end() {
    let value = |value: &str| {
        about("VirtualService", &rule(&format!(", headers: {{request: {{set: {{x: '{value}'}}}}}}")))
    };
    for good in ["", "100%%", "%HOSTNAME%", "a %REQ(X?Y):3% b", "%ENV([\"a\", \"b\"])%", "über", "%A(b\\)c)%"]
    {
        assert!(value(good).is_empty(), "{good}: {:?}", value(good));
    }
    for bad in ["100%", "%A", "%A(b%", "%A(b) c%", "%%%"] {
        assert!(value(bad)[0].contains("command"), "{bad}");
    }
}

#[test]
fn the_authority_is_set_once() {
    assert_eq!(
        about_rule(", rewrite: {authority: a}, headers: {request: {set: {host: b}}}"),
        "spec.http[0].headers.request.set.host: the authority is set twice"
    );
    assert!(
        about_rule(", headers: {request: {set: {Host: a}, add: {':authority': b}}}")
            .contains("add.:authority")
    );
    is_fine("VirtualService", &rule(", rewrite: {uri: /}, headers: {request: {set: {host: b}}}"));
}

#[test]
fn cors_speaks_of_methods_headers_and_whole_seconds() {
    let cors = |policy: &str| about("VirtualService", &rule(&format!(", corsPolicy: {policy}")));
    assert!(cors("{allowOrigins: [{exact: '*'}, {prefix: 'https://'}], allowMethods: ['*', GET], allowHeaders: ['*', x_y, x.y], maxAge: 24h}").is_empty());
    assert!(cors("{allowMethods: [FETCH]}")[0].contains("\"FETCH\" is not an HTTP method"));
    assert!(cors("{exposeHeaders: ['a b']}")[0].contains("is not the name of a header"));
    assert!(cors("{allowOrigins: [{}]}")[0].contains("a match of nothing"));
    assert!(cors("{maxAge: 1.5s}")[0].contains("finer than a second"));
    assert!(cors("{maxAge: 0s}")[0].contains("less than 1ms"));
    assert!(cors("{allowOrigin: ['*']}")[0].starts_with("warning spec.http[0].corsPolicy.allowOrigin"));
}

#[test]
fn a_response_has_a_status_and_a_body_of_bounded_size() {
    let respond = |response: &str| {
        about("VirtualService", &format!("{{hosts: [a], http: [{{directResponse: {response}}}]}}"))
    };
    assert!(respond("{status: 200, body: {bytes: aGVsbG8=}}").is_empty());
    assert!(respond("{status: 599}").is_empty());
    assert!(respond("{}")[0].ends_with("status: the status is missing"));
    assert!(respond("{status: 600}")[0].contains("600 is not an HTTP status"));
    assert!(respond("{status: 200, body: {bytes: 'a b'}}")[0].contains("not base64"));
    let body = |length: usize| respond(&format!("{{status: 200, body: {{string: {}}}}}", "x".repeat(length)));
    assert!(body(100 << 10).is_empty());
    // Of base64 the bytes count, three for each four of the text.
    let bytes =
        |fours: usize| respond(&format!("{{status: 200, body: {{bytes: {}}}}}", "abcd".repeat(fours)));
    assert!(bytes(34_133).is_empty());
    assert!(bytes(34_134)[0].starts_with("warning ") && bytes(34_134)[0].contains("a body of 102402"));
    assert!(respond("{status: 200, body: {bytes: \"aGVs\\nbG8=\\n\"}}").is_empty());
    assert!(
        body((100 << 10) + 1)[0]
            .starts_with("warning spec.http[0].directResponse.body.string: a body of 102401")
    );
    assert!(body((1 << 20) + 1)[0].starts_with("spec.http[0].directResponse.body.string: a body of 1048577"));
}

#[test]
fn hosts_are_exported_to_namespaces_once() {
    let to =
        |list: &str| about("VirtualService", &rule("").replace("hosts", &format!("exportTo: {list}, hosts")));
    assert!(to("[., other]").is_empty() && to("['*']").is_empty());
    assert!(to("[., default]")[0].contains("namespace `default` is there twice"));
    assert!(to("['*', a]")[0].contains("`*` beside other namespaces"));
    assert!(to("['~']")[0].contains("is not a namespace"));
}

#[test]
fn headers_that_http_itself_means_are_not_changed() {
    assert_eq!(
        about_rule(", headers: {response: {set: {Host: a}}}"),
        "spec.http[0].headers.response.set.Host: `Host` cannot be changed here"
    );
    assert_eq!(
        about_rule(", headers: {request: {add: {x: \"a\\nb\"}}}"),
        "spec.http[0].headers.request.add.x: not the value of a header"
    );
    assert!(about_rule(", headers: {request: {add: {':path': /}}}").contains("is not the name of a header"));
}

#[test]
fn a_rule_after_one_that_matches_everything_is_warned_of() {
    let spec = "{hosts: [a], http: [{route: [{destination: {host: a}}]}, \
                {match: [{uri: {exact: /}}], route: [{destination: {host: a}}]}]}";
    assert_eq!(
        only("VirtualService", spec),
        "warning spec.http[1]: never reached: spec.http[0] takes all that this rule matches"
    );
}

/// The warnings about two rules with these lists of matches.
fn reach(first: &str, second: &str) -> Vec<String> {
    let to = "route: [{destination: {host: a}}]";
    let spec = format!("{{hosts: [a], http: [{{match: {first}, {to}}}, {{match: {second}, {to}}}]}}");
    about("VirtualService", &spec)
}

#[test]
fn a_match_that_earlier_ones_cover_is_warned_of() {
    for (wide, narrow) in [
        ("{uri: {prefix: /a}}", "{uri: {prefix: /ab}}"),
        ("{uri: {prefix: /a}}", "{uri: {exact: /a/b}, method: {exact: GET}}"),
        ("{uri: {prefix: /A}, ignoreUriCase: true}", "{uri: {exact: /a}}"),
        ("{uri: {prefix: /}}", "{headers: {x: {exact: w}}}"),
        ("{uri: {regex: '/a+'}}", "{uri: {regex: '/a+'}, name: other}"),
        ("{headers: {X: {}}}", "{headers: {x: {regex: w}}}"),
        ("{withoutHeaders: {x: {exact: ab}}}", "{withoutHeaders: {x: {prefix: a}}}"),
        ("{queryParams: {q: {prefix: a}}}", "{queryParams: {q: {exact: ab}}, port: 80}"),
        ("{port: 80}", "{port: 80, sourceLabels: {app: b}, sourceNamespace: c}"),
        ("{gateways: [mesh, ns/gw]}", "{gateways: [ns/gw]}"),
        ("{}", "{authority: {exact: a}}"),
    ] {
        let said = reach(&format!("[{wide}]"), &format!("[{narrow}]"));
        assert_eq!(
            said,
            ["warning spec.http[1]: never reached: spec.http[0].match[0] takes all that this rule matches"],
            "{wide} covers {narrow}"
        );
        let said = reach(
            &format!("[{{uri: {{exact: /zz}}, port: 1}}, {wide}]"),
            &format!("[{narrow}, {{uri: {{exact: /zz}}, port: 2}}]"),
        );
        let all_covered = ["/}}", "{}"].iter().any(|w| wide.ends_with(w)) && !wide.contains("headers");
        if !all_covered {
            let expected = "warning spec.http[1].match[0]: never used: spec.http[0].match[1] takes all that this matches";
            assert!(said.iter().any(|s| s == expected), "{wide}: {said:?}");
        }
    }
}

#[test]
fn a_match_of_more_or_of_other_requests_is_reached() {
    for (first, second) in [
        ("{uri: {prefix: /ab}}", "{uri: {prefix: /a}}"),
        ("{uri: {exact: /a}}", "{uri: {prefix: /a}}"),
        ("{uri: {prefix: /a}}", "{uri: {prefix: /a}, ignoreUriCase: true}"),
        ("{uri: {prefix: /a}, method: {exact: GET}}", "{uri: {prefix: /a}}"),
        ("{headers: {x: {exact: w}}}", "{headers: {x: {}}}"),
        ("{headers: {x: {exact: w}}}", "{headers: {z: {exact: w}}}"),
        ("{withoutHeaders: {x: {prefix: a}}}", "{withoutHeaders: {x: {exact: ab}}}"),
        ("{queryParams: {q: {}}}", "{queryParams: {Q: {}}}"),
        ("{port: 80}", "{}"),
        ("{sourceLabels: {app: b}}", "{sourceNamespace: c}"),
        ("{gateways: [ns/gw]}", "{gateways: [mesh, ns/gw]}"),
        ("{gateways: [ns/gw]}", "{}"),
    ] {
        let said = reach(&format!("[{first}]"), &format!("[{second}]"));
        assert!(said.is_empty(), "{first} before {second}: {said:?}");
    }
}

#[test]
fn a_rule_that_delegates_may_leave_requests_to_the_next() {
    let spec = "{hosts: [a], http: [{delegate: {name: d}}, {route: [{destination: {host: a}}]}]}";
    is_fine("VirtualService", spec);
}

#[test]
fn thousands_of_matches_are_checked_in_no_time() {
    let one =
        |n: usize| format!("{{match: [{{uri: {{exact: /{n}}}}}], route: [{{destination: {{host: a}}}}]}}");
    let rules: Vec<String> = (0..3_000).map(one).collect();
    let last = "{match: [{uri: {prefix: /}}], redirect: {uri: /}}, {redirect: {uri: /}}";
    let spec = format!("{{hosts: [a], http: [{}, {last}]}}", rules.join(", "));
    assert_eq!(
        only("VirtualService", &spec),
        "warning spec.http[3001]: never reached: spec.http[3000].match[0] takes all that this rule matches"
    );
}

#[test]
fn connections_that_earlier_rules_take_are_warned_of() {
    let tcp = |first: &str, second: &str| {
        let to = "route: [{destination: {host: a}}]";
        about(
            "VirtualService",
            &format!("{{hosts: [a], tcp: [{{{first}{to}}}, {{match: [{second}], {to}}}]}}"),
        )
    };
    assert_eq!(
        tcp("", "{port: 1}"),
        ["warning spec.tcp[1]: never reached: spec.tcp[0] takes all that this rule matches"]
    );
    let wide = "match: [{destinationSubnets: [10.0.0.0/8, '::1']}], ";
    assert_eq!(tcp(wide, "{destinationSubnets: [10.1.0.0/16, 10.2.0.1], port: 1}").len(), 1);
    assert!(tcp(wide, "{destinationSubnets: [10.1.0.0/16, 11.0.0.1]}").is_empty());
    assert!(tcp(wide, "{port: 1}").is_empty());
    let tls = |first: &str, second: &str| {
        let rule = |host: &str| {
            format!("{{match: [{{sniHosts: ['{host}']}}], route: [{{destination: {{host: a}}}}]}}")
        };
        about("VirtualService", &format!("{{hosts: ['*.b.c'], tls: [{}, {}]}}", rule(first), rule(second)))
    };
    assert_eq!(tls("*.b.c", "a.b.c").len(), 1);
    assert!(tls("a.b.c", "*.b.c").is_empty());
}

#[test]
fn server_names_between_gateways_are_those_of_clusters() {
    let spec = |gateways: &str, host: &str| {
        let spec = format!(
            "{{hosts: ['{host}'], gateways: {gateways}, tls: [{{match: [{{sniHosts: ['{host}']}}], route: [{{destination: {{host: a}}}}]}}]}}"
        );
        about("VirtualService", &spec)
    };
    let cluster = "outbound_.80_.v1_.reviews.default.svc.cluster.local";
    assert!(spec("[ns/gw]", cluster).is_empty());
    assert!(!spec("[mesh]", cluster).is_empty());
    let under_a_wildcard = "{hosts: ['*.cluster.local'], tls: [{match: [{sniHosts: [outbound_.80_._.a.b.cluster.local]}], \
                            route: [{destination: {host: a}}]}]}";
    is_fine("VirtualService", under_a_wildcard);
    assert!(spec("[ns/gw]", "outbound_.x_._.a.b")[0].contains("is not the server name of a cluster"));
    let said = only(
        "VirtualService",
        "{hosts: ['*.b.c'], tls: [{match: [{sniHosts: [a.b.c, 10.0.0.1]}], route: [{destination: {host: a}}]}]}",
    );
    assert_eq!(said, "warning spec.tls[0].match[0].sniHosts[1]: a server name is not an address");
}

#[test]
fn tls_rules_name_servers_of_the_hosts() {
    let tls = |m: &str| {
        only(
            "VirtualService",
            &format!("{{hosts: ['*.b.c'], tls: [{{match: [{m}], route: [{{destination: {{host: a}}}}]}}]}}"),
        )
    };
    assert_eq!(
        tls("{sniHosts: [x.y]}"),
        "spec.tls[0].match[0].sniHosts[0]: `x.y` is none of the VirtualService's hosts"
    );
    assert_eq!(tls("{port: 443}"), "spec.tls[0].match[0].sniHosts: a TLS match without a server name");
    assert_eq!(
        only("VirtualService", "{hosts: [a], tcp: [{match: [{port: 1}]}]}"),
        "spec.tcp[0]: a rule without a route"
    );
}
