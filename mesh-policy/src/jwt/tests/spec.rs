//! Rules as they are written.

use super::*;

fn spec(rule: Value) -> JwtSpec {
    JwtSpec { jwt_rules: vec![rule], ..JwtSpec::default() }
}

fn jwks() -> String {
    json!({"keys": [ANN.jwk("1")]}).to_string()
}

#[tokio::test]
async fn every_field_of_a_rule_is_honoured() {
    let rule = json!({
        "issuer": "ann", "audiences": ["shop"], "jwks": jwks(),
        "fromHeaders": [{"name": "x-token", "prefix": "Token "}], "fromParams": ["t"], "fromCookies": ["c"],
        "outputPayloadToHeader": "x-payload", "outputClaimToHeaders": [{"header": "x-user", "claim": "sub"}],
        "forwardOriginalToken": true, "spaceDelimitedClaims": ["roles"], "presence": "REQUIRED",
    });
    let spec = JwtSpec { clock_skew: Some("0s".parse().unwrap()), remembered_tokens: Some(0), ..spec(rule) };
    let layer = JwtLayer::try_from(spec).unwrap().clock(clock());
    let mut payload = claims("ann");
    payload["roles"] = "a b".into();
    let token = ANN.token("1", &payload);
    let request = Request::get("/").header("x-token", format!("Token {token}")).body(()).unwrap();
    let got = sent(&layer, request).await.unwrap();
    assert_eq!(got.headers()["x-user"], "ann");
    assert!(got.headers().contains_key("x-payload") && got.headers().contains_key("x-token"));
    let found = got.extensions().get::<RequestToken>().unwrap().claims().unwrap();
    assert_eq!(found.get(&["roles"]), Some(&json!(["a", "b"])));
    assert_eq!(sent(&layer, Request::get("/").body(()).unwrap()).await.unwrap_err(), JwtStatus::Missing);
}

#[test]
fn what_cannot_be_taken_is_an_error_with_its_path() {
    for (rule, path) in [
        (json!({"issuer": "a", "jwks": "{}"}), "jwtRules[0].jwks"),
        (
            json!({"issuer": "a", "jwks": r#"{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}"#}),
            "jwtRules[0].jwks",
        ),
        (json!({"issuer": "a", "jwksUri": "https://issuer.example/"}), "jwtRules[0].jwksUri"),
        (json!({"issuer": "a", "jwksUri": "http://169.254.169.254/"}), "jwtRules[0].jwksUri"),
        (json!({"issuer": "a"}), "jwtRules[0].jwks"),
        (
            json!({"issuer": "a", "jwks": jwks(), "fromHeaders": [{"name": "a b"}]}),
            "jwtRules[0].fromHeaders[0].name",
        ),
        (json!({"issuer": "a", "jwks": jwks(), "audience": ["b"]}), "jwtRules[0].audience"),
        (json!({"jwks": jwks()}), "jwtRules[0].issuer"),
    ] {
        let error = JwtLayer::try_from(spec(rule.clone())).unwrap_err();
        assert_eq!(error.path(), path, "{rule}: {error}");
    }
    let many = JwtSpec { remembered_tokens: Some(usize::MAX), ..JwtSpec::default() };
    assert_eq!(JwtLayer::try_from(many).unwrap_err().path(), "rememberedTokens");
    assert!(serde_json::from_str::<JwtSpec>(r#"{"rules": []}"#).is_err());
}
