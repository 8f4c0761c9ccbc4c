//! A whole mesh on loopback: the public Bookinfo sample, every workload behind a sidecar of its own.
//!
//! ```text
//! load ─▶ gateway ─▶ productpage ─▶ details, reviews v1 v2 v3 ─▶ ratings
//! ```
//!
//! `apps` are the application's services, `plan` reads from the configuration who plays, `mesh` starts it
//! all in one process, `load` sends requests, `table` shows what happened.

pub mod apps;
pub mod expect;
pub mod load;
pub mod mesh;
pub mod plan;
pub mod table;

use std::path::{Path, PathBuf};

/// The configuration folder of this checkout.
pub const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config");

/// The folder of the keys, below this checkout's build output.
pub fn state() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package).join("target/bookinfo")
}
