//! The mesh's command-line tool. Each command is a module; this is their index.

mod token;
mod validate;

use clap::{Parser, Subcommand};
use mesh_cli::LogArgs;
use std::process::ExitCode;

/// The mesh's command-line tool.
#[derive(Parser, Debug)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Subcommand, Debug)]
enum Command {
    Validate(validate::Args),
    Token(token::Args),
}

fn main() -> ExitCode {
    let args = Args::parse();
    mesh_cli::init_logging(&args.log, "warn");
    match args.command {
        Command::Validate(args) => validate::run(&args),
        Command::Token(args) => token::run(&args),
    }
}
