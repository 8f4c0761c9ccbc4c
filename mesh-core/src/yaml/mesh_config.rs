//! The text inside of ConfigMap `istio`, and findings about it at their place in the file.

use super::resource::explain;
use super::{Limits, documents, each_document, typed};
use crate::api::mesh::{MeshNetworks, ProxyDefaults};
use crate::api::{MeshConfig, Meta};
use crate::diagnostic::{Finding, ResourceKey, SourceMap, Span};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// Reads the text of a MeshConfig: key `mesh` of ConfigMap `istio`.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn mesh_config(text: &str) -> Result<MeshConfig, Box<Finding>> {
    inner_text("MeshConfig", text)
}

/// Reads the text of MeshNetworks: key `meshNetworks` of ConfigMap `istio`.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn mesh_networks(text: &str) -> Result<MeshNetworks, Box<Finding>> {
    inner_text("MeshNetworks", text)
}

/// Reads the settings of a proxy: annotation `proxy.istio.io/config` of a pod.
///
/// # Errors
/// The first thing that is wrong, with its place in the text.
pub fn proxy_defaults(text: &str) -> Result<ProxyDefaults, Box<Finding>> {
    inner_text("ProxyConfig", text)
}

/// A text without a document says nothing: all is as by default.
fn inner_text<T: DeserializeOwned + Default>(kind: &str, text: &str) -> Result<T, Box<Finding>> {
    let meta = Meta { kind: kind.into(), ..Meta::default() };
    let mut read = None;
    let mut findings = each_document("mesh", text, &Limits::default(), |tree, source| {
        if read.is_none() {
            read = Some(typed::read("", tree).map_err(|error| Box::new(explain(error, &meta, &source))));
        }
    });
    match (findings.pop(), read) {
        (Some(finding), _) => Err(Box::new(finding)),
        (None, Some(read)) => read,
        (None, None) => Ok(T::default()),
    }
}

/// Moves a finding about a text inside of a document to the document.
///
/// A block scalar's lines stand in the file as they are, but for their indentation; where they do not,
/// the finding points at the whole.
pub fn transplant(inner: Finding, meta: &Meta, source: &Arc<SourceMap>, path: &str) -> Finding {
    let mut finding = inner.clone();
    let outer = source.locate(path);
    finding.resource = ResourceKey::of(meta);
    finding.path = if inner.path.is_empty() { path.to_owned() } else { format!("{path}.{}", inner.path) };
    finding.source = Some(source.clone());
    finding.span = outer.map(|outer| inside(&inner, source, outer).unwrap_or(outer));
    finding
}

/// Finds the places of a MeshConfig's fields in the ConfigMap that holds its text.
pub(crate) struct InMeshConfig<'a> {
    inner: Option<Arc<SourceMap>>,
    meta: &'a Meta,
    source: &'a Arc<SourceMap>,
}

impl<'a> InMeshConfig<'a> {
    pub(crate) fn new(text: &str, meta: &'a Meta, source: &'a Arc<SourceMap>) -> Self {
        let read = documents("mesh", text, &Limits::default());
        Self { inner: read.documents.into_iter().next().map(|d| d.source), meta, source }
    }

    /// The finding, put where the field stands.
    pub(crate) fn put(&self, finding: Finding, field: &str) -> Finding {
        match &self.inner {
            Some(inner) => {
                let within = finding.about(&Meta::default(), inner, field);
                transplant(within, self.meta, self.source, "data.mesh")
            }
            None => finding.about(self.meta, self.source, format!("data.mesh.{field}")),
        }
    }
}

fn inside(inner: &Finding, source: &SourceMap, outer: Span) -> Option<Span> {
    let (span, text) = (inner.span?, &inner.source.as_ref()?.text);
    let line = text.lines().nth(usize::try_from(span.line).ok()?.checked_sub(1)?)?;
    let in_line = span.start - (line.as_ptr().addr().checked_sub(text.as_ptr().addr())?);
    let mut offset = outer.start;
    // From the block's first line on, the first line that is the inner one but for its indentation.
    for (number, candidate) in (outer.line..).zip(source.text.get(outer.start..)?.split_inclusive('\n')) {
        let content = candidate.trim_end();
        if number >= outer.line + span.line.saturating_sub(1)
            && !line.trim().is_empty()
            && content.trim_start() == line.trim()
        {
            let indent = content.len() - content.trim_start().len();
            let inner_indent = line.len() - line.trim_start().len();
            let start = offset + indent + in_line.checked_sub(inner_indent)?;
            let column = u32::try_from(source.text.get(offset..start)?.chars().count()).ok()? + 1;
            return Some(Span { line: number, column, start, end: start + (span.end - span.start) });
        }
        offset += candidate.len();
    }
    None
}
