//! Connections that leave HTTP: what is said on the way, what they count as, and how they end.

use crate::support::*;
use mesh_core::model::Snapshot;
use mesh_core::model::cluster::CircuitLimits;
use mesh_core::model::listener::Direction;
use mesh_core::watch;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// A server that agrees to become something else and then repeats what it hears.
struct Echo {
    addr: SocketAddr,
    heads: mpsc::UnboundedReceiver<String>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, heads) = mpsc::unbounded_channel();
        let task = tokio::spawn(async move {
            let mut served = tokio::task::JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let seen = seen.clone();
                served.spawn(async move {
                    seen.send(head(&mut stream).await).unwrap();
                    let agreed =
                        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
                    stream.write_all(agreed.as_bytes()).await.unwrap();
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        Self { addr, heads, task }
    }

    fn snapshot(&self) -> Snapshot {
        outbound(vec![route("/", to("c"))], vec![cluster("c", &[self.addr])])
    }
}

async fn head(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

/// Asks for a WebSocket; what is answered.
async fn upgrade(to: SocketAddr, connection: &str) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(to).await.unwrap();
    let ask = format!(
        "GET /ws HTTP/1.1\r\nhost: service\r\nconnection: {connection}\r\nupgrade: websocket\r\n\r\n"
    );
    stream.write_all(ask.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    (stream, answer)
}

async fn is_repeated(stream: &mut TcpStream, word: &[u8]) -> bool {
    let mut heard = vec![0; word.len()];
    stream.write_all(word).await.is_ok() && stream.read_exact(&mut heard).await.is_ok() && heard == word
}

#[tokio::test]
async fn a_caller_cannot_have_the_next_hop_drop_headers() {
    let mut echo = Echo::start().await;
    let proxy = Running::start(echo.snapshot()).await;
    let tokens = "keep-alive, x-forwarded-for, Upgrade, x-forwarded-client-cert";
    let (mut stream, answer) = upgrade(proxy.addr("out"), tokens).await;
    assert!(answer.starts_with("http/1.1 101 "), "{answer}");
    let asked = echo.heads.recv().await.unwrap();
    assert_eq!(asked.matches("connection:").count(), 1, "{asked}");
    assert!(asked.contains("\r\nconnection: upgrade\r\n"), "{asked}");
    assert!(asked.contains("\r\nupgrade: websocket\r\n"), "{asked}");
    assert!(is_repeated(&mut stream, b"ping").await);
    drop(stream);
    proxy.stop().await;
}

#[tokio::test]
async fn the_end_waits_for_what_is_joined_until_the_deadline() {
    let echo = Echo::start().await;
    let proxy = Running::start(echo.snapshot()).await;
    let at = proxy.addr("out");
    let (mut stays, _) = upgrade(at, "upgrade").await;
    assert!(is_repeated(&mut stays, b"before").await);
    let begun = Instant::now();
    let end = tokio::spawn(proxy.handle.drain_and_stop(Duration::from_millis(1500)));
    // Idle connections are told to go after a quarter of the time.
    while begun.elapsed() < Duration::from_millis(600) {
        assert!(is_repeated(&mut stays, b"meanwhile").await, "cut after {:?}", begun.elapsed());
    }
    assert_eq!(stays.read(&mut [0]).await.unwrap_or(0), 0);
    end.await.unwrap();
    let took = begun.elapsed();
    assert!((Duration::from_millis(1400)..Duration::from_secs(5)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn the_end_comes_as_soon_as_nothing_is_joined_any_more() {
    let echo = Echo::start().await;
    let proxy = Running::start(echo.snapshot()).await;
    let (mut stream, _) = upgrade(proxy.addr("out"), "upgrade").await;
    let begun = Instant::now();
    let end = tokio::spawn(proxy.handle.drain_and_stop(Duration::from_secs(60)));
    assert!(is_repeated(&mut stream, b"the last word").await);
    drop(stream);
    end.await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10), "nothing was left to wait for");
}

#[tokio::test]
async fn what_is_joined_ends_when_the_time_of_its_chain_is_over() {
    let echo = Echo::start().await;
    let settings = |settings: &mut mesh_proxy::Settings| settings.drain = Duration::from_millis(300);
    let proxy = Running::with(echo.snapshot(), watch::channel().1, settings).await;
    let (mut stream, _) = upgrade(proxy.addr("out"), "upgrade").await;
    let mut other = echo.snapshot();
    let chains = vec![chain("another", http_filter(manager("routes")))];
    add_listener(&mut other, listener("out", Direction::Outbound, chains));
    let begun = Instant::now();
    proxy.push(other, "another").await;
    assert!(is_repeated(&mut stream, b"still").await);
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    proxy.stop().await;
}

#[tokio::test]
async fn what_is_joined_keeps_its_place_at_the_upstream_until_it_ends() {
    let one_connection =
        CircuitLimits { max_connections: 1, max_pending_requests: 0, ..CircuitLimits::default() };
    let one_request = CircuitLimits { max_requests: 1, ..CircuitLimits::default() };
    for limits in [one_connection, one_request] {
        let echo = Echo::start().await;
        let mut config = echo.snapshot();
        let mut limited = cluster("c", &[echo.addr]);
        limited.limits = limits;
        add_cluster(&mut config, limited);
        let proxy = Running::with(config, watch::channel().1, |settings| settings.workers = 1).await;
        let at = proxy.addr("out");
        let (stream, answer) = upgrade(at, "upgrade").await;
        assert!(answer.starts_with("http/1.1 101 "), "{answer}");
        let (_, answer) = upgrade(at, "upgrade").await;
        assert!(answer.starts_with("http/1.1 503 "), "{answer}");
        drop(stream);
        let end = Instant::now() + Duration::from_secs(10);
        while !upgrade(at, "upgrade").await.1.starts_with("http/1.1 101 ") {
            assert!(Instant::now() < end, "its place was never given back");
        }
        proxy.stop().await;
    }
}

#[tokio::test]
async fn silence_past_the_idle_time_ends_what_is_joined() {
    let echo = Echo::start().await;
    let mut config = echo.snapshot();
    let mut impatient = manager("routes");
    impatient.stream_idle_timeout = Some(Duration::from_millis(200));
    add_listener(
        &mut config,
        listener("out", Direction::Outbound, vec![chain("http", http_filter(impatient))]),
    );
    let proxy = Running::start(config).await;
    let (mut stream, _) = upgrade(proxy.addr("out"), "upgrade").await;
    assert!(is_repeated(&mut stream, b"word").await);
    let silent = Instant::now();
    assert_eq!(stream.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(silent.elapsed() >= Duration::from_millis(150));
    proxy.stop().await;
}
