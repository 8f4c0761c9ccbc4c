//! `meshctl validate`: what the mesh has to say about files, before they are in force.

use mesh_core::analyze;
use mesh_core::diagnostic::{self, Color, Finding, Level};
use mesh_core::source;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

/// Check files as a compiler checks code: syntax, fields, values, and what refers to what.
///
/// Exit codes: 0 without a finding of level error, 1 with one (a file that cannot be read or parsed is
/// one), 2 for bad usage.
#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  meshctl validate reviews.yaml
  meshctl validate -R examples/bookinfo/config
  meshctl validate -R --output json . | jq '.[] | select(.level == \"error\")'")]
pub(crate) struct Args {
    /// Files or folders.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Read folders with all folders below them.
    #[arg(short = 'R', long)]
    recursive: bool,
    /// How findings are printed: text to standard error, or a JSON list to standard output.
    #[arg(long, value_enum, default_value_t = Output::Text)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

pub(crate) fn run(args: &Args) -> ExitCode {
    let loaded = source::load(&args.paths, args.recursive);
    let mut findings = loaded.findings.to_vec();
    findings.extend(analyze::findings(&loaded.world));
    let findings = &findings;
    match args.output {
        Output::Text => print_text(findings, loaded.world.len()),
        Output::Json => println!("{}", diagnostic::json(findings)),
    }
    if findings.iter().any(|f| f.level == Level::Error) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn print_text(findings: &[Finding], resources: usize) {
    let color = if std::io::stderr().is_terminal() { Color::Always } else { Color::Never };
    eprint!("{}", diagnostic::text(findings, color));
    let count = |level| findings.iter().filter(|f| f.level == level).count();
    let plural = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    eprintln!(
        "{} checked: {}, {}",
        plural(resources, "resource"),
        plural(count(Level::Error), "error"),
        plural(count(Level::Warning), "warning")
    );
}
