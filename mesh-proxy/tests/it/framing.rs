//! Where a request ends: what is ambiguous never lets a second request through, and what HTTP/2 cuts into
//! pieces is whole again.

use crate::support::*;
use ::http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nhost: service\r\n\r\n";

const END: &str = "GET /end HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n";

/// Everything that the proxy answers to these bytes and, where it keeps the connection, to [`END`].
async fn converse(at: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    // The proxy may have closed its side; what it read of us is answered all the same.
    let _ = stream.write_all(END.as_bytes()).await;
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// An endpoint that answers with the path and the body, and notes the paths.
async fn witness() -> (Upstream, Arc<Mutex<Vec<String>>>) {
    let paths = Arc::<Mutex<Vec<String>>>::default();
    let noted = paths.clone();
    let upstream = Upstream::http1(move |seen| {
        noted.lock().push(seen.uri.path().to_owned());
        let body = String::from_utf8_lossy(&seen.body).into_owned();
        async move { text(StatusCode::OK, format!("{} [{body}]", seen.uri.path())) }
    })
    .await;
    (upstream, paths)
}

#[tokio::test]
async fn no_way_to_frame_a_request_hides_another_in_it() {
    let (upstream, paths) = witness().await;
    let snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
    let proxy = Running::start(snapshot).await;
    let at = proxy.addr("out");
    let length = HIDDEN.len();
    let after_chunks = format!("0\r\n\r\n{HIDDEN}");
    let (all, chunk) = (after_chunks.len(), format!("{length:x}\r\n{HIDDEN}\r\n0\r\n\r\n"));
    // Head after `host`, what follows it, status of the one answer.
    let cases = [
        // The codec takes the coding, drops the length and ends the connection: RFC 9112 §6.1.
        (format!("content-length: {all}\r\ntransfer-encoding: chunked\r\n"), &after_chunks, 200),
        (format!("transfer-encoding: chunked\r\ncontent-length: {all}\r\n"), &after_chunks, 200),
        ("content-length: 4\r\ntransfer-encoding: chunked\r\n".to_owned(), &chunk, 200),
        ("transfer-encoding: chunked\r\ncontent-length: 4\r\n".to_owned(), &chunk, 200),
        ("content-length: 0\r\ncontent-length: 44\r\n".to_owned(), &after_chunks, 400),
        ("content-length: 0, 44\r\n".to_owned(), &after_chunks, 400),
        ("content-length: +5\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding: identity\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding: chunked, identity\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding: xchunked\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding: \u{b}chunked\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding : chunked\r\n".to_owned(), &after_chunks, 400),
        ("transfer-encoding: gzip, chunked\r\n".to_owned(), &after_chunks, 501),
        ("transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n".to_owned(), &after_chunks, 501),
        ("transfer-encoding:\r\n chunked\r\n".to_owned(), &after_chunks, 400),
        ("x: y\r\n transfer-encoding: chunked\r\n".to_owned(), &after_chunks, 400),
        // A line may end in LF alone; then the line after it counts, for us and for the endpoint.
        (format!("x: y\ncontent-length: {all}\r\n"), &after_chunks, 200),
        ("x: y\ntransfer-encoding: chunked\r\n".to_owned(), &chunk, 200),
        ("x: y\rtransfer-encoding: chunked\r\n".to_owned(), &after_chunks, 400),
    ];
    for (n, (head, rest, status)) in cases.iter().enumerate() {
        let path = format!("/case{n}");
        let bytes = format!("POST {path} HTTP/1.1\r\nhost: service\r\n{head}\r\n{rest}");
        let answer = converse(at, bytes.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{head:?}: {answer}");
        let mut forwarded = std::mem::take(&mut *paths.lock());
        forwarded.retain(|path| path != "/end");
        let expected = if *status == 200 { vec![path] } else { vec![] };
        assert_eq!(forwarded, expected, "{head:?}");
        // The connection to the endpoint, which is kept, is where it should be.
        assert_eq!(get(at, "/next").await.body, "/next []");
        assert_eq!(std::mem::take(&mut *paths.lock()), ["/next"]);
    }
    // What comes after a whole request is one of its own, and would be seen.
    let two = format!("POST /first HTTP/1.1\r\nhost: service\r\ncontent-length: 0\r\n\r\n{HIDDEN}");
    converse(at, two.as_bytes()).await;
    assert_eq!(std::mem::take(&mut *paths.lock()), ["/first", "/hidden", "/end"]);
    let old = format!("POST / HTTP/1.0\r\nhost: service\r\ntransfer-encoding: chunked\r\n\r\n{after_chunks}");
    let answer = converse(at, old.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.0 400") || answer.starts_with("HTTP/1.1 400"), "{answer:?}");
    assert!(paths.lock().is_empty());
    proxy.stop().await;
}

#[tokio::test]
async fn an_offer_of_h2c_is_served_in_http1() {
    let upstream = Upstream::http1(|seen| async move {
        for name in ["connection", "upgrade", "http2-settings"] {
            assert!(!seen.headers.contains_key(name), "{name}");
        }
        text(StatusCode::OK, "plain")
    })
    .await;
    let snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
    let proxy = Running::start(snapshot).await;
    let offer = b"GET / HTTP/1.1\r\nhost: service\r\nconnection: Upgrade, HTTP2-Settings\r\n\
        upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n";
    let answer = converse(proxy.addr("out"), offer).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(answer.matches("plain").count(), 2, "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn a_cookie_that_http2_cut_is_whole_for_routes_and_endpoints() {
    let upstream = Upstream::http1(|seen| async move {
        let cookies: Vec<_> = seen.headers.get_all("cookie").iter().map(|v| v.to_str().unwrap()).collect();
        text(StatusCode::OK, cookies.join("|"))
    })
    .await;
    let snapshot = outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])]);
    let proxy = Running::start(snapshot).await;
    let crumbs = Request::get("http://service/")
        .header("cookie", "a=b")
        .header("cookie", "c=d")
        .header("cookie", "e=f")
        .body(Empty::new().boxed_unsync())
        .unwrap();
    let mut caller = Caller::http2(proxy.addr("out")).await;
    assert_eq!(caller.send(crumbs).await.body, "a=b; c=d; e=f");
    proxy.stop().await;
}
