use super::proto::*;
use super::secrets::{Secrets, TYPE_URL};
use super::session::{Delta, Session, StateOfTheWorld};
use super::*;
use crate::csr::{Csr, Request as CsrRequest};
use crate::{Authority, pem};
use http::uri::PathAndQuery;
use mesh_core::identity::SpiffeId;
use mesh_core::watch;
use prost::Message;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::{mpsc, oneshot};
use tonic::Code;
use tonic::transport::{Channel, Endpoint};

fn issue(ca: &Authority) -> Credential {
    let identity = SpiffeId::new(ca.trust_domain(), "default", "web").unwrap();
    let request = CsrRequest::generate(None).unwrap();
    let csr = Csr::from_pem(&request.csr_pem).unwrap();
    let issued = ca.sign(&csr, &identity, Duration::from_secs(3600), SystemTime::now()).unwrap();
    Credential {
        identity,
        chain: pem::certificates(&issued.chain[0]).unwrap(),
        key: request.key,
        roots: pem::certificates(ca.roots_pem()).unwrap(),
        not_before: issued.not_before,
        not_after: issued.not_after,
        serial: issued.serial,
    }
}

fn ca() -> Authority {
    Authority::in_memory(Default::default()).unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn ask(wanted: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest { resource_names: names(wanted), type_url: TYPE_URL.to_owned(), ..Default::default() }
}

fn ack(wanted: &[&str], response: &DiscoveryResponse) -> DiscoveryRequest {
    DiscoveryRequest {
        version_info: response.version_info.clone(),
        response_nonce: response.nonce.clone(),
        ..ask(wanted)
    }
}

fn decode(any: &prost_types::Any) -> Secret {
    assert_eq!(any.type_url, TYPE_URL);
    Secret::decode(any.value.as_slice()).unwrap()
}

fn text(source: Option<DataSource>) -> String {
    String::from_utf8(source.unwrap().inline_bytes.unwrap()).unwrap()
}

#[test]
fn the_default_secret_is_chain_and_key_and_rootca_the_bundle() {
    let credential = issue(&ca());
    let secrets = Secrets::new(&credential);
    let secret = decode(&secrets.get(DEFAULT).unwrap().secret);
    assert_eq!(secret.name, "default");
    let Some(SecretKind::TlsCertificate(tls)) = secret.kind else { panic!("{secret:?}") };
    assert_eq!(pem::certificates(&text(tls.certificate_chain)).unwrap(), credential.chain);
    let key = pem::private_key(text(tls.private_key).as_bytes()).unwrap();
    assert_eq!(key.secret_der(), credential.key.as_slice());

    let secret = decode(&secrets.get(ROOT_CA).unwrap().secret);
    assert_eq!(secret.name, "ROOTCA");
    let Some(SecretKind::ValidationContext(context)) = secret.kind else { panic!("{secret:?}") };
    assert_eq!(pem::certificates(&text(context.trusted_ca)).unwrap(), credential.roots);
}

#[test]
fn nothing_printed_shows_a_key() {
    let secrets = Secrets::new(&issue(&ca()));
    let response = StateOfTheWorld::default().on_request(ask(&[DEFAULT]), Some(&secrets)).unwrap().unwrap();
    let printed = format!("{response:?} {:?}", decode(&response.resources[0]));
    assert_eq!(printed, "DiscoveryResponse { .. } Secret { .. }");
}

#[test]
fn an_ack_a_nack_and_a_stale_nonce_are_not_answered() {
    let secrets = Secrets::new(&issue(&ca()));
    let mut session = StateOfTheWorld::default();
    let first = session.on_request(ask(&[DEFAULT]), Some(&secrets)).unwrap().unwrap();
    assert!(session.on_request(ack(&[DEFAULT], &first), Some(&secrets)).unwrap().is_none());
    let rejection = RpcStatus { code: 3, message: "bad key".to_owned() };
    let nack = DiscoveryRequest { error_detail: Some(rejection), ..ack(&[DEFAULT], &first) };
    assert!(session.on_request(nack, Some(&secrets)).unwrap().is_none());
    let stale = DiscoveryRequest { response_nonce: "0".to_owned(), ..ask(&[DEFAULT, ROOT_CA]) };
    assert!(session.on_request(stale, Some(&secrets)).unwrap().is_none());
    let wider = session.on_request(ack(&[DEFAULT, ROOT_CA], &first), Some(&secrets)).unwrap().unwrap();
    assert_eq!(wider.resources.len(), 1, "only what is new");
    assert_eq!(decode(&wider.resources[0]).name, ROOT_CA);
    assert_ne!(wider.nonce, first.nonce);
}

#[test]
fn a_stream_that_asks_before_there_is_a_credential_is_answered_by_the_first() {
    let mut session = StateOfTheWorld::default();
    assert!(session.on_request(ask(&[DEFAULT, ROOT_CA]), None).unwrap().is_none());
    let response = session.on_change(&Secrets::new(&issue(&ca()))).unwrap();
    assert_eq!(response.resources.len(), 2);
}

#[test]
fn a_rotation_is_pushed_only_to_those_that_watch_what_changed() {
    let ca = ca();
    let (old, new) = (Secrets::new(&issue(&ca)), Secrets::new(&issue(&ca)));
    let mut leaf = StateOfTheWorld::default();
    let mut root = StateOfTheWorld::default();
    let first = leaf.on_request(ask(&[DEFAULT]), Some(&old)).unwrap().unwrap();
    root.on_request(ask(&[ROOT_CA]), Some(&old)).unwrap().unwrap();
    let pushed = leaf.on_change(&new).unwrap();
    assert_ne!(pushed.version_info, first.version_info);
    assert!(root.on_change(&new).is_none(), "the bundle is the same");
    let rotated = Secrets::new(&issue(&self::ca()));
    assert!(root.on_change(&rotated).is_some(), "another root is another bundle");
}

#[test]
fn names_and_types_that_are_not_served_end_the_stream() {
    let secrets = Secrets::new(&issue(&ca()));
    let mut session = StateOfTheWorld::default();
    let status = session.on_request(ask(&["other"]), Some(&secrets)).unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
    let cluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
    let foreign = DiscoveryRequest { type_url: cluster, ..Default::default() };
    assert_eq!(session.on_request(foreign, Some(&secrets)).unwrap_err().code(), Code::InvalidArgument);
}

#[test]
fn delta_sends_what_is_subscribed_and_not_known_yet() {
    let ca = ca();
    let (old, new) = (Secrets::new(&issue(&ca)), Secrets::new(&issue(&ca)));
    let subscribe = |wanted: &[&str]| DeltaDiscoveryRequest {
        resource_names_subscribe: names(wanted),
        ..Default::default()
    };
    let mut session = Delta::default();
    let response = session.on_request(subscribe(&[DEFAULT, ROOT_CA, "other"]), Some(&old)).unwrap().unwrap();
    assert_eq!(response.resources.len(), 2);
    assert_eq!(response.removed_resources, ["other"]);
    let ack = DeltaDiscoveryRequest { response_nonce: response.nonce, ..Default::default() };
    assert!(session.on_request(ack, Some(&old)).unwrap().is_none());

    let pushed = session.on_change(&new).unwrap();
    let changed: Vec<_> = pushed.resources.iter().map(|resource| resource.name.as_str()).collect();
    assert_eq!(changed, [DEFAULT]);

    let again = session.on_request(subscribe(&[DEFAULT]), Some(&new)).unwrap();
    assert_eq!(again.unwrap().resources.len(), 1, "who subscribes again is told again");

    let mut leave = subscribe(&[]);
    leave.resource_names_unsubscribe = names(&[DEFAULT]);
    assert!(session.on_request(leave, Some(&new)).unwrap().is_none());
    assert!(session.on_change(&old).is_none());

    let mut reconnect = subscribe(&[DEFAULT]);
    let version = new.get(DEFAULT).unwrap().version.clone();
    reconnect.initial_resource_versions.insert(DEFAULT.to_owned(), version);
    assert!(Delta::default().on_request(reconnect, Some(&new)).unwrap().is_none());
}

/// An SDS server on a Unix socket, with the sender of its credential.
struct Unix {
    sender: watch::Sender<Credential>,
    channel: Channel,
    stop: oneshot::Sender<()>,
    served: tokio::task::JoinHandle<io::Result<()>>,
    dir: tempfile::TempDir,
}

impl Unix {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sds.sock");
        let (sender, credential) = watch::channel();
        let (stop, stopped) = oneshot::channel::<()>();
        // Bound by the time that the task first waits, which is before anybody else runs.
        let served = tokio::spawn({
            let path = path.clone();
            async move {
                serve_unix(path, credential, async {
                    let _ = stopped.await;
                })
                .await
            }
        });
        tokio::task::yield_now().await;
        let channel = Endpoint::from_shared(format!("unix:{}", path.display())).unwrap().connect_lazy();
        Self { sender, channel, stop, served, dir }
    }

    async fn stream<Req, Res>(&self, path: &'static str) -> (mpsc::Sender<Req>, Streaming<Res>)
    where
        Req: Message + 'static,
        Res: Message + Default + 'static,
    {
        let (requests, receiver) = mpsc::channel(4);
        let mut grpc = tonic::client::Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<Req, Res>::default();
        let request = Request::new(ReceiverStream::new(receiver));
        let stream = grpc.streaming(request, PathAndQuery::from_static(path), codec).await.unwrap();
        (requests, stream.into_inner())
    }
}

#[tokio::test]
async fn a_stream_over_a_unix_socket_gets_the_secrets_and_every_rotation() {
    let unix = Unix::start().await;
    let mode = fs::metadata(unix.dir.path().join("sds.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let ca = ca();
    let (requests, mut responses) = unix.stream::<DiscoveryRequest, DiscoveryResponse>(STREAM).await;
    requests.send(ask(&[DEFAULT])).await.unwrap();
    unix.sender.send(Arc::new(issue(&ca)));
    let first = responses.message().await.unwrap().unwrap();
    assert_eq!(decode(&first.resources[0]).name, DEFAULT);
    requests.send(ack(&[DEFAULT], &first)).await.unwrap();

    let next = issue(&ca);
    unix.sender.send(Arc::new(next.clone()));
    let second = responses.message().await.unwrap().unwrap();
    assert_eq!(second.version_info, next.serial);

    let fetched: DiscoveryResponse = {
        let mut grpc = tonic::client::Grpc::new(unix.channel.clone());
        grpc.ready().await.unwrap();
        let codec = ProstCodec::<DiscoveryRequest, DiscoveryResponse>::default();
        let request = Request::new(ask(&[ROOT_CA]));
        grpc.unary(request, PathAndQuery::from_static(FETCH), codec).await.unwrap().into_inner()
    };
    assert_eq!(decode(&fetched.resources[0]).name, ROOT_CA);

    drop((requests, responses));
    let path = unix.dir.path().join("sds.sock");
    unix.stop.send(()).unwrap();
    drop(unix.channel);
    unix.served.await.unwrap().unwrap();
    assert!(!path.exists(), "the socket goes with its server");
}

#[tokio::test]
async fn a_delta_stream_goes_on_after_the_source_of_the_credential_has_ended() {
    let unix = Unix::start().await;
    let credential = issue(&ca());
    unix.sender.send(Arc::new(credential.clone()));
    drop(unix.sender);
    let channel = unix.channel.clone();
    let mut grpc = tonic::client::Grpc::new(channel);
    grpc.ready().await.unwrap();
    let (requests, receiver) = mpsc::channel(1);
    let codec = ProstCodec::<DeltaDiscoveryRequest, DeltaDiscoveryResponse>::default();
    let request = Request::new(ReceiverStream::new(receiver));
    let mut responses =
        grpc.streaming(request, PathAndQuery::from_static(DELTA), codec).await.unwrap().into_inner();
    let subscribe =
        DeltaDiscoveryRequest { resource_names_subscribe: names(&[DEFAULT]), ..Default::default() };
    requests.send(subscribe).await.unwrap();
    let response = responses.message().await.unwrap().unwrap();
    assert_eq!(response.resources[0].version, credential.serial);
    let _ = (unix.stop, unix.served);
}

#[tokio::test]
async fn a_name_that_is_not_served_ends_the_stream_with_a_status() {
    let unix = Unix::start().await;
    unix.sender.send(Arc::new(issue(&ca())));
    let (requests, mut responses) = unix.stream::<DiscoveryRequest, DiscoveryResponse>(STREAM).await;
    requests.send(ask(&["other"])).await.unwrap();
    assert_eq!(responses.message().await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_another_file_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sds.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    drop(bind(&path).unwrap());
    let file = dir.path().join("file");
    fs::write(&file, "precious").unwrap();
    assert_eq!(bind(&file).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}
