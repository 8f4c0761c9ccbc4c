//! Connections that are not HTTP.

use crate::support::*;
use mesh_core::model::Snapshot;
use mesh_core::model::listener::{ChainMatch, Direction};
use mesh_core::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Reads until the caller has no more to say, then answers.
async fn patient_server() -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut all = String::new();
                stream.read_to_string(&mut all).await.unwrap();
                stream.write_all(format!("heard {all}").as_bytes()).await.unwrap();
            });
        }
    });
    (addr, task)
}

fn snapshot(addr: std::net::SocketAddr) -> Snapshot {
    let mut snapshot = Snapshot::default();
    add_listener(&mut snapshot, listener("tcp", Direction::Outbound, vec![chain("tcp", tcp_filter("c"))]));
    add_cluster(&mut snapshot, cluster("c", &[addr]));
    snapshot
}

#[tokio::test]
async fn a_caller_may_end_its_side_and_still_read_the_answer() {
    let (addr, _server) = patient_server().await;
    let proxy = Running::start(snapshot(addr)).await;
    let mut stream = TcpStream::connect(proxy.addr("tcp")).await.unwrap();
    stream.write_all(b"everything").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "heard everything");
    proxy.stop().await;
}

#[tokio::test]
async fn a_denied_connection_is_closed_without_a_byte() {
    let (addr, _server) = patient_server().await;
    let mut denied = chain("tcp", tcp_filter("c"));
    let policy = RbacPolicy {
        name: name("deny-all"),
        permissions: vec![Permission::Any],
        principals: vec![Principal::Any],
        origin: None,
    };
    denied.rbac = vec![Arc::new(Rbac {
        stat_prefix: name(""),
        mode: EnforcementMode::Enforced,
        action: RbacAction::Deny,
        policies: vec![policy],
    })];
    let mut config = snapshot(addr);
    add_listener(&mut config, listener("tcp", Direction::Inbound, vec![denied]));
    let proxy = Running::start(config).await;
    let mut stream = TcpStream::connect(proxy.addr("tcp")).await.unwrap();
    let mut nothing = Vec::new();
    // Closed or reset: either way not a byte.
    let _ = stream.read_to_end(&mut nothing).await;
    assert!(nothing.is_empty());
    proxy.stop().await;
}

#[tokio::test]
async fn what_the_first_bytes_are_chooses_the_chain() {
    let (addr, _server) = patient_server().await;
    let web = Upstream::saying("web").await;
    let mut http = chain("http", http_filter(manager("routes")));
    http.matches =
        ChainMatch { application_protocols: vec!["http/1.1".into(), "h2c".into()], ..ChainMatch::default() };
    let mut both = listener("both", Direction::Outbound, vec![http]);
    both.http_inspector = true;
    both.default_chain = Some(Arc::new(chain("tcp", tcp_filter("c"))));
    let mut config = snapshot(addr);
    add_listener(&mut config, both);
    add_cluster(&mut config, cluster("web", &[web.addr]));
    add_table(&mut config, table("routes", vec![route("/", to("web"))]));
    let proxy = Running::start(config).await;
    assert_eq!(get(proxy.addr("both"), "/").await.body, "web");
    let mut stream = TcpStream::connect(proxy.addr("both")).await.unwrap();
    stream.write_all(b"\x01\x02 binary").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert_eq!(answer, "heard \x01\x02 binary");
    proxy.stop().await;
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_after_inspection_gives_up() {
    let listening = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listening.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listening.accept().await.unwrap();
        stream.write_all(b"welcome").await.unwrap();
    });
    let mut sniffing = listener("tcp", Direction::Outbound, vec![chain("tcp", tcp_filter("c"))]);
    sniffing.tls_inspector = true;
    sniffing.inspect_timeout = Some(std::time::Duration::from_millis(50));
    sniffing.continue_on_inspect_timeout = true;
    let mut config = snapshot(addr);
    add_listener(&mut config, sniffing);
    let proxy = Running::start(config).await;
    let mut stream = TcpStream::connect(proxy.addr("tcp")).await.unwrap();
    let mut word = String::new();
    stream.read_to_string(&mut word).await.unwrap();
    assert_eq!(word, "welcome");
    server.await.unwrap();
    proxy.stop().await;
}
