//! Collects findings; each is said once, however many ports and subsets come across it.

use crate::api::Resource;
use crate::diagnostic::{Finding, ResourceKey, code};
use std::collections::HashSet;

/// The findings of one compilation.
#[derive(Debug, Default)]
pub(super) struct Report {
    findings: Vec<Finding>,
    said: HashSet<(ResourceKey, String, String)>,
}

impl Report {
    pub(super) fn add(&mut self, finding: Finding) {
        let key = (finding.resource.clone(), finding.path.clone(), finding.message.clone());
        if self.said.insert(key) {
            self.findings.push(finding);
        }
    }

    /// A field that is known and written, but does nothing yet.
    pub(super) fn not_honoured<T>(
        &mut self,
        resource: &Resource<T>,
        path: impl Into<String>,
        what: &str,
        instead: &str,
    ) {
        let path = path.into();
        let message = format!("{what} is not supported by the compiler yet");
        self.add(Finding::warning(code::NOT_HONOURED, message).at(resource, path).help(instead));
    }

    /// A field about something that is not here; nothing differs from what was asked for.
    pub(super) fn no_meaning<T>(
        &mut self,
        resource: &Resource<T>,
        path: impl Into<String>,
        what: &str,
        why: &str,
    ) {
        let message = format!("{what} has no meaning in this mesh");
        self.add(Finding::info(code::NO_MEANING, message).at(resource, path).help(why));
    }

    /// A value that cannot be read.
    pub(super) fn invalid<T>(
        &mut self,
        resource: &Resource<T>,
        path: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Finding::error(code::SCHEMA, message).at(resource, path));
    }

    /// By resource, then in the order of the text.
    pub(super) fn finish(mut self) -> Vec<Finding> {
        self.findings.sort_by(|a, b| {
            let key = |f: &Finding| {
                (f.file().map(str::to_owned), f.span.map(|s| s.start), f.resource.clone(), f.path.clone())
            };
            key(a).cmp(&key(b))
        });
        self.findings
    }
}
