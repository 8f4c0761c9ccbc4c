//! What is in force: the good, and the last good of what is not. No IO, no clock.
//!
//! ```text
//! Reading ─prepare─▶ Candidate ─commit─▶ Loaded: World, findings, status
//! ```
//!
//! What did not change is not touched: a file with the text that it had is not read again, a resource that
//! no changed file speaks of stays in the World, and so does its status.

use super::file::{Claim, File, Verdict};
use super::walk::{Reading, Stamp};
use crate::api::{AnyResource, Meta};
use crate::diagnostic::{Finding, Findings, Level, code};
use crate::origin::Place;
use crate::source::Loaded;
use crate::source::status::{State, Status, Statuses};
use crate::validate::Check;
use crate::world::{Change, Key, World, precedence};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

type Files = BTreeMap<Arc<str>, Arc<File>>;

/// The files in force.
#[derive(Debug, Default)]
pub(super) struct LastGood {
    /// What is asked of each resource beside our own rules.
    checks: &'static [Check],
    files: Files,
    /// Which places declare a resource.
    declared: HashMap<Key, Declarations>,
    /// By file: what there is to say of its resources that have no effect.
    duplicates: BTreeMap<Arc<str>, Findings>,
    world: Arc<World>,
    version: u64,
    status: Statuses,
}

/// A file, and the place of a claim in it.
type At = (Arc<str>, usize);

/// Where one resource is declared.
#[derive(Debug, Default)]
struct Declarations {
    all: BTreeSet<At>,
    /// The one in force.
    winner: Option<At>,
    /// The World with which what it says came into force.
    since: Arc<str>,
}

/// What would come into force.
#[derive(Debug)]
pub(super) struct Candidate {
    files: Files,
    /// Files that look like a loss, with their stamps: to be seen twice before they are believed.
    pub(super) doubts: BTreeMap<Arc<str>, Option<Stamp>>,
    /// Whether anything differs from what is in force.
    pub(super) changed: bool,
}

impl LastGood {
    /// Nothing yet.
    pub(super) fn new(checks: &'static [Check]) -> Self {
        Self { checks, ..Self::default() }
    }

    /// Works out what a reading means, without putting it into force.
    pub(super) fn prepare(&self, reading: Reading) -> Candidate {
        let mut candidate = Candidate { files: Files::new(), doubts: BTreeMap::new(), changed: false };
        for (name, file) in reading.files {
            let before = self.files.get(&name);
            if let Some(same) = before.filter(|b| b.text.as_ref() == Some(&file.text)) {
                candidate.files.insert(name, same.clone());
                continue;
            }
            let before = before.map(Arc::as_ref);
            let next = File::read(&name, file.text, self.checks, before);
            if next.is_doubtful(before) {
                candidate.doubts.insert(name.clone(), Some(file.stamp));
            }
            candidate.changed = true;
            candidate.files.insert(name, Arc::new(next));
        }
        for (name, why) in reading.faults {
            let before = self.files.get(&name);
            let next = File::unreadable(&name, &why, before.map(Arc::as_ref));
            let next = match before.filter(|b| b.findings == next.findings) {
                Some(same) => same.clone(),
                None => {
                    candidate.changed = true;
                    candidate.doubts.insert(name.clone(), None);
                    Arc::new(next)
                }
            };
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
        let faulty = candidate.files.iter().filter(|(_, f)| f.is_unreadable());
        let faulty: Vec<String> = faulty.map(|(name, _)| format!("{name}/")).collect();
        for (name, file) in &self.files {
            if faulty.iter().any(|folder| name.starts_with(folder)) && !candidate.files.contains_key(name) {
                candidate.files.insert(name.clone(), file.clone());
            }
        }
    }

    /// Puts a candidate into force.
    pub(super) fn commit(&mut self, candidate: Candidate) -> Loaded {
        let before = std::mem::replace(&mut self.files, candidate.files);
        let (keys, mut files) = self.redeclare(&before);
        let next: Arc<str> = (self.version + 1).to_string().into();
        let decide = |key| self.decide(key, &next, &mut files);
        let changes: Vec<Change> = keys.into_iter().filter_map(decide).collect();
        // The first World is there even if it is empty.
        if !changes.is_empty() || self.version == 0 {
            self.version += 1;
            self.world = Arc::new(self.world.with(changes, next));
        }
        for file in files {
            self.judge(&file);
        }
        let of_files = self.files.values().flat_map(|f| &f.findings);
        let mut findings: Findings = of_files.chain(self.duplicates.values().flatten()).cloned().collect();
        findings.sort_by(|a, b| place(a).cmp(&place(b)));
        Loaded {
            world: self.world.clone(),
            findings: Arc::new(findings),
            status: Arc::new(self.status.clone()),
        }
    }

    /// Notes which places declare what, and returns the files that are not as before with the resources that
    /// they declare or declared.
    fn redeclare(&mut self, before: &Files) -> (BTreeSet<Key>, BTreeSet<Arc<str>>) {
        let (mut keys, mut files) = (BTreeSet::new(), BTreeSet::new());
        for (name, old) in before {
            if self.files.get(name).is_some_and(|new| Arc::ptr_eq(old, new)) {
                continue;
            }
            files.insert(name.clone());
            for (at, claim) in old.claims.iter().enumerate() {
                keys.insert(claim.key.clone());
                if let Some(declared) = self.declared.get_mut(&claim.key) {
                    declared.all.remove(&(name.clone(), at));
                }
            }
        }
        for (name, new) in &self.files {
            if before.get(name).is_some_and(|old| Arc::ptr_eq(old, new)) {
                continue;
            }
            files.insert(name.clone());
            for (at, claim) in new.claims.iter().enumerate() {
                keys.insert(claim.key.clone());
                self.declared.entry(claim.key.clone()).or_default().all.insert((name.clone(), at));
            }
        }
        (keys, files)
    }

    fn claim(&self, (file, at): &At) -> Option<&Claim> {
        self.files.get(file)?.claims.get(*at)
    }

    fn good(&self, at: &At) -> Option<&AnyResource> {
        self.claim(at)?.good()
    }

    /// Which declaration of a resource is in force: the one that takes precedence, and of those that are
    /// equally old the first by file and line. All files that declare it are to be judged anew.
    fn decide(&mut self, key: Key, next: &Arc<str>, files: &mut BTreeSet<Arc<str>>) -> Option<Change> {
        let declared = self.declared.get(&key)?;
        let good = declared.all.iter().filter_map(|at| Some((at, self.good(at)?)));
        let winner = good.min_by(|(_, a), (_, b)| precedence(a.meta(), b.meta()));
        let before = self.world.find(&key.group, &key.kind, &key.namespace, &key.name);
        let says_the_same = before.zip(winner).is_some_and(|(old, (_, new))| old.says_the_same(new));
        let change = match (winner, before) {
            (None, None) => None,
            (None, Some(_)) => Some(Change::Remove(key.clone())),
            (Some((_, new)), Some(old)) if new.ptr_eq(old) => None,
            (Some((_, new)), _) => Some(Change::Upsert(new.clone())),
        };
        files.extend(declared.all.iter().map(|(file, _)| file.clone()));
        let winner = winner.map(|(at, _)| at.clone());
        if declared.all.is_empty() {
            self.declared.remove(&key);
        } else if let Some(declared) = self.declared.get_mut(&key) {
            declared.winner = winner;
            if !says_the_same {
                declared.since = next.clone();
            }
        }
        change
    }

    /// Says what became of what a file declares.
    fn judge(&mut self, name: &Arc<str>) {
        let claims = self.files.get(name).map_or(&[][..], |f| &f.claims);
        let (mut all, mut duplicates) = (Vec::with_capacity(claims.len()), Findings::new());
        for (at, claim) in claims.iter().enumerate() {
            let declared = self.declared.get(&claim.key);
            let winner = declared.and_then(|d| d.winner.as_ref());
            let other = winner.filter(|w| *w != &(name.clone(), at)).and_then(|w| self.claim(w));
            let mut findings = claim.findings.clone();
            if let Some((first, second)) = other.and_then(Claim::good).zip(claim.good()) {
                let finding = duplicate(second, first);
                duplicates.push(finding.clone());
                findings.push(finding);
            }
            let since = declared.map(|d| d.since.clone()).unwrap_or_default();
            let has_warnings = findings.iter().any(|f| f.level == Level::Warning);
            let state = match (other.and_then(Claim::good), &claim.verdict) {
                (Some(other), _) => State::Duplicate { in_force: stands(other) },
                (None, Verdict::Good(_)) if has_warnings => State::AcceptedWithWarnings { since },
                (None, Verdict::Good(_)) => State::Accepted { since },
                (None, Verdict::LastGood(_)) => State::LastGoodInForce { since },
                (None, Verdict::Refused) => State::NothingInForce,
            };
            all.push(Status {
                key: claim.key.clone(),
                version: claim.meta.version.clone(),
                place: claim.place.clone(),
                generation: claim.meta.generation,
                state,
                findings,
            });
        }
        self.status.set(name, all);
        match duplicates.is_empty() {
            true => self.duplicates.remove(name),
            false => self.duplicates.insert(name.clone(), duplicates),
        };
    }
}

fn place(finding: &Finding) -> (Option<&str>, usize, &str) {
    (finding.file(), finding.span.map_or(0, |s| s.start), finding.code)
}

/// Where a resource stands.
fn stands(resource: &AnyResource) -> Place {
    let source = resource.source();
    Place { file: source.file.clone(), line: source.locate("").map_or(1, |s| s.line) }
}

fn duplicate(second: &AnyResource, first: &AnyResource) -> Finding {
    let Meta { kind, name, created, .. } = second.meta();
    let why = match *created == first.meta().created {
        true => "of two that are equally old, the first by file and line is in force",
        false => "the older one, by its creationTimestamp, is in force",
    };
    Finding::warning(code::DUPLICATE, format!("{kind} `{name}` is declared twice; this one has no effect"))
        .about(second.meta(), second.source(), "metadata.name")
        .beside(first.source(), "metadata.name", "this one is in force")
        .note(why)
        .help("delete one of them, or give it another name")
}
