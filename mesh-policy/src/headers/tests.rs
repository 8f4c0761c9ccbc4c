use super::*;
use crate::SpecError;
use crate::testing::{Act, Script};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use mesh_core::identity::SpiffeId;
use mesh_core::model::route::{HeaderChanges, HeaderEdit};
use mesh_core::response_flag::ResponseFlag;
use proptest::prelude::*;
use std::time::{Duration, SystemTime};
use tower::{Layer, ServiceExt};

fn layer(json: &str) -> Result<HeadersLayer, SpecError> {
    let layer: HeadersLayer = serde_json::from_str::<HeadersSpec>(json).unwrap().try_into()?;
    Ok(layer.clock(|| SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_042)))
}

fn get() -> Request<()> {
    let mut request = Request::get("/a?b=c")
        .header("host", "shop.example")
        .header("x-tenant", "blue")
        .header("x-twice", "1")
        .header("x-twice", "2")
        .body(())
        .unwrap();
    let mut connection = Connection::new(([10, 0, 0, 1], 8080).into(), ([10, 0, 0, 2], 4444).into());
    connection.client = Some([1, 2, 3, 4].into());
    connection.server_name = Some("sni.example".into());
    request.extensions_mut().insert(connection);
    let peer: SpiffeId = "spiffe://cluster.local/ns/default/sa/web".parse().unwrap();
    request.extensions_mut().insert(peer);
    request
}

/// What the service below is asked, and what the caller gets.
fn ask(layer: HeadersLayer, act: Act, request: Request<()>) -> (Request<()>, Response<String>) {
    let script = Script::new([act]);
    let below = script.clone().map_response(|mut response: Response<String>| {
        crate::add_flag(&mut response, ResponseFlag::DelayInjected);
        let upstream = Upstream {
            host: Some(([10, 9, 9, 9], 80).into()),
            local: Some(([10, 0, 0, 1], 5555).into()),
            cluster: Some("outbound|80||reviews".into()),
        };
        response.extensions_mut().insert(upstream);
        response
    });
    let response = tokio_test::block_on(layer.layer(below).oneshot(request)).unwrap();
    (script.seen.lock().pop().unwrap(), response)
}

fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
    headers.get_all(name).iter().map(|v| v.to_str().unwrap().to_owned()).collect()
}

/// What a format becomes in a request, or in a response.
fn made(side: &str, format: &str) -> Vec<String> {
    let json = serde_json::json!({side: {"set": {"x-made": format}}}).to_string();
    let (request, response) = ask(layer(&json).unwrap(), Act::Header(503, "x-up", "high"), get());
    values(if side == "request" { request.headers() } else { response.headers() }, "x-made")
}

#[test]
fn headers_are_removed_then_set_then_added() {
    let json = r#"{"request": {"remove": ["x-tenant", "x-gone"], "set": {"x-twice": "3", "x-tenant": "red"},
        "add": {"x-tenant": "green", "x-new": "1"}}, "response": {"remove": ["x-up"], "add": {"x-up": "low"}}}"#;
    let (request, response) = ask(layer(json).unwrap(), Act::Header(200, "x-up", "high"), get());
    assert_eq!(values(request.headers(), "x-tenant"), ["red", "green"]);
    assert_eq!(values(request.headers(), "x-twice"), ["3"]);
    assert_eq!(values(request.headers(), "x-new"), ["1"]);
    assert_eq!(values(response.headers(), "x-up"), ["low"]);
}

#[test]
fn values_are_made_of_what_came_before_any_of_them_is_written() {
    let json = r#"{"request": {"set": {"a": "%REQ(x-tenant)%", "x-tenant": "red", "z": "%REQ(x-tenant)%"}}}"#;
    let (request, _) = ask(layer(json).unwrap(), Act::Status(200), get());
    assert_eq!(
        (values(request.headers(), "a"), values(request.headers(), "z")),
        (vec!["blue".into()], vec!["blue".into()])
    );
}

#[test]
fn a_request_knows_its_caller_and_itself() {
    let table = [
        ("%REQ(:method)% %REQ(:path)% %REQ(:authority)%", "GET /a?b=c shop.example"),
        ("%REQ(x-none?x-tenant):3% 100%% %REQ(x-twice)%", "blu 100% 1"),
        ("%PROTOCOL%", "HTTP/1.1"),
        ("%START_TIME% %START_TIME(%s.%3f)%", "2023-11-14T22:13:20.042Z 1700000000.042"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%", "1.2.3.4:0"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "1.2.3.4"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT%", "10.0.0.2:4444 4444"),
        ("%DOWNSTREAM_LOCAL_ADDRESS% %REQUESTED_SERVER_NAME%", "10.0.0.1:8080 sni.example"),
        ("%DOWNSTREAM_PEER_URI_SAN%", "spiffe://cluster.local/ns/default/sa/web"),
    ];
    for (format, want) in table {
        assert_eq!(made("request", format), [want], "{format}");
        assert_eq!(made("response", format), [want], "{format}");
    }
}

#[test]
fn a_response_knows_where_it_comes_from() {
    let table = [
        ("%RESP(x-none?x-up)% %RESPONSE_CODE% %RESPONSE_FLAGS%", "high 503 DI"),
        ("%UPSTREAM_HOST% %UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.9.9.9:80 10.9.9.9"),
        ("%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_CLUSTER%", "10.0.0.1:5555 outbound|80||reviews"),
    ];
    for (format, want) in table {
        assert_eq!(made("response", format), [want], "{format}");
    }
    let json = r#"{"response": {"set": {"x-made": "%GRPC_STATUS(SNAKE_STRING)%"}}}"#;
    let (_, response) = ask(layer(json).unwrap(), Act::Header(200, "grpc-status", "14"), get());
    assert_eq!(values(response.headers(), "x-made"), ["UNAVAILABLE"]);
}

#[test]
fn a_response_reads_the_request_as_it_was_sent_on() {
    let json =
        r#"{"request": {"set": {"x-tenant": "red"}}, "response": {"set": {"x-made": "%REQ(x-tenant)%"}}}"#;
    let (_, response) = ask(layer(json).unwrap(), Act::Status(200), get());
    assert_eq!(values(response.headers(), "x-made"), ["red"]);
}

#[test]
fn a_value_that_comes_to_nothing_is_not_written() {
    assert!(made("request", "%REQ(x-none)%").is_empty());
    assert!(made("request", "").is_empty());
    let json = r#"{"request": {"set": {"x-tenant": "%REQ(x-none)%"}}}"#;
    let (request, _) = ask(layer(json).unwrap(), Act::Status(200), get());
    assert_eq!(values(request.headers(), "x-tenant"), ["blue"]);
    let (request, _) = ask(
        layer(r#"{"request": {"set": {"x-made": "%DOWNSTREAM_REMOTE_ADDRESS%"}}}"#).unwrap(),
        Act::Status(200),
        Request::new(()),
    );
    assert!(values(request.headers(), "x-made").is_empty());
}

#[test]
fn an_authority_is_set_and_formats_see_the_one_before() {
    let json = r#"{"request": {"set": {":authority": "b.example", "x-was": "%REQ(:authority)%"}}}"#;
    let (request, _) = ask(layer(json).unwrap(), Act::Status(200), get());
    assert_eq!(
        (values(request.headers(), "host"), values(request.headers(), "x-was")),
        (vec!["b.example".into()], vec!["shop.example".into()])
    );
}

#[test]
fn what_is_not_known_there_is_refused_with_its_place() {
    let refused = |json: &str| layer(json).unwrap_err().to_string();
    assert_eq!(
        refused(r#"{"request": {"set": {"a": "x %RESP(b)%"}}}"#),
        "request.set.a: byte 2: RESP is not known where requests are changed"
    );
    assert_eq!(
        refused(r#"{"response": {"add": {"a": "%ROUTE_NAME%"}}}"#),
        "response.add.a: byte 0: ROUTE_NAME is not known where responses are changed"
    );
    assert_eq!(
        refused(r#"{"response": {"add": {"a": "%DYNAMIC_METADATA(x)%"}}}"#),
        "response.add.a: byte 0: \"DYNAMIC_METADATA\" is not an operator that is known here"
    );
    assert_eq!(
        refused(r#"{"request": {"set": {"a": "100%"}}}"#),
        "request.set.a: byte 3: an operator is not closed by '%'"
    );
}

#[test]
fn what_http_itself_means_cannot_be_changed() {
    let refused = |json: &str| layer(json).unwrap_err().to_string();
    assert_eq!(
        refused(r#"{"response": {"set": {":status": "200"}}}"#),
        "response.set.:status: must not be a pseudo-header: it cannot be changed here"
    );
    assert_eq!(
        refused(r#"{"request": {"remove": ["x", ":path"]}}"#),
        "request.remove[1]: must not be a pseudo-header: it cannot be changed here"
    );
    assert_eq!(
        refused(r#"{"request": {"remove": ["Host"]}}"#),
        "request.remove[0]: must not be host: every request has one"
    );
    assert_eq!(
        refused(r#"{"request": {"set": {"host": "a b"}}}"#),
        "request.set.host: must be a host, with a port where it needs one"
    );
    assert_eq!(
        refused(r#"{"request": {"set": {"host": "a"}, "add": {":authority": "b"}}}"#),
        "request.add.:authority: must not set the authority for a second time"
    );
    assert_eq!(
        refused(r#"{"request": {"set": {"a b": "c"}}}"#),
        "request.set.a b: must be the name of a header"
    );
    assert_eq!(
        refused(r#"{"request": {"set": {"a": "b\r\nc: d"}}}"#),
        "request.set.a: must be text without control characters"
    );
}

#[tokio::test]
async fn an_error_passes_as_it_is() {
    let script = Script::<()>::new([Act::Fail("boom".into())]);
    let layer = layer(r#"{"response": {"set": {"a": "b"}}}"#).unwrap();
    assert_eq!(layer.layer(script).oneshot(get()).await.unwrap_err().to_string(), "boom");
}

proptest! {
    #[test]
    fn no_format_string_is_ever_sent_as_it_is_written(
        parts in prop::collection::vec(
            prop_oneof!["[a-z ]{1,4}", Just("%%".to_owned()), Just("%REQ(x-tenant)%".to_owned()), "%[A-Z_]{0,8}", "%[A-Z]{3}\\([a-z]{0,3}\\)%?"],
            0..5,
        ),
    ) {
        let format = parts.concat();
        let Ok(value) = HeaderValue::from_str(&format) else { return Ok(()) };
        let set = vec![(HeaderName::from_static("x-made"), value)];
        let request = HeaderEdit { set, ..HeaderEdit::default() };
        let Ok(layer) = HeadersLayer::new(&HeaderChanges { request, ..HeaderChanges::default() }) else {
            return Ok(());
        };
        let (request, _) = ask(layer, Act::Status(200), get());
        let made = values(request.headers(), "x-made").concat();
        // What is written with a doubled percent is sent with one.
        let is_escaped = format.contains("%%REQ");
        prop_assert!(is_escaped || !made.contains("%REQ"), "{format:?} became {made:?}");
        let doubled = format.matches("%%").count();
        prop_assert!(made.matches('%').count() <= doubled, "{format:?} became {made:?}");
    }

    #[test]
    fn no_changes_change_nothing(names in prop::collection::vec("x-[a-z]{1,4}", 0..5)) {
        let mut request = get();
        for name in &names {
            request.headers_mut().append(HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_static("1"));
        }
        let before = request.headers().clone();
        let (request, response) = ask(layer("{}").unwrap(), Act::Header(200, "x-up", "high"), request);
        prop_assert_eq!(request.headers(), &before);
        prop_assert_eq!(response.headers().len(), 1);
    }
}

#[test]
fn dropped_at_any_poll_a_request_leaves_nothing_below() {
    let layer = layer(
        r#"{"request": {"set": {"x-a": "%REQ(x-tenant)%"}}, "response": {"set": {"x-b": "%REQ(x-tenant)%"}}}"#,
    );
    crate::testing::drop_at_any_poll(&layer.unwrap(), get);
    crate::testing::drop_at_any_poll(&layer_that_changes_nothing(), get);
}

fn layer_that_changes_nothing() -> HeadersLayer {
    HeadersLayer::builder().build().unwrap()
}

#[test]
fn plain_values_say_the_same_as_a_file() {
    let built = HeadersLayer::builder()
        .add_request("x-twice", "%%")
        .set_request("x-tenant", "%REQ(x-tenant)%-2")
        .remove_request("x-none")
        .set_request("host", "reviews:9080")
        .add_response("x-b", "%RESPONSE_CODE%")
        .set_response("x-a", "a")
        .remove_response("x-none");
    let (request, response) = ask(built.build().unwrap(), Act::Status(200), get());
    let values: Vec<_> = request.headers().get_all("x-twice").iter().collect();
    assert_eq!(values, ["1", "2", "%"]);
    assert_eq!(
        (&request.headers()["x-tenant"], &request.headers()["host"]),
        (&"blue-2".parse().unwrap(), &"reviews:9080".parse().unwrap())
    );
    assert_eq!(
        (&response.headers()["x-a"], &response.headers()["x-b"]),
        (&"a".parse().unwrap(), &"200".parse().unwrap())
    );
    let wrong = |builder: HeadersBuilder| builder.build().unwrap_err().to_string();
    let builder = HeadersLayer::builder;
    assert_eq!(
        wrong(builder().set_request("a b", "1").set_response("x", "%NO%")),
        "request.set.a b: must be the name of a header"
    );
    assert_eq!(
        wrong(builder().add_response("x", "\n")),
        "response.add.x: must be text without control characters"
    );
    assert_eq!(
        wrong(builder().remove_response("a").remove_response("")),
        "response.remove[1]: must be the name of a header"
    );
    assert_eq!(
        wrong(builder().set_request(":authority", "")),
        "request.set.:authority: must be a host, with a port where it needs one"
    );
    assert!(wrong(builder().set_response("x", "%UNKNOWN%")).starts_with("response.set.x: "));
}
