//! Joins the running bookinfo mesh in process and calls `reviews` as a sidecar would: same routes, same mTLS.

use clap::Parser;
use http_body_util::{BodyExt, Empty};
use mesh_core::node::{Node, NodeKind};
use std::process::ExitCode;
use tower::ServiceExt;

/// Call reviews from inside the mesh, without a sidecar.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// The control plane.
    #[arg(long, default_value = "http://127.0.0.1:15010")]
    control_plane: String,
    /// File with a token: meshctl token --state DIR --namespace default --service-account bookinfo-productpage
    #[arg(long, value_name = "FILE")]
    token: std::path::PathBuf,
    /// How many calls.
    #[arg(long, default_value_t = 10)]
    calls: u32,
    /// What is called.
    #[arg(long, default_value = "http://reviews:9080/reviews/0")]
    url: http::Uri,
    #[command(flatten)]
    log: mesh_cli::LogArgs,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "warn");
    run(args).await.map_or_else(|error| mesh_cli::fail(&*error), |()| ExitCode::SUCCESS)
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let node = Node::new(NodeKind::Sidecar, [127, 1, 0, 50].into(), "embedded-client", "default");
    mesh_cli::check_token(&args.token)?; // one that vanishes later is waited for, a missing one is a mistake

    let config = mesh_xds::Client::connect(&args.control_plane, node).await?; // watch of the Snapshot
    let identity = mesh_ca::Client::connect(&args.control_plane, args.token).await?; // watch of the Credential
    let mesh = mesh_proxy::Mesh::new(config, identity);
    mesh.ready().await?;

    let (client, mut good) = (mesh.client(), false);
    for _ in 0..args.calls {
        let request = http::Request::get(&args.url).body(Empty::<bytes::Bytes>::new())?;
        let response = client.clone().oneshot(request).await?;
        let status = response.status();
        good |= status == http::StatusCode::OK;
        let body = response.into_body().collect().await?.to_bytes();
        println!("{status} {}", String::from_utf8_lossy(&body).chars().take(60).collect::<String>());
    }
    if good { Ok(()) } else { Err("no call was answered with 200".into()) }
}
