//! What a request and its response go through.

use crate::support::*;
use ::http::{HeaderValue, Request, StatusCode, Version};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::Frame;
use mesh_core::model::cluster::{UpstreamHttp, UpstreamProtocol};
use mesh_core::model::listener::Direction;
use mesh_core::model::route::{Forward, PathRewrite, Redirect};
use std::convert::Infallible;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn one_cluster(upstream: &Upstream) -> mesh_core::model::Snapshot {
    outbound(vec![route("/", to("c"))], vec![cluster("c", &[upstream.addr])])
}

#[tokio::test]
async fn a_request_reaches_the_endpoint_and_its_response_the_caller() {
    let upstream = Upstream::http1(|seen| async move {
        assert_eq!((seen.uri.to_string().as_str(), seen.version), ("/a?b=c", Version::HTTP_11));
        assert_eq!(seen.headers["host"], "service");
        assert_eq!(seen.headers["x-forwarded-proto"], "http");
        assert_eq!(seen.headers["x-envoy-attempt-count"], "1");
        assert_eq!(seen.headers["x-request-id"].len(), 36);
        assert!(!seen.headers.contains_key("connection"));
        text(StatusCode::CREATED, "made")
    })
    .await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let answer = get(proxy.addr("out"), "/a?b=c").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::CREATED, "made"));
    assert_eq!(answer.headers["server"], "istio-envoy");
    assert!(answer.headers.contains_key("x-envoy-upstream-service-time"));
    proxy.stop().await;
}

#[tokio::test]
async fn connections_are_kept_on_both_sides() {
    let upstream = Upstream::saying("hello").await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    for _ in 0..20 {
        assert_eq!(caller.send(request("/")).await.body, "hello");
    }
    assert_eq!((upstream.requests(), upstream.connections()), (20, 1));
    proxy.stop().await;
}

#[tokio::test]
async fn a_connection_ends_after_its_number_of_requests() {
    let upstream = Upstream::saying("hello").await;
    let mut c = cluster("c", &[upstream.addr]);
    c.http = UpstreamHttp { max_requests_per_connection: 2, ..UpstreamHttp::default() };
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![c])).await;
    let mut caller = Caller::http1(proxy.addr("out")).await;
    for _ in 0..6 {
        assert_eq!(caller.send(request("/")).await.status, StatusCode::OK);
    }
    assert_eq!(upstream.connections(), 3);
    proxy.stop().await;
}

#[tokio::test]
async fn http2_callers_and_endpoints_meet_in_every_combination() {
    let one =
        Upstream::http1(|seen| async move { text(StatusCode::OK, format!("{:?}", seen.version)) }).await;
    let two = Upstream::http2(|seen| async move {
        assert_eq!(seen.uri.authority().map(|a| a.as_str()), Some("service"));
        text(StatusCode::OK, format!("{:?}", seen.version))
    })
    .await;
    let mut second = cluster("two", &[two.addr]);
    second.http.protocol = UpstreamProtocol::Http2;
    let routes = vec![route("/one", to("one")), route("/two", to("two"))];
    let proxy = Running::start(outbound(routes, vec![cluster("one", &[one.addr]), second])).await;
    let at = proxy.addr("out");
    let mut callers = [Caller::http1(at).await, Caller::http2(at).await];
    for caller in &mut callers {
        let uri = |path: &str| match caller {
            Caller::Http1(_) => path.to_owned(),
            Caller::Http2(_) => format!("http://service{path}"),
        };
        let (first, other) = (uri("/one"), uri("/two"));
        assert_eq!(caller.send(request(&first)).await.body, "HTTP/1.1");
        assert_eq!(caller.send(request(&other)).await.body, "HTTP/2.0");
    }
    assert!(two.connections() <= 2, "a worker shares one connection");
    proxy.stop().await;
}

#[tokio::test]
async fn bodies_and_trailers_stream_both_ways() {
    let upstream = Upstream::http2(|seen| async move {
        let trailers = seen.trailers.expect("trailers arrive");
        let frames = [
            Ok::<_, Infallible>(Frame::data(Bytes::from(format!("{} bytes", seen.body.len())))),
            Ok(Frame::trailers(trailers)),
        ];
        ::http::Response::new(StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync())
    })
    .await;
    let mut c = cluster("c", &[upstream.addr]);
    c.http.protocol = UpstreamProtocol::Http2;
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![c])).await;
    let mut trailers = ::http::HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("abc"));
    let chunk = Bytes::from(vec![7; 64 * 1024]);
    let frames = (0..32)
        .map(move |_| Ok::<_, Infallible>(Frame::data(chunk.clone())))
        .chain([Ok(Frame::trailers(trailers))]);
    let body = StreamBody::new(futures_util::stream::iter(frames)).boxed_unsync();
    let post = Request::post("http://service/").body(body).unwrap();
    let answer = Caller::http2(proxy.addr("out")).await.send(post).await;
    assert_eq!(answer.body, "2097152 bytes");
    assert_eq!(answer.trailers.unwrap()["x-checksum"], "abc");
    proxy.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_writer() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    let made = Arc::new(AtomicUsize::new(0));
    let counter = made.clone();
    let upstream = Upstream::http1(move |_| {
        let counter = counter.clone();
        async move {
            let chunk = Bytes::from(vec![1; 64 * 1024]);
            let frames = futures_util::stream::iter((0..1600).map(move |_| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok::<_, Infallible>(Frame::data(chunk.clone()))
            }));
            ::http::Response::new(StreamBody::new(frames).boxed_unsync())
        }
    })
    .await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let mut stream = TcpStream::connect(proxy.addr("out")).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: service\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut first = [0; 1024];
    stream.read_exact(&mut first).await.unwrap();
    // The sender's progress comes to rest although nobody reads, long before all 100 MiB are made.
    let mut before = 0;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let now = made.load(Ordering::SeqCst);
        if now == before {
            break;
        }
        before = now;
    }
    assert!(before < 800, "{before} chunks of 64 KiB were taken from a sender whose reader had stopped");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() > 1600 * 64 * 1024 - 1024, "all of it comes once it is read");
    proxy.stop().await;
}

#[tokio::test]
async fn a_chunked_upload_arrives_whole() {
    let upstream =
        Upstream::http1(|seen| async move { text(StatusCode::OK, String::from_utf8_lossy(&seen.body)) })
            .await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let mut stream = TcpStream::connect(proxy.addr("out")).await.unwrap();
    let head = b"POST / HTTP/1.1\r\nhost: service\r\ntransfer-encoding: chunked\r\nexpect: 100-continue\r\n\
                 connection: close\r\n\r\n";
    stream.write_all(head).await.unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).await.unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("hello world"), "{answer}");
    proxy.stop().await;
}

#[tokio::test]
async fn an_http_proxy_takes_the_authority_from_the_target() {
    let upstream = Upstream::http1(|seen| async move {
        text(StatusCode::OK, format!("{} {}", seen.headers["host"].to_str().unwrap(), seen.uri))
    })
    .await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let absolute = Request::get("http://reviews:9080/reviews/0")
        .header("host", "something.else")
        .body(http_body_util::Empty::new().boxed_unsync())
        .unwrap();
    let mut caller = Caller::http1(proxy.addr("out")).await;
    assert_eq!(caller.send(absolute).await.body, "reviews:9080 /reviews/0");
    proxy.stop().await;
}

#[tokio::test]
async fn routes_rewrite_redirect_and_answer_at_once() {
    let upstream = Upstream::http1(|seen| async move {
        let original = seen.headers["x-envoy-original-path"].to_str().unwrap().to_owned();
        text(StatusCode::OK, format!("{} from {original} for {:?}", seen.uri, seen.headers.get("x-team")))
    })
    .await;
    let rewrite = Forward { rewrite: Some(PathRewrite::Prefix("/new".into())), ..Forward::to("c") };
    let mut rewritten = route("/old", forward(rewrite));
    rewritten.headers.request.set = vec![("x-team".parse().unwrap(), HeaderValue::from_static("a"))];
    rewritten.headers.response.add = vec![("x-added".parse().unwrap(), HeaderValue::from_static("b"))];
    let redirect = Redirect {
        scheme: Some("https".into()),
        host: None,
        port: None,
        path: None,
        status: StatusCode::MOVED_PERMANENTLY,
        strip_query: false,
    };
    let routes = vec![
        rewritten,
        route("/away", mesh_core::model::route::Action::Redirect(redirect)),
        route("/teapot", respond(StatusCode::IM_A_TEAPOT, "short and stout")),
    ];
    let proxy = Running::start(outbound(routes, vec![cluster("c", &[upstream.addr])])).await;
    let at = proxy.addr("out");
    let answer = get(at, "/old/x?q").await;
    assert_eq!(answer.body, "/new/x?q from /old/x?q for Some(\"a\")");
    assert_eq!(answer.headers["x-added"], "b");
    let answer = get(at, "/away?q").await;
    assert_eq!(
        (answer.status, &answer.headers["location"]),
        (StatusCode::MOVED_PERMANENTLY, &HeaderValue::from_static("https://service/away?q"))
    );
    let answer = get(at, "/teapot").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::IM_A_TEAPOT, "short and stout"));
    let answer = get(at, "/nowhere").await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::NOT_FOUND, ""));
    proxy.stop().await;
}

#[tokio::test]
async fn an_edge_appends_the_peer_and_believes_nobody() {
    let upstream = Upstream::http1(|seen| async move {
        let forged = |name: &&http::HeaderName| {
            seen.headers[*name].as_bytes() == b"forged" || *name == "x-forwarded-client-cert"
        };
        assert_eq!(seen.headers.keys().find(forged), None);
        text(StatusCode::OK, seen.headers["x-forwarded-for"].to_str().unwrap())
    })
    .await;
    let mut snapshot = one_cluster(&upstream);
    let mut edge = manager("routes");
    edge.use_remote_address = true;
    add_listener(
        &mut snapshot,
        listener("out", Direction::Unspecified, vec![chain("http", http_filter(edge))]),
    );
    let proxy = Running::start(snapshot).await;
    let mut forged = request("/");
    for (name, value) in [
        ("x-forwarded-for", "9.9.9.9"),
        ("x-envoy-retry-on", "forged"),
        ("x-envoy-original-path", "forged"),
        ("x-envoy-retriable-status-codes", "forged"),
        ("x-envoy-retriable-header-names", "forged"),
        ("x-envoy-hedge-on-per-try-timeout", "forged"),
        ("x-envoy-ip-tags", "forged"),
        ("x-envoy-upstream-alt-stat-name", "forged"),
        ("x-envoy-peer-metadata", "forged"),
        ("x-envoy-peer-metadata-id", "forged"),
        ("x-envoy-peer-metadata-of-tomorrow", "forged"),
        ("x-forwarded-client-cert", "URI=spiffe://cluster.local/ns/a/sa/admin"),
    ] {
        forged.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    assert_eq!(send(proxy.addr("out"), forged).await.body, "9.9.9.9,127.0.0.1");
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_not_http_is_refused_and_the_proxy_goes_on() {
    let upstream = Upstream::saying("fine").await;
    let proxy = Running::start(one_cluster(&upstream)).await;
    let at = proxy.addr("out");
    let huge = format!("GET / HTTP/1.1\r\nhost: service\r\nx: {}\r\n\r\n", "a".repeat(80 * 1024));
    let many = format!("GET / HTTP/1.1\r\nhost: service\r\n{}\r\n", "x: y\r\n".repeat(200));
    let smuggled = "POST / HTTP/1.1\r\nhost: service\r\ncontent-length: 3\r\ncontent-length: 4\r\n\r\nabc";
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "HTTP/1.1 400"),
        ("nonsense\r\n\r\n", "HTTP/1.1 400"),
        (smuggled, "HTTP/1.1 400"),
        (huge.as_str(), "HTTP/1.1 431"),
        (many.as_str(), "HTTP/1.1 431"),
    ] {
        let mut stream = TcpStream::connect(at).await.unwrap();
        // The proxy may refuse before everything is sent.
        let _ = stream.write_all(bytes.as_bytes()).await;
        let mut answer = vec![0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&answer), status, "{}", bytes.get(..40).unwrap_or(bytes));
    }
    assert_eq!(upstream.requests(), 0);
    assert_eq!(get(at, "/").await.body, "fine");
    proxy.stop().await;
}

#[tokio::test]
async fn an_upgraded_connection_carries_bytes_both_ways() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(String::from_utf8_lossy(&head).to_lowercase().contains("upgrade: websocket"));
        stream
            .write_all(
                b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            )
            .await
            .unwrap();
        let mut word = [0; 4];
        stream.read_exact(&mut word).await.unwrap();
        stream.write_all(&word).await.unwrap();
    });
    let proxy = Running::start(outbound(vec![route("/", to("c"))], vec![cluster("c", &[addr])])).await;
    let mut stream = TcpStream::connect(proxy.addr("out")).await.unwrap();
    let ask = |kind: &str| {
        format!("GET /ws HTTP/1.1\r\nhost: service\r\nconnection: upgrade\r\nupgrade: {kind}\r\n\r\n")
    };
    stream.write_all(ask("websocket").as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream.write_all(b"ping").await.unwrap();
    let mut word = [0; 4];
    stream.read_exact(&mut word).await.unwrap();
    assert_eq!(&word, b"ping");
    server.await.unwrap();

    let mut stream = TcpStream::connect(proxy.addr("out")).await.unwrap();
    stream.write_all(ask("something").as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 403");
    proxy.stop().await;
}

#[tokio::test]
async fn a_mirror_gets_a_copy_and_never_touches_the_answer() {
    let (copied, mut copies) = tokio::sync::mpsc::unbounded_channel();
    let shadow = Upstream::http1(move |seen| {
        copied.send((seen.headers["host"].to_str().unwrap().to_owned(), seen.body)).unwrap();
        async move { text(StatusCode::INTERNAL_SERVER_ERROR, "nobody reads this") }
    })
    .await;
    let upstream = Upstream::saying("the real one").await;
    let mirror = |cluster: &str| mesh_core::model::route::Mirror {
        cluster: name(cluster),
        fraction: mesh_core::model::values::Fraction::ONE,
    };
    let action = forward(Forward { mirrors: vec![mirror("shadow"), mirror("dead")], ..Forward::to("c") });
    let dead = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    let clusters =
        vec![cluster("c", &[upstream.addr]), cluster("shadow", &[shadow.addr]), cluster("dead", &[dead])];
    let proxy = Running::start(outbound(vec![route("/", action)], clusters)).await;
    let post = Request::post("/")
        .header("host", "service:80")
        .body(Full::new(Bytes::from_static(b"once")).boxed_unsync())
        .unwrap();
    let answer = send(proxy.addr("out"), post).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::OK, "the real one"));
    let copy = copies.recv().await.unwrap();
    assert_eq!(copy, ("service-shadow:80".to_owned(), Bytes::from_static(b"once")));
    proxy.stop().await;
}
