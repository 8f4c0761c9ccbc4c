//! Holds examples against the text that stands beside them.
//!
//! Each `.yaml` below a folder is an example; what is expected stands in a file of the same name that ends in `.txt`.
//! With `BLESS=1` it is written anew. Other crates with rules of their own use this by its path.

use mesh_core::diagnostic::{Color, Findings, Level, text};
use mesh_core::validate::{self, Check};
use mesh_core::world::World;
use mesh_core::yaml;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder of examples.
pub(crate) struct Examples {
    /// Names of files are told from here on.
    pub(crate) root: PathBuf,
    /// What is asked of each resource beside this crate's own rules.
    pub(crate) checks: &'static [Check],
}

impl Examples {
    fn below(&self, folder: &str) -> Vec<PathBuf> {
        let mut folders = vec![self.root.join(folder)];
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
    pub(crate) fn load(&self, path: &Path) -> (Findings, World) {
        let name = path.strip_prefix(&self.root).unwrap().to_str().unwrap();
        let parsed = yaml::resources(name, &fs::read_to_string(path).unwrap(), &yaml::Limits::default());
        let mut findings = parsed.findings;
        let mut good = Vec::new();
        for resource in parsed.outcomes.into_iter().filter_map(|o| o.resource) {
            let mut said = validate::check(&resource);
            said.extend(self.checks.iter().flat_map(|check| check(&resource)));
            if said.iter().all(|f| f.level < Level::Error) {
                good.push(resource);
            }
            findings.extend(said);
        }
        (findings, World::from_resources(good, "1"))
    }

    /// Every example below the folder says what is expected of it, and it says something.
    pub(crate) fn compare(&self, folder: &str, findings_of: impl Fn(&Path) -> Findings) {
        let bless = std::env::var_os("BLESS").is_some();
        let mut wrong = Vec::new();
        let all = self.below(folder);
        assert!(!all.is_empty(), "{folder}: no examples");
        for path in all {
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
}
