//! What is in force: the good, and the last good of what is not. No IO, no clock.

use super::walk::{Reading, Stamp};
use crate::api::{AnyResource, Meta};
use crate::diagnostic::{Finding, Findings, Level, ResourceKey, SourceMap, code};
use crate::source::Loaded;
use crate::validate;
use crate::world::{Key, World};
use crate::yaml;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// The files in force.
#[derive(Debug, Default)]
pub(super) struct LastGood {
    files: BTreeMap<Arc<str>, InForce>,
    version: u64,
}

/// One file in force.
#[derive(Clone, Debug, Default)]
struct InForce {
    /// `None` where it could not be read.
    text: Option<Arc<str>>,
    /// Its resources, in the order in which they stand; the last good version of those that have errors.
    resources: Vec<AnyResource>,
    /// The same with those that never were good.
    claims: Vec<Key>,
    findings: Findings,
}

/// What would come into force.
#[derive(Debug)]
pub(super) struct Candidate {
    files: BTreeMap<Arc<str>, InForce>,
    /// Files that look like a loss, with their stamps: to be seen twice before they are believed.
    pub(super) doubts: BTreeMap<Arc<str>, Option<Stamp>>,
    /// Whether anything differs from what is in force.
    pub(super) changed: bool,
}

impl LastGood {
    /// Works out what a reading means, without putting it into force.
    pub(super) fn prepare(&self, reading: Reading) -> Candidate {
        let mut candidate = Candidate { files: BTreeMap::new(), doubts: BTreeMap::new(), changed: false };
        for (name, file) in reading.files {
            let before = self.files.get(&name);
            if let Some(same) = before.filter(|b| b.text.as_ref() == Some(&file.text)) {
                candidate.files.insert(name, same.clone());
                continue;
            }
            let next = InForce::read(&name, file.text, before);
            if next.is_doubtful(before) {
                candidate.doubts.insert(name.clone(), Some(file.stamp));
            }
            candidate.changed = true;
            candidate.files.insert(name, next);
        }
        for (name, why) in reading.faults {
            let before = self.files.get(&name);
            let source = Arc::new(SourceMap::of_file(name.clone(), ""));
            let finding = Finding::error(code::UNREADABLE, format!("cannot be read: {why}"));
            let next = InForce {
                text: None,
                resources: before.map(|b| b.resources.clone()).unwrap_or_default(),
                claims: before.map(|b| b.claims.clone()).unwrap_or_default(),
                findings: vec![finding.within(&source, None)],
            };
            if before.is_none_or(|b| b.findings != next.findings) {
                candidate.changed = true;
                candidate.doubts.insert(name.clone(), None);
            }
            candidate.files.insert(name, next);
        }
        self.keep_below_unreadable_folders(&mut candidate);
        for name in self.files.keys().filter(|name| !candidate.files.contains_key(*name)) {
            candidate.changed = true;
            candidate.doubts.insert(name.clone(), None);
        }
        candidate
    }

    /// A folder that cannot be listed, or is gone as a whole, takes no file along: only the listing of a
    /// folder can tell that a file was deleted.
    fn keep_below_unreadable_folders(&self, candidate: &mut Candidate) {
        let faulty: Vec<String> = candidate
            .files
            .iter()
            .filter(|(_, f)| f.findings.iter().any(|x| x.code == code::UNREADABLE))
            .map(|(name, _)| format!("{name}/"))
            .collect();
        for (name, file) in &self.files {
            if faulty.iter().any(|folder| name.starts_with(folder)) && !candidate.files.contains_key(name) {
                candidate.files.insert(name.clone(), file.clone());
            }
        }
    }

    /// Puts a candidate into force.
    pub(super) fn commit(&mut self, candidate: Candidate) -> Loaded {
        self.files = candidate.files;
        self.version += 1;
        let mut findings: Findings = self.files.values().flat_map(|f| f.findings.iter().cloned()).collect();
        let mut first: HashMap<Key, &AnyResource> = HashMap::new();
        let mut in_force = Vec::new();
        for resource in self.files.values().flat_map(|f| &f.resources) {
            match first.entry(Key::of(resource.meta())) {
                std::collections::hash_map::Entry::Vacant(free) => {
                    free.insert(resource);
                    in_force.push(resource.clone());
                }
                std::collections::hash_map::Entry::Occupied(taken) => {
                    findings.push(duplicate(resource, taken.get()));
                }
            }
        }
        findings.sort_by(|a, b| place(a).cmp(&place(b)));
        let world = World::from_resources(in_force, self.version.to_string());
        Loaded { world: Arc::new(world), findings: Arc::new(findings) }
    }
}

fn place(finding: &Finding) -> (Option<&str>, usize, &str) {
    (finding.file(), finding.span.map_or(0, |s| s.start), finding.code)
}

fn duplicate(second: &AnyResource, first: &AnyResource) -> Finding {
    let line = first.source().locate("").map_or(0, |s| s.line);
    let (Meta { kind, name, .. }, path) = (second.meta(), "metadata.name");
    Finding::warning(code::DUPLICATE, format!("{kind} `{name}` is declared twice; this one has no effect"))
        .about(second.meta(), second.source(), path)
        .help(format!("the one in force is at {}:{line}", first.source().file))
}

/// Kinds whose absence opens what they would close.
const PROTECTS: [&str; 3] = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"];

fn add_help(finding: &mut Finding, note: &str) {
    finding.help = Some(match finding.help.take() {
        Some(help) => format!("{help}; {note}"),
        None => note.to_owned(),
    });
}

impl InForce {
    fn read(name: &Arc<str>, text: Arc<str>, before: Option<&Self>) -> Self {
        let parsed = yaml::resources(name, &text, &yaml::Limits::default());
        let mut next = Self { text: Some(text), findings: parsed.findings, ..Self::default() };
        let last_good = |key: &Key| before?.resources.iter().find(|r| Key::of(r.meta()) == *key);
        let mut held = HashSet::new();
        for outcome in parsed.outcomes {
            let good = outcome.resource.filter(|resource| {
                let findings = validate::check(resource);
                let good = findings.iter().all(|f| f.level < Level::Error);
                next.findings.extend(findings);
                good
            });
            match good {
                Some(resource) => next.resources.push(resource),
                None => {
                    if let Some(resource) = last_good(&outcome.key) {
                        held.insert(ResourceKey::of(resource.meta()));
                        next.resources.push(resource.clone());
                    }
                }
            }
            next.claims.push(outcome.key);
        }
        // Something here is not even known by name: whatever was here before may be meant.
        if parsed.unreadable {
            for resource in before.map(|b| b.resources.as_slice()).unwrap_or_default() {
                let key = Key::of(resource.meta());
                if !next.claims.contains(&key) {
                    next.claims.push(key);
                    next.resources.push(resource.clone());
                }
            }
        }
        for finding in next.findings.iter_mut().filter(|f| f.level == Level::Error) {
            let unnamed = finding.resource.name.is_empty() && parsed.unreadable && before.is_some();
            if held.contains(&finding.resource) || unnamed {
                add_help(finding, "the last good version stays in force");
            } else if PROTECTS.contains(&&*finding.resource.kind) {
                add_help(finding, "until it is mended, nothing of it is enforced");
            }
        }
        next
    }

    /// Whether it may have been caught half-written: it has errors, or a resource is gone.
    fn is_doubtful(&self, before: Option<&Self>) -> bool {
        let has_errors = self.findings.iter().any(|f| f.level == Level::Error);
        has_errors || before.is_some_and(|b| b.claims.iter().any(|key| !self.claims.contains(key)))
    }
}
