//! `bookinfo`: a whole mesh from one command, with a live table of what happens in it.

mod check;
mod live;

use bookinfo::mesh::{Mesh, Options, StartError};
use clap::Parser;
use mesh_cli::LogArgs;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A complete service mesh on loopback: control plane, CA, ingress gateway, and the Bookinfo application with
/// every workload behind a sidecar of its own, under load, with a live table.
///
/// Edit a file of the configuration folder while it runs (weights, a delay, a deny rule), and watch the table
/// follow. A mistake is reported with its line, and the last good configuration stays in force.
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = "Examples:
  bookinfo                                  run until Ctrl-C
  bookinfo --once 2000                      send 2000 requests, check them, exit
  bookinfo --config my-copy --rate 500      another folder, more load"
)]
struct Args {
    /// Folder of Istio YAML; by default the one that comes with the program.
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,
    /// Send N requests, print the table, and exit 0 only if every request succeeded, the split between the
    /// versions of reviews is within 3 points of the configured one, and all of it was mTLS.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    once: Option<u64>,
    /// Requests per second of the load generator; with --once, as fast as the mesh takes them.
    #[arg(long, value_name = "RPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Folder of the CA's keys, so that `meshctl token --state` can make tokens for the running mesh.
    #[arg(long, value_name = "DIR", default_value = bookinfo::STATE)]
    state: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "warn");
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return mesh_cli::fail(&error),
    };
    let code = runtime.block_on(run(args));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

async fn run(args: Args) -> ExitCode {
    let config = args.config.unwrap_or_else(|| PathBuf::from(bookinfo::CONFIG));
    eprintln!("starting the mesh of {} …", config.display());
    let started = tokio::select! {
        started = start(config.clone(), args.state.clone()) => started,
        _ = mesh_cli::shutdown_signal() => return ExitCode::FAILURE,
    };
    let mesh = match started {
        Ok(mesh) => mesh,
        Err(error) => return mesh_cli::fail(&error),
    };
    live::print_places(&mesh, &config, &args.state);
    let code = match args.once {
        Some(requests) => check::once(&mesh, requests).await,
        None => live::run(&mesh, args.rate).await,
    };
    mesh.stop().await;
    code
}

async fn start(config: PathBuf, state: PathBuf) -> Result<Mesh, StartError> {
    let loopback = |port| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    Mesh::start(Options {
        config,
        state: Some(state),
        grpc: loopback(15010),
        grpc_tls: Some(loopback(15012)),
        http: Some(loopback(15014)),
        without_proxy: vec![],
        workers: 1,
        print_findings: true,
    })
    .await
}
