//! Findings as text in the manner of rustc, and as JSON.

use super::{Finding, Level, Span};
use annotate_snippets::{AnnotationKind, Level as Severity, Origin, Renderer, Snippet};
use serde_json::{Value, json};
use std::ops::Range;

/// Whether terminal colours are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Color {
    /// Plain text.
    #[default]
    Never,
    /// ANSI escapes.
    Always,
}

/// Findings as rustc prints its own: level, code and message, then the line with a caret, then help.
///
/// ```
/// use mesh_core::diagnostic::{Color, Finding, text};
/// let all = [Finding::error("IST0106", "this route has no destination").help("add `destination.host`")];
/// assert_eq!(text(&all, Color::Never), "\
/// error[IST0106]: this route has no destination
///  |
///  = help: add `destination.host`
///
/// ");
/// ```
pub fn text(findings: &[Finding], color: Color) -> String {
    let renderer = match color {
        Color::Never => Renderer::plain(),
        Color::Always => Renderer::styled(),
    };
    let mut out = String::new();
    for finding in findings {
        one(finding, &renderer, &mut out);
        out.push_str("\n\n");
    }
    out
}

fn one(finding: &Finding, renderer: &Renderer, out: &mut String) {
    let severity = match finding.level {
        Level::Info => Severity::INFO,
        Level::Warning => Severity::WARNING,
        Level::Error => Severity::ERROR,
    };
    let message = format!("{}{}", about(finding), finding.message);
    let mut group = severity.primary_title(message).id(finding.code).elements(Vec::<Origin<'_>>::new());
    if let Some(source) = &finding.source {
        match finding.span.and_then(|span| line_of(&source.text, span)) {
            Some(line) => {
                let snippet = Snippet::source(line.text)
                    .path(&*source.file)
                    .line_start(line.number)
                    .annotation(AnnotationKind::Primary.span(line.marked));
                group = group.element(snippet);
            }
            None => group = group.element(Origin::path(&*source.file)),
        }
    }
    if let Some(help) = &finding.help {
        group = group.element(Severity::HELP.message(help.as_str()));
    }
    out.push_str(&renderer.render(&[group]));
}

/// Which resource and field, since the excerpt shows one line only.
fn about(finding: &Finding) -> String {
    let mut out = String::new();
    if !finding.resource.kind.is_empty() {
        out.push_str(&finding.resource.to_string());
        out.push_str(": ");
    }
    if !finding.path.is_empty() {
        out.push_str(&finding.path);
        out.push_str(": ");
    }
    out
}

struct Line<'a> {
    text: &'a str,
    number: usize,
    marked: Range<usize>,
}

/// The line in which a span begins, and the part of the span that lies in it.
///
/// A span need not fit its text: a file may have been replaced by a shorter one. Then there is no excerpt.
fn line_of(text: &str, span: Span) -> Option<Line<'_>> {
    let before = text.get(..span.start)?;
    let begin = before.rfind('\n').map_or(0, |at| at + 1);
    let rest = text.get(begin..)?;
    let line = rest.lines().next().unwrap_or_default();
    let from = span.start - begin;
    let to = span.end.saturating_sub(begin).clamp(from, line.len().max(from));
    // An empty mark gets one caret, past the end of the line if need be.
    let to = if to > from { to } else { from + line.get(from..)?.chars().next().map_or(0, char::len_utf8) };
    line.get(from..to)?;
    Some(Line { text: line, number: usize::try_from(span.line).ok()?, marked: from..to })
}

/// Findings as a JSON list of `{code, level, resource: {kind, namespace, name}, path, file, line, column,
/// message, help}`; what is not known is `null`.
pub fn json(findings: &[Finding]) -> Value {
    findings
        .iter()
        .map(|f| {
            json!({
                "code": f.code,
                "level": f.level.as_str(),
                "resource": {
                    "kind": &*f.resource.kind,
                    "namespace": &*f.resource.namespace,
                    "name": &*f.resource.name,
                },
                "path": f.path,
                "file": f.file(),
                "line": f.span.map(|s| s.line),
                "column": f.span.map(|s| s.column),
                "message": f.message,
                "help": f.help,
            })
        })
        .collect()
}
