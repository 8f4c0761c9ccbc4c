//! What there is to say about the configuration: from reading it, and from compiling it for each node.
//!
//! Each finding is printed once, when it appears, as a compiler prints it; and it is told when all is well
//! again.

use mesh_core::diagnostic::{self, Color, Finding, Level, ResourceKey, Span};
use mesh_core::node::Node;
use mesh_core::watch::Watch;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::sync::Arc;

/// The findings in force.
#[derive(Clone, Debug)]
pub struct Findings {
    print: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    of_source: Vec<Finding>,
    of_nodes: BTreeMap<String, Vec<Finding>>,
    /// What was printed, so that it is not printed again while it stays in force.
    printed: Vec<Finding>,
}

impl Findings {
    /// None yet; `print` sends new ones to standard error.
    pub fn new(print: bool) -> Self {
        Self { print, state: Arc::default() }
    }

    /// All that are in force, without repetition: errors first, then by file and line.
    pub fn all(&self) -> Vec<Finding> {
        self.state.lock().all()
    }

    /// As a JSON list.
    pub fn json(&self) -> String {
        diagnostic::json(&self.all()).to_string()
    }

    /// How many of them are errors.
    pub fn errors(&self) -> usize {
        self.all().iter().filter(|f| f.level == Level::Error).count()
    }

    pub(crate) async fn follow_source(self, mut source: Watch<diagnostic::Findings>) {
        let mut next = source.ready().await;
        while let Ok(findings) = next {
            self.change(|state| state.of_source = findings.to_vec());
            next = source.changed().await;
        }
    }

    pub(crate) fn of_node(&self, node: &Node, findings: Vec<Finding>) {
        self.change(|state| {
            state.of_nodes.insert(node.id(), findings);
        });
    }

    pub(crate) fn forget_node(&self, node: &Node) {
        self.change(|state| {
            state.of_nodes.remove(&node.id());
        });
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        change(&mut state);
        let now = state.all();
        let healed = healed(&state.printed, &now);
        let mut printed = Distinct::default();
        for finding in state.printed.iter() {
            printed.insert(finding);
        }
        let new: Vec<Finding> = now.iter().filter(|finding| printed.insert(finding)).cloned().collect();
        state.printed = now;
        drop(state);
        if self.print {
            print(&new, healed.as_deref());
        }
    }
}

impl State {
    fn all(&self) -> Vec<Finding> {
        let mut seen = Distinct::default();
        let every = self.of_source.iter().chain(self.of_nodes.values().flatten());
        let mut all: Vec<Finding> = every.filter(|finding| seen.insert(finding)).cloned().collect();
        all.sort_by(|a, b| {
            let key = |f: &Finding| {
                let file = f.source.as_ref().map(|s| s.file.clone());
                (std::cmp::Reverse(f.level), file, f.span.map(|s| s.line), f.code)
            };
            key(a).cmp(&key(b))
        });
        all
    }
}

/// Findings, each once. They are many where many nodes have the same to say, so that they are told apart by what
/// seldom is the same of two before they are compared whole.
#[derive(Default)]
struct Distinct<'a>(HashMap<Outwardly<'a>, Vec<&'a Finding>>);

/// Code, resource, field and message.
type Outwardly<'a> = (&'static str, &'a ResourceKey, &'a str, &'a str, Option<Span>);

impl<'a> Distinct<'a> {
    /// Whether it was not there yet.
    fn insert(&mut self, finding: &'a Finding) -> bool {
        let Finding { code, resource, path, message, span, .. } = finding;
        let alike = self.0.entry((*code, resource, path, message, *span)).or_default();
        let is_new = !alike.contains(&finding);
        if is_new {
            alike.push(finding);
        }
        is_new
    }
}

/// What there is to say when the last error has gone; `None` while there are errors, or were none before.
pub fn healed(before: &[Finding], now: &[Finding]) -> Option<String> {
    let count = |all: &[Finding], level| all.iter().filter(|f| f.level == level).count();
    if count(before, Level::Error) == 0 || count(now, Level::Error) > 0 {
        return None;
    }
    let rest = match count(now, Level::Warning) {
        0 => "all of it is in force".to_owned(),
        1 => "1 warning is left".to_owned(),
        n => format!("{n} warnings are left"),
    };
    Some(format!("the configuration has no errors any more; {rest}\n"))
}

fn print(new: &[Finding], healed: Option<&str>) {
    let mut stderr = std::io::stderr().lock();
    let color = if mesh_cli::wants_colour(&stderr) { Color::Always } else { Color::Never };
    let worth: Vec<Finding> = new.iter().filter(|f| f.level > Level::Info).cloned().collect();
    let mut text = diagnostic::text(&worth, color);
    text.push_str(healed.unwrap_or_default());
    // Standard error may be closed; there is nobody left to tell.
    let _ = stderr.write_all(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_many_nodes_say_alike_is_said_once_and_what_differs_in_anything_is_kept() {
        let one = || Finding::warning("IST0101", "no such host a");
        let state = State {
            of_source: vec![one(), one().help("declare it")],
            of_nodes: (0..3)
                .map(|i| (format!("node-{i}"), vec![one(), one().note(format!("{}", i / 2))]))
                .collect(),
            printed: Vec::new(),
        };
        assert_eq!(state.all().len(), 4, "{:?}", state.all());
    }

    #[test]
    fn the_end_of_all_errors_is_told_with_the_warnings_that_are_left() {
        let error = || Finding::error("IST0106", "a weight is missing");
        let warning = |name: &str| Finding::warning("IST0101", format!("no such host {name}"));
        let before = [error(), warning("a")];
        let said = |now: &[Finding]| healed(&before, now);
        assert_eq!(
            said(&[]).as_deref(),
            Some("the configuration has no errors any more; all of it is in force\n")
        );
        let one = said(&[warning("a")]);
        assert_eq!(one.as_deref(), Some("the configuration has no errors any more; 1 warning is left\n"));
        let two = said(&[warning("a"), warning("b")]);
        assert_eq!(two.as_deref(), Some("the configuration has no errors any more; 2 warnings are left\n"));
        assert_eq!(said(&[error()]), None);
        assert_eq!(healed(&[warning("a")], &[]), None, "nothing was wrong before");
    }
}
