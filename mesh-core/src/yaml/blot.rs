//! Blots what Secrets hold out of a file's text, byte for byte, so that every span stays right.
//!
//! The text is what diagnostics quote from. A line of it may hold a secret though the finding is about something
//! else: all of a document may stand in one line, and so may its neighbour. So the text itself is blotted, not
//! what is shown of it.
//!
//! Of a Secret that can be read, all values go but those of its kind and metadata, and comments with them. Of a
//! part of the file that cannot be read and that may be a Secret, all goes but what looks like the names of fields.

use super::tree::{Content, Node};
use serde_json::Value;
use std::ops::Range;

/// The text without secrets; `None` if it has none.
pub(super) fn secrets(text: &str, roots: &[Node]) -> Option<String> {
    if !text.contains("Secret") {
        return None;
    }
    let mut out = text.as_bytes().to_vec();
    let mut found = false;
    for root in roots {
        for secret in secrets_of(root) {
            found = true;
            blot_node(text, secret, &mut out);
        }
    }
    for part in parts(text) {
        let is_read = roots.iter().any(|root| part.contains(&start_of(root)));
        let content = text.get(part.clone()).unwrap_or_default();
        if !is_read && may_be_secret(content) {
            found = true;
            blot_unread(content, part.start, &mut out);
        }
    }
    // Only whole characters are blotted, so the rest is text still.
    found.then(|| String::from_utf8(out).unwrap_or_default())
}

/// The Secrets of a document: itself, or the items of a list of any kind.
fn secrets_of(root: &Node) -> Vec<&Node> {
    let kind = |node: &Node| match node.field("kind").map(|n| &n.content) {
        Some(Content::Scalar(Value::String(kind))) => kind.clone(),
        _ => String::new(),
    };
    if kind(root) == "Secret" {
        return vec![root];
    }
    let of_secrets = kind(root) == "SecretList";
    match root.field("items").map(|n| &n.content) {
        Some(Content::List(items)) => {
            items.iter().filter(|item| of_secrets || kind(item) == "Secret").collect()
        }
        _ => Vec::new(),
    }
}

fn blot_node(text: &str, secret: &Node, out: &mut [u8]) {
    let mut kept = Vec::new();
    let mut blotted = Vec::new();
    sort(secret, &mut Vec::new(), &mut kept, &mut blotted);
    let all = kept.iter().chain(&blotted);
    let from = all.clone().map(|r| r.start).min().unwrap_or(secret.span.start);
    let last = all.map(|r| r.end).max().unwrap_or(from);
    let to = text.get(last..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| last + at);
    for range in &blotted {
        blot(text, range.clone(), out);
    }
    // What lies between values is punctuation and comments.
    kept.append(&mut blotted);
    kept.sort_by_key(|r| r.start);
    let mut at = from;
    for range in kept.into_iter().chain(std::iter::once(to..to)) {
        blot_comments(text, at..range.start.max(at), out);
        at = at.max(range.end);
    }
}

/// Which parts of a Secret's text may be shown, and which not.
fn sort<'n>(
    node: &'n Node,
    path: &mut Vec<&'n str>,
    kept: &mut Vec<Range<usize>>,
    blotted: &mut Vec<Range<usize>>,
) {
    match &node.content {
        Content::Scalar(_) => {
            let harmless = matches!(
                path.as_slice(),
                ["apiVersion" | "kind" | "type" | "immutable"]
                    | ["metadata", "name" | "namespace" | "generateName" | "creationTimestamp"]
                    | ["metadata", "labels", _]
            );
            let range = node.span.start..node.span.end;
            if harmless { kept.push(range) } else { blotted.push(range) }
        }
        Content::List(items) => {
            path.push("[]");
            for item in items {
                sort(item, path, kept, blotted);
            }
            path.pop();
        }
        Content::Map(fields) => {
            for field in fields {
                kept.push(field.span.start..field.span.end);
                path.push(&field.name);
                sort(&field.value, path, kept, blotted);
                path.pop();
            }
        }
    }
}

/// The comments of a text in which there are no values that are shown.
fn blot_comments(text: &str, range: Range<usize>, out: &mut [u8]) {
    let mut start = range.start;
    for line in text.get(range.clone()).unwrap_or_default().split_inclusive('\n') {
        if let Some(at) = line.find('#') {
            blot(text, start + at + 1..start + line.len(), out);
        }
        start += line.len();
    }
}

/// The parts of a file between the lines that part documents.
fn parts(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive('\n') {
        if line.starts_with("---") || line.starts_with("...") {
            parts.push(start..at);
            start = at;
        }
        at += line.len();
    }
    parts.push(start..at);
    parts
}

fn start_of(root: &Node) -> usize {
    match &root.content {
        Content::Map(fields) => fields.first().map_or(root.span.start, |f| f.span.start),
        _ => root.span.start,
    }
}

fn may_be_secret(part: &str) -> bool {
    part.lines().any(|line| line.contains("kind") && line.contains("Secret"))
}

fn blot_unread(part: &str, offset: usize, out: &mut [u8]) {
    let mut start = offset;
    for line in part.split_inclusive('\n') {
        let name = line.find(':').filter(|at| {
            let name = line.get(..*at).unwrap_or_default().trim_start_matches([' ', '-']);
            name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'"' | b'\''))
        });
        let from = match name {
            _ if line.starts_with("---") || line.starts_with("...") => 3,
            _ if line.contains('{') => 0,
            Some(at) => at + 1,
            None => 0,
        };
        let indent = line.len() - line.trim_start().len();
        let from = from.max(indent.min(line.len()));
        blot_text(line.get(from..).unwrap_or_default(), start + from, out);
        start += line.len();
    }
}

fn blot(text: &str, range: Range<usize>, out: &mut [u8]) {
    blot_text(text.get(range.clone()).unwrap_or_default(), range.start, out);
}

/// Every character but blanks and line ends, each by as many stars as it has bytes.
fn blot_text(text: &str, offset: usize, out: &mut [u8]) {
    for (at, c) in text.char_indices().filter(|(_, c)| !c.is_whitespace()) {
        let bytes = out.get_mut(offset + at..offset + at + c.len_utf8());
        bytes.into_iter().flatten().for_each(|b| *b = b'*');
    }
}

#[cfg(test)]
mod tests {
    use crate::api::AnyResource;
    use crate::diagnostic::{Color, text as render};
    use crate::yaml::{Limits, documents, resources};

    /// What is left of a text for diagnostics to quote from.
    fn left(text: &str) -> String {
        let read = documents("a.yaml", text, &Limits::default());
        let source = read.documents.first().map(|d| d.source.clone());
        let source = source.or_else(|| read.findings.first().and_then(|f| f.source.clone())).unwrap();
        assert_eq!(source.text.len(), text.len());
        source.text.to_string()
    }

    #[test]
    fn values_go_and_names_stay() {
        let text = "apiVersion: v1\nkind: Secret # tls\nmetadata:\n  name: a\n  labels: {b: c}\n  \
                    annotations: {d: hunter}\ntype: Opaque\ndata:\n  password: aHVudGVyMg==\nstringData:\n  pem: |\n    \
                    -----BEGIN\n    hünter\n  other: 'hunter # 2' # hunter\n";
        let want = "apiVersion: v1\nkind: Secret # ***\nmetadata:\n  name: a\n  labels: {b: c}\n  \
                    annotations: {d: ******}\ntype: Opaque\ndata:\n  password: ************\nstringData:\n  pem: |\n    \
                    **********\n    *******\n  other: ******* * ** # ******\n";
        assert_eq!(left(text), want);
    }

    #[test]
    fn no_form_of_yaml_or_json_gives_a_secret_away() {
        for text in [
            r#"{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "hunter"}}"#,
            r#"{"kind": "List", "items": [{"kind": "Secret", "stringData": {"k": "hunter"}}, {"kind": "Pod"}]}"#,
            "kind: SecretList\nitems:\n- metadata: {name: a}\n  data: {k: hunter}\n",
            "x: &v hunter\nkind: Secret\ndata: {k: *v}\n",
            "x: &v {k: hunter}\nkind: Secret\ndata:\n  <<: *v\n",
            "kind: Secret\nstringData:\n  k: >-\n    hunter\n    hunter\n\n    hunter\n",
            "kind: Secret\nstringData:\n  k: \"hunter\n    hunter\"\n",
            "kind: Secret\ndata: hunter\n",
            "kind: Secret\ndata: [hunter]\n",
            "\"kind\": 'Secret'\ndata: {k: !!str hunter}\n",
            // These cannot be read.
            "kind: Secret\ndata:\n  k: hunter\n k: hunter\n",
            "kind: Secret\ndata: {k: hunter\n",
            "kind: Secret\ndata:\n\tk: hunter\n",
            "kind: Secret\ndata: {k: !!int hunter}\n",
            "kind: Pod\n---\nkind: Secret\ndata:\n  k: hunter\n  k: hunter\n",
            "kind: Pod\n...\nkind: Secret\nstringData:\n  k: |\n   hunter\n  hunter\n",
        ] {
            assert!(!left(text).contains("hunter"), "{}", left(text));
            let parsed = resources("a.yaml", text, &Limits::default());
            let said = format!("{}{:?}", render(&parsed.findings, Color::Never), parsed);
            assert!(!said.contains("hunter"), "{said}");
        }
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        for text in [
            "kind: ConfigMap\ndata: {kind: Secret}\n",
            "kind: Gateway\nspec: {tls: {certificateRefs: [{kind: Secret, name: a}]}}\n",
            "kind: Pod # Secret\n---\nkind: Secrets\ndata: {a: b}\n",
        ] {
            assert_eq!(left(text), text);
        }
    }

    #[test]
    fn neither_a_resource_nor_kubectls_copy_of_it_is_printed() {
        let text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: a\n  annotations:\n    \
                    kubectl.kubernetes.io/last-applied-configuration: '{\"stringData\":{\"k\":\"hunter\"}}'\n    \
                    kept: x\nstringData: {k: hunter}\n";
        let parsed = resources("a.yaml", text, &Limits::default());
        let Some(AnyResource::Secret(secret)) = &parsed.outcomes[0].resource else { panic!("{parsed:?}") };
        assert_eq!(secret.spec.get("k").unwrap().as_slice(), b"hunter");
        assert_eq!(secret.meta.annotations.keys().collect::<Vec<_>>(), ["kept"]);
        assert!(!format!("{parsed:?}").contains("hunter"));
    }
}
