//! Findings as SARIF 2.1.0, which code hosts and editors show at the lines of a change.

use super::{Finding, Level, Span, code};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use std::fmt::Write;

/// Findings as one run of a SARIF 2.1.0 log: a rule per code that is used, a result per finding, with the
/// region, the resource as a logical location, other places as related locations, and help and notes in the
/// message. Files have relative URIs where their names are relative; columns count characters.
///
/// ```
/// use mesh_core::diagnostic::{Finding, sarif};
/// let log = sarif(&[Finding::warning("IST0106", "this route has no destination")]);
/// assert_eq!(log["version"], "2.1.0");
/// assert_eq!(log["runs"][0]["results"][0]["ruleId"], "IST0106");
/// ```
pub fn sarif(findings: &[Finding]) -> Value {
    let used: BTreeSet<&str> = findings.iter().map(|f| f.code).collect();
    let rules: Vec<Value> = used.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = findings
        .iter()
        .map(|f| result(f, used.iter().position(|code| *code == f.code).unwrap_or_default()))
        .collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "mesh", "semanticVersion": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

fn rule(code: &str) -> Value {
    let Some(known) = code::find(code) else { return json!({"id": code}) };
    let mut rule = json!({
        "id": code,
        "shortDescription": {"text": known.meaning},
        "defaultConfiguration": {"level": level(known.level)},
    });
    // Istio documents its messages by code.
    if code.starts_with("IST") && !known.name.is_empty() {
        let page = format!("https://istio.io/latest/docs/reference/config/analysis/{}/", code.to_lowercase());
        put(&mut rule, "name", json!(known.name));
        put(&mut rule, "helpUri", json!(page));
    }
    rule
}

fn result(finding: &Finding, rule: usize) -> Value {
    let mut text = finding.message.clone();
    if !finding.path.is_empty() {
        text = format!("{}: {text}", finding.path);
    }
    // Writing to a String does not fail.
    let _ = finding.notes.iter().try_for_each(|note| write!(text, "\nnote: {note}"));
    let _ = finding.help.iter().try_for_each(|help| write!(text, "\nhelp: {help}"));
    let mut out = json!({
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": level(finding.level),
        "message": {"text": text},
    });
    let mut location = json!({});
    if let Some(source) = &finding.source {
        put(&mut location, "physicalLocation", physical(&source.file, finding.span));
    }
    if !finding.resource.kind.is_empty() {
        let resource = finding.resource.to_string();
        put(&mut location, "logicalLocations", json!([{"fullyQualifiedName": resource, "kind": "resource"}]));
    }
    if location != json!({}) {
        put(&mut out, "locations", json!([location]));
    }
    if !finding.labels.is_empty() {
        let related = finding.labels.iter().enumerate().map(|(id, label)| {
            let place = physical(&label.source.file, label.span);
            json!({"id": id, "physicalLocation": place, "message": {"text": label.text}})
        });
        put(&mut out, "relatedLocations", related.collect());
    }
    out
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Info => "note",
    }
}

fn physical(file: &str, span: Option<Span>) -> Value {
    let mut out = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(span) = span.filter(|s| s.line > 0 && s.column > 0) {
        put(&mut out, "region", json!({"startLine": span.line, "startColumn": span.column}));
    }
    out
}

/// A file's name as a URI reference: relative as it is, or `file:` where it is absolute.
fn uri(file: &str) -> String {
    let file = file.replace('\\', "/");
    let relative = file.trim_start_matches("./");
    let mut out = match relative.starts_with('/') {
        true => "file://".to_owned(),
        false => String::new(),
    };
    for byte in relative.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => {
                out.push(byte.into())
            }
            // A colon in the first part would read as a scheme; elsewhere encoding it does no harm.
            _ => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

fn put(object: &mut Value, name: &str, value: Value) {
    let fields: Option<&mut Map<String, Value>> = object.as_object_mut();
    if let Some(fields) = fields {
        fields.insert(name.to_owned(), value);
    }
}
