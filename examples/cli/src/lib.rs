//! What the mesh's binaries share, so that all of them behave alike on a command line.
//!
//! `--log-format`, `RUST_LOG`, Ctrl-C and SIGTERM, exit codes, and the small HTTP server that a control
//! plane shows its state on.

pub mod http;

use clap::{Args, ValueEnum};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Flags that every binary has.
#[derive(Args, Clone, Debug)]
pub struct LogArgs {
    /// How log lines look. What is logged is chosen by RUST_LOG, such as RUST_LOG=mesh_xds=debug.
    #[arg(long, value_enum, default_value_t = LogFormat::Text, global = true)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// Changes what is logged while the program runs; `None` if logging was set up by somebody else.
pub type LogLevelHook = std::sync::Arc<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Sends logs to standard error, at `default` unless RUST_LOG says otherwise, and returns a hook that
/// changes the level later.
pub fn init_logging(args: &LogArgs, default: &str) -> LogLevelHook {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let (filter, handle) = tracing_subscriber::reload::Layer::new(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let registry = tracing_subscriber::registry().with(filter);
    let done = match args.log_format {
        LogFormat::Text => registry.with(lines.with_ansi(wants_colour(&std::io::stderr()))).try_init(),
        LogFormat::Json => registry.with(lines.json()).try_init(),
    };
    if let Err(error) = done {
        eprintln!("logging was set up before: {error}");
    }
    std::sync::Arc::new(move |level| {
        let filter = EnvFilter::try_new(level).map_err(|e| e.to_string())?;
        handle.reload(filter).map_err(|e| e.to_string())
    })
}

/// Whether what is written there may be coloured: a terminal that can, of somebody who wants it (no-color.org).
pub fn wants_colour(stream: &impl IsTerminal) -> bool {
    let is =
        |name: &str, wanted: fn(&std::ffi::OsStr) -> bool| std::env::var_os(name).is_some_and(|v| wanted(&v));
    stream.is_terminal() && !is("TERM", |term| term == "dumb") && !is("NO_COLOR", |value| !value.is_empty())
}

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// If the handlers cannot be installed.
pub async fn shutdown_signal() -> std::io::Result<&'static str> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => Ok("interrupted"),
        _ = terminate.recv() => Ok("terminated"),
    }
}

/// Why a program cannot start with a token file. One that vanishes later is waited for instead.
#[derive(Debug, thiserror::Error)]
pub enum TokenFileError {
    /// It is not there, or not for this user.
    #[error("cannot read the token {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// There is nothing in it, as when the command that should have written it has failed.
    #[error("the token {0} is empty; meshctl token makes one")]
    Empty(PathBuf),
}

/// Checks at start that there is a token in a file.
///
/// # Errors
/// If it cannot be read, or is empty.
pub fn check_token(path: &Path) -> Result<(), TokenFileError> {
    match std::fs::read_to_string(path) {
        Err(cause) => Err(TokenFileError::Read { path: path.to_owned(), cause }),
        Ok(text) if text.trim().is_empty() => Err(TokenFileError::Empty(path.to_owned())),
        Ok(_) => Ok(()),
    }
}

/// Prints an error with all its causes, and returns exit code 1.
pub fn fail(error: &(dyn std::error::Error + 'static)) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    ExitCode::FAILURE
}
