//! One broken example per rule, beside the diagnostics that are expected of it.
//!
//! `broken/validate/**/*.yaml` is read and validated resource by resource; `broken/analyze/**/*.yaml` is a World that is
//! analysed as a whole. What is expected stands in a file of the same name that ends in `.txt`; `BLESS=1 cargo test -p
//! mesh-core --test broken` writes it anew, to be read before it is committed.
#![allow(clippy::unwrap_used, reason = "a broken test must fail")]

use mesh_core::analyze::analyze;
use mesh_core::diagnostic::{Color, Findings, text};
use mesh_core::world::World;
use mesh_core::{validate, yaml};
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

fn examples(below: &str) -> Vec<PathBuf> {
    let mut folders = vec![root().join(below)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "yaml") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Reads and validates; what is refused is not in the World.
fn load(path: &Path) -> (Findings, World) {
    let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
    let parsed = yaml::resources(name, &fs::read_to_string(path).unwrap(), &yaml::Limits::default());
    let mut findings = parsed.findings;
    let mut good = Vec::new();
    for resource in parsed.outcomes.into_iter().filter_map(|o| o.resource) {
        let said = validate::check(&resource);
        if said.iter().all(|f| f.level < mesh_core::diagnostic::Level::Error) {
            good.push(resource);
        }
        findings.extend(said);
    }
    (findings, World::from_resources(good, "1"))
}

fn compare(below: &str, findings_of: impl Fn(&Path) -> Findings) {
    let bless = std::env::var_os("BLESS").is_some();
    let mut wrong = Vec::new();
    for path in examples(below) {
        let findings = findings_of(&path);
        assert!(!findings.is_empty(), "{}: nothing is wrong with it", path.display());
        let said = text(&findings, Color::Never);
        let expected = path.with_extension("txt");
        if bless {
            fs::write(&expected, &said).unwrap();
        } else if fs::read_to_string(&expected).ok().as_ref() != Some(&said) {
            wrong.push(format!("{} says:\n{said}", path.display()));
        }
    }
    assert!(wrong.is_empty(), "not as expected (BLESS=1 to accept):\n{}", wrong.join("\n"));
}

#[test]
fn each_broken_resource_gets_the_diagnostics_that_stand_beside_it() {
    compare("validate", |path| load(path).0);
}

#[test]
fn each_broken_world_gets_the_diagnostics_that_stand_beside_it() {
    compare("analyze", |path| {
        let (mut findings, world) = load(path);
        findings.extend(analyze(&world));
        findings
    });
}
