use super::*;
use crate::SpecError;
use crate::testing::{Act, Script};
use http::{HeaderMap, Method, Request, Response};
use proptest::prelude::*;
use std::task::{Context, Poll};
use tower::{Layer, Service, ServiceExt};

fn layer(json: &str) -> Result<CorsLayer, SpecError> {
    serde_json::from_str::<CorsSpec>(json).unwrap().try_into()
}

const SHOP: &str = r#"{"allowOrigins": [{"exact": "https://shop.example"}], "allowMethods": ["GET", "PUT"],
    "allowHeaders": ["x-a", "x-b"], "exposeHeaders": ["x-c"], "maxAge": "1m", "allowCredentials": true}"#;

fn request(method: Method, origin: &str, asks: Option<(&str, &str)>) -> Request<()> {
    let mut request = Request::builder().method(method).uri("/").header("origin", origin);
    if let Some((method, headers)) = asks {
        request = request
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers);
    }
    request.body(()).unwrap()
}

/// The response, and how many requests were sent on.
fn ask(layer: &CorsLayer, act: Act, request: Request<()>) -> (Response<String>, usize) {
    let script = Script::new([act]);
    let response = tokio_test::block_on(layer.layer(script.clone()).oneshot(request)).unwrap();
    (response, script.sent())
}

/// Every header of CORS, and `vary`, in order of their names.
fn said(headers: &HeaderMap) -> Vec<String> {
    let ours = |name: &str| name.starts_with("access-control-") || name == "vary";
    let pairs = headers.iter().filter(|(name, _)| ours(name.as_str()));
    let mut lines: Vec<String> = pairs.map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
    lines.sort();
    lines
}

#[test]
fn a_preflight_of_an_origin_that_is_allowed_is_answered_here() {
    let metrics = CorsMetrics::default();
    let layer = layer(SHOP).unwrap().metrics(metrics.clone());
    let preflight = request(Method::OPTIONS, "https://shop.example", Some(("PUT", "x-a")));
    let (response, sent) = ask(&layer, Act::Status(500), preflight);
    assert_eq!((response.status().as_u16(), response.body().as_str(), sent), (200, "", 0));
    assert_eq!(
        said(response.headers()),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: x-a,x-b",
            "access-control-allow-methods: GET,PUT",
            "access-control-allow-origin: https://shop.example",
            "access-control-max-age: 60",
            "vary: origin",
        ]
    );
    let counts = CorsCounts { origin_valid: 1, origin_invalid: 0, preflights_answered: 1 };
    assert_eq!(metrics.snapshot(), counts);
}

#[test]
fn a_star_offers_what_is_asked_for() {
    let layer = layer(r#"{"allowOrigins": [{"exact": "*"}], "allowMethods": ["*"], "allowHeaders": ["*"]}"#);
    let preflight = request(Method::OPTIONS, "https://any.example", Some(("PATCH", "x-z")));
    let (response, _) = ask(&layer.unwrap(), Act::Silence, preflight);
    assert_eq!(
        said(response.headers()),
        [
            "access-control-allow-headers: x-z",
            "access-control-allow-methods: PATCH",
            "access-control-allow-origin: https://any.example",
            "vary: origin",
        ]
    );
}

#[test]
fn a_preflight_of_another_origin_is_sent_on_or_answered_without_a_word() {
    let preflight = || request(Method::OPTIONS, "https://evil.example", Some(("PUT", "x-a")));
    let (response, sent) = ask(&layer(SHOP).unwrap(), Act::Status(405), preflight());
    assert_eq!((response.status().as_u16(), sent), (405, 1));
    assert_eq!(said(response.headers()), ["vary: origin"]);
    let ignoring =
        SHOP.replace("{\"allowOrigins\"", "{\"unmatchedPreflights\": \"IGNORE\", \"allowOrigins\"");
    let (response, sent) = ask(&layer(&ignoring).unwrap(), Act::Status(405), preflight());
    assert_eq!((response.status().as_u16(), sent), (200, 0));
    assert_eq!(said(response.headers()), ["vary: origin"]);
}

#[test]
fn a_response_tells_the_origin_that_it_may_be_read_whatever_its_status() {
    let act = Act::Header(503, "vary", "accept, Origin");
    let (response, sent) =
        ask(&layer(SHOP).unwrap(), act, request(Method::GET, "https://shop.example", None));
    assert_eq!((response.status().as_u16(), response.body().as_str(), sent), (503, "body", 1));
    assert_eq!(
        said(response.headers()),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://shop.example",
            "access-control-expose-headers: x-c",
            "vary: accept, Origin",
        ]
    );
}

#[test]
fn a_request_without_an_origin_passes_as_it_is() {
    let metrics = CorsMetrics::default();
    let layer = layer(SHOP).unwrap().metrics(metrics.clone());
    let (response, sent) = ask(&layer, Act::Status(200), Request::new(()));
    assert_eq!((said(response.headers()), sent), (vec![], 1));
    assert_eq!(metrics.snapshot(), CorsCounts::default());
}

#[test]
fn what_the_service_allows_by_itself_is_replaced() {
    let any = layer(r#"{"allowOrigins": [{"exact": "*"}]}"#).unwrap();
    let act = Act::Header(200, "access-control-allow-credentials", "true");
    let (response, _) = ask(&any, act, request(Method::GET, "https://a.example", None));
    assert_eq!(said(response.headers()), ["access-control-allow-origin: https://a.example", "vary: origin"]);
}

#[test]
fn a_wrong_spec_names_its_field() {
    let refused = |json: &str| layer(json).unwrap_err().to_string();
    assert!(
        refused(r#"{"allowOrigins": [{"exact": "a"}, {"regex": "("}]}"#)
            .starts_with("allowOrigins[1].regex: ")
    );
    assert_eq!(refused(r#"{"allowOrigins": [{}]}"#), "allowOrigins[0]: must be exact, prefix or regex");
    assert_eq!(refused(r#"{"maxAge": "1.5s"}"#), "maxAge: must be whole seconds");
    assert_eq!(
        refused(r#"{"allowMethods": ["GET", "P T"]}"#),
        "allowMethods[1]: must be a word of HTTP, or *"
    );
    assert_eq!(refused(r#"{"exposeHeaders": ["x\n"]}"#), "exposeHeaders[0]: must be a word of HTTP, or *");
    let any =
        "allowCredentials: must name the origins: any page could act as its visitor where all are allowed";
    for origin in [r#"{"exact": "*"}"#, r#"{"prefix": ""}"#, r#"{"regex": ".*"}"#] {
        assert_eq!(refused(&format!(r#"{{"allowOrigins": [{origin}], "allowCredentials": true}}"#)), any);
    }
    assert!(
        layer(r#"{"allowOrigins": [{"exact": "*"}, {"exact": "https://a"}], "allowCredentials": true}"#)
            .is_ok()
    );
}

#[test]
fn istios_deprecated_list_of_origins_is_read() {
    let layer = layer(r#"{"allowOrigin": ["https://a.example"]}"#).unwrap();
    let (response, _) = ask(&layer, Act::Status(200), request(Method::GET, "https://a.example", None));
    assert_eq!(response.headers()["access-control-allow-origin"], "https://a.example");
}

/// Counts the places that it gives out by being made ready.
#[derive(Clone)]
struct Places<S>(S, usize);

impl<S: Service<Request<()>>> Service<Request<()>> for Places<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.1 = 1;
        self.0.poll_ready(cx)
    }

    fn call(&mut self, req: Request<()>) -> S::Future {
        assert_eq!(std::mem::take(&mut self.1), 1, "called without a place");
        self.0.call(req)
    }
}

#[tokio::test]
async fn a_place_that_a_preflight_did_not_need_is_there_for_the_next_request() {
    let mut service = layer(SHOP).unwrap().layer(Places(Script::new([]), 0));
    let preflight = request(Method::OPTIONS, "https://shop.example", Some(("PUT", "")));
    service.ready().await.unwrap().call(preflight).await.unwrap();
    service.ready().await.unwrap();
    drop(service.call(request(Method::GET, "https://shop.example", None)));
    service.ready().await.unwrap().call(Request::new(())).await.unwrap();
}

proptest! {
    #[test]
    fn credentials_are_never_sent_to_an_origin_that_only_a_wildcard_allows(
        named in prop::collection::vec("https://[ab]", 0..3), star: bool, credentials: bool,
        origin in "https://[ab]{1,2}", preflight: bool,
    ) {
        let mut origins: Vec<_> = named.iter().map(|o| serde_json::json!({"exact": o})).collect();
        if star {
            origins.push(serde_json::json!({"exact": "*"}));
        }
        let json = serde_json::json!({"allowOrigins": origins, "allowCredentials": credentials}).to_string();
        let Ok(layer) = layer(&json) else {
            prop_assert!(star && credentials && named.is_empty());
            return Ok(());
        };
        let asks = preflight.then_some(("PUT", "x"));
        let (response, _) = ask(&layer, Act::Status(200), request(Method::OPTIONS, &origin, asks));
        let headers = response.headers();
        let sends = headers.contains_key("access-control-allow-credentials");
        prop_assert_eq!(sends, credentials && named.contains(&origin));
        let allowed = headers.get("access-control-allow-origin").map(|v| v.to_str().unwrap());
        prop_assert_eq!(allowed, (star || named.contains(&origin)).then_some(origin.as_str()));
    }
}

#[test]
fn dropped_at_any_poll_a_request_leaves_nothing_below() {
    let layer = layer(SHOP).unwrap();
    for origin in ["https://shop.example", "https://other.example"] {
        crate::testing::drop_at_any_poll(&layer, || request(Method::GET, origin, None));
    }
    crate::testing::drop_at_any_poll(&layer, || Request::new(()));
}
