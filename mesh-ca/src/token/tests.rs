use super::*;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// Signs arbitrary claims with the issuer's own key.
fn forge(issuer: &TokenIssuer, change: impl FnOnce(&mut Value)) -> String {
    let mut claims = json!({
        "iss": ISSUER, "sub": "system:serviceaccount:default:web", "aud": [AUDIENCE],
        "iat": 1_800_000_000u64, "exp": 1_800_003_600u64,
        "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "web"}},
    });
    change(&mut claims);
    jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &issuer.signing).unwrap()
}

#[test]
fn a_token_proves_the_service_account_it_was_issued_to() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let token = issuer.issue("default", "web", HOUR, now()).unwrap();
    assert_eq!(issuer.verify(&token, now()), Ok(Caller::new("default", "web").unwrap()));
    assert_eq!(claimed(&token), Some(Caller::new("default", "web").unwrap()));
}

#[test]
fn a_token_has_the_shape_of_a_kubernetes_service_account_token() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let token = issuer.issue("default", "web", HOUR, now()).unwrap();
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    let claims: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(
        claims,
        json!({
            "iss": ISSUER, "sub": "system:serviceaccount:default:web", "aud": ["istio-ca"],
            "iat": 1_800_000_000u64, "nbf": 1_800_000_000u64, "exp": 1_800_003_600u64,
            "kubernetes.io": {"namespace": "default", "serviceaccount": {"name": "web"}},
        })
    );
}

#[test]
fn a_token_is_valid_until_its_last_second_and_not_before_its_first() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let token = issuer.issue("default", "web", HOUR, now()).unwrap();
    assert!(issuer.verify(&token, now() + HOUR - Duration::from_secs(1)).is_ok());
    assert_eq!(issuer.verify(&token, now() + HOUR), Err(TokenError::Expired));
    assert_eq!(issuer.verify(&token, now() - HOUR), Err(TokenError::NotYetValid));
}

#[test]
fn a_token_for_another_audience_or_by_another_issuer_is_refused() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let other = forge(&issuer, |claims| claims["aud"] = json!(["vault"]));
    assert_eq!(issuer.verify(&other, now()), Err(TokenError::Audience));
    let one = forge(&issuer, |claims| claims["aud"] = json!("istio-ca"));
    assert!(issuer.verify(&one, now()).is_ok(), "an audience may be one text");
    let other = forge(&issuer, |claims| claims["iss"] = json!("https://evil.example"));
    assert_eq!(issuer.verify(&other, now()), Err(TokenError::Issuer));
}

#[test]
fn a_token_without_a_needed_claim_is_refused() {
    let issuer = TokenIssuer::in_memory().unwrap();
    for claim in ["iss", "sub", "aud", "exp"] {
        let token = forge(&issuer, |claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        assert!(matches!(issuer.verify(&token, now()), Err(TokenError::Malformed(_))), "{claim}");
    }
}

#[test]
fn a_token_of_another_key_is_refused() {
    let (ours, theirs) = (TokenIssuer::in_memory().unwrap(), TokenIssuer::in_memory().unwrap());
    let token = theirs.issue("default", "web", HOUR, now()).unwrap();
    assert_eq!(ours.verify(&token, now()), Err(TokenError::Signature));
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let token = issuer.issue("default", "web", HOUR, now()).unwrap();
    let admin = issuer.issue("default", "admin", HOUR, now()).unwrap();
    let parts: Vec<_> = token.split('.').collect();
    let stolen = format!("{}.{}.{}", parts[0], admin.split('.').nth(1).unwrap(), parts[2]);
    assert_eq!(issuer.verify(&stolen, now()), Err(TokenError::Signature));
}

#[test]
fn the_algorithm_is_never_the_tokens_choice() {
    let issuer = TokenIssuer::in_memory().unwrap();
    let token = issuer.issue("default", "web", HOUR, now()).unwrap();
    let payload = token.split('.').nth(1).unwrap();

    for alg in ["none", "None", "NONE", "nOnE"] {
        let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"{alg}","typ":"JWT"}}"#));
        for unsigned in [format!("{header}.{payload}."), format!("{header}.{payload}")] {
            assert!(issuer.verify(&unsigned, now()).is_err(), "{alg}");
        }
    }

    // The public key taken for an HMAC secret: the classic confusion.
    let public = issuer.verifying.try_get_as_bytes().unwrap();
    let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
    for (algorithm, secret) in [(Algorithm::HS256, public), (Algorithm::HS512, b"".as_slice())] {
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims, &EncodingKey::from_secret(secret))
            .unwrap();
        assert_eq!(issuer.verify(&token, now()), Err(TokenError::Algorithm));
    }
}

#[test]
fn a_subject_that_is_no_service_account_or_disagrees_is_refused() {
    let issuer = TokenIssuer::in_memory().unwrap();
    for sub in ["admin", "system:node:a", "system:serviceaccount:default", "system:serviceaccount:a/b:c"] {
        let token = forge(&issuer, |claims| claims["sub"] = json!(sub));
        assert_eq!(issuer.verify(&token, now()), Err(TokenError::Subject), "{sub}");
    }
    let token = forge(&issuer, |claims| claims["sub"] = json!("system:serviceaccount:default:admin"));
    assert_eq!(issuer.verify(&token, now()), Err(TokenError::Subject));
}

#[test]
fn foreign_texts_are_refused() {
    let issuer = TokenIssuer::in_memory().unwrap();
    for text in ["", ".", "..", "a.b.c", "\u{0}", &"x".repeat(MAX_TOKEN + 1)] {
        assert!(matches!(issuer.verify(text, now()), Err(TokenError::Malformed(_))), "{text:.20}");
    }
}

#[test]
fn a_name_or_a_lifetime_that_is_none_is_not_issued() {
    let issuer = TokenIssuer::in_memory().unwrap();
    assert!(matches!(issuer.issue("a/b", "web", HOUR, now()), Err(IssueError::Name(_))));
    assert!(matches!(issuer.issue("a", "web", Duration::ZERO, now()), Err(IssueError::Ttl(_))));
    assert!(matches!(issuer.issue("a", "web", Duration::MAX, now()), Err(IssueError::Ttl(_))));
}

#[test]
fn the_key_survives_a_reopen_is_shared_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let first = TokenIssuer::open(dir.path()).unwrap();
    let token = first.issue("default", "web", HOUR, now()).unwrap();
    let second = TokenIssuer::open(dir.path()).unwrap();
    assert!(second.verify(&token, now()).is_ok());
    assert_eq!(fs::metadata(dir.path().join(KEY_FILE)).unwrap().mode() & 0o777, 0o600);
    assert!(!format!("{first:?}").contains("PRIVATE"));
}

#[test]
fn a_damaged_key_is_refused_and_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let other = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap().serialize_pem();
    for bytes in ["", "junk", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", &other] {
        fs::write(dir.path().join(KEY_FILE), bytes).unwrap();
        fs::set_permissions(dir.path().join(KEY_FILE), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(TokenIssuer::open(dir.path()).unwrap_err().kind(), StateErrorKind::Corrupt);
        assert_eq!(fs::read_to_string(dir.path().join(KEY_FILE)).unwrap(), bytes);
    }
}
