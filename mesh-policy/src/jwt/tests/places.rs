//! Where tokens are found, and what becomes of the request.

use super::*;

#[tokio::test]
async fn tokens_are_found_where_they_are_said_to_be_and_taken_out() {
    let token = ANN.token("1", &claims("ann"));
    let issuer = || {
        ann().from_header(HeaderName::from_static("x-token"), "").from_param("tok en").from_cookie("session")
    };
    let header = Request::get("/").header("x-token", &token).body(()).unwrap();
    let got = sent(&layer([issuer()]), header).await.unwrap();
    assert!(got.extensions().get::<RequestToken>().unwrap().claims().is_some() && got.headers().is_empty());

    let param = Request::get(format!("/a?b=1&tok%20en={token}&c=%20d")).body(()).unwrap();
    let got = sent(&layer([issuer()]), param).await.unwrap();
    assert!(got.extensions().get::<RequestToken>().unwrap().claims().is_some());
    assert_eq!(got.uri(), "/a?b=1&c=%20d");

    let cookie = Request::get("/").header(COOKIE, format!("a=b; session=\"{token}\"; c=d")).body(()).unwrap();
    let got = sent(&layer([issuer()]), cookie).await.unwrap();
    assert!(got.extensions().get::<RequestToken>().unwrap().claims().is_some());
    assert_eq!(got.headers()[COOKIE], "a=b; c=d");

    // Not a place of this issuer's: nobody looks, and it stays.
    let got = sent(&layer([issuer()]), bearer("bad")).await.unwrap();
    assert_eq!(got.extensions().get(), Some(&RequestToken::Absent));

    let default = Request::get(format!("/?access_token={token}")).body(()).unwrap();
    let got = sent(&layer([ann()]), default).await.unwrap();
    assert_eq!(
        (got.extensions().get::<RequestToken>().unwrap().claims().is_some(), got.uri().path()),
        (true, "/")
    );
    assert_eq!(got.uri().query(), None);
}

#[tokio::test]
async fn no_spelling_of_the_scheme_hides_a_bad_token() {
    for value in
        ["bearer a.b.c", "BEARER a.b.c", "Bearer  a.b.c", "Bearer ", "x Bearer a.b.c", "Bearer \u{fc}"]
    {
        let mut request = Request::get("/").body(()).unwrap();
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        assert!(sent(&layer([ann()]), request).await.is_err(), "{value}");
    }
}

#[tokio::test]
async fn issuers_share_a_place_and_a_bad_token_beside_a_good_one_is_refused() {
    let both = || layer([ann(), bob()]);
    let (anns, bobs) = (ANN.token("1", &claims("ann")), BOB.token("2", &claims("bob")));
    assert_eq!(principal(&both(), bearer(&anns)).await.unwrap().as_deref(), Some("ann/ann"));
    assert_eq!(principal(&both(), bearer(&bobs)).await.unwrap().as_deref(), Some("bob/ann"));
    assert_eq!(principal(&layer([ann()]), bearer(&bobs)).await, Err(JwtStatus::UnknownIssuer));

    let mut two = bearer(&bobs);
    two.headers_mut().append(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {anns}")).unwrap());
    assert_eq!(principal(&both(), two).await.unwrap().as_deref(), Some("ann/ann"), "the first issuer's");
    for bad in ["x.y.z", &ANN.token("1", &claims("bob"))] {
        let mut mixed = bearer(&anns);
        mixed.headers_mut().append(AUTHORIZATION, HeaderValue::try_from(format!("Bearer {bad}")).unwrap());
        assert!(principal(&both(), mixed).await.is_err(), "{bad}");
        let mut elsewhere = bearer(&anns);
        *elsewhere.uri_mut() = format!("/?access_token={bad}").parse().unwrap();
        assert!(principal(&both(), elsewhere).await.is_err(), "{bad}");
    }
}

#[tokio::test]
async fn an_issuer_may_be_required_or_ignored() {
    use mesh_core::api::security::request_authentication::Presence;
    let place = HeaderName::from_static("x-bob");
    let with = |presence| layer([ann(), bob().from_header(place.clone(), "").presence(presence)]);
    let (anns, bobs) = (ANN.token("1", &claims("ann")), BOB.token("2", &claims("bob")));
    let ask = |token: Option<&str>| {
        let mut request = bearer(&anns);
        if let Some(token) = token {
            request.headers_mut().insert("x-bob", HeaderValue::from_str(token).unwrap());
        }
        request
    };
    let required = with(Presence::Required);
    assert_eq!(principal(&required, ask(None)).await, Err(JwtStatus::Missing));
    assert!(principal(&required, ask(Some(&bobs))).await.is_ok());
    assert!(principal(&with(Presence::Optional), ask(Some("bad"))).await.is_err());
    assert!(principal(&with(Presence::Ignored), ask(Some("bad"))).await.is_ok());
}

#[tokio::test]
async fn the_application_gets_claims_in_headers_that_nobody_else_can_write() {
    let issuer = ann()
        .output_payload_to_header(HeaderName::from_static("x-payload"))
        .output_claim_to_header("sub", HeaderName::from_static("x-user"))
        .output_claim_to_header("a.b", HeaderName::from_static("x-nested"))
        .output_claim_to_header("https://c.d/e", HeaderName::from_static("x-dotted"))
        .output_claim_to_header("n", HeaderName::from_static("x-number"))
        .output_claim_to_header("list", HeaderName::from_static("x-list"))
        .output_claim_to_header("evil", HeaderName::from_static("x-evil"));
    let mut payload = claims("ann");
    let more = json!({"a": {"b": true}, "https://c.d/e": "f", "n": 7, "list": [1], "evil": "a\r\nb: c"});
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let layer = layer([issuer]);
    let names = ["x-payload", "x-user", "x-nested", "x-dotted", "x-number", "x-list", "x-evil"];
    let spoof = |mut request: Request<()>| {
        for name in names {
            request.headers_mut().insert(name, HeaderValue::from_static("spoofed"));
        }
        request
    };
    for _ in 0..2 {
        let got = sent(&layer, spoof(bearer(&ANN.token("1", &payload)))).await.unwrap();
        let header = |name: &str| got.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        assert_eq!(header("x-payload"), Some(b64(payload.to_string())));
        assert_eq!(header("x-user").as_deref(), Some("ann"));
        assert_eq!(header("x-nested").as_deref(), Some("true"));
        assert_eq!(header("x-dotted").as_deref(), Some("f"));
        assert_eq!(header("x-number").as_deref(), Some("7"));
        assert_eq!((header("x-list"), header("x-evil")), (None, None));
    }
    let got = sent(&layer, spoof(Request::get("/").body(()).unwrap())).await.unwrap();
    assert!(names.iter().all(|name| !got.headers().contains_key(*name)));
}

#[tokio::test]
async fn a_preflight_passes_as_nobodys() {
    let request = || {
        let mut request = bearer("bad");
        *request.method_mut() = http::Method::OPTIONS;
        request.headers_mut().insert("origin", HeaderValue::from_static("https://a"));
        request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("GET"));
        request
    };
    assert_eq!(principal(&layer([ann()]), request()).await, Ok(None));
    assert!(principal(&layer([ann()]).bypass_cors_preflight(false), request()).await.is_err());
}
