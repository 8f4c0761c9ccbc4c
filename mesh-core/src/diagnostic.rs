//! What the mesh has to say about a configuration, and the place it speaks of.
//!
//! A [`Finding`] is data: level, code, message, help and the span of the text that it is about. Rendering
//! as rustc does is a function over it, so that a terminal, a JSON reader and an editor see the same.

use std::collections::BTreeMap;
use std::sync::Arc;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Level {
    /// Nothing to do; good to know.
    Info,
    /// Works, perhaps not as meant.
    Warning,
    /// Refused: the resource's last good version stays in force.
    Error,
}

impl Level {
    /// `info`, `warning` or `error`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A part of a text: a line and a column, from 1, and a range of bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    /// Line, from 1.
    pub line: u32,
    /// Column, in characters from 1.
    pub column: u32,
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

/// One finding.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// How bad it is.
    pub level: Level,
    /// Stable code, such as `IST0101` or `MESH0001`.
    pub code: &'static str,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// The resource, as `Kind`, namespace and name; empty parts where it could not be read.
    pub resource: ResourceKey,
    /// The field, such as `spec.http[0].route[1].weight`; empty for the whole.
    pub path: String,
    /// The text, so that an excerpt can be shown.
    pub source: Option<Arc<SourceMap>>,
    /// Where in it.
    pub span: Option<Span>,
    /// What to do about it.
    pub help: Option<String>,
}

/// Kind, namespace and name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResourceKey {
    /// Kind.
    pub kind: Arc<str>,
    /// Namespace.
    pub namespace: Arc<str>,
    /// Name.
    pub name: Arc<str>,
}

/// The text of one document and where each of its fields stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SourceMap {
    /// The file, as the source names it.
    pub file: Arc<str>,
    /// The whole text of the file.
    pub text: Arc<str>,
    /// Spans by field path, such as `spec.http[0].route`; `""` is the document.
    pub spans: BTreeMap<String, Span>,
}

impl SourceMap {
    /// The span of a field, or of its nearest parent that is written.
    pub fn locate(&self, path: &str) -> Option<Span> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Some(*span);
            }
            if path.is_empty() {
                return None;
            }
            let cut = path.rfind(['.', '[']).unwrap_or(0);
            path = path.get(..cut).unwrap_or_default();
        }
    }
}
