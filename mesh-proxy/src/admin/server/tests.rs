use super::super::testing::{CLUSTER, Mesh, credential, node};
use super::*;
use mesh_core::watch::Watch;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server with a page of this size at `/config_dump`, and its address.
fn start(size: usize, whole: bool) -> (Server, SocketAddr) {
    let big = "x".repeat(size);
    let (admin, _) = Mesh::new().admin(|settings| {
        settings.config_dump = Some(Arc::new(move |_| serde_json::json!({ "configs": [{ "big": big }] })));
    });
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    (Server::start(socket, Arc::new(admin), whole).unwrap(), address)
}

async fn get(address: SocketAddr, path: &str) -> String {
    send(address, "GET", path).await
}

async fn send(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn pages_are_served_with_envoys_headers() {
    let (_server, address) = start(1, true);
    let answer = get(address, "/ready").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nLIVE\n"), "{answer}");
    for header in [
        "content-type: text/plain; charset=UTF-8",
        "cache-control: no-cache, max-age=0",
        "x-content-type-options: nosniff",
    ] {
        assert!(answer.contains(&format!("\r\n{header}\r\n")), "{header} in {answer}");
    }
    assert!(get(address, "/nope").await.starts_with("HTTP/1.1 404 "));
}

#[tokio::test]
async fn the_status_address_serves_readiness_and_nothing_else() {
    let (_server, address) = start(1, false);
    assert!(get(address, "/healthz/ready").await.starts_with("HTTP/1.1 200 "));
    for path in ["/ready", "/quitquitquit", "/config_dump", "/"] {
        assert!(get(address, path).await.starts_with("HTTP/1.1 404 "), "{path}");
    }
}

#[tokio::test]
async fn a_reader_who_does_not_read_keeps_nobody_else_waiting() {
    let (_server, address) = start(16 << 20, true);
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET /config_dump HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    // Its page is being sent, and more than the sockets hold is left.
    idle.readable().await.unwrap();
    assert!(get(address, "/ready").await.ends_with("LIVE\n"));
}

#[tokio::test]
async fn a_large_page_arrives_whole_when_the_server_ends_meanwhile() {
    let (server, address) = start(8 << 20, true);
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /config_dump HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    stream.readable().await.unwrap();
    drop(server);
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!(body["configs"][1]["big"].as_str().map(str::len), Some(8 << 20));
}

#[tokio::test]
async fn the_address_is_free_once_the_future_that_serves_is_dropped() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let (admin, _) = Mesh::new().admin(|_| ());
    let task = tokio::spawn(serve(socket, Arc::new(admin), true));
    assert!(get(address, "/ready").await.contains("LIVE"));
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    TcpListener::bind(address).unwrap();
}

#[tokio::test]
async fn a_running_proxy_is_shown_and_ends_when_it_is_asked_to() {
    let mut settings = crate::Settings::new(node());
    settings.workers = 1;
    settings.drain = Duration::from_millis(200);
    settings.admin = Some("127.0.0.1:0".parse().unwrap());
    settings.status = settings.admin;
    let snapshot = Watch::fixed(Mesh::new().input().snapshot.clone());
    let identity = Watch::fixed(Arc::new(credential()));
    let proxy = crate::Proxy::start(settings, snapshot, identity).unwrap();
    proxy.ready().await;
    let (admin, status) = (proxy.admin_addr().unwrap(), proxy.status_addr().unwrap());
    assert!(get(status, "/healthz/ready").await.contains("LIVE"));
    let clusters = get(admin, "/clusters").await;
    assert!(clusters.contains(&format!("{CLUSTER}::10.0.0.1:80::health_flags::healthy")), "{clusters}");
    let stats = get(admin, "/stats?filter=membership_total|upstream_rq_total").await;
    assert!(stats.contains(&format!("cluster.{CLUSTER}.upstream_rq_total: 0\n")), "workers made it: {stats}");
    let mut kept = TcpStream::connect(admin).await.unwrap();
    let ended = send(admin, "POST", "/quitquitquit").await;
    assert!(ended.starts_with("HTTP/1.1 200 ") && ended.ends_with("OK\n"), "{ended}");
    // Closed by the server when the proxy has drained.
    assert_eq!(kept.read_to_end(&mut Vec::new()).await.unwrap(), 0);
}

#[tokio::test]
async fn connections_that_say_nothing_keep_nobody_from_an_answer() {
    for (whole, page) in [(false, "/healthz/ready"), (true, "/ready")] {
        let (_server, address) = start(1, whole);
        let mut silent = Vec::new();
        for _ in 0..MAX_CONNECTIONS + 6 {
            silent.push(TcpStream::connect(address).await.unwrap());
        }
        let answer = tokio::time::timeout(Duration::from_secs(2), get(address, page)).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // Those that came first made room.
        assert_eq!(silent[0].read(&mut [0]).await.unwrap_or(0), 0);
    }
}

#[tokio::test]
async fn a_connection_that_was_answered_makes_room_and_one_that_still_reads_does_not() {
    let (_server, address) = start(16 << 20, true);
    let ask = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut reader = TcpStream::connect(address).await.unwrap();
    reader.write_all(ask("/config_dump").as_bytes()).await.unwrap();
    reader.readable().await.unwrap();
    let mut kept = Vec::new();
    for _ in 0..MAX_CONNECTIONS + 1 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(ask("/ready").as_bytes()).await.unwrap();
        let mut answer = [0; 15];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200 OK");
        kept.push(stream);
    }
    let mut page = 0;
    let mut buffer = vec![0; 1 << 20];
    while page <= 16 << 20 {
        let n = reader.read(&mut buffer).await.unwrap();
        assert!(n > 0, "cut off after {page} bytes");
        page += n;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_has_three_seconds_to_ask_and_asks_once() {
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let (admin, _) = Mesh::new().admin(|_| ());
    let (_stop, stopped) = watch::channel(());
    let (closing, _closed) = mpsc::channel();
    let server = tokio::spawn(accept(socket, Arc::new(admin), false, stopped, closing));
    let begun = tokio::time::Instant::now();
    let mut silent = TcpStream::connect(address).await.unwrap();
    silent.read_to_end(&mut Vec::new()).await.unwrap();
    assert_eq!(begun.elapsed().as_secs(), 3);
    let mut once = TcpStream::connect(address).await.unwrap();
    once.write_all(b"GET /healthz/ready HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    once.read_to_string(&mut answer).await.unwrap();
    assert!(answer.contains("connection: close") && answer.ends_with("LIVE\n"), "{answer}");
    server.abort();
}

#[test]
fn only_loopback_is_private() {
    for private in ["127.0.0.1:15000", "127.1.0.4:15000", "[::1]:15000", "[::ffff:127.0.0.1]:1"] {
        assert_eq!(is_private(private.parse().unwrap()), Ok(()), "{private}");
    }
    for open in ["0.0.0.0:15000", "[::]:15000", "10.0.0.1:15000"] {
        let error = is_private(open.parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains(open) && error.contains("127.0.0.1:15000"), "{error}");
    }
}
