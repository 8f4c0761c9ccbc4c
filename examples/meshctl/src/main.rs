//! The mesh's command-line tool. Each command is a module; this is their index.

mod analyze;
mod check;
mod schema;
mod stdout;
mod token;
mod validate;

use clap::{Parser, Subcommand};
use mesh_cli::LogArgs;
use std::process::ExitCode;

/// The mesh's command-line tool: checks configuration before it is in force, and helps to write it.
#[derive(Parser, Debug)]
#[command(
    version,
    after_help = "Examples:
  meshctl validate reviews.yaml            is each resource right?
  meshctl analyze -R config                do they fit together?
  meshctl schema vs > virtual-service.json what an editor completes and checks by

`meshctl help COMMAND` says more about each."
)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    Validate(validate::Args),
    Analyze(analyze::Args),
    Schema(schema::Args),
    Token(token::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "warn");
    match args.command {
        Command::Validate(args) => validate::run(&args),
        Command::Analyze(args) => analyze::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Token(args) => token::run(&args),
    }
}

#[cfg(test)]
mod tests {
    use super::Args;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_flags_of_all_commands_fit_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn a_command_takes_flags_as_istioctl_spells_them() {
        for line in [
            "meshctl analyze -R -S IST0101=* -S MESH0007=* --failure-threshold Warning -o json a b",
            "meshctl validate --recursive --suppress IST0101=Gateway* --color never a",
            "meshctl schema vs",
        ] {
            assert!(Args::try_parse_from(line.split(' ')).is_ok(), "{line}");
        }
        for line in
            ["meshctl analyze", "meshctl analyze -S x a", "meshctl validate --failure-threshold info a"]
        {
            let error = Args::try_parse_from(line.split(' ')).map(|_| ()).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
