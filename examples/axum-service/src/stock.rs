//! Who is called: a gRPC server in the same process, with something wrong about most of what it has in stock.

use futures_util::stream::Pending;
use http::StatusCode;
use mesh_policy::BoxError;
use mesh_policy::retry::RetryReport;
use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status, body};
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::util::BoxCloneSyncService;

/// A generated client over a stack of layers.
pub(crate) type StockClient =
    HealthClient<BoxCloneSyncService<http::Request<body::Body>, http::Response<body::Body>, Infallible>>;

/// Starts the server on a port of its own, and returns the way to it.
pub(crate) async fn start() -> Result<Channel, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let endpoint = Endpoint::from_shared(format!("http://{}", listener.local_addr()?))?;
    let server = tonic::transport::Server::builder().add_service(HealthServer::new(Stock::default()));
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    Ok(endpoint.connect_lazy())
}

/// Asks for an article, and says what came of it and after how many attempts.
pub(crate) async fn ask(mut client: StockClient, article: String) -> (StatusCode, String) {
    match client.check(HealthCheckRequest { service: article }).await {
        Ok(found) => {
            let attempts = found.extensions().get::<RetryReport>().map_or(1, |report| report.attempts);
            (StatusCode::OK, format!("in stock, after {attempts} attempt(s)\n"))
        }
        Err(status) => {
            (StatusCode::BAD_GATEWAY, format!("stock says {:?}: {}\n", status.code(), status.message()))
        }
    }
}

/// gRPC's health service, as it comes with tonic; a service of its own would only need a build step.
#[derive(Debug, Default)]
struct Stock {
    asked: AtomicU32,
}

#[tonic::async_trait]
impl Health for Stock {
    type WatchStream = Pending<Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match request.get_ref().service.as_str() {
            "coffee" => {}
            // Every other time.
            "tea" if self.asked.fetch_add(1, Ordering::Relaxed) % 2 == 1 => {}
            "tea" | "milk" => return Err(Status::unavailable("the shelf is being filled")),
            "sugar" => std::future::pending().await,
            other => return Err(Status::not_found(format!("never heard of {other}"))),
        }
        Ok(Response::new(HealthCheckResponse { status: ServingStatus::Serving.into() }))
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Self::WatchStream>, Status> {
        Err(Status::unimplemented("only single articles"))
    }
}
