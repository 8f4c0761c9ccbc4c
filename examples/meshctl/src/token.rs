//! `meshctl token`: a token that proves a service account to the CA.

use mesh_ca::TokenIssuer;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

/// Make a token that proves a service account to the CA; it is printed to standard output.
///
/// The key is the one that the control plane keeps in its --state folder, so this must run where that
/// folder can be read.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example:
  meshctl token --state /var/lib/mesh --namespace default --service-account bookinfo-reviews > reviews.token")]
pub(crate) struct Args {
    /// The control plane's --state folder.
    #[arg(long, value_name = "DIR")]
    state: PathBuf,
    /// Namespace of the service account.
    #[arg(long, value_name = "NS")]
    namespace: String,
    /// The service account.
    #[arg(long, value_name = "SA")]
    service_account: String,
    /// How long the token is valid, such as 30m or 24h.
    #[arg(long, default_value = "24h", value_parser = humantime::parse_duration)]
    ttl: Duration,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    // Opening an empty folder would make a new key, and a token of a key that nobody trusts helps nobody.
    if !args.state.join("root-cert.pem").is_file() {
        eprintln!("error: {} is not the state of a control plane", args.state.display());
        eprintln!("help: start `control-plane --state {}` first; it makes the keys", args.state.display());
        return ExitCode::FAILURE;
    }
    let issuer = match TokenIssuer::open(&args.state) {
        Ok(issuer) => issuer,
        Err(error) => return mesh_cli::fail(&error),
    };
    match issuer.issue(&args.namespace, &args.service_account, args.ttl, SystemTime::now()) {
        Ok(token) => {
            println!("{token}");
            ExitCode::SUCCESS
        }
        Err(error) => mesh_cli::fail(&error),
    }
}
