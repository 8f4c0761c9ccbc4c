//! One broken example per rule of what EnvoyFilters patch in, beside the diagnostics that are expected of it.
//!
//! As in mesh-core: what is expected stands in a file of the same name that ends in `.txt`; `BLESS=1 cargo test -p
//! mesh-xds --test broken` writes it anew, to be read before it is committed.
#![cfg(feature = "json")]
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

#[path = "../../mesh-core/tests/broken/harness.rs"]
mod harness;

use harness::Examples;
use mesh_xds::envoy_filter::CHECKS;
use std::path::Path;

#[test]
fn each_broken_patch_gets_the_diagnostics_that_stand_beside_it() {
    let all = Examples { root: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken"), checks: CHECKS };
    all.compare("envoy-filter", |path| all.load(path).0);
}
