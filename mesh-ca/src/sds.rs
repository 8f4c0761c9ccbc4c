//! Envoy's Secret Discovery Service over a credential: how a real Envoy gets the mesh's certificates.
//!
//! ```text
//! Watch<Credential> → [sds] ──Unix socket──▶ Envoy: `default` (chain and key), `ROOTCA` (trusted_ca)
//! ```
//!
//! Serves the three methods of `envoy.service.secret.v3.SecretDiscoveryService`. A rotation is pushed to
//! the streams that watch what changed: a new leaf to those of `default`, and to those of `ROOTCA` only
//! if the bundle is another. The socket is the authentication: who may open it may have the key.

mod proto;
mod secrets;
mod session;
mod stream;

use mesh_core::credential::Credential;
use mesh_core::watch::Watch;
use std::convert::Infallible;
use std::fmt;
use std::fs;
use std::future::Future;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::task::{Context, Poll};
use tokio::net::UnixListener;
use tokio_stream::wrappers::{ReceiverStream, UnixListenerStream};
use tonic::codegen::{Body as HttpBody, BoxFuture, Service, StdError};
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::ProstCodec;

pub use secrets::{DEFAULT, ROOT_CA};

const SERVICE: &str = "envoy.service.secret.v3.SecretDiscoveryService";
const STREAM: &str = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
const DELTA: &str = "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets";
const FETCH: &str = "/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets";

/// Requests name secrets; nothing in them is large.
const MAX_MESSAGE: usize = 256 * 1024;

/// The SDS service, to be added to a tonic server. Clones serve the same credential.
#[derive(Clone)]
pub struct SecretService {
    credential: Watch<Credential>,
}

impl SecretService {
    /// A service that serves a credential and its rotations.
    pub fn new(credential: Watch<Credential>) -> Self {
        Self { credential }
    }
}

impl fmt::Debug for SecretService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretService").field("credential", &self.credential.current()).finish()
    }
}

/// Serves SDS on a Unix socket until `shutdown`, then removes the socket. It is for its owner alone.
///
/// A socket that an earlier process left behind is replaced; anything else at the path is not.
///
/// # Errors
/// If the socket cannot be bound, or the server fails.
pub async fn serve_unix(
    path: impl AsRef<Path>,
    credential: Watch<Credential>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let path = path.as_ref();
    let listener = bind(path)?;
    let served = tonic::transport::Server::builder()
        .add_service(SecretService::new(credential))
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), shutdown)
        .await;
    let removed = fs::remove_file(path);
    served.map_err(io::Error::other).and(removed)
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => fs::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, "not a socket")),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

struct StreamSecrets(Watch<Credential>);

impl tonic::server::StreamingService<proto::DiscoveryRequest> for StreamSecrets {
    type Response = proto::DiscoveryResponse;
    type ResponseStream = ReceiverStream<Result<Self::Response, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<proto::DiscoveryRequest>>) -> Self::Future {
        let responses =
            stream::serve(request.into_inner(), session::StateOfTheWorld::default(), self.0.clone());
        Box::pin(std::future::ready(Ok(Response::new(responses))))
    }
}

struct DeltaSecrets(Watch<Credential>);

impl tonic::server::StreamingService<proto::DeltaDiscoveryRequest> for DeltaSecrets {
    type Response = proto::DeltaDiscoveryResponse;
    type ResponseStream = ReceiverStream<Result<Self::Response, Status>>;
    type Future = BoxFuture<Response<Self::ResponseStream>, Status>;

    fn call(&mut self, request: Request<Streaming<proto::DeltaDiscoveryRequest>>) -> Self::Future {
        let responses = stream::serve(request.into_inner(), session::Delta::default(), self.0.clone());
        Box::pin(std::future::ready(Ok(Response::new(responses))))
    }
}

struct FetchSecrets(Watch<Credential>);

impl tonic::server::UnaryService<proto::DiscoveryRequest> for FetchSecrets {
    type Response = proto::DiscoveryResponse;
    type Future = BoxFuture<Response<Self::Response>, Status>;

    fn call(&mut self, request: Request<proto::DiscoveryRequest>) -> Self::Future {
        let mut watch = self.0.clone();
        Box::pin(async move {
            let credential =
                watch.ready().await.map_err(|_| Status::unavailable("there is no certificate"))?;
            let secrets = secrets::Secrets::new(&credential);
            let mut session = session::StateOfTheWorld::default();
            use session::Session;
            let answer = session.on_request(request.into_inner(), Some(&secrets))?;
            answer.map(Response::new).ok_or_else(|| Status::invalid_argument("resource_names: none"))
        })
    }
}

impl<B> Service<http::Request<B>> for SecretService
where
    B: HttpBody + Send + 'static,
    B::Error: Into<StdError> + Send + 'static,
{
    type Response = http::Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        let credential = self.credential.clone();
        match request.uri().path() {
            STREAM => Box::pin(async move {
                let codec = ProstCodec::<proto::DiscoveryResponse, proto::DiscoveryRequest>::default();
                let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
                Ok(grpc.streaming(StreamSecrets(credential), request).await)
            }),
            DELTA => Box::pin(async move {
                let codec =
                    ProstCodec::<proto::DeltaDiscoveryResponse, proto::DeltaDiscoveryRequest>::default();
                let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
                Ok(grpc.streaming(DeltaSecrets(credential), request).await)
            }),
            FETCH => Box::pin(async move {
                let codec = ProstCodec::<proto::DiscoveryResponse, proto::DiscoveryRequest>::default();
                let mut grpc = tonic::server::Grpc::new(codec).max_decoding_message_size(MAX_MESSAGE);
                Ok(grpc.unary(FetchSecrets(credential), request).await)
            }),
            _ => Box::pin(std::future::ready(Ok(Status::unimplemented("").into_http()))),
        }
    }
}

impl tonic::server::NamedService for SecretService {
    const NAME: &'static str = SERVICE;
}

#[cfg(test)]
mod tests;
