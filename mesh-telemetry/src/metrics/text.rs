//! Prometheus' text exposition, format 0.0.4.

use super::cells::{BUCKETS, Tally};
use std::fmt::{Display, Write as _};

/// `# HELP` and `# TYPE` of one metric.
pub(super) fn header(out: &mut String, name: &str, kind: &str, help: &str) {
    let help = help.replace('\\', "\\\\").replace('\n', "\\n");
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

/// Adds `name="value"` to a list of labels.
pub(super) fn label(out: &mut String, name: &str, value: &str) {
    if !out.is_empty() {
        out.push(',');
    }
    out.push_str(name);
    out.push_str("=\"");
    for c in value.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// One line.
pub(super) fn sample(out: &mut String, name: &str, labels: &str, value: impl Display) {
    out.push_str(name);
    if !labels.is_empty() {
        out.push('{');
        out.push_str(labels);
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

/// The lines of one histogram.
pub(super) fn histogram(out: &mut String, name: &str, labels: &str, tally: &Tally) {
    let comma = if labels.is_empty() { "" } else { "," };
    let mut total = 0u64;
    for (i, count) in tally.buckets.iter().enumerate() {
        total += count;
        let _ = match BUCKETS.get(i) {
            Some(bound) => writeln!(out, "{name}_bucket{{{labels}{comma}le=\"{bound}\"}} {total}"),
            None => writeln!(out, "{name}_bucket{{{labels}{comma}le=\"+Inf\"}} {total}"),
        };
    }
    let braces = |s: &str| if s.is_empty() { String::new() } else { format!("{{{s}}}") };
    let labels = braces(labels);
    let _ = writeln!(out, "{name}_sum{labels} {}\n{name}_count{labels} {total}", tally.sum());
}
