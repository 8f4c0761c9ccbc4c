//! Results on standard output, where another program may read them.

use std::io::{self, Write};
use std::process::ExitCode;

/// Writes a text and a line's end, and returns `done`. A reader that has seen enough, such as `head`, is no
/// failure; anything else is.
pub(crate) fn print(text: &str, done: ExitCode) -> ExitCode {
    let mut out = io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => mesh_cli::fail(&error),
        _ => done,
    }
}
