mod memory;
mod places;
mod remote;
mod spec;

use super::*;
use crate::testing::{Script, secs};
use crate::{Rejection, find};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING,
    EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, COOKIE};
use http::{HeaderName, HeaderValue, Request, Response};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};
use tower::{Layer, ServiceExt};

const NOW: u64 = 1_800_000_000;

fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A clock that stands where it is put.
#[derive(Debug)]
struct Stopped(AtomicU64);

impl Clock for Stopped {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.load(Ordering::Relaxed))
    }
}

fn clock() -> Arc<Stopped> {
    Arc::new(Stopped(AtomicU64::new(NOW)))
}

/// Someone who signs tokens.
enum Signer {
    Ec { key: EcdsaKeyPair, alg: &'static str, crv: &'static str },
    Ed(Ed25519KeyPair),
    Rsa { key: RsaKeyPair, alg: &'static str },
}

impl Signer {
    fn es256() -> Self {
        Self::ec(&ECDSA_P256_SHA256_FIXED_SIGNING, "ES256", "P-256")
    }

    fn ec(
        algorithm: &'static aws_lc_rs::signature::EcdsaSigningAlgorithm,
        alg: &'static str,
        crv: &'static str,
    ) -> Self {
        Self::Ec { key: EcdsaKeyPair::generate(algorithm).unwrap(), alg, crv }
    }

    fn alg(&self) -> &'static str {
        match self {
            Self::Ec { alg, .. } | Self::Rsa { alg, .. } => alg,
            Self::Ed(_) => "EdDSA",
        }
    }

    fn sign(&self, signed: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ec { key, .. } => key.sign(&random, signed).unwrap().as_ref().to_vec(),
            Self::Ed(key) => key.sign(signed).as_ref().to_vec(),
            Self::Rsa { key, alg } => {
                let mut out = vec![0; key.public_modulus_len()];
                match *alg {
                    "RS256" => key.sign(&RSA_PKCS1_SHA256, &random, signed, &mut out).unwrap(),
                    _ => key.sign(&RSA_PSS_SHA512, &random, signed, &mut out).unwrap(),
                }
                out
            }
        }
    }

    fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Ec { key, crv, .. } => {
                let (x, y) =
                    key.public_key().as_ref()[1..].split_at((key.public_key().as_ref().len() - 1) / 2);
                json!({"kty": "EC", "crv": crv, "kid": kid, "x": b64(x), "y": b64(y)})
            }
            Self::Ed(key) => json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": b64(key.public_key())}),
            Self::Rsa { key, .. } => {
                // RFC 8017's RSAPublicKey: the modulus of 256 bytes, then 02 03 01 00 01.
                let der = key.public_key().as_ref();
                let (rest, e) = der.split_at(der.len() - 3);
                let n = &rest[rest.len() - 2 - 256..rest.len() - 2];
                json!({"kty": "RSA", "kid": kid, "n": b64(n), "e": b64(e)})
            }
        }
    }

    fn token_with(&self, header: Value, payload: &Value) -> String {
        let signed = format!("{}.{}", b64(header.to_string()), b64(payload.to_string()));
        let signature = b64(self.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }

    fn token(&self, kid: &str, payload: &Value) -> String {
        self.token_with(json!({"alg": self.alg(), "typ": "JWT", "kid": kid}), payload)
    }
}

fn keys(all: &[Value]) -> KeySet {
    KeySet::from_json(json!({ "keys": all }).to_string().as_bytes()).unwrap()
}

static ANN: LazyLock<Signer> = LazyLock::new(Signer::es256);
static BOB: LazyLock<Signer> = LazyLock::new(Signer::es256);

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "sub": "ann", "exp": NOW + 600, "aud": "shop"})
}

fn ann() -> Issuer {
    Issuer::new("ann", keys(&[ANN.jwk("1")]))
}

fn bob() -> Issuer {
    Issuer::new("bob", keys(&[BOB.jwk("2")]))
}

fn layer(issuers: impl IntoIterator<Item = Issuer>) -> JwtLayer {
    JwtLayer::new(issuers).clock(clock())
}

fn bearer(token: &str) -> Request<()> {
    let mut request = Request::get("http://api.example/books?x=1").body(()).unwrap();
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    request
}

/// The request as the application gets it.
async fn sent(layer: &JwtLayer, request: Request<()>) -> Result<Request<()>, JwtStatus> {
    let script = Script::new([]);
    match layer.layer(script.clone()).oneshot(request).await {
        Ok(_) => Ok(script.seen.lock().remove(0)),
        Err(error) => Err(find::<JwtError>(&*error).unwrap().reason()),
    }
}

async fn principal(layer: &JwtLayer, request: Request<()>) -> Result<Option<String>, JwtStatus> {
    let request = sent(layer, request).await?;
    let token = request.extensions().get::<RequestToken>().expect("somebody has looked");
    Ok(token.claims().and_then(|claims| claims.principal()).map(str::to_owned))
}

#[tokio::test]
async fn without_a_token_a_request_is_nobodys_and_passes() {
    let got = sent(&layer([ann()]), Request::get("/").body(()).unwrap()).await.unwrap();
    assert_eq!(got.extensions().get(), Some(&RequestToken::Absent));
    let basic = Request::get("/").header(AUTHORIZATION, "Basic YTpi").body(()).unwrap();
    let got = sent(&layer([ann()]), basic).await.unwrap();
    assert_eq!(got.headers()[AUTHORIZATION], "Basic YTpi");
}

#[tokio::test]
async fn a_good_token_tells_whose_the_request_is_and_goes_no_further() {
    let token = ANN.token("1", &claims("ann"));
    let got = sent(&layer([ann()]), bearer(&token)).await.unwrap();
    assert!(!got.headers().contains_key(AUTHORIZATION));
    let found = got.extensions().get::<RequestToken>().unwrap().claims().unwrap();
    assert_eq!((found.principal(), found.audiences().next()), (Some("ann/ann"), Some("shop")));
    let kept = sent(&layer([ann().forward_original_token(true)]), bearer(&token)).await.unwrap();
    assert!(kept.headers().contains_key(AUTHORIZATION));
}

#[tokio::test]
async fn a_bad_token_gets_envoys_401() {
    let metrics = JwtMetrics::default();
    let layer = layer([ann()]).metrics(metrics.clone());
    let error = layer.layer(Script::new([])).oneshot(bearer("a.b")).await.unwrap_err();
    let rejection = Rejection::of(&*error).unwrap();
    assert_eq!(
        rejection.details,
        "jwt_authn_access_denied{Jwt_is_not_in_the_form_of_Header.Payload.Signature_with_two_dots_and_3_sections}"
    );
    assert_eq!((rejection.grpc_status, rejection.flags.is_empty()), (16, true));
    let response: Response<String> = rejection.into_response(false);
    assert_eq!(response.status(), 401);
    assert_eq!(
        response.headers()["www-authenticate"],
        "Bearer realm=\"http://api.example/books\", error=\"invalid_token\""
    );
    assert!(response.body().starts_with("Jwt is not in the form"));
    assert_eq!((metrics.snapshot().denied, metrics.snapshot().allowed), (1, 0));

    let missing = layer_of_required().oneshot(Request::get("/").body(()).unwrap()).await.unwrap_err();
    let response: Response<String> = Rejection::of(&*missing).unwrap().into_response(false);
    assert_eq!(response.headers()["www-authenticate"], "Bearer realm=\"http:///\"");
    assert_eq!(response.body(), "Jwt is missing");
}

fn layer_of_required() -> Jwt<Script<()>> {
    layer([ann().required()]).layer(Script::new([]))
}

#[tokio::test]
async fn every_algorithm_verifies_by_its_own_keys_only() {
    let rsa = || RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let signers = [
        Signer::es256(),
        Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING, "ES384", "P-384"),
        Signer::ec(&ECDSA_P521_SHA512_FIXED_SIGNING, "ES512", "P-521"),
        Signer::Ed(Ed25519KeyPair::generate().unwrap()),
        Signer::Rsa { key: rsa(), alg: "RS256" },
        Signer::Rsa { key: rsa(), alg: "PS512" },
    ];
    for signer in &signers {
        // Nobody names a key: each must be told from the others by its type and the signature.
        let token = signer.token_with(json!({"alg": signer.alg()}), &claims("ann"));
        for other in &signers {
            let issuer = Issuer::new("ann", keys(&[other.jwk("k")]));
            let verdict = principal(&layer([issuer]), bearer(&token)).await;
            assert_eq!(verdict.is_ok(), std::ptr::eq(signer, other), "{} {}", signer.alg(), other.alg());
        }
    }
}

#[tokio::test]
async fn no_token_chooses_how_it_is_verified() {
    let public = ANN.jwk("1");
    let payload = b64(claims("ann").to_string());
    // The public key as a shared secret, and no signature at all.
    for (alg, signature) in [
        ("none", b64("x")),
        ("HS256", b64(public.to_string())),
        ("hs256", b64("x")),
        ("es256", b64("x")),
        ("RS1", b64("x")),
    ] {
        let token = format!("{}.{payload}.{signature}", b64(json!({"alg": alg, "kid": "1"}).to_string()));
        let verdict = principal(&layer([ann()]), bearer(&token)).await;
        assert_eq!(verdict, Err(JwtStatus::HeaderNotImplementedAlg), "{alg}");
    }
    let bare = format!("{}.{payload}.", b64(json!({"alg": "none"}).to_string()));
    assert_eq!(principal(&layer([ann()]), bearer(&bare)).await, Err(JwtStatus::BadFormat));
    let critical = ANN.token_with(json!({"alg": "ES256", "crit": ["b64"], "b64": false}), &claims("ann"));
    assert!(principal(&layer([ann()]), bearer(&critical)).await.is_err());
    // A key that is bound to one algorithm is not used for another of its type.
    let rsa =
        Signer::Rsa { key: RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap(), alg: "RS256" };
    let mut jwk = rsa.jwk("1");
    jwk["alg"] = "PS256".into();
    let bound = layer([Issuer::new("ann", keys(&[jwk]))]);
    let verdict = principal(&bound, bearer(&rsa.token("1", &claims("ann")))).await;
    assert_eq!(verdict, Err(JwtStatus::KidAlgMismatch));
}

#[tokio::test]
async fn what_a_token_says_of_itself_is_checked() {
    let shop = || ann().audiences(["https://shop/", "bank"]);
    let with = |change: Value| {
        let mut payload = claims("ann");
        for (name, value) in change.as_object().unwrap() {
            payload[name] = value.clone();
        }
        ANN.token("1", &payload)
    };
    for (token, verdict) in [
        (with(json!({"exp": NOW - 61})), Err(JwtStatus::Expired)),
        (with(json!({"exp": NOW - 60})), Ok(())),
        (with(json!({"exp": 0})), Err(JwtStatus::Expired)),
        (with(json!({"nbf": NOW + 61})), Err(JwtStatus::NotYetValid)),
        (with(json!({"nbf": NOW as f64 + 60.5})), Ok(())),
        (with(json!({"exp": "soon"})), Err(JwtStatus::ExpNotInteger)),
        (with(json!({"exp": -1})), Err(JwtStatus::ExpNotInteger)),
        (with(json!({"nbf": {}})), Err(JwtStatus::NbfNotInteger)),
        (with(json!({"aud": "other"})), Err(JwtStatus::AudienceNotAllowed)),
        (with(json!({"aud": ["other", "http://bank"]})), Ok(())),
        (with(json!({"aud": 7})), Err(JwtStatus::AudNotString)),
        (with(json!({"iss": 7})), Err(JwtStatus::IssNotString)),
        (with(json!({"sub": 7})), Err(JwtStatus::SubNotString)),
        (with(json!({"iss": "else"})), Err(JwtStatus::UnknownIssuer)),
        (ANN.token("9", &claims("ann")), Err(JwtStatus::KidAlgMismatch)),
        (BOB.token("1", &claims("ann")), Err(JwtStatus::VerificationFail)),
        ("a.b.c.d".to_owned(), Err(JwtStatus::BadFormat)),
        (format!("!.{}", with(json!({}))), Err(JwtStatus::BadFormat)),
        ("e30.e30.AA".to_owned(), Err(JwtStatus::HeaderBadAlg)),
        ("AA.e30.AA".to_owned(), Err(JwtStatus::HeaderBadJson)),
    ] {
        assert_eq!(principal(&layer([shop()]), bearer(&token)).await.map(drop), verdict, "{token}");
    }
    let forbidden = with(json!({"aud": "other"}));
    let error = layer([shop()]).layer(Script::new([])).oneshot(bearer(&forbidden)).await.unwrap_err();
    assert_eq!(Rejection::of(&*error).unwrap().status, 403);
    assert!(
        principal(&layer([shop()]).clock_skew(secs(0)), bearer(&with(json!({"exp": NOW - 1}))))
            .await
            .is_err()
    );
}

#[cfg(feature = "authz")]
#[tokio::test]
async fn rules_see_what_the_token_says() {
    use crate::authz::{AuthzLayer, AuthzSpec, Connection};
    let policy = json!({
        "apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy",
        "metadata": {"name": "writers", "namespace": "default"},
        "spec": {"rules": [{
            "from": [{"source": {"requestPrincipals": ["ann/*"]}}],
            "when": [{"key": "request.auth.claims[scope]", "values": ["write"]}],
        }]},
    });
    let authz = AuthzLayer::try_from(AuthzSpec { policies: vec![policy], ..AuthzSpec::default() }).unwrap();
    let svc = layer([ann()]).layer(authz.layer(Script::new([])));
    let ask = |scope: &str| {
        let mut payload = claims("ann");
        payload["scope"] = scope.into();
        let mut request = bearer(&ANN.token("1", &payload));
        let connection = Connection::new("10.0.0.1:80".parse().unwrap(), "10.0.0.2:1".parse().unwrap());
        request.extensions_mut().insert(connection);
        svc.clone().oneshot(request)
    };
    assert!(ask("read write").await.is_ok());
    assert!(ask("read writes").await.is_err());
}

#[test]
fn keys_that_cannot_verify_are_left_out() {
    let mut encryption = ANN.jwk("1");
    encryption["use"] = "enc".into();
    let mut other = ANN.jwk("1");
    other["alg"] = "HS256".into();
    let mut off_curve = ANN.jwk("1");
    off_curve["x"] = b64([1; 32]).into();
    let secret = json!({"kty": "oct", "k": b64("secret"), "alg": "HS256"});
    let weak = json!({"kty": "RSA", "n": b64([0xc1; 64]), "e": "AQAB"});
    for key in [encryption, other, off_curve, secret, weak, json!({"kty": "EC"}), json!(7)] {
        let set = KeySet::from_json(json!({"keys": [key.clone()]}).to_string().as_bytes());
        assert_eq!(set.unwrap_err(), InvalidKeySet::NoValidKeys, "{key}");
        let set = json!({"keys": [key, ANN.jwk("1")]});
        assert!(KeySet::from_json(set.to_string().as_bytes()).is_ok());
    }
    let many: Vec<Value> = (0..65).map(|_| ANN.jwk("1")).collect();
    let many = json!({ "keys": many }).to_string();
    assert_eq!(KeySet::from_json(many.as_bytes()).unwrap_err(), InvalidKeySet::TooMany);
    assert_eq!(KeySet::from_json(b"{}").unwrap_err(), InvalidKeySet::NoKeys);
    assert_eq!(KeySet::from_json(b"{").unwrap_err(), InvalidKeySet::Json);
    // Both alphabets of base64 and padding are not one: what is not base64url is not a key.
    let mut padded = ANN.jwk("1");
    padded["x"] = STANDARD.encode([255; 32]).into();
    assert!(KeySet::from_json(json!({"keys": [padded]}).to_string().as_bytes()).is_err());
}

#[test]
fn no_log_shows_a_token() {
    let layer = layer([ann()]);
    let error = JwtError { status: JwtStatus::Expired, realm: "http://a/b".into(), source: None };
    let text = format!("{layer:?} {error:?} {error}");
    assert!(!text.contains("eyJ") && text.contains("Jwt is expired"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_token_with_any_bit_flipped_never_verifies(at in any::<prop::sample::Index>(), bit in 0u8..8, warm: bool) {
        static TOKEN: LazyLock<String> = LazyLock::new(|| ANN.token("1", &claims("ann")));
        static LAYER: LazyLock<JwtLayer> = LazyLock::new(|| layer([ann()]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ask = |token: &[u8]| {
            let mut request = Request::get("/").body(()).unwrap();
            let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat());
            // A byte that no header can hold never gets here.
            let Ok(value) = value else { return None };
            request.headers_mut().insert(AUTHORIZATION, value);
            runtime.block_on(principal(&LAYER, request)).ok().flatten()
        };
        if warm {
            prop_assert!(ask(TOKEN.as_bytes()).is_some());
        }
        let mut flipped = TOKEN.clone().into_bytes();
        let at = at.index(flipped.len());
        flipped[at] ^= 1 << bit;
        prop_assert_eq!(ask(&flipped), None);
    }

    #[test]
    fn no_bytes_are_a_token_or_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), query in "\\PC{0,40}") {
        static LAYER: LazyLock<JwtLayer> = LazyLock::new(|| layer([ann().from_cookie("c").from_param("p").from_header(AUTHORIZATION, "")]));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut request = Request::get("/").body(()).unwrap();
        if let Ok(uri) = format!("/?p={query}").parse() {
            *request.uri_mut() = uri;
        }
        for name in [AUTHORIZATION, COOKIE] {
            if let Ok(value) = HeaderValue::from_bytes(&bytes) {
                request.headers_mut().insert(name, value);
            }
        }
        prop_assert!(!matches!(runtime.block_on(principal(&LAYER, request)), Ok(Some(_))));
    }
}
