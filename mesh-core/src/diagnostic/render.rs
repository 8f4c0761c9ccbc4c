//! Findings as text in the manner of rustc, and as JSON.

use super::{Finding, Label, Level, SourceMap, Span};
use annotate_snippets::{AnnotationKind, Group, Level as Severity, Origin, Renderer, Snippet};
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

/// Findings as rustc prints its own: level, code and message, then the line with a caret, then other places,
/// notes and help.
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
        group = show(group, source, finding.span, AnnotationKind::Primary, None);
    }
    for label in &finding.labels {
        group = show(group, &label.source, label.span, AnnotationKind::Context, Some(&label.text));
    }
    for note in &finding.notes {
        group = group.element(Severity::NOTE.message(note.as_str()));
    }
    if let Some(help) = &finding.help {
        group = group.element(Severity::HELP.message(help.as_str()));
    }
    out.push_str(&renderer.render(&[group]));
}

/// Adds the line of a place, or the place alone where the line cannot be shown.
fn show<'a>(
    group: Group<'a>,
    source: &'a SourceMap,
    span: Option<Span>,
    kind: AnnotationKind,
    label: Option<&'a str>,
) -> Group<'a> {
    let Some(span) = span else {
        let group = group.element(Origin::path(&*source.file));
        return label.into_iter().fold(group, |group, label| group.element(Severity::NOTE.message(label)));
    };
    match line_of(&source.text, span) {
        Some(line) => group.element(
            Snippet::source(line.text)
                .path(&*source.file)
                .line_start(line.number)
                .annotation(kind.span(line.marked).label(label)),
        ),
        None => {
            let narrow = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
            let place = Origin::path(&*source.file).line(narrow(span.line)).char_column(narrow(span.column));
            label.into_iter().fold(group.element(place), |g, l| g.element(Severity::NOTE.message(l)))
        }
    }
}

/// Which resource and field, since the excerpt shows one line only.
fn about(finding: &Finding) -> String {
    let mut out = String::new();
    if !finding.resource.kind.is_empty() {
        out.push_str(&super::brief(finding.resource.to_string()));
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

/// The longest line that is shown, in bytes: a file of JSON may be one line as a whole.
const LONGEST_LINE: usize = 2000;

/// The line in which a span begins, and the part of the span that lies in it.
///
/// A span need not fit its text: a file may have been replaced by a shorter one. Then there is no excerpt,
/// and neither is there of a line that nobody would read.
fn line_of(text: &str, span: Span) -> Option<Line<'_>> {
    let before = text.get(..span.start)?;
    let near = before.len().saturating_sub(LONGEST_LINE);
    let break_at = before.as_bytes().get(near..)?.iter().rposition(|b| *b == b'\n');
    let begin = match break_at {
        Some(at) => near + at + 1,
        None if near == 0 => 0,
        None => return None,
    };
    let rest = text.get(begin..)?.as_bytes();
    let window = rest.get(..LONGEST_LINE).unwrap_or(rest);
    let end = match window.iter().position(|b| *b == b'\n') {
        Some(end) => end,
        None if window.len() == rest.len() => rest.len(),
        None => return None,
    };
    let line = text.get(begin..begin + end)?;
    let line = line.strip_suffix('\r').unwrap_or(line);
    let from = span.start - begin;
    let to = span.end.saturating_sub(begin).clamp(from, line.len().max(from));
    // An empty mark gets one caret, past the end of the line if need be.
    let to = if to > from { to } else { from + line.get(from..)?.chars().next().map_or(0, char::len_utf8) };
    line.get(from..to)?;
    Some(Line { text: line, number: usize::try_from(span.line).ok()?, marked: from..to })
}

/// Findings as a JSON list of `{code, level, resource: {kind, namespace, name}, path, file, line, column,
/// message, help, notes, related}`; what is not known is `null`. `related` are the places beside the finding's
/// own, as `{file, line, column, message}`.
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
                "notes": f.notes,
                "related": f.labels.iter().map(related).collect::<Vec<_>>(),
            })
        })
        .collect()
}

fn related(label: &Label) -> Value {
    json!({
        "file": &*label.source.file,
        "line": label.span.map(|s| s.line),
        "column": label.span.map(|s| s.column),
        "message": label.text,
    })
}
