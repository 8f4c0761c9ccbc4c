//! `meshctl validate`: whether each resource is right by itself.

use crate::check::{self, CheckArgs};
use mesh_core::compile;
use std::process::ExitCode;

/// Check each resource of files by itself, as a compiler checks code.
///
/// Syntax, fields, values, and what has no effect. Each finding says what is wrong, shows the line, and says
/// what would be right. A file that cannot be read or parsed is a finding. A resource that no mesh reads,
/// such as a PodDisruptionBudget, is passed over with a note. What resources refer to is looked at by `meshctl
/// analyze`.
///
/// Exit codes: 0 without a finding of the failure threshold or above, 1 with one, 2 for bad usage.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  meshctl validate reviews.yaml
  meshctl validate -R examples/bookinfo/config
  kubectl get virtualservices -A -o yaml | meshctl validate -
  meshctl validate -R --failure-threshold warning config     fail on warnings, too: for CI
  meshctl validate -R --output json . | jq '.[] | select(.level == \"error\")'")]
pub(crate) struct Args {
    #[command(flatten)]
    check: CheckArgs,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    check::run(&args.check, compile::unsupported_all)
}
