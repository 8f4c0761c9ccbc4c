//! `bookinfo`: a whole mesh from one command, with a live table of what happens in it.

mod check;
mod live;

use bookinfo::mesh::{Mesh, Options};
use clap::Parser;
use live::screen::Look;
use mesh_cli::LogArgs;
use mesh_core::diagnostic::{self, Color};
use std::io::Write;
use std::net::SocketAddr;
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
    /// Send N requests, print the table, and exit 0 only if the configuration has no errors, every request
    /// succeeded, the split between the versions of reviews is within 3 points of the configured one, and
    /// all of it was mTLS.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    once: Option<u64>,
    /// Requests per second of the load generator, one in ten of them from the user jason; with --once, as
    /// fast as the mesh takes them, and nobody has logged in.
    #[arg(long, value_name = "RPS", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// Folder of the CA's keys, so that `meshctl token --state` can make tokens for the running mesh.
    #[arg(long, value_name = "DIR", default_value_os_t = bookinfo::state())]
    state: PathBuf,
    /// xDS and CA without TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15010")]
    grpc: SocketAddr,
    /// xDS and CA with TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15012")]
    grpc_tls: SocketAddr,
    /// The control plane's pages: /debug/syncz, /debug/findings, /metrics.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15014")]
    http: SocketAddr,
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
    let look = Look::of_stdout();
    // The table paints the findings along with itself.
    let print_findings = !(look.paints() && args.once.is_none());
    let options = Options {
        config: args.config.unwrap_or_else(|| PathBuf::from(bookinfo::CONFIG)),
        state: Some(args.state.clone()),
        grpc: args.grpc,
        grpc_tls: Some(args.grpc_tls),
        http: Some(args.http),
        without_proxy: vec![],
        workers: 1,
        print_findings,
    };
    let config = options.config.clone();
    eprintln!("starting the mesh of {} …", config.display());
    let started = tokio::select! {
        started = Mesh::start(options) => started,
        _ = mesh_cli::shutdown_signal() => return ExitCode::FAILURE,
    };
    let mesh = match started {
        Ok(mesh) => mesh,
        Err(failed) => {
            if !print_findings {
                eprint!("{}", diagnostic::text(&failed.findings, Color::Never));
            }
            return mesh_cli::fail(&failed.cause);
        }
    };
    let places = live::places(&mesh, &config, &args.state);
    let code = match std::io::stdout().write_all(places.as_bytes()) {
        Err(error) => live::unread(&error),
        Ok(()) => match args.once {
            Some(requests) => check::once(&mesh, requests, look).await,
            None => live::run(&mesh, args.rate, look).await,
        },
    };
    tokio::select! {
        () = mesh.stop() => code,
        _ = mesh_cli::shutdown_signal() => ExitCode::FAILURE,
    }
}
