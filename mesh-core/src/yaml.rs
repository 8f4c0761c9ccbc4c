//! Text to documents, and documents to resources, without losing where anything stands.
//!
//! ```text
//! text ─[reader]─▶ Tree ─[typed]─▶ AnyResource, or a Finding with its span
//!                   ├─[scalar]   what a plain scalar means
//!                   └─▶ Outline  where each field stands, kept with the resource
//! ```
//!
//! What `kubectl` and `istioctl` read, with the meaning that it has there: YAML as Go resolves it, of which
//! JSON is a part, several documents per file, JSON objects one after another, `List` kinds, anchors, merge
//! keys. A document that cannot be read never takes its neighbours along: reading resumes at the next
//! `---`. All is bounded, since a file may be hostile.

mod blot;
mod mesh_config;
mod names;
mod reader;
mod resource;
mod scalar;
pub(crate) mod tree;
pub(crate) mod typed;

#[cfg(test)]
mod tests;

pub(crate) use mesh_config::InMeshConfig;
pub use mesh_config::{mesh_config, mesh_networks, proxy_defaults, transplant};
pub(crate) use resource::is_subdomain;
pub use resource::{Outcome, Parsed, resources};
pub(crate) use tree::Tree;

use crate::diagnostic::{Finding, SourceMap, code};
use serde_json::Value;
use std::sync::Arc;

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
    let mut documents = Vec::new();
    let findings = each_document(file, text, limits, |tree, source| {
        documents.push(Document { value: tree.to_value(), source });
    });
    Documents { documents, findings }
}

/// Hands over every document that can be read; what is wrong with the others are the findings.
fn each_document(
    file: &str,
    text: &str,
    limits: &Limits,
    mut each: impl FnMut(Tree<'_, '_>, Arc<SourceMap>),
) -> Vec<Finding> {
    let file: Arc<str> = file.into();
    if text.len() > limits.bytes {
        let message = format!("the file has {} bytes; at most {} are read", text.len(), limits.bytes);
        let source = Arc::new(SourceMap::of_file(file, ""));
        return vec![Finding::error(code::SYNTAX, message).within(&source, None)];
    }
    // What diagnostics quote from, and all that stays of the text.
    let kept: Arc<str> = blot::secrets(text, limits.depth).map_or_else(|| text.into(), Into::into);
    let faults = reader::read(text, limits, |tree| {
        let outline = tree.outline(&kept);
        each(tree, Arc::new(SourceMap { file: file.clone(), text: kept.clone(), outline }));
    });
    if faults.is_empty() {
        return Vec::new();
    }
    let bare = Arc::new(SourceMap::of_file(file, kept));
    let finding = |(message, span)| Finding::error(code::SYNTAX, message).within(&bare, Some(span));
    faults.into_iter().map(finding).collect()
}
