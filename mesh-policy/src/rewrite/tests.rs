use super::*;
use crate::testing::Script;
use http::Request;
use mesh_core::model::matcher::Regex;
use proptest::prelude::*;
use tower::{Layer, ServiceExt};

/// What a layer sends on: its URI, `host` and `x-envoy-original-path`.
fn sent(layer: RewriteLayer, request: Request<()>) -> (String, String, String) {
    let script = Script::new([]);
    let call = layer.layer(script.clone()).oneshot(request);
    tokio_test::block_on(call).unwrap();
    let seen = script.seen.lock().pop().unwrap();
    let header = |name| seen.headers().get(name).map_or("", |v: &http::HeaderValue| v.to_str().unwrap());
    (seen.uri().to_string(), header("host").to_owned(), header("x-envoy-original-path").to_owned())
}

fn get(uri: &str) -> Request<()> {
    Request::get(uri).header("host", "a.example").body(()).unwrap()
}

fn spec(json: &str) -> Result<RewriteLayer, crate::SpecError> {
    serde_json::from_str::<RewriteSpec>(json).unwrap().try_into()
}

#[test]
fn a_prefix_is_replaced_where_it_is_and_nothing_elsewhere() {
    let metrics = RewriteMetrics::default();
    let layer = RewriteLayer::prefix("/v1", "/").metrics(metrics.clone());
    assert_eq!(sent(layer.clone(), get("/v1/x?y=1")).0, "//x?y=1");
    let (uri, host, original) = sent(layer, get("/v2/x"));
    assert_eq!((uri.as_str(), host.as_str(), original.as_str()), ("/v2/x", "a.example", ""));
    assert_eq!(metrics.snapshot(), RewriteCounts { rewritten: 1, no_path: 0 });
}

#[test]
fn segments_are_replaced_without_a_double_slash() {
    let layer = RewriteLayer::segments("/v1", "/");
    assert_eq!(sent(layer.clone(), get("/v1/x?y=1")).0, "/x?y=1");
    assert_eq!(sent(layer.clone(), get("/v1?y=1")).0, "/?y=1");
    assert_eq!(sent(layer, get("/v10/x")).0, "/v10/x");
    assert_eq!(sent(RewriteLayer::segments("/", "/all"), get("/x")).0, "/all/x");
}

#[test]
fn the_whole_path_is_replaced_and_its_query_kept() {
    let (uri, _, original) = sent(RewriteLayer::full("/one"), get("/a/b?c"));
    assert_eq!((uri.as_str(), original.as_str()), ("/one?c", "/a/b?c"));
}

#[test]
fn a_callers_own_original_path_does_not_survive_a_rewrite() {
    let mut request = get("/v1/x");
    request.headers_mut().insert("x-envoy-original-path", "/made-up".parse().unwrap());
    assert_eq!(sent(RewriteLayer::prefix("/v1", "/v2"), request).2, "/v1/x");
}

#[test]
fn a_rewrite_that_gives_no_path_is_counted_and_the_request_passes_as_it_was() {
    let metrics = RewriteMetrics::default();
    let layer = RewriteLayer::regex(&Regex::new(".*").unwrap(), "").unwrap().metrics(metrics.clone());
    assert_eq!(sent(layer, get("/a?b")).0, "/a?b");
    assert_eq!(metrics.snapshot(), RewriteCounts { rewritten: 0, no_path: 1 });
}

#[test]
fn an_authority_is_replaced_in_either_protocol() {
    let layer = RewriteLayer::new().authority(NewAuthority::new("b.example:81").unwrap());
    assert_eq!(sent(layer.clone(), get("/x")).1, "b.example:81");
    let h2 = Request::get("https://a.example/x").body(()).unwrap();
    let (uri, host, _) = sent(layer, h2);
    assert_eq!((uri.as_str(), host.as_str()), ("https://b.example:81/x", ""));
}

#[test]
fn a_spec_is_istios() {
    let layer =
        spec(r#"{"match": {"uri": {"prefix": "/Ratings"}, "ignoreUriCase": true}, "uri": "/v1"}"#).unwrap();
    assert_eq!(sent(layer, get("/ratings/7")).0, "/v1/7");
    let layer = spec(r#"{"match": {"uri": {"regex": "/[a-z]+"}}, "uri": "/v1", "authority": "b"}"#).unwrap();
    assert_eq!(sent(layer.clone(), get("/ratings?x")).0, "/v1?x");
    let (uri, host, _) = sent(layer, get("/7"));
    assert_eq!((uri.as_str(), host.as_str()), ("/7", "a.example"));
    let layer =
        spec(r#"{"uriRegexRewrite": {"match": "^/service/([^/]+)(/.*)$", "rewrite": "\\2/instance/\\1"}}"#);
    assert_eq!(sent(layer.unwrap(), get("/service/foo/v1/api?x")).0, "/v1/api/instance/foo?x");
}

#[test]
fn a_wrong_spec_names_its_field() {
    let refused = |json: &str| spec(json).unwrap_err().to_string();
    assert_eq!(refused("{}"), "must have uri, uriRegexRewrite or authority");
    assert_eq!(refused(r#"{"uri": "x"}"#), "uri: must begin with a slash");
    assert_eq!(
        refused(r#"{"authority": "a b"}"#),
        "authority: must be a host, with a port where it needs one"
    );
    assert!(refused(r#"{"uri": "/", "match": {"uri": {"regex": "("}}}"#).starts_with("match.uri.regex: "));
    let both = r#"{"uri": "/", "uriRegexRewrite": {"match": "a", "rewrite": "b"}}"#;
    assert_eq!(refused(both), "uri: must not stand beside uriRegexRewrite");
    let empty = r#"{"uriRegexRewrite": {"match": "", "rewrite": "b"}}"#;
    assert_eq!(refused(empty), "uriRegexRewrite.match: must be a regular expression");
}

#[test]
fn a_spec_is_written_as_it_was_read() {
    let json = r#"{"match":{"uri":{"prefix":"/a"}},"uri":"/b"}"#;
    let spec: RewriteSpec = serde_json::from_str(json).unwrap();
    assert_eq!(serde_json::to_string(&spec).unwrap(), json);
}

proptest! {
    #[test]
    fn a_layer_never_loses_the_query_nor_the_origin(
        path in "/[a-c/]{0,10}", query in "[a-c=&/?]{0,10}", prefix in "/[a-c/]{0,3}", text in "/?[a-c/]{0,5}",
        which in 0usize..4, absolute: bool,
    ) {
        let layer = match which {
            0 => RewriteLayer::prefix(prefix, text),
            1 => RewriteLayer::segments(&prefix, &text),
            2 => RewriteLayer::full(text),
            _ => RewriteLayer::regex(&Regex::new(&prefix).unwrap(), text).unwrap(),
        };
        let origin = if absolute { "http://a.example" } else { "" };
        let (uri, _, original) = sent(layer, get(&format!("{origin}{path}?{query}")));
        let uri: http::Uri = uri.parse().unwrap();
        prop_assert_eq!(uri.query(), Some(query.as_str()));
        prop_assert_eq!(uri.authority().map(|a| a.as_str()), absolute.then_some("a.example"));
        let before = format!("{path}?{query}");
        prop_assert!(original.is_empty() || original == before);
    }
}
