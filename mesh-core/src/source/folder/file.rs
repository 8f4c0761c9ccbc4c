//! One file: what it declares, and what of it may be in force. No IO, no clock.

use crate::api::{AnyResource, Meta};
use crate::diagnostic::{Finding, Findings, Level, SourceMap, code};
use crate::origin::Place;
use crate::validate::{self, Check};
use crate::world::Key;
use crate::yaml;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One file as it was read last.
#[derive(Debug, Default)]
pub(super) struct File {
    /// `None` where it could not be read.
    pub(super) text: Option<Arc<str>>,
    /// What it declares, in the order in which it stands there.
    pub(super) claims: Vec<Claim>,
    /// All that there is to say about it.
    pub(super) findings: Findings,
}

/// A resource that a file declares, or declared when it could be read.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub(super) key: Key,
    pub(super) meta: Meta,
    pub(super) place: Place,
    /// What there is to say about this one.
    pub(super) findings: Findings,
    pub(super) verdict: Verdict,
}

/// What may be in force of a claim.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// What is declared.
    Good(AnyResource),
    /// What was declared when it was good.
    LastGood(AnyResource),
    /// Nothing: it never was good.
    Refused,
}

impl Claim {
    pub(super) fn good(&self) -> Option<&AnyResource> {
        match &self.verdict {
            Verdict::Good(resource) | Verdict::LastGood(resource) => Some(resource),
            Verdict::Refused => None,
        }
    }

    /// The same, when what the file says of it now is not known.
    fn held(&self, findings: &Findings) -> Self {
        let verdict = match self.good() {
            Some(resource) => Verdict::LastGood(resource.clone()),
            None => Verdict::Refused,
        };
        Self { verdict, findings: findings.clone(), ..self.clone() }
    }
}

/// Kinds whose absence opens what they would close.
const PROTECTS: [&str; 3] = ["AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"];

const STAYS: &str = "the last good version stays in force";
const OPEN: &str = "until it is mended, nothing of it is enforced";

fn add_help(finding: &mut Finding, note: Option<&str>) {
    if let Some(note) = note {
        finding.help = Some(match finding.help.take() {
            Some(help) => format!("{help}; {note}"),
            None => note.to_owned(),
        });
    }
}

fn errors(findings: &[Finding]) -> impl Iterator<Item = &Finding> {
    findings.iter().filter(|f| f.level == Level::Error)
}

impl Claim {
    /// What a document declares; `known` is what was good of this resource before.
    fn read(
        outcome: yaml::Outcome,
        checks: &[Check],
        mut findings: Findings,
        known: Option<&AnyResource>,
    ) -> Self {
        let yaml::Outcome { key, meta, source, resource } = outcome;
        let line = source.locate("").map_or(1, |span| span.line);
        let good = resource.filter(|resource| {
            let mut found = validate::check(resource);
            found.extend(checks.iter().flat_map(|check| check(resource)));
            let good = errors(&found).next().is_none();
            findings.extend(found);
            good
        });
        let verdict = match (good, known) {
            (Some(resource), _) => Verdict::Good(resource),
            (None, Some(known)) => Verdict::LastGood(known.clone()),
            (None, None) => Verdict::Refused,
        };
        let note = match &verdict {
            Verdict::Good(_) => None,
            Verdict::LastGood(_) => Some(STAYS),
            Verdict::Refused => PROTECTS.contains(&&*key.kind).then_some(OPEN),
        };
        for finding in findings.iter_mut().filter(|f| f.level == Level::Error) {
            add_help(finding, note);
        }
        Self { key, meta, place: Place { file: source.file.clone(), line }, findings, verdict }
    }
}

/// A document by its place in memory, and what it names itself.
type Document = (*const SourceMap, Arc<str>);

fn document(outcome: &yaml::Outcome) -> Document {
    (Arc::as_ptr(&outcome.source), outcome.key.name.clone())
}

/// The findings that are about these documents, by document, and the rest.
fn by_document(findings: Findings, outcomes: &[yaml::Outcome]) -> (Findings, HashMap<Document, Findings>) {
    let mut about: HashMap<Document, Findings> = outcomes.iter().map(|o| (document(o), Vec::new())).collect();
    let mut rest = Findings::new();
    for finding in findings {
        let of = finding.source.as_ref().map(|s| (Arc::as_ptr(s), finding.resource.name.clone()));
        match of.and_then(|of| about.get_mut(&of)) {
            Some(all) => all.push(finding),
            None => rest.push(finding),
        }
    }
    (rest, about)
}

impl File {
    /// Reads a text. What is wrong in it, to ourselves or to `checks`, is replaced by what was good before.
    pub(super) fn read(name: &Arc<str>, text: Arc<str>, checks: &[Check], before: Option<&Self>) -> Self {
        let parsed = yaml::resources(name, &text, &yaml::Limits::default());
        let before = before.map_or(&[][..], |b| &b.claims);
        let mut known: HashMap<&Key, &AnyResource> = HashMap::new();
        for claim in before {
            if let Some(good) = claim.good() {
                known.entry(&claim.key).or_insert(good);
            }
        }
        let (mut findings, mut about) = by_document(parsed.findings, &parsed.outcomes);
        let mut claims = Vec::new();
        for outcome in parsed.outcomes {
            let about = about.remove(&document(&outcome)).unwrap_or_default();
            let known = known.get(&outcome.key).copied();
            claims.push(Claim::read(outcome, checks, about, known));
        }
        // What is left speaks of documents that could not be told to be a particular resource.
        let known: HashSet<_> = known.keys().map(|key| (&*key.kind, &*key.name)).collect();
        for finding in findings.iter_mut().filter(|f| f.level == Level::Error) {
            let of = &finding.resource;
            let note = match parsed.unreadable {
                true if of.name.is_empty() => (!before.is_empty()).then_some(STAYS),
                true if known.contains(&(&*of.kind, &*of.name)) => Some(STAYS),
                _ => PROTECTS.contains(&&*of.kind).then_some(OPEN),
            };
            add_help(finding, note);
        }
        // So whatever was here before may be meant.
        if parsed.unreadable {
            let why: Findings = errors(&findings).cloned().collect();
            let seen: HashSet<&Key> = claims.iter().map(|c| &c.key).collect();
            let missing = |c: &&Claim| c.good().is_some() && !seen.contains(&c.key);
            let held: Vec<Claim> = before.iter().filter(missing).map(|c| c.held(&why)).collect();
            findings.extend(claims.iter().flat_map(|c| c.findings.clone()));
            claims.extend(held);
        } else {
            findings.extend(claims.iter().flat_map(|c| c.findings.clone()));
        }
        Self { text: Some(text), claims, findings }
    }

    /// A file that cannot be read: what it held stays in force.
    pub(super) fn unreadable(name: &Arc<str>, why: &str, before: Option<&Self>) -> Self {
        let source = Arc::new(SourceMap { file: name.clone(), ..SourceMap::default() });
        let finding = Finding::error(code::UNREADABLE, format!("cannot be read: {why}"));
        let findings = vec![finding.within(&source, None)];
        let before = before.map_or(&[][..], |b| &b.claims);
        Self { text: None, claims: before.iter().map(|c| c.held(&findings)).collect(), findings }
    }

    pub(super) fn is_unreadable(&self) -> bool {
        self.findings.iter().any(|f| f.code == code::UNREADABLE)
    }

    /// Whether it may have been caught half-written: it has errors, or a resource is gone.
    pub(super) fn is_doubtful(&self, before: Option<&Self>) -> bool {
        let now: HashSet<&Key> = self.claims.iter().map(|c| &c.key).collect();
        errors(&self.findings).next().is_some()
            || before.is_some_and(|b| b.claims.iter().any(|old| !now.contains(&old.key)))
    }
}
