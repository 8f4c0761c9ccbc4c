use super::*;
use crate::decide::authorize::{Decision, RequestFacts, authorize};
use crate::identity::SpiffeId;
use crate::model::rbac::{EnforcementMode, Rbac, RbacAction};
use std::net::IpAddr;

fn policy(name: &str, namespace: &str, spec: &str) -> String {
    format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: {name}, namespace: {namespace}}}\nspec: {spec}\n"
    )
}

/// The filters of reviews-v1's port, over HTTP or TCP, and what was found.
fn filters(texts: &[&str], protocol: &str) -> (Vec<Arc<Rbac>>, Vec<String>) {
    let sidecar = SIDECAR.replace("protocol: HTTP,", &format!("protocol: {protocol},"));
    let compiled = compile(&bookinfo(&[&[sidecar.as_str()], texts].concat()), &reviews());
    let chain = &listener(&compiled, "127.1.0.2_9080").filter_chains[0];
    let rbac = match &chain.filter {
        NetworkFilter::Tcp(_) => chain.rbac.clone(),
        NetworkFilter::Http(http) => http
            .filters
            .iter()
            .filter_map(|f| match f {
                crate::model::http::HttpFilter::Rbac(rbac) => Some(rbac.clone()),
                _ => None,
            })
            .collect(),
    };
    (rbac, compiled.findings.iter().map(|f| f.path.clone()).collect())
}

/// A request to reviews-v1.
struct Ask<'a> {
    method: Method,
    path: &'a str,
    peer: Option<&'a str>,
    from: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "/reviews/0",
            peer: Some("spiffe://cluster.local/ns/default/sa/bookinfo-productpage"),
            from: "127.1.0.1",
            headers: &[],
        }
    }
}

fn decide<'r>(filters: &'r [Arc<Rbac>], ask: &Ask<'_>) -> Decision<'r> {
    let mut headers = HeaderMap::new();
    for (name, value) in ask.headers {
        headers
            .append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    let head = RequestHead {
        method: &ask.method,
        scheme: "http",
        authority: "reviews:9080",
        path: ask.path,
        headers: &headers,
    };
    let peer: Option<SpiffeId> = ask.peer.map(|p| p.parse().unwrap());
    let from: IpAddr = ask.from.parse().unwrap();
    authorize(
        filters.iter().map(|f| &**f),
        &RequestFacts {
            head: Some(head),
            token: crate::decide::Token::Unverified,
            peer: peer.as_ref(),
            destination: "127.1.0.2:9080".parse().unwrap(),
            direct_remote: from,
            remote: from,
            server_name: None,
        },
    )
}

/// Whether a request passes one policy of HTTP.
fn passes(spec: &str, ask: &Ask<'_>) -> bool {
    let (filters, findings) = filters(&[&policy("p", "default", spec)], "HTTP");
    assert!(findings.is_empty(), "{spec}: {findings:?}");
    decide(&filters, ask).is_allowed()
}

#[test]
fn without_a_policy_everyone_may_and_an_empty_one_lets_nobody() {
    assert!(filters(&[], "HTTP").0.is_empty());
    assert!(!passes("{}", &Ask::default()));
    assert!(passes("{rules: [{}]}", &Ask::default()));
    assert!(!passes("{action: DENY, rules: [{}]}", &Ask::default()));
    assert!(passes("{action: DENY}", &Ask::default()));
}

#[test]
fn every_field_of_a_rule_holds_or_does_not() {
    let ask = Ask { headers: &[("x-token", "abc")], ..Ask::default() };
    for (rule, hit) in [
        ("from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo-productpage]}}]", true),
        ("from: [{source: {principals: [cluster.local/ns/default/sa/bookinfo]}}]", false),
        ("from: [{source: {principals: [\"cluster.local/ns/default/*\"]}}]", true),
        ("from: [{source: {principals: [\"*/sa/bookinfo-productpage\"]}}]", true),
        ("from: [{source: {principals: [\"*\"]}}]", true),
        ("from: [{source: {notPrincipals: [\"*\"]}}]", false),
        ("from: [{source: {namespaces: [default]}}]", true),
        ("from: [{source: {namespaces: [defaul.]}}]", false),
        ("from: [{source: {notNamespaces: [default]}}]", false),
        ("from: [{source: {serviceAccounts: [bookinfo-productpage]}}]", true),
        ("from: [{source: {serviceAccounts: [other/bookinfo-productpage]}}]", false),
        ("from: [{source: {trustDomains: [cluster.local]}}]", true),
        ("from: [{source: {notTrustDomains: [cluster.local]}}]", false),
        ("from: [{source: {ipBlocks: [127.1.0.0/16]}}]", true),
        ("from: [{source: {ipBlocks: [127.1.0.2]}}]", false),
        ("from: [{source: {notIpBlocks: [127.1.0.1]}}]", false),
        ("from: [{source: {remoteIpBlocks: [127.1.0.1]}}]", true),
        ("from: [{source: {namespaces: [other]}}, {source: {ipBlocks: [127.1.0.1]}}]", true),
        ("from: [{source: {namespaces: [other], ipBlocks: [127.1.0.1]}}]", false),
        ("to: [{operation: {methods: [GET]}}]", true),
        ("to: [{operation: {methods: [POST]}}]", false),
        ("to: [{operation: {notMethods: [GET]}}]", false),
        ("to: [{operation: {paths: [/reviews/0]}}]", true),
        ("to: [{operation: {paths: [\"/reviews/*\"]}}]", true),
        ("to: [{operation: {paths: [\"/reviews/{*}\"]}}]", true),
        ("to: [{operation: {notPaths: [/reviews/0]}}]", false),
        ("to: [{operation: {hosts: [\"REVIEWS:*\"]}}]", true),
        ("to: [{operation: {hosts: [ratings]}}]", false),
        ("to: [{operation: {ports: [\"9080\"]}}]", true),
        ("to: [{operation: {notPorts: [\"9080\"]}}]", false),
        ("to: [{operation: {methods: [GET], paths: [/other]}}]", false),
        ("when: [{key: \"request.headers[X-Token]\", values: [\"a*\"]}]", true),
        ("when: [{key: \"request.headers[x-token]\", notValues: [abc]}]", false),
        ("when: [{key: source.ip, values: [127.1.0.1]}]", true),
        ("when: [{key: remote.ip, notValues: [127.0.0.0/8]}]", false),
        ("when: [{key: source.namespace, values: [default]}]", true),
        ("when: [{key: source.principal, values: [\"*\"]}]", true),
        ("when: [{key: source.serviceAccount, values: [default/bookinfo-productpage]}]", true),
        ("when: [{key: destination.ip, values: [127.1.0.2]}]", true),
        ("when: [{key: destination.port, values: [\"80\"]}]", false),
        ("when: [{key: connection.sni, values: [\"*.a.b\"]}]", false),
        (
            "when: [{key: source.namespace, values: [default]}, {key: destination.port, values: [\"80\"]}]",
            false,
        ),
    ] {
        assert_eq!(passes(&format!("{{rules: [{{{rule}}}]}}"), &ask), hit, "ALLOW {rule}");
        assert_eq!(passes(&format!("{{action: DENY, rules: [{{{rule}}}]}}"), &ask), !hit, "DENY {rule}");
    }
}

#[test]
fn a_caller_without_a_certificate_is_nobody() {
    let ask = Ask { peer: None, ..Ask::default() };
    for rule in ["principals: [\"*\"]", "namespaces: [\"*\"]", "serviceAccounts: [\"*\"]"] {
        assert!(!passes(&format!("{{rules: [{{from: [{{source: {{{rule}}}}}]}}]}}"), &ask), "{rule}");
    }
}

#[test]
fn rules_are_named_as_istio_names_them() {
    let (filters, _) = filters(
        &[
            &policy("b", "default", "{rules: [{}, {to: [{operation: {methods: [GET]}}]}]}"),
            &policy("a", "istio-system", "{rules: [{}]}"),
        ],
        "HTTP",
    );
    let names: Vec<_> = filters[0].policies.iter().map(|p| &*p.name).collect();
    assert_eq!(
        names,
        [
            "ns[default]-policy[b]-rule[0]",
            "ns[default]-policy[b]-rule[1]",
            "ns[istio-system]-policy[a]-rule[0]"
        ]
    );
    let origin = filters[0].policies[1].origin.as_ref().unwrap();
    assert_eq!((&*origin.kind, &*origin.name, origin.place.is_some()), ("AuthorizationPolicy", "b", true));
}

#[test]
fn a_policy_holds_in_its_namespace_and_for_those_that_it_selects() {
    let count = |namespace: &str, selector: &str| {
        let text = policy("p", namespace, &format!("{{{selector} rules: [{{}}]}}"));
        filters(&[&text], "HTTP").0.len()
    };
    assert_eq!(count("default", ""), 1);
    assert_eq!(count("istio-system", ""), 1);
    assert_eq!(count("other", ""), 0);
    assert_eq!(count("default", "selector: {matchLabels: {app: reviews}},"), 1);
    assert_eq!(count("istio-system", "selector: {matchLabels: {app: reviews}},"), 1);
    assert_eq!(count("default", "selector: {matchLabels: {app: ratings}},"), 0);
}

#[test]
fn a_specific_denial_beats_a_broad_permission() {
    let (filters, _) = filters(
        &[
            &policy("all", "default", "{rules: [{}]}"),
            &policy(
                "no-admin",
                "default",
                "{action: DENY, rules: [{to: [{operation: {paths: [\"/admin*\"]}}]}]}",
            ),
        ],
        "HTTP",
    );
    assert!(decide(&filters, &Ask::default()).is_allowed());
    let denied = Ask { path: "/admin/x", ..Ask::default() };
    assert!(matches!(decide(&filters, &denied), Decision::DeniedBy(p) if p.name.contains("no-admin")));
}

#[test]
fn what_cannot_be_evaluated_allows_nothing_and_denies_more() {
    let token = "from: [{source: {requestPrincipals: [\"*\"], namespaces: [default]}}]";
    let (allow, findings) = filters(&[&policy("p", "default", &format!("{{rules: [{{{token}}}]}}"))], "HTTP");
    assert_eq!(findings, ["spec.rules[0].from[0].source.requestPrincipals"]);
    assert_eq!((allow[0].action, allow[0].policies.len()), (RbacAction::Allow, 0));
    assert!(!decide(&allow, &Ask::default()).is_allowed());
    let (deny, findings) =
        filters(&[&policy("p", "default", &format!("{{action: DENY, rules: [{{{token}}}]}}"))], "HTTP");
    assert_eq!(findings.len(), 1);
    assert!(!decide(&deny, &Ask::default()).is_allowed());
    let elsewhere = Ask { peer: Some("spiffe://cluster.local/ns/other/sa/x"), ..Ask::default() };
    assert!(decide(&deny, &elsewhere).is_allowed());
}

#[test]
fn one_alternative_that_cannot_be_evaluated_leaves_the_others() {
    let spec = "{rules: [{from: [{source: {requestPrincipals: [x]}}, {source: {namespaces: [default]}}]}]}";
    let (allow, _) = filters(&[&policy("p", "default", spec)], "HTTP");
    assert!(decide(&allow, &Ask::default()).is_allowed());
    let elsewhere = Ask { peer: Some("spiffe://cluster.local/ns/other/sa/x"), ..Ask::default() };
    assert!(!decide(&allow, &elsewhere).is_allowed());
}

#[test]
fn a_value_that_is_wrong_or_a_key_that_is_unknown_fails_closed() {
    for (rule, path) in [
        ("from: [{source: {ipBlocks: [ten]}}]", "spec.rules[0].from[0].source.ipBlocks[0]"),
        ("to: [{operation: {notPorts: [http]}}]", "spec.rules[0].to[0].operation.notPorts[0]"),
        ("when: [{key: experimental.envoy.filters.x, values: [a]}]", "spec.rules[0].when[0].key"),
        ("when: [{key: \"request.auth.claims[group]\", values: [a]}]", "spec.rules[0].when[0].values"),
    ] {
        let (allow, findings) =
            filters(&[&policy("p", "default", &format!("{{rules: [{{{rule}}}]}}"))], "HTTP");
        assert_eq!(findings, [path]);
        assert!(!decide(&allow, &Ask::default()).is_allowed(), "ALLOW {rule}");
        let (deny, _) =
            filters(&[&policy("p", "default", &format!("{{action: DENY, rules: [{{{rule}}}]}}"))], "HTTP");
        assert!(!decide(&deny, &Ask::default()).is_allowed(), "DENY {rule}");
    }
}

#[test]
fn a_rule_on_requests_over_tcp_denies_more_and_allows_nothing() {
    let rule = "{from: [{source: {namespaces: [default]}}], to: [{operation: {methods: [GET]}}]}";
    let (allow, findings) = filters(&[&policy("p", "default", &format!("{{rules: [{rule}]}}"))], "TCP");
    assert!(findings.is_empty(), "{findings:?}");
    assert!(!decide(&allow, &Ask::default()).is_allowed());
    let (deny, _) = filters(&[&policy("p", "default", &format!("{{action: DENY, rules: [{rule}]}}"))], "TCP");
    assert!(!decide(&deny, &Ask { method: Method::POST, ..Ask::default() }).is_allowed());
    let elsewhere = Ask { peer: Some("spiffe://cluster.local/ns/other/sa/x"), ..Ask::default() };
    assert!(decide(&deny, &elsewhere).is_allowed());
}

#[test]
fn an_external_authorizer_that_is_not_asked_denies() {
    let spec = "{action: CUSTOM, provider: {name: x}, rules: [{to: [{operation: {paths: [/a]}}]}]}";
    let (custom, findings) = filters(&[&policy("p", "default", spec)], "HTTP");
    assert_eq!(findings, ["spec.action"]);
    assert!(!decide(&custom, &Ask { path: "/a", ..Ask::default() }).is_allowed());
    assert!(decide(&custom, &Ask::default()).is_allowed());
}

#[test]
fn an_audit_changes_no_verdict_and_a_trial_is_not_enforced() {
    let (audit, _) = filters(&[&policy("p", "default", "{action: AUDIT, rules: [{}]}")], "HTTP");
    assert_eq!(audit[0].action, RbacAction::Log);
    assert!(decide(&audit, &Ask::default()).is_allowed());
    let annotated = |value: &str| {
        let annotations = format!("namespace: default, annotations: {{istio.io/dry-run: \"{value}\"}}}}");
        policy("p", "default", "{action: DENY, rules: [{}]}").replace("namespace: default}", &annotations)
    };
    for value in ["true", "True", "1"] {
        let (filters, findings) = filters(&[&annotated(value)], "HTTP");
        assert_eq!(filters.iter().map(|f| f.mode).collect::<Vec<_>>(), [EnforcementMode::Shadow], "{value}");
        assert!(decide(&filters, &Ask::default()).is_allowed());
        assert_eq!(findings, ["metadata.annotations"]);
    }
    assert_eq!(filters(&[&annotated("false")], "HTTP").0.len(), 1);
}

#[test]
fn a_policy_guards_a_gateway_as_well() {
    let gateway = "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g, namespace: default}\nspec: {selector: {istio: ingressgateway}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: [\"*\"]}]}";
    let deny = policy(
        "p",
        "istio-system",
        "{selector: {matchLabels: {istio: ingressgateway}}, action: DENY, rules: [{from: [{source: {ipBlocks: [10.0.0.0/8]}}]}]}",
    );
    let compiled = compile(&bookinfo(&[gateway, &deny]), &ingress());
    let http = manager(&listener(&compiled, "0.0.0.0_80").filter_chains[0].filter);
    assert!(
        matches!(&http.filters[0], crate::model::http::HttpFilter::Rbac(r) if r.action == RbacAction::Deny)
    );
}
