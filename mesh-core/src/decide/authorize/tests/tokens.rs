//! Rules about tokens.

use super::*;
use crate::compile::rbac::{Layer, Policies, Sight};
use crate::decide::Claims;
use crate::model::rbac::{ISTIO_AUTHN, MetadataMatch, MetadataValue};
use serde_json::{Value, json};

fn claims(payload: &Value) -> Claims {
    Claims::verified(payload.as_object().cloned().unwrap())
}

/// The filters of one policy's rules, where tokens are verified.
fn filters(spec: &str) -> Vec<std::sync::Arc<Rbac>> {
    let text = format!(
        "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p, namespace: a}}\nspec: {spec}\n"
    );
    let parsed = crate::yaml::resources("a.yaml", &text, &crate::yaml::Limits::default());
    let mut policies = Policies::default();
    let sight = Sight { layer: Layer::Http, tokens: true, providers: false, trust_domains: &[] };
    match parsed.outcomes.into_iter().next().and_then(|o| o.resource) {
        Some(crate::api::AnyResource::AuthorizationPolicy(policy)) => {
            assert_eq!(policies.add(&policy, &sight), [], "{spec}");
        }
        other => panic!("{other:?}"),
    }
    policies.filters()
}

fn passes(spec: &str, token: Token<'_>) -> bool {
    let case = Case::new(None);
    let facts = RequestFacts { token, ..case.facts(&Method::GET, "/") };
    authorize(filters(spec).iter().map(|f| &**f), &facts).is_allowed()
}

#[test]
fn every_condition_on_a_token_holds_or_does_not() {
    let token = claims(&json!({
        "iss": "https://issuer.example/x", "sub": "ann", "aud": ["shop", "bank"], "azp": "app",
        "groups": ["dev", "ops"], "scope": ["read", "write"], "level": "gold", "admin": true,
        "realm_access": {"roles": ["boss"], "site": "north"},
    }));
    for (rule, hit) in [
        ("from: [{source: {requestPrincipals: [\"*\"]}}]", true),
        ("from: [{source: {requestPrincipals: [https://issuer.example/x/ann]}}]", true),
        ("from: [{source: {requestPrincipals: [https://issuer.example/x/*]}}]", true),
        ("from: [{source: {requestPrincipals: [\"*/ann\"]}}]", true),
        ("from: [{source: {requestPrincipals: [https://issuer.example/x/bob]}}]", false),
        ("from: [{source: {requestPrincipals: [https://issuer.example/ann]}}]", false),
        ("from: [{source: {notRequestPrincipals: [\"*\"]}}]", false),
        ("from: [{source: {notRequestPrincipals: [\"*/bob\"]}}]", true),
        ("when: [{key: request.auth.principal, values: [\"*/ann\"]}]", true),
        ("when: [{key: request.auth.audiences, values: [bank]}]", true),
        ("when: [{key: request.auth.audiences, values: [none, \"sh*\"]}]", true),
        ("when: [{key: request.auth.audiences, notValues: [bank]}]", false),
        ("when: [{key: request.auth.presenter, values: [app]}]", true),
        ("when: [{key: \"request.auth.claims[groups]\", values: [ops]}]", true),
        ("when: [{key: \"request.auth.claims[groups]\", values: [\"*\"]}]", true),
        ("when: [{key: \"request.auth.claims[groups]\", values: [op]}]", false),
        ("when: [{key: \"request.auth.claims[scope]\", values: [write]}]", true),
        ("when: [{key: \"request.auth.claims[level]\", values: [gold]}]", true),
        ("when: [{key: \"request.auth.claims[admin]\", values: [\"true\"]}]", false),
        ("when: [{key: \"request.auth.claims[realm_access][roles]\", values: [boss]}]", true),
        ("when: [{key: \"request.auth.claims[realm_access][site]\", values: [\"*th\"]}]", true),
        ("when: [{key: \"request.auth.claims[realm_access]\", values: [\"*\"]}]", false),
        ("when: [{key: \"request.auth.claims[absent]\", notValues: [x]}]", true),
    ] {
        let spec = |action| format!("{{action: {action}, rules: [{{{rule}}}]}}");
        assert_eq!(passes(&spec("ALLOW"), Token::Verified(&token)), hit, "ALLOW {rule}");
        assert_eq!(passes(&spec("DENY"), Token::Verified(&token)), !hit, "DENY {rule}");
        let negative = rule.contains("not");
        assert_eq!(passes(&spec("ALLOW"), Token::Absent), negative, "ALLOW {rule}, without a token");
        assert_eq!(passes(&spec("DENY"), Token::Absent), !negative, "DENY {rule}, without a token");
        assert!(!passes(&spec("ALLOW"), Token::Unverified), "ALLOW {rule}, where nobody looks");
        assert!(!passes(&spec("DENY"), Token::Unverified), "DENY {rule}, where nobody looks");
    }
}

#[test]
fn a_key_of_claims_that_is_none_is_an_unknown_condition() {
    for key in ["request.auth.claims[]", "request.auth.claims[a][]", "request.auth.claims"] {
        assert!(!key.ends_with("[x]"));
        let spec = format!("{{rules: [{{when: [{{key: \"{key}\", values: [a]}}]}}]}}");
        let text = format!(
            "apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {{name: p}}\nspec: {spec}\n"
        );
        let parsed = crate::yaml::resources("a.yaml", &text, &crate::yaml::Limits::default());
        let mut policies = Policies::default();
        let sight = Sight { layer: Layer::Http, tokens: true, providers: false, trust_domains: &[] };
        if let Some(crate::api::AnyResource::AuthorizationPolicy(p)) =
            parsed.outcomes.into_iter().next().and_then(|o| o.resource)
        {
            assert_eq!(policies.add(&p, &sight).len(), 1, "{key}");
            assert!(policies.filters()[0].policies.is_empty(), "{key}");
        }
    }
}

#[test]
fn what_older_istio_asks_for_is_found_as_well() {
    let token =
        claims(&json!({"iss": "i", "sub": "s", "aud": "shop", "azp": "app", "g": ["dev"], "h": "ops"}));
    let text = |t: &str| MetadataValue::String(StringMatch::exact(t));
    let listed = |t: &str| MetadataValue::OneOf(Box::new(text(t)));
    let holds = |path: &[&str], value: MetadataValue| {
        let path = path.iter().map(|&p| p.to_owned()).collect();
        let want = MetadataMatch { filter: ISTIO_AUTHN.to_owned(), path, value, invert: false };
        let allow = rbac(RbacAction::Allow, vec![policy(Permission::Any, Principal::Metadata(want))]);
        let case = Case::new(None);
        let facts = RequestFacts { token: Token::Verified(&token), ..case.facts(&Method::GET, "/") };
        authorize([&allow], &facts).is_allowed()
    };
    assert!(holds(&["request.auth.principal"], text("i/s")));
    assert!(holds(&["request.auth.presenter"], text("app")));
    assert!(holds(&["request.auth.audiences"], listed("shop")));
    assert!(holds(&["request.auth.claims", "g"], listed("dev")));
    assert!(holds(&["request.auth.claims", "h"], listed("ops")));
    assert!(!holds(&["request.auth.claims", "x"], listed("ops")) && !holds(&["other"], text("i/s")));
}

#[test]
fn metadata_of_another_filter_is_not_known() {
    let token = claims(&json!({"iss": "i", "sub": "s"}));
    for invert in [false, true] {
        let want = MetadataMatch {
            filter: "envoy.filters.http.lua".to_owned(),
            path: vec!["payload".to_owned(), "iss".to_owned()],
            value: MetadataValue::Present,
            invert,
        };
        let rules = |action| rbac(action, vec![policy(Permission::Metadata(want.clone()), Principal::Any)]);
        let case = Case::new(None);
        for token in [Token::Verified(&token), Token::Absent] {
            let facts = RequestFacts { token, ..case.facts(&Method::GET, "/") };
            assert!(!authorize([&rules(RbacAction::Allow)], &facts).is_allowed());
            assert!(!authorize([&rules(RbacAction::Deny)], &facts).is_allowed());
        }
    }
}
