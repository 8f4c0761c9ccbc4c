//! An axum server and a tonic client, each behind layers of mesh-policy whose settings stand in a file.

mod policies;
mod stock;

use axum::extract::{ConnectInfo, Path};
use axum::{Router, routing::get};
use clap::Parser;
use http::Request;
use mesh_policy::rescue::RescueLayer;
use mesh_policy::{BoxError, Connection, ConnectionLayer};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use tonic_health::pb::health_client::HealthClient;
use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

/// A small web shop behind a rate limit, authorization, faults, a breaker and a timeout, which asks a gRPC
/// service for its stock with retries, a timeout for each attempt and a circuit breaker.
#[derive(Parser)]
#[command(
    version,
    after_help = "Try:
  curl localhost:8080/orders           a page
  curl -d tea localhost:8080/orders    denied
  curl localhost:8080/slow             too slow
  curl localhost:8080/stock/tea        retried"
)]
struct Args {
    /// Where it listens; port 0 takes any.
    #[arg(long, default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// YAML or JSON with the settings of all layers; examples/axum-service/policies.yaml is built in.
    #[arg(long, value_name = "FILE")]
    policies: Option<PathBuf>,
    #[command(flatten)]
    log: mesh_cli::LogArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "warn");
    run(args).await.map_or_else(|error| mesh_cli::fail(&*error), |()| ExitCode::SUCCESS)
}

async fn run(args: Args) -> Result<(), BoxError> {
    let (server, client) = policies::read(args.policies.as_deref())?;

    let stack = ServiceBuilder::new()
        .layer(RescueLayer::new()) // whatever goes wrong below is an answer of gRPC
        .layer(client.retry)
        .layer(client.attempt_timeout)
        .layer(client.circuit)
        .map_request(|request: Request<_>| request.map(tonic::body::Body::new))
        .service(stock::start().await?);
    let stack = tower::util::MapResponse::new(stack, |r: http::Response<_>| r.map(tonic::body::Body::new));
    let stock = HealthClient::new(BoxCloneSyncService::new(stack));

    let listener = tokio::net::TcpListener::bind(args.listen).await?;
    let here = listener.local_addr()?;
    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/orders", get(|| async { "one coffee\n" }).post(|| async { "thank you\n" }))
        .route("/slow", get(|| async { tokio::time::sleep(Duration::from_secs(60)).await }))
        .route("/stock/{article}", get(|Path(article)| stock::ask(stock, article)));
    let peer = move |of: &ConnectInfo<SocketAddr>| Connection::new(here, of.0);
    let stack = ServiceBuilder::new()
        .layer(RescueLayer::new()) // whatever goes wrong below is an answer of HTTP
        .layer(ConnectionLayer::from_extension(peer))
        .layer(server.normalize_path) // before the router, so that rules and routes read one path
        .layer(server.rate_limit)
        .layer(server.authz)
        .layer(server.fault)
        .layer(server.breaker)
        .layer(server.timeout)
        .service(app);
    println!("listening on http://{here}");
    let stop = async { drop(mesh_cli::shutdown_signal().await) };
    let service = Router::new().fallback_service(stack).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await?;
    Ok(())
}
