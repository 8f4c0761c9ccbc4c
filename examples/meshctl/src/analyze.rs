//! `meshctl analyze`: whether resources fit together.

use crate::check::{self, CheckArgs};
use mesh_core::analyze;
use std::process::ExitCode;

/// Check whether the resources of files fit together, after all that `validate` checks.
///
/// Hosts, subsets, ports and gateways that do not exist; resources that contradict each other. The files are
/// taken for the whole mesh, so name all of them at once: a reference to what is declared elsewhere is an
/// error, unless --suppress silences it.
///
/// Exit codes: 0 without a finding of the failure threshold or above, 1 with one, 2 for bad usage.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  meshctl analyze -R examples/bookinfo/config
  meshctl analyze -R --failure-threshold warning config      fail on warnings, too: for CI
  meshctl analyze -R --suppress 'IST0101=VirtualService *.legacy' config
  meshctl analyze -R --output json . | jq -r '.[].code' | sort | uniq -c")]
pub(crate) struct Args {
    #[command(flatten)]
    check: CheckArgs,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    check::run(&args.check, analyze::findings)
}
