//! Text to documents, and documents to resources, without losing where anything stands.
//!
//! ```text
//! file ─[yaml]─▶ Document { value, SourceMap } ─[resource]─▶ AnyResource, or a Finding with its span
//! ```
//!
//! YAML 1.2's core schema, of which JSON is a part, with what Kubernetes' users expect beside it: several
//! documents per file, `List` kinds, anchors, merge keys. A document that cannot be read never takes its
//! neighbours along: reading resumes at the next `---`. All is bounded, since a file may be hostile.

mod blot;
mod resource;
mod scalar;
mod tree;

#[cfg(test)]
mod tests;

pub(crate) use resource::{InMeshConfig, is_subdomain};
pub use resource::{Outcome, Parsed, mesh_config, mesh_networks, proxy_defaults, resources, transplant};

use crate::diagnostic::{Finding, SourceMap, Span, code};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tree::{Content, Node};

/// Bounds on what one file may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of text.
    pub bytes: usize,
    /// Depth of nesting.
    pub depth: usize,
    /// Values, with those that aliases repeat.
    pub values: usize,
}

impl Default for Limits {
    /// 16 MiB, 100 levels, one million values: a hundred times what Istio's largest samples need.
    fn default() -> Self {
        Self { bytes: 16 << 20, depth: 100, values: 1_000_000 }
    }
}

/// One document, or one item of a `List`.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// Where each part of it stands.
    pub source: Arc<SourceMap>,
}

/// The documents of one text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Documents {
    /// Those that could be read, in order; empty documents are left out.
    pub documents: Vec<Document>,
    /// Why others could not.
    pub findings: Vec<Finding>,
}

/// Reads all documents of a text.
///
/// ```
/// let read = mesh_core::yaml::documents("a.yaml", "kind: A\n---\nkind: B\nspec: {x: 1}\n", &Default::default());
/// assert_eq!(read.documents[1].value["spec"]["x"], 1);
/// assert_eq!(read.documents[1].source.locate("spec.x").map(|s| (s.line, s.column)), Some((4, 11)));
/// ```
pub fn documents(file: &str, text: &str, limits: &Limits) -> Documents {
    let file: Arc<str> = file.into();
    let mut out = Documents::default();
    if text.len() > limits.bytes {
        let message = format!("the file has {} bytes; at most {} are read", text.len(), limits.bytes);
        let source = Arc::new(SourceMap { file, ..SourceMap::default() });
        out.findings.push(Finding::error(code::SYNTAX, message).within(&source, None));
        return out;
    }
    let (roots, errors) = tree::read(text, limits);
    // What diagnostics quote from, and all that stays of the text.
    let text: Arc<str> = blot::secrets(text, limits.depth).map_or_else(|| text.into(), Into::into);
    for root in roots {
        for item in items(root) {
            out.documents.push(document(&file, &text, &item));
        }
    }
    let bare = Arc::new(SourceMap { file, text, ..SourceMap::default() });
    for (message, span) in errors {
        out.findings.push(Finding::error(code::SYNTAX, message).within(&bare, Some(span)));
    }
    out
}

/// The items of a `List`, or the document itself. Null items and documents are dropped.
fn items(root: Node) -> Vec<Node> {
    let is_list = matches!(root.field("kind").map(|n| &n.content),
        Some(Content::Scalar(Value::String(kind))) if kind.ends_with("List"));
    let items = match root.content {
        Content::Map(fields) if is_list => {
            let written = fields.iter().position(|f| f.name == "items");
            match written.map(|at| &fields[at].value.content) {
                Some(Content::List(items)) => items.clone(),
                Some(Content::Scalar(Value::Null)) => Vec::new(),
                _ => vec![Node { content: Content::Map(fields), span: root.span }],
            }
        }
        content => vec![Node { content, span: root.span }],
    };
    items.into_iter().filter(|n| !matches!(n.content, Content::Scalar(Value::Null))).collect()
}

fn document(file: &Arc<str>, text: &Arc<str>, root: &Node) -> Document {
    let mut map = SourceMap { file: file.clone(), text: text.clone(), ..SourceMap::default() };
    map.spans.insert(String::new(), mark(root));
    let value = value_of(root, &mut String::new(), &mut map.spans, &mut map.keys);
    Document { value, source: Arc::new(map) }
}

/// What a caret can show of a value: a scalar as a whole, of all else the first name.
fn mark(node: &Node) -> Span {
    match &node.content {
        Content::Map(fields) => fields.first().map_or(node.span, |f| f.span),
        Content::List(items) => items.first().map_or(node.span, mark),
        Content::Scalar(_) => node.span,
    }
}

type Spans = BTreeMap<String, Span>;

/// Depth is bounded by [`Limits::depth`], so recursion is safe.
fn value_of(node: &Node, path: &mut String, spans: &mut Spans, keys: &mut Spans) -> Value {
    match &node.content {
        Content::Scalar(value) => value.clone(),
        Content::List(items) => {
            let parent = path.len();
            let mut list = Vec::with_capacity(items.len());
            for (at, item) in items.iter().enumerate() {
                path.push_str(&format!("[{at}]"));
                spans.insert(path.clone(), mark(item));
                list.push(value_of(item, path, spans, keys));
                path.truncate(parent);
            }
            Value::Array(list)
        }
        Content::Map(fields) => {
            let parent = path.len();
            let mut map = serde_json::Map::new();
            for field in fields {
                if parent > 0 {
                    path.push('.');
                }
                path.push_str(&field.name);
                let is_scalar = matches!(field.value.content, Content::Scalar(_));
                // What a caret under a whole block would hide, one under its name shows.
                let span =
                    if is_scalar && !field.value.span.is_empty() { field.value.span } else { field.span };
                spans.insert(path.clone(), span);
                keys.insert(path.clone(), field.span);
                let value = value_of(&field.value, path, spans, keys);
                map.insert(field.name.clone(), value);
                path.truncate(parent);
            }
            Value::Object(map)
        }
    }
}
