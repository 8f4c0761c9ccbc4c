//! What the mesh has to say about a configuration, and the place it speaks of.
//!
//! A [`Finding`] is data: level, code, message, help and the span of the text that it is about. Rendering
//! as rustc does is a function over it, so that a terminal, a JSON reader and an editor see the same.

pub mod code;
pub(crate) mod outline;
mod render;
mod sarif;

#[cfg(test)]
mod tests;

pub use render::{Color, json, text};
pub use sarif::sarif;

use crate::api::{Meta, Resource};
use outline::Outline;
use std::fmt;
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

impl Span {
    /// Whether it marks a place between two bytes.
    pub fn is_empty(&self) -> bool {
        self.end <= self.start
    }
}

/// `did you mean …?` with the name that is most like what is written, if one is.
///
/// ```
/// # use mesh_core::diagnostic::did_you_mean;
/// let known = ["hosts", "http", "gateways"];
/// assert_eq!(did_you_mean("host", known).as_deref(), Some("did you mean `hosts`?"));
/// assert_eq!(did_you_mean("timeout", known), None);
/// ```
pub fn did_you_mean<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // No name is so long, and to compare costs the product of both lengths.
    if written.len() > 100 {
        return None;
    }
    let written = written.to_lowercase();
    let nearness = |name: &str| strsim::jaro_winkler(&written, &name.to_lowercase());
    let best = known.into_iter().map(|name| (nearness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.8).then(|| format!("did you mean `{}`?", best.1))
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
    /// Other places that it is about, such as the one that was first.
    pub labels: Vec<Label>,
    /// What is good to know about it, each in one sentence without a full stop.
    pub notes: Vec<String>,
    /// What to do about it.
    pub help: Option<String>,
}

/// A place beside the one that a finding is about, perhaps in another file.
#[derive(Clone, Debug, PartialEq)]
pub struct Label {
    /// The text.
    pub source: Arc<SourceMap>,
    /// Where in it.
    pub span: Option<Span>,
    /// What stands there, such as `first declared here`.
    pub text: String,
}

impl fmt::Display for Label {
    /// `first declared here: routes.yaml:3:7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.text, self.source.file)?;
        match self.span {
            Some(span) => write!(f, ":{}:{}", span.line, span.column),
            None => Ok(()),
        }
    }
}

/// A message may quote what a file says, which may be a megabyte. Bytes.
const LONGEST_MESSAGE: usize = 1000;

/// The message without the middle of what nobody would read.
fn brief(message: String) -> String {
    if message.len() <= LONGEST_MESSAGE {
        return message;
    }
    let (head, tail) = (LONGEST_MESSAGE / 2, message.len() - LONGEST_MESSAGE / 4);
    let head = (0..=head).rev().find_map(|at| message.get(..at)).unwrap_or_default();
    let tail = (tail..message.len()).find_map(|at| message.get(at..)).unwrap_or_default();
    format!("{head} … {tail}")
}

/// What there is to say about one configuration.
pub type Findings = Vec<Finding>;

impl Finding {
    /// A finding of a level, about nothing in particular yet.
    pub fn new(level: Level, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            level,
            code,
            message: brief(message.into()),
            resource: ResourceKey::default(),
            path: String::new(),
            source: None,
            span: None,
            labels: Vec::new(),
            notes: Vec::new(),
            help: None,
        }
    }

    /// An error.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Warning, code, message)
    }

    /// A note.
    pub fn info(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Info, code, message)
    }

    /// About a field of a resource, such as `spec.http[0].timeout`.
    #[must_use]
    pub fn at<T>(self, resource: &Resource<T>, path: impl Into<String>) -> Self {
        self.about(&resource.meta, &resource.source, path)
    }

    /// About a field of the resource with this metadata.
    #[must_use]
    pub fn about(mut self, meta: &Meta, source: &Arc<SourceMap>, path: impl Into<String>) -> Self {
        self.resource = ResourceKey::of(meta);
        self.path = path.into();
        self.span = source.locate(&self.path);
        self.source = Some(source.clone());
        self
    }

    /// About a part of a text that is not, or not yet, a resource.
    #[must_use]
    pub fn within(mut self, source: &Arc<SourceMap>, span: Option<Span>) -> Self {
        self.source = Some(source.clone());
        self.span = span;
        self
    }

    /// Points at the name of the field rather than at its value.
    #[must_use]
    pub fn at_key(mut self) -> Self {
        let key = self.source.as_ref().and_then(|s| s.key(&self.path));
        self.span = key.or(self.span);
        self
    }

    /// Points at a field of another resource too, or at one of the same; the text says what stands there.
    #[must_use]
    pub fn beside(mut self, source: &Arc<SourceMap>, path: &str, text: impl Into<String>) -> Self {
        self.labels.push(Label { source: source.clone(), span: source.locate(path), text: text.into() });
        self
    }

    /// What is good to know about it.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The file that it is about.
    pub fn file(&self) -> Option<&str> {
        self.source.as_ref().map(|s| &*s.file)
    }
}

impl fmt::Display for Finding {
    /// One line: `routes.yaml:3:7: error[IST0106]: …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = self.file() {
            write!(f, "{file}:")?;
            if let Some(span) = self.span {
                write!(f, "{}:{}:", span.line, span.column)?;
            }
            f.write_str(" ")?;
        }
        write!(f, "{}[{}]: ", self.level.as_str(), self.code)?;
        if !self.resource.kind.is_empty() {
            write!(f, "{}: ", self.resource)?;
        }
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)
    }
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

impl ResourceKey {
    /// The key of the resource with this metadata.
    pub fn of(meta: &Meta) -> Self {
        Self { kind: meta.kind.clone(), namespace: meta.namespace.clone(), name: meta.name.clone() }
    }
}

impl fmt::Display for ResourceKey {
    /// `VirtualService default/reviews`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if self.name.is_empty() {
            return Ok(());
        }
        f.write_str(" ")?;
        if !self.namespace.is_empty() {
            write!(f, "{}/", self.namespace)?;
        }
        f.write_str(&self.name)
    }
}

/// The text of one document and where each of its fields stands.
///
/// What Secrets hold is blotted out of the text by the reader of YAML, so that no excerpt shows it.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SourceMap {
    /// The file, as the source names it.
    pub file: Arc<str>,
    /// The whole text of the file.
    pub text: Arc<str>,
    pub(crate) outline: Outline,
}

impl fmt::Debug for SourceMap {
    /// Without the text, which is that of a whole file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_struct("SourceMap");
        map.field("file", &self.file).field("bytes", &self.text.len()).finish_non_exhaustive()
    }
}

impl SourceMap {
    /// A file of which no field is known.
    pub fn of_file(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Self { file: file.into(), text: text.into(), outline: Outline::default() }
    }

    /// The span of a field's value, by a path such as `spec.http[0].route`, or of its nearest parent that
    /// is written; `""` is the document. A mapping's or list's span is that of its name, where it has one.
    pub fn locate(&self, path: &str) -> Option<Span> {
        self.outline.find(&self.text, path).map(|place| place.span)
    }

    /// The span of a field's name, if the field is written.
    pub fn key(&self, path: &str) -> Option<Span> {
        self.outline.find(&self.text, path).filter(|place| place.is_exact)?.key
    }

    /// Whether a field is written, be it empty.
    pub fn is_written(&self, path: &str) -> bool {
        self.key(path).is_some()
    }
}
