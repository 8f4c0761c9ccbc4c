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
    assert!(weights(0, 1).is_empty());
    assert!(weights(4_000_000_000, 4_000_000_000)[0].contains("8000000000"));
}

#[test]
fn hosts_of_a_virtual_service_are_names_and_not_twice_the_same() {
    let hosts = |hosts: &str| only("VirtualService", &rule("").replace("[a]", hosts));
    assert!(hosts("[a_b/c]").starts_with("spec.hosts[0]: \"a_b/c\" is not a host"));
    assert_eq!(hosts("['*']"), "spec.hosts[0]: host `*` for sidecars");
    assert_eq!(hosts("['*.b.c', a.b.c]"), "spec.hosts[1]: `a.b.c` and `*.b.c` are the same hosts");
    is_fine("VirtualService", &rule("").replace("[a]", "[10.0.0.1]"));
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
    assert_eq!(fault("{abort: {}}"), "spec.http[0].fault.abort: an abort without a status");
    assert_eq!(fault("{delay: {percent: 5}}"), "spec.http[0].fault.delay: a delay without a length");
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
    for written in ["delay: {fixedDelay: 1s, percent: 5}", "delay: {fixedDelay: 1s, percentage: {value: 0}}"]
    {
        is_fine("VirtualService", &rule(&format!(", fault: {{{written}}}")));
    }
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
    assert_eq!(wanted("{uri: {prefix: ''}}"), "spec.http[0].match[0].uri.prefix: an empty prefix");
    assert!(wanted("{uri: {regex: '(?=a)'}}").starts_with("spec.http[0].match[0].uri.regex: look-around"));
    assert!(wanted("{headers: {x: {regex: '['}}}").starts_with("spec.http[0].match[0].headers.x.regex: "));
    assert!(wanted("{headers: {'a b': {exact: c}}}").contains("is not the name of a header"));
    assert!(wanted("{headers: {'@request.auth.claims.x': {exact: c}}}").contains("known to gateways only"));
    is_fine("VirtualService", &rule(", match: [{headers: {x: {}}}]"));
}

#[test]
fn redirects_and_rewrites_change_something() {
    let redirect = |to: &str| only("VirtualService", &format!("{{hosts: [a], http: [{{redirect: {to}}}]}}"));
    assert_eq!(redirect("{}"), "spec.http[0].redirect: a redirect to where the request is already");
    assert_eq!(
        redirect("{uri: /a, redirectCode: 304}"),
        "spec.http[0].redirect.redirectCode: 304 is not the status of a redirect"
    );
    assert_eq!(about_rule(", rewrite: {}"), "spec.http[0].rewrite: a rewrite of nothing");
    assert_eq!(
        about_rule(", rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}"),
        "spec.http[0].rewrite: `uri` beside `uriRegexRewrite`"
    );
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
        "warning spec.http[1]: never reached: rule 0 before it matches every request"
    );
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
