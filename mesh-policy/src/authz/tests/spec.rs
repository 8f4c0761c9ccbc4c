//! Policies as they are written.

use super::*;
use mesh_core::decide::Claims;
use serde_json::{Value, json};

fn policy(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec,
    })
}

fn spec(policies: impl IntoIterator<Item = Value>) -> AuthzSpec {
    AuthzSpec { policies: policies.into_iter().collect(), ..AuthzSpec::default() }
}

#[test]
fn a_policy_is_read_as_it_is_written_for_kubectl() {
    let text = "
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: a, namespace: default}
spec: {rules: [{from: [{source: {principals: [cluster.local/ns/default/sa/web]}}]}]}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: b, namespace: istio-system}
spec: {action: DENY, rules: [{to: [{operation: {paths: ['/admin/{**}']}}]}]}
";
    let layer = AuthzLayer::try_from(AuthzSpec::from_yaml("a.yaml", text).unwrap()).unwrap();
    assert!(layer.check(&request("/x", Some(WEB))).is_ok());
    assert!(layer.check(&request("/x", None)).is_err());
    let denied = layer.check(&request("/admin/a/b", Some(WEB))).unwrap_err();
    assert_eq!(denied.rule(), Some("ns[istio-system]-policy[b]-rule[0]"));
}

#[test]
fn a_policy_holds_for_those_that_it_selects() {
    let cart = policy("p", json!({"selector": {"matchLabels": {"app": "cart"}}}));
    let mut spec = spec([cart]);
    assert!(AuthzLayer::try_from(spec.clone()).unwrap().check(&request("/", None)).is_ok());
    spec.labels.insert("app".into(), "cart".into());
    assert!(AuthzLayer::try_from(spec.clone()).unwrap().check(&request("/", None)).is_err());
    spec.namespace = "other".into();
    assert!(AuthzLayer::try_from(spec).unwrap().check(&request("/", None)).is_ok());
}

#[test]
fn what_cannot_be_taken_is_an_error_with_its_path() {
    for (wrong, path) in [
        (
            policy("p", json!({"rules": [{"to": [{"operation": {"ports": ["http"]}}]}]})),
            "policies[0].spec.rules[0].to[0].operation.ports[0]",
        ),
        (policy("p", json!({"rulez": []})), "policies[0].spec.rulez"),
        (
            policy("p", json!({"rules": [{"when": [{"key": "x", "values": ["a"]}]}]})),
            "policies[0].spec.rules[0].when[0].key",
        ),
        (
            policy(
                "p",
                json!({"rules": [{"when": [{"key": "experimental.envoy.filters.a[b]", "values": ["a"]}]}]}),
            ),
            "policies[0].spec.rules[0].when[0].key",
        ),
        (
            policy("p", json!({"action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]})),
            "policies[0].spec.action",
        ),
        (
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}),
            "policies[0].kind",
        ),
    ] {
        let error = AuthzLayer::try_from(spec([wrong.clone()])).unwrap_err();
        assert_eq!(error.path(), path, "{wrong}: {error}");
    }
    let error = AuthzLayer::try_from(AuthzSpec { trust_domain: "A b".into(), ..AuthzSpec::default() });
    assert_eq!(error.unwrap_err().path(), "trustDomain");
    assert!(serde_json::from_str::<AuthzSpec>(r#"{"polices": []}"#).is_err());
    assert_eq!(AuthzSpec::from_yaml("a.yaml", "{").unwrap_err().path(), "a.yaml");
}

#[test]
fn a_rule_about_tokens_sees_those_that_somebody_verified() {
    let needs = policy("p", json!({"rules": [{"from": [{"source": {"requestPrincipals": ["*"]}}]}]}));
    let layer = AuthzLayer::try_from(spec([needs])).unwrap();
    let mut asked = request("/", None);
    asked.headers_mut().insert("authorization", "Bearer whatever".parse().unwrap());
    assert!(layer.check(&asked).is_err(), "nobody has looked");
    asked.extensions_mut().insert(RequestToken::Absent);
    assert!(layer.check(&asked).is_err());
    let claims = json!({"iss": "i", "sub": "s"}).as_object().cloned().unwrap();
    asked.extensions_mut().insert(RequestToken::Verified(Arc::new(Claims::verified(claims))));
    assert!(layer.check(&asked).is_ok());
}

#[tokio::test]
async fn a_trial_is_counted_and_noted_and_changes_nothing() {
    let mut trial = policy("trial", json!({"action": "DENY", "rules": [{}]}));
    trial["metadata"]["annotations"] = json!({"istio.io/dry-run": "true"});
    let audit =
        policy("audit", json!({"action": "AUDIT", "rules": [{"to": [{"operation": {"paths": ["/pay"]}}]}]}));
    let metrics = AuthzMetrics::default();
    let layer = AuthzLayer::try_from(spec([trial, audit])).unwrap().metrics(metrics.clone());
    let script = Script::new([]);
    layer.layer(script.clone()).oneshot(request("/pay", None)).await.unwrap();
    let noted = script.seen.lock()[0].extensions().get::<Noted>().cloned().unwrap();
    assert_eq!(noted.shadow_allowed, Some(false));
    assert_eq!(noted.shadow_rule.as_deref(), Some("ns[default]-policy[trial]-rule[0]"));
    assert_eq!(noted.audited_by.as_deref(), Some("ns[default]-policy[audit]-rule[0]"));
    assert_eq!(
        metrics.snapshot(),
        AuthzCounts { allowed: 1, shadow_denied: 1, logged: 1, ..AuthzCounts::default() }
    );
}

#[test]
fn a_connection_is_judged_by_what_is_known_of_it() {
    let get =
        policy("get", json!({"action": "DENY", "rules": [{"to": [{"operation": {"methods": ["GET"]}}]}]}));
    let port = policy("port", json!({"rules": [{"to": [{"operation": {"ports": ["9080"]}}]}]}));
    let connection = Connection::new("10.0.0.1:9080".parse().unwrap(), "10.0.0.2:5000".parse().unwrap());
    let by_request = AuthzLayer::try_from(spec([get, port.clone()])).unwrap();
    let denied = by_request.check_connection(&connection, None).unwrap_err();
    assert!(denied.is_unevaluable());
    assert_eq!(
        denied.to_string(),
        "denied by rule ns[default]-policy[get]-rule[0], which cannot be evaluated here"
    );
    assert!(AuthzLayer::try_from(spec([port])).unwrap().check_connection(&connection, None).is_ok());
}

#[test]
fn an_explanation_names_what_the_nearest_rule_lacks() {
    let rule = json!({"rules": [{
        "from": [{"source": {"principals": ["cluster.local/ns/default/sa/web"]}}],
        "to": [{"operation": {"methods": ["POST"], "paths": ["/orders"]}}],
    }]});
    let layer = AuthzLayer::try_from(spec([policy("orders", rule)])).unwrap();
    let asked = request("/orders", Some(WEB));
    let told = layer.explain(&asked).unwrap();
    assert!(!told.verdict.decision.is_allowed());
    assert_eq!(told.near_misses[0].failed.len(), 1, "the method alone: {:?}", told.near_misses[0].failed);
}
