//! One broken example per rule, beside the diagnostics that are expected of it.
//!
//! `broken/validate/**/*.yaml` is read and validated resource by resource; `broken/analyze/**/*.yaml` is a World that is
//! analysed as a whole. What is expected stands in a file of the same name that ends in `.txt`; `BLESS=1 cargo test -p
//! mesh-core --test broken` writes it anew, to be read before it is committed.
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

#[path = "broken/harness.rs"]
mod harness;

use harness::Examples;
use mesh_core::analyze::analyze;
use std::path::Path;

fn examples() -> Examples {
    Examples { root: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken"), checks: &[] }
}

#[test]
fn each_broken_resource_gets_the_diagnostics_that_stand_beside_it() {
    let all = examples();
    all.compare("validate", |path| all.load(path).0);
}

#[test]
fn each_broken_world_gets_the_diagnostics_that_stand_beside_it() {
    let all = examples();
    all.compare("analyze", |path| {
        let (mut findings, world) = all.load(path);
        findings.extend(analyze(&world));
        findings
    });
}
