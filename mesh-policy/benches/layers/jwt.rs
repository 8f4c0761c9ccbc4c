//! A token by ES256: the bare check of its signature, the layer that sees it for the first time, and for the second.

use crate::harness::{Body, Noop, cost_of, request_with_headers};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, UnparsedPublicKey,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use divan::{Bencher, black_box};
use http::{HeaderValue, Request, header};
use mesh_policy::jwt::{Issuer, JwtLayer, KeySet};
use serde_json::json;
use tower_layer::Layer;

/// A token, and who can check it.
struct Token {
    signed: String,
    signature: Vec<u8>,
    public: Vec<u8>,
}

impl Token {
    /// As an identity provider makes it: ten claims or so, good for ten years.
    fn new() -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": "2026-1" });
        let payload = json!({
            "iss": "https://accounts.example", "sub": "248289761001", "aud": ["orders", "invoices"],
            "iat": now, "exp": now + 10 * 365 * 24 * 3600, "email": "jane@example.com", "email_verified": true,
            "scope": "openid email orders:read", "groups": ["sales", "emea"], "sid": "08a5019c-17e1-4977-8f42-65a12843ea02",
        });
        let encode = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", encode(header), encode(payload));
        let signature =
            key.sign(&SystemRandom::new(), signed.as_bytes()).expect("a signature").as_ref().to_vec();
        Self { signed, signature, public: key.public_key().as_ref().to_vec() }
    }

    fn request(&self) -> Request<Body> {
        let text = format!("Bearer {}.{}", self.signed, URL_SAFE_NO_PAD.encode(&self.signature));
        let mut request = request_with_headers();
        request.headers_mut().insert(header::AUTHORIZATION, HeaderValue::try_from(text).expect("a header"));
        request
    }

    fn layer(&self) -> JwtLayer {
        let (x, y) = self.public.get(1..).expect("an uncompressed point").split_at(32);
        let (x, y) = (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y));
        let jwks = json!({ "keys": [{ "kty": "EC", "crv": "P-256", "kid": "2026-1", "x": x, "y": y }] });
        let keys = KeySet::from_json(jwks.to_string().as_bytes()).expect("keys");
        JwtLayer::new([Issuer::new("https://accounts.example", keys)])
    }
}

/// What cannot be saved: the check of the signature alone.
#[divan::bench(sample_size = 20)]
fn bare_signature(bencher: Bencher<'_, '_>) {
    let token = Token::new();
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &token.public);
    bencher.bench_local(|| key.verify(black_box(token.signed.as_bytes()), &token.signature).expect("good"));
}

/// Keys are at hand, the token is new.
#[divan::bench(sample_size = 20)]
fn mesh_first_sight(bencher: Bencher<'_, '_>) {
    let token = Token::new();
    cost_of(bencher, token.request(), token.layer().remember(0).layer(Noop));
}

#[divan::bench]
fn mesh_seen_before(bencher: Bencher<'_, '_>) {
    let token = Token::new();
    cost_of(bencher, token.request(), token.layer().layer(Noop));
}
