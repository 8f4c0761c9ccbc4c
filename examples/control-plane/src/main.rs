//! The control plane as a program: flags in, exit code out. What it does is in the library.

use clap::Parser;
use control_plane::{ControlPlane, Options};
use mesh_cli::LogArgs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A control plane and certificate authority: a folder of Istio YAML in, xDS and certificates out.
///
/// Watches the folder and pushes what changes. A mistake in a file is reported with its line, and the last
/// good version of what it touches stays in force.
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = "Examples:
  control-plane --config examples/bookinfo/config --state /var/lib/mesh
  control-plane --config . --grpc 127.0.0.1:0        any free port; it is printed in the log

Then: curl http://127.0.0.1:15014/debug/syncz"
)]
struct Args {
    /// Folder of YAML or JSON files with Istio and Kubernetes resources; watched recursively.
    #[arg(long, value_name = "DIR")]
    config: PathBuf,
    /// Folder for the CA's key and the token issuer's key (mode 0600, made at first start). Without it they
    /// live in memory, and every restart makes a new root of trust.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// xDS and CA without TLS; keep it on loopback.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15010")]
    grpc: SocketAddr,
    /// xDS and CA with TLS; its root is written to STATE/root-cert.pem.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15012")]
    grpc_tls: SocketAddr,
    /// /ready, /metrics, /debug/syncz, /debug/configz, /debug/statusz, /debug/findings.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15014")]
    http: SocketAddr,
    #[command(flatten)]
    log: LogArgs,
}

fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "info");
    let options = Options {
        config: args.config,
        state: args.state,
        grpc: args.grpc,
        grpc_tls: Some(args.grpc_tls),
        http: Some(args.http),
        print_findings: true,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return mesh_cli::fail(&error),
    };
    let code = runtime.block_on(async {
        let mut control_plane = match ControlPlane::start(options).await {
            Ok(control_plane) => control_plane,
            Err(error) => return mesh_cli::fail(&error),
        };
        match mesh_cli::shutdown_signal().await {
            Ok(why) => tracing::info!(why, "stopping"),
            Err(error) => return mesh_cli::fail(&error),
        }
        control_plane.stop().await;
        ExitCode::SUCCESS
    });
    // What still blocks (a name being resolved, a file being read) is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    code
}
