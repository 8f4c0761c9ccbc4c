//! The data plane as a program: flags in, exit code out. What it does is in the library.

use clap::{Parser, Subcommand};
use mesh_cli::LogArgs;
use mesh_core::node::NodeKind;
use proxy::{Options, Running};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A data plane: a sidecar beside one workload, or a gateway at the edge, driven by a control plane.
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = "Example:
  proxy sidecar --control-plane http://127.0.0.1:15010 --namespace default --name reviews-v1 \\
        --service-account bookinfo-reviews --ip 127.1.0.4 --labels app=reviews,version=v1 --token reviews.token

Make a token with: meshctl token --state DIR --namespace default --service-account bookinfo-reviews"
)]
struct Args {
    #[command(subcommand)]
    kind: Kind,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand, Debug)]
enum Kind {
    /// Beside one workload: its inbound and outbound traffic.
    Sidecar(ProxyArgs),
    /// At the edge: what Gateway resources with a matching selector declare.
    Gateway(ProxyArgs),
}

#[derive(clap::Args, Debug)]
struct ProxyArgs {
    /// The control plane, such as http://127.0.0.1:15010 or https://127.0.0.1:15012.
    #[arg(long, value_name = "URL", value_parser = url)]
    control_plane: String,
    /// Namespace of the workload.
    #[arg(long, value_name = "NS")]
    namespace: String,
    /// Name of the workload instance, as a pod's name is.
    #[arg(long)]
    name: String,
    /// Its service account; the certificate's identity comes from the token, and this must agree with it.
    #[arg(long, value_name = "SA")]
    service_account: String,
    /// Its address.
    #[arg(long)]
    ip: IpAddr,
    /// Its labels; selectors of Sidecar, Gateway and policies look at them.
    #[arg(long, value_name = "k=v,…", value_delimiter = ',', value_parser = label)]
    labels: Vec<(String, String)>,
    /// File with the token that proves the service account to the CA; read again at every rotation.
    #[arg(long, value_name = "FILE")]
    token: Option<PathBuf>,
    /// PEM file with the root that the control plane's certificate must chain to.
    #[arg(long, value_name = "FILE")]
    root_cert: Option<PathBuf>,
    /// Envoy's admin pages.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15000")]
    admin: SocketAddr,
    /// /healthz/ready.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15021")]
    status: SocketAddr,
    /// Worker threads; each accepts on its own and shares nothing with the others.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: u16,
}

fn label(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not key=value")),
    }
}

fn url(text: &str) -> Result<String, String> {
    match text.split_once("://") {
        Some(("http" | "https", host)) if !host.is_empty() => Ok(text.to_owned()),
        _ => Err("it is not http://HOST:PORT or https://HOST:PORT".to_owned()),
    }
}

fn main() -> ExitCode {
    let args = Args::parse();
    let set_level = mesh_cli::init_logging(&args.log, "info");
    let (kind, args) = match args.kind {
        Kind::Sidecar(args) => (NodeKind::Sidecar, args),
        Kind::Gateway(args) => (NodeKind::Router, args),
    };
    let options = Options {
        kind,
        control_plane: args.control_plane,
        namespace: args.namespace,
        name: args.name,
        service_account: args.service_account,
        ip: args.ip,
        labels: args.labels.into_iter().collect(),
        token: args.token.map(proxy::Token::File),
        root_cert: args.root_cert,
        admin: Some(args.admin),
        status: Some(args.status),
        workers: args.workers.into(),
        set_level: Some(set_level),
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return mesh_cli::fail(&error),
    };
    let code = runtime.block_on(async {
        let running = match Running::start(options).await {
            Ok(running) => running,
            Err(error) => return mesh_cli::fail(&error),
        };
        tokio::select! {
            why = mesh_cli::shutdown_signal() => match why {
                Ok(why) => tracing::info!(why, "draining"),
                Err(error) => return mesh_cli::fail(&error),
            },
            () = running.quit_requested() => tracing::info!("asked to quit; draining"),
        }
        running.stop().await;
        ExitCode::SUCCESS
    });
    // What still blocks (a name being resolved, a file being read) is not waited for.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    code
}
