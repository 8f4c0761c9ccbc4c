//! Mesh mTLS between two of our proxies: who may talk to whom, and what is told of it.

use crate::support::*;
use ::http::StatusCode;
use mesh_core::credential::Credential;
use mesh_core::model::Snapshot;
use mesh_core::model::cluster::ClusterTransport;
use mesh_core::model::endpoint::{Endpoint, TlsMode};
use mesh_core::model::http::HttpFilter;
use mesh_core::model::listener::{ChainMatch, Direction, FilterChain, Transport};
use mesh_core::model::matcher::StringMatch;
use mesh_core::model::rbac::{EnforcementMode, Permission, Principal, Rbac, RbacAction, RbacPolicy};
use mesh_core::model::tls::{ClientAuth, DownstreamTls, PeerValidation, SanMatch, UpstreamTls, secret};
use mesh_core::watch::{self, Watch};
use std::net::SocketAddr;
use std::sync::Arc;

fn server_tls() -> DownstreamTls {
    DownstreamTls {
        certificate: name(secret::DEFAULT),
        client: ClientAuth::Required(PeerValidation {
            roots: name(secret::ROOT_CA),
            subject_alt_names: vec![SanMatch::Uri(StringMatch::prefix("spiffe://cluster.local/"))],
        }),
        alpn: vec!["istio-h2".into(), "istio-http/1.1".into(), "istio".into()],
    }
}

fn client_tls(server: &str) -> UpstreamTls {
    UpstreamTls {
        certificate: Some(name(secret::DEFAULT)),
        server: PeerValidation {
            roots: name(secret::ROOT_CA),
            subject_alt_names: vec![SanMatch::Uri(StringMatch::exact(format!(
                "spiffe://cluster.local/ns/default/sa/{server}"
            )))],
        },
        sni: "outbound_.9080_._.service.default.svc.cluster.local".into(),
        alpn: vec!["istio-http/1.1".into(), "istio".into()],
    }
}

fn tls_chain(rbac: Vec<Rbac>) -> FilterChain {
    let mut http = manager("in");
    http.filters = rbac.into_iter().map(|r| HttpFilter::Rbac(Arc::new(r))).collect();
    let mut chain = chain("tls", http_filter(http));
    chain.matches = ChainMatch {
        transport: Some(Transport::Tls),
        application_protocols: vec!["istio".into(), "istio-http/1.1".into(), "istio-h2".into()],
        ..ChainMatch::default()
    };
    chain.tls = Some(server_tls());
    chain
}

fn plain_chain() -> FilterChain {
    let mut chain = chain("plain", http_filter(manager("in")));
    chain.matches = ChainMatch { transport: Some(Transport::Plain), ..ChainMatch::default() };
    chain
}

fn inbound(app: SocketAddr, chains: Vec<FilterChain>) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let mut listener = listener("in", Direction::Inbound, chains);
    listener.tls_inspector = true;
    add_listener(&mut snapshot, listener);
    add_table(&mut snapshot, table("in", vec![route("/", to("inbound|9080||"))]));
    add_cluster(&mut snapshot, cluster("inbound|9080||", &[app]));
    snapshot
}

fn to_peer(peer: SocketAddr, san: &str) -> Snapshot {
    let endpoint = Endpoint { tls_mode: TlsMode::Istio, ..Endpoint::at(peer) };
    let mut c = cluster_of("peer", vec![endpoint]);
    c.transport = ClusterTransport::AutoMtls(client_tls(san));
    outbound(vec![route("/", to("peer"))], vec![c])
}

async fn echo() -> Upstream {
    Upstream::http1(|seen| async move {
        let cert = seen.headers.get("x-forwarded-client-cert").map(|v| v.to_str().unwrap().to_owned());
        assert!(!seen.headers.contains_key("x-envoy-peer-metadata"), "metadata does not reach the app");
        text(StatusCode::OK, cert.unwrap_or_else(|| "no certificate".to_owned()))
    })
    .await
}

fn fixed(credential: &Arc<Credential>) -> Watch<Credential> {
    Watch::fixed(credential.clone())
}

#[tokio::test]
async fn two_proxies_prove_who_they_are() {
    let ca = Authority::new();
    let app = echo().await;
    let server =
        Running::with(inbound(app.addr, vec![tls_chain(vec![])]), fixed(&ca.issue("server")), |_| {}).await;
    let client =
        Running::with(to_peer(server.addr("in"), "server"), fixed(&ca.issue("client")), |_| {}).await;
    let mut caller = Caller::http1(client.addr("out")).await;
    for _ in 0..3 {
        let answer = caller.send(request("/")).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
        assert!(
            answer.body.starts_with("By=spiffe://cluster.local/ns/default/sa/server;Hash="),
            "{}",
            answer.body
        );
        let end = ";Subject=\"\";URI=spiffe://cluster.local/ns/default/sa/client";
        assert!(answer.body.ends_with(end), "{}", answer.body);
        assert!(!answer.headers.contains_key("x-envoy-peer-metadata"), "metadata does not reach the caller");
    }
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn callers_who_offer_none_of_our_protocols_are_served_without_one() {
    let ca = Authority::new();
    let app = echo().await;
    let mut chain = tls_chain(vec![]);
    // The caller offers `istio-http/1.1` and `istio`.
    chain.tls = Some(DownstreamTls { alpn: vec!["h2".into(), "http/1.1".into()], ..server_tls() });
    let server = Running::with(inbound(app.addr, vec![chain]), fixed(&ca.issue("server")), |_| {}).await;
    let client =
        Running::with(to_peer(server.addr("in"), "server"), fixed(&ca.issue("client")), |_| {}).await;
    let answer = get(client.addr("out"), "/").await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.body);
    assert!(answer.body.contains("sa/client"), "{}", answer.body);
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_server_with_another_identity_is_refused() {
    let ca = Authority::new();
    let app = echo().await;
    let server =
        Running::with(inbound(app.addr, vec![tls_chain(vec![])]), fixed(&ca.issue("mallory")), |_| {}).await;
    let client =
        Running::with(to_peer(server.addr("in"), "server"), fixed(&ca.issue("client")), |_| {}).await;
    let answer = get(client.addr("out"), "/").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.body.contains("TLS"), "{}", answer.body);
    assert_eq!(app.requests(), 0);
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_client_of_another_root_is_refused() {
    let (ca, stranger) = (Authority::new(), Authority::new());
    let app = echo().await;
    let server =
        Running::with(inbound(app.addr, vec![tls_chain(vec![])]), fixed(&ca.issue("server")), |_| {}).await;
    // It trusts the server's root, but its own certificate comes from elsewhere.
    let mut forged = (*stranger.issue("client")).clone();
    forged.roots = ca.issue("x").roots.clone();
    let client = Running::with(to_peer(server.addr("in"), "server"), fixed(&Arc::new(forged)), |_| {}).await;
    assert_eq!(get(client.addr("out"), "/").await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.requests(), 0);
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn permissive_takes_both_and_strict_takes_mtls_alone() {
    let ca = Authority::new();
    let app = echo().await;
    let both = inbound(app.addr, vec![tls_chain(vec![]), plain_chain()]);
    let server = Running::with(both, fixed(&ca.issue("server")), |_| {}).await;
    let client =
        Running::with(to_peer(server.addr("in"), "server"), fixed(&ca.issue("client")), |_| {}).await;
    assert!(get(client.addr("out"), "/").await.body.contains("sa/client"));
    assert_eq!(get(server.addr("in"), "/").await.body, "no certificate");

    let mut strict = inbound(app.addr, vec![tls_chain(vec![])]);
    strict.version = "strict".into();
    server.push(strict, "strict").await;
    let mut refused = Caller::http1(server.addr("in")).await;
    assert!(refused.try_send(request("/")).await.is_err());
    assert!(get(client.addr("out"), "/").await.body.contains("sa/client"));
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_policy_allows_one_caller_and_takes_effect_on_open_connections() {
    let allow = |account: &str| Rbac {
        mode: EnforcementMode::Enforced,
        stat_prefix: name(""),
        action: RbacAction::Allow,
        policies: vec![RbacPolicy {
            name: name("ns[default]-policy[only]-rule[0]"),
            permissions: vec![Permission::Any],
            principals: vec![Principal::Authenticated(Some(StringMatch::exact(format!(
                "spiffe://cluster.local/ns/default/sa/{account}"
            ))))],
            origin: None,
        }],
    };
    let ca = Authority::new();
    let app = echo().await;
    let snapshot = inbound(app.addr, vec![tls_chain(vec![allow("client")])]);
    let server = Running::with(snapshot, fixed(&ca.issue("server")), |_| {}).await;
    let client =
        Running::with(to_peer(server.addr("in"), "server"), fixed(&ca.issue("client")), |_| {}).await;
    let mut caller = Caller::http1(client.addr("out")).await;
    assert_eq!(caller.send(request("/")).await.status, StatusCode::OK);
    server.push(inbound(app.addr, vec![tls_chain(vec![allow("somebody-else")])]), "denied").await;
    let answer = caller.send(request("/")).await;
    assert_eq!((answer.status, answer.body.as_str()), (StatusCode::FORBIDDEN, "RBAC: access denied"));
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn a_rotation_drops_no_connection_and_reaches_the_next_handshake() {
    let ca = Authority::new();
    let app = echo().await;
    let server =
        Running::with(inbound(app.addr, vec![tls_chain(vec![])]), fixed(&ca.issue("server")), |_| {}).await;
    let (rotate, identity) = watch::channel();
    rotate.send(ca.issue("client"));
    let client =
        Running::with(to_peer(server.addr("in"), "server"), identity, |settings| settings.workers = 1).await;
    let hash = |body: &str| body.split(';').find(|p| p.starts_with("Hash=")).unwrap().to_owned();
    let mut caller = Caller::http1(client.addr("out")).await;
    let before = hash(&caller.send(request("/")).await.body);
    rotate.send(ca.issue("client"));
    // The kept connection to the server goes on with the certificate that it began with.
    assert_eq!(hash(&caller.send(request("/")).await.body), before);
    // Two at once need a second connection, which shows the new one.
    let mut other = Caller::http1(client.addr("out")).await;
    let mut hashes = std::collections::BTreeSet::new();
    for _ in 0..50 {
        let (one, two) = tokio::join!(caller.send(request("/")), other.send(request("/")));
        assert_eq!((one.status, two.status), (StatusCode::OK, StatusCode::OK));
        hashes.extend([hash(&one.body), hash(&two.body)]);
        if hashes.len() == 2 {
            break;
        }
    }
    assert_eq!(hashes.len(), 2, "the new certificate was never shown");
    client.stop().await;
    server.stop().await;
}

#[tokio::test]
async fn chains_with_tls_wait_for_the_first_credential() {
    let ca = Authority::new();
    let app = echo().await;
    let (send, identity) = watch::channel();
    let node =
        mesh_core::node::Node::new(mesh_core::node::NodeKind::Sidecar, [127, 0, 0, 1].into(), "s", "default");
    let mut settings = mesh_proxy::Settings::new(node);
    settings.workers = 1;
    let config = Watch::fixed(Arc::new(inbound(app.addr, vec![tls_chain(vec![])])));
    let handle = mesh_proxy::Proxy::start(settings, config, identity).unwrap();
    until(|| handle.listener_addrs().contains_key("in")).await;
    assert!(!handle.is_ready(), "without a credential nobody could be served");
    let at = handle.listener_addrs()["in"];
    let client = Running::with(to_peer(at, "server"), fixed(&ca.issue("client")), |_| {}).await;
    let asked = client.addr("out");
    let early = tokio::spawn(async move { get(asked, "/").await });
    send.send(ca.issue("server"));
    handle.ready().await;
    assert_eq!(early.await.unwrap().status, StatusCode::OK);
    client.stop().await;
    handle.drain_and_stop(std::time::Duration::from_secs(1)).await;
}
