use super::client::{Answer, CallError};
use super::*;
use http::HeaderValue;
use parking_lot::Mutex;
use serde_json::Value;
use std::collections::HashMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;

/// Bookinfo without a mesh: a proxy that knows the services by name, as a sidecar does.
struct World {
    proxy: SocketAddr,
    page: SocketAddr,
    seen: Arc<Mutex<Vec<Request<()>>>>,
    apps: HashMap<&'static str, oneshot::Sender<()>>,
    tasks: JoinSet<()>,
    targets: Arc<Mutex<HashMap<String, SocketAddr>>>,
}

impl World {
    async fn start(reviews: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let targets = Arc::new(Mutex::new(HashMap::new()));
        let mut tasks = JoinSet::new();
        tasks.spawn(forward(listener, seen.clone(), targets.clone()));
        let mut world =
            Self { proxy, page: proxy, seen, apps: HashMap::new(), tasks, targets: targets.clone() };
        for (app, version) in
            [("productpage", "v1"), ("details", "v1"), ("reviews", reviews), ("ratings", "v1")]
        {
            let addr = world.start_app(app, version).await;
            if app == "productpage" {
                world.page = addr;
            }
        }
        world
    }

    async fn start_app(&mut self, app: &'static str, version: &str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let config = Config {
            app: app.to_owned(),
            version: version.to_owned(),
            pod_name: format!("{app}-{version}"),
            http_proxy: Some(self.proxy),
        };
        self.tasks.spawn(serve(listener, config, async {
            let _ = stopped.await;
        }));
        self.apps.insert(app, stop);
        self.targets.lock().insert(format!("{app}:9080"), addr);
        addr
    }

    async fn get(&self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let headers = headers.iter().map(|(k, v)| (HeaderName::from_static(k), v.parse().unwrap())).collect();
        let url = format!("http://{}{path}", self.page);
        Client::new(None).get(&url, headers, Duration::from_secs(20)).await.unwrap()
    }

    async fn text(&self, path: &str, headers: &[(&'static str, &str)]) -> String {
        String::from_utf8(self.get(path, headers).await.body.to_vec()).unwrap()
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let answer = self.get(path, &[]).await;
        (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap())
    }
}

/// Takes absolute-form requests, as an HTTP proxy does, and asks whom they name.
async fn forward(
    listener: TcpListener,
    seen: Arc<Mutex<Vec<Request<()>>>>,
    targets: Arc<Mutex<HashMap<String, SocketAddr>>>,
) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (seen, targets) = (seen.clone(), targets.clone());
        tokio::spawn(async move {
            let answer = service_fn(move |request: Request<Incoming>| {
                let mut copy = Request::new(());
                *copy.uri_mut() = request.uri().clone();
                *copy.headers_mut() = request.headers().clone();
                seen.lock().push(copy);
                let to = targets.lock().get(request.uri().authority().unwrap().as_str()).copied();
                async move {
                    let Some(to) = to else {
                        return Ok::<_, Infallible>(reply::with(
                            StatusCode::SERVICE_UNAVAILABLE,
                            "text/plain",
                            "",
                        ));
                    };
                    let url = format!("http://{to}{}", request.uri().path());
                    let headers = request.headers().clone();
                    Ok(match Client::new(None).get(&url, headers, Duration::from_secs(20)).await {
                        Ok(answer) => reply::with(answer.status, "application/json", answer.body),
                        Err(_) => reply::with(StatusCode::SERVICE_UNAVAILABLE, "text/plain", ""),
                    })
                }
            });
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

#[tokio::test]
async fn the_page_has_every_part() {
    let world = World::start("v3").await;
    let page = world.text("/productpage", &[]).await;
    assert!(page.contains("<h2>The Comedy of Errors</h2>"));
    assert!(page.contains("<dt>ISBN-10:</dt><dd>1234567890</dd>"));
    assert!(page.contains("Reviews served by: <u>reviews-v3</u>"));
    assert!(page.contains("color:red") && page.contains("★★★★★") && page.contains("★★★★☆"));
    assert!(!page.contains("Error fetching"));
}

#[tokio::test]
async fn versions_of_reviews_differ_in_their_stars() {
    for (version, color) in [("v1", None), ("v2", Some("black")), ("v3", Some("red"))] {
        let world = World::start(version).await;
        let (status, reviews) = world.json("/api/v1/products/0/reviews").await;
        assert_eq!((status, reviews["id"].as_str()), (200, Some("0")));
        assert_eq!(reviews["podname"], format!("reviews-{version}"));
        let rating = &reviews["reviews"][0]["rating"];
        assert_eq!(rating["color"].as_str(), color);
        assert_eq!(rating["stars"].as_u64(), color.map(|_| 5));
        assert_eq!(reviews["reviews"][1]["reviewer"], "Reviewer2");
    }
}

#[tokio::test]
async fn the_api_passes_on_what_the_services_say() {
    let world = World::start("v1").await;
    assert_eq!(world.json("/api/v1/products").await.1[0]["title"], "The Comedy of Errors");
    assert_eq!(world.json("/api/v1/products/7").await.1["id"], 7);
    assert_eq!(world.json("/api/v1/products/7/ratings").await.1["ratings"]["Reviewer2"], 4);
    assert_eq!(world.get("/api/v1/products/x", &[]).await.status, 404);
    assert_eq!(world.get("/api/v1/products/0/x", &[]).await.status, 404);
    assert_eq!(world.get("/health", &[]).await.status, 200);
    assert_eq!(world.get("/nothing", &[]).await.status, 404);
    world.targets.lock().remove("ratings:9080");
    let (status, body) = world.json("/api/v1/products/7/ratings").await;
    assert_eq!(
        (status, &body["error"]),
        (503, &Value::from("Sorry, product ratings are currently unavailable for this book."))
    );
}

#[tokio::test]
async fn calls_go_to_the_proxy_with_the_whole_url_and_the_headers_of_a_trace() {
    let world = World::start("v2").await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    world.text("/productpage", &[("traceparent", trace), ("cookie", "user=jason"), ("x-other", "no")]).await;
    let seen = world.seen.lock();
    for url in
        ["http://details:9080/details/0", "http://reviews:9080/reviews/0", "http://ratings:9080/ratings/0"]
    {
        let request = seen.iter().find(|r| r.uri() == url).unwrap_or_else(|| panic!("no call of {url}"));
        assert_eq!(request.headers()["traceparent"], trace);
        assert_eq!(request.headers()["end-user"], "jason", "{url}");
        assert_eq!(request.headers()["host"], request.uri().authority().unwrap().as_str());
        assert!(!request.headers().contains_key("x-other"));
    }
}

#[tokio::test]
async fn missing_stars_and_missing_reviews_are_told_on_the_page() {
    let world = World::start("v2").await;
    world.targets.lock().remove("ratings:9080");
    let page = world.text("/productpage", &[]).await;
    assert!(page.contains("Ratings service is currently unavailable") && page.contains("Book Reviews"));
    world.targets.lock().remove("reviews:9080");
    world.seen.lock().clear();
    let page = world.text("/productpage", &[]).await;
    assert!(page.contains("Error fetching product reviews!"));
    assert!(page.contains("Sorry, product reviews are currently unavailable for this book."));
    let tries = world.seen.lock().iter().filter(|r| r.uri().path() == "/reviews/0").count();
    assert_eq!(tries, 2, "reviews are asked twice");
}

#[tokio::test]
async fn what_a_user_is_called_cannot_break_the_page() {
    let world = World::start("v1").await;
    let page = world.text("/productpage", &[("cookie", "user=%3Cscript%3Ealert(1)%3C/script%3E")]).await;
    assert!(page.contains("&lt;script&gt;") && !page.contains("<script>"));
}

#[tokio::test]
async fn a_user_logs_in_and_out() {
    let world = World::start("v1").await;
    let mut stream = tokio::net::TcpStream::connect(world.page).await.unwrap();
    let form = "username=jason&passwd=x";
    let request = format!(
        "POST /login HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{form}",
        form.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 302 ") && reply.contains("location: /productpage"));
    assert!(reply.contains("set-cookie: user=jason;"), "{reply}");
    assert_eq!(world.get("/logout", &[]).await.status, 302);
}

#[tokio::test]
async fn a_service_that_stops_ends_its_connections_and_the_client_finds_the_next_one() {
    let mut world = World::start("v1").await;
    let client = Client::new(None);
    let addr = world.targets.lock()["ratings:9080"];
    let url = format!("http://{addr}/ratings/0");
    let get = || client.get(&url, HeaderMap::new(), Duration::from_secs(5));
    assert_eq!(get().await.unwrap().status, 200);
    drop(world.apps.remove("ratings"));
    // Its connection was idle and is closed, its port is free again.
    let refused = async {
        while !matches!(get().await, Err(CallError::Connect { .. })) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), refused).await.unwrap();
    let listener = TcpListener::bind(addr).await.unwrap();
    let config =
        Config { app: "ratings".into(), version: "v1".into(), pod_name: "again".into(), http_proxy: None };
    world.tasks.spawn(serve(listener, config, std::future::pending()));
    assert_eq!(get().await.unwrap().status, 200);
}

#[tokio::test(start_paused = true)]
async fn the_page_gives_up_on_reviews_after_two_times_three_seconds() {
    // A server that accepts and stays silent.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = Service {
        client: Client::new(Some(silent.local_addr().unwrap())),
        config: Config {
            app: "productpage".into(),
            version: "v1".into(),
            pod_name: "p".into(),
            http_proxy: None,
        },
    };
    let started = tokio::time::Instant::now();
    let (status, body) = productpage::reviews(&service, "0", &HeaderMap::new()).await;
    assert_eq!(status, 500);
    assert!(body["error"].as_str().unwrap().starts_with("Sorry, product reviews"));
    assert_eq!(started.elapsed().as_secs(), 6);
}

#[test]
fn only_known_headers_are_passed_on() {
    let mut incoming = HeaderMap::new();
    for name in ["x-request-id", "end-user", "host", "connection", "content-length", "x-envoy-peer-metadata"]
    {
        incoming.insert(HeaderName::from_static(name), HeaderValue::from_static("1"));
    }
    let mut passed: Vec<_> = forwarded(&incoming).keys().map(|k| k.as_str().to_owned()).collect();
    passed.sort();
    assert_eq!(passed, ["end-user", "x-request-id"]);
}
