//! Blots what Secrets hold out of a file's text, byte for byte, so that every span stays right.
//!
//! The text is what diagnostics quote from. A line of it may hold a secret though the finding is about something
//! else: all of a document may stand in one line, and so may its neighbour. So the text itself is blotted, not
//! what is shown of it. Names of fields stay, since places are found by them.
//!
//! Of a Secret that can be read, all values go but those of its kind and metadata, and comments with them. Of a
//! part of the file that cannot be read and that may be a Secret, all goes but what looks like the names of fields.
//!
//! A file without the word `Secret` costs a search; another is read once more here, part by part, so that what is
//! wrong with one part leaves the others readable.

use serde_saphyr::granit_parser::{Event, Parser, ScanError, Span, StrInput, options};
use std::ops::Range;

/// The text without secrets; `None` if it has none.
pub(super) fn secrets(text: &str, depth: usize) -> Option<String> {
    if !text.contains("Secret") {
        return None;
    }
    let mut out = text.as_bytes().to_vec();
    let mut found = false;
    for part in parts(text) {
        let content = text.get(part.clone()).unwrap_or_default();
        if !may_be_secret(content) {
            continue;
        }
        match read(content, part.start, depth) {
            Some(roots) => {
                for secret in roots.iter().flat_map(|root| secrets_of(root, false)) {
                    found = true;
                    blot_value(text, secret, &mut out);
                }
            }
            None => {
                found = true;
                blot_unread(content, part.start, &mut out);
            }
        }
    }
    // Only whole characters are blotted, so the rest is text still.
    found.then(|| String::from_utf8(out).unwrap_or_default())
}

/// The parts of a file that are read one by one: objects of JSON one after another, or what lies between the lines
/// that part documents.
fn parts(text: &str) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let mut start = 0;
    if text.trim_start().starts_with('{') {
        let mut objects = serde_json::Deserializer::from_str(text).into_iter::<serde::de::IgnoredAny>();
        while let Some(Ok(_)) = objects.next() {
            parts.push(start..objects.byte_offset());
            start = objects.byte_offset();
        }
    }
    let mut at = start;
    for line in text.get(start..).unwrap_or_default().split_inclusive('\n') {
        if line.starts_with("---") || line.starts_with("...") {
            parts.push(start..at);
            start = at;
        }
        at += line.len();
    }
    parts.push(start..at);
    parts
}

fn may_be_secret(part: &str) -> bool {
    part.contains("kind") && part.contains("Secret")
}

/// A value, as far as it matters here.
enum Value {
    Scalar {
        text: String,
        range: Range<usize>,
    },
    List(Vec<Value>),
    Map(Vec<Field>),
    /// What it repeats stands elsewhere.
    Alias,
}

struct Field {
    name: String,
    range: Range<usize>,
    value: Value,
}

impl Value {
    fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Map(fields) => fields.iter().find(|f| f.name == name).map(|f| &f.value),
            _ => None,
        }
    }

    /// Whether it is a Secret, or does not say here what it is: its kind may come by an alias or a merge. Of the
    /// kinds of a document that says it twice, which is an error, each counts.
    fn may_be_secret(&self) -> bool {
        let Self::Map(fields) = self else { return false };
        let mut kinds = fields.iter().filter(|f| f.name == "kind").map(|f| &f.value);
        let (mut said, mut secret) = (false, false);
        for kind in &mut kinds {
            if let Self::Scalar { text, .. } = kind {
                said = true;
                secret |= text == "Secret";
            }
        }
        secret || !said
    }
}

/// The documents of a part; `None` if it cannot be read, or not as what it is meant to be.
fn read(part: &str, offset: usize, depth: usize) -> Option<Vec<Value>> {
    let options = options! {
        flow_nesting_limit: depth,
        block_nesting_limit: depth,
        // As the reader of resources has it.
        simple_key_max_lookahead: 4096,
        emit_comments: false,
    };
    let mut reader = Reader { parser: Parser::new_from_str_with_options(part, options), offset };
    let mut roots = Vec::new();
    loop {
        match reader.next()? {
            (Event::StreamEnd, _) => return Some(roots),
            (Event::StreamStart | Event::DocumentStart(..) | Event::DocumentEnd, _) => {}
            (event, range) => match reader.value(event, range)? {
                // What is meant to be a resource, but has become a text as a whole.
                Value::Scalar { .. } => return None,
                root => roots.push(root),
            },
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    offset: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Option<(Event<'t>, Range<usize>)> {
        let next: Option<Result<(Event<'t>, Span), ScanError>> = self.parser.next_event();
        let (event, span) = next?.ok()?;
        let start = span.start.byte_offset()?;
        let end = span.end.byte_offset().unwrap_or(start).max(start);
        Some((event, self.offset + start..self.offset + end))
    }

    /// The parser bounds how deep values lie, so recursion is safe.
    fn value(&mut self, event: Event<'t>, range: Range<usize>) -> Option<Value> {
        match event {
            Event::Scalar(text, ..) => Some(Value::Scalar { text: text.into_owned(), range }),
            Event::Alias(_) => Some(Value::Alias),
            Event::SequenceStart(..) => {
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => return Some(Value::List(items)),
                        (event, range) => items.push(self.value(event, range)?),
                    }
                }
            }
            Event::MappingStart(..) => {
                let mut fields: Vec<Field> = Vec::new();
                loop {
                    match self.next()? {
                        (Event::MappingEnd, _) => return Some(Value::Map(fields)),
                        (Event::Scalar(name, ..), range) => {
                            let (event, at) = self.next()?;
                            let value = self.value(event, at)?;
                            fields.push(Field { name: name.into_owned(), range, value });
                        }
                        _ => return None,
                    }
                }
            }
            _ => None,
        }
    }
}

/// The Secrets of a document: itself, or the items of a list, and of lists in it.
fn secrets_of(document: &Value, in_list_of_secrets: bool) -> Vec<&Value> {
    if let Value::List(items) = document {
        return items.iter().flat_map(|item| secrets_of(item, in_list_of_secrets)).collect();
    }
    if in_list_of_secrets || document.may_be_secret() {
        return vec![document];
    }
    let of_secrets =
        matches!(document.field("kind"), Some(Value::Scalar { text, .. }) if text == "SecretList");
    document.field("items").map(|items| secrets_of(items, of_secrets)).unwrap_or_default()
}

fn blot_value(text: &str, secret: &Value, out: &mut [u8]) {
    let (mut kept, mut blotted) = (Vec::new(), Vec::new());
    sort(secret, &mut Vec::new(), &mut kept, &mut blotted);
    for range in &blotted {
        blot(text, range.clone(), out);
    }
    // What lies between values is punctuation and comments.
    kept.append(&mut blotted);
    kept.sort_by_key(|r| r.start);
    let from = kept.first().map_or(0, |r| r.start);
    let last = kept.iter().map(|r| r.end).max().unwrap_or(from);
    let to = text.get(last..).and_then(|rest| rest.find('\n')).map_or(text.len(), |at| last + at);
    let mut at = from;
    for range in kept.into_iter().chain(std::iter::once(to..to)) {
        blot_comments(text, at..range.start.max(at), out);
        at = at.max(range.end);
    }
}

/// Which parts of a Secret's text may be shown, and which not.
fn sort<'v>(
    value: &'v Value,
    path: &mut Vec<&'v str>,
    kept: &mut Vec<Range<usize>>,
    blotted: &mut Vec<Range<usize>>,
) {
    match value {
        Value::Alias => {}
        Value::Scalar { range, .. } => {
            let harmless = matches!(
                path.as_slice(),
                ["apiVersion" | "kind" | "type" | "immutable"]
                    | ["metadata", "name" | "namespace" | "generateName" | "creationTimestamp"]
                    | ["metadata", "labels", _]
            );
            if harmless { kept.push(range.clone()) } else { blotted.push(range.clone()) }
        }
        Value::List(items) => {
            path.push("[]");
            items.iter().for_each(|item| sort(item, path, kept, blotted));
            path.pop();
        }
        Value::Map(fields) => {
            for field in fields {
                kept.push(field.range.clone());
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
    for line in text.get(range).unwrap_or_default().split_inclusive('\n') {
        if let Some(at) = line.find('#') {
            blot(text, start + at + 1..start + line.len(), out);
        }
        start += line.len();
    }
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
            "{\"kind\": \"Pod\"} {\"kind\": \"Secret\", \"data\": {\"k\": \"hunter\"}}\n{\"kind\": \"Pod\"}",
            "{\"kind\": \"Pod\"} {\"kind\": \"Secret\", \"data\": {\"k\": \"hunter\"}\n",
            "--- {kind: Secret, data: {k: hunter}}\n",
            "kind: List\nitems:\n- kind: List\n  items: [{kind: Secret, data: {k: hunter}}]\n",
            "- {kind: Secret, data: {k: hunter}}\n",
            "{kind: Pod, kind: Secret, data: {k: hunter}}\n",
            "x: &k Secret\nkind: *k\ndata: {k: hunter}\n",
            "x: &k {kind: Secret}\n<<: *k\ndata: {k: hunter}\n",
            "kind: Secret\ndata: {? {a: b} : hunter}\n",
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

    proptest::proptest! {
        #[test]
        fn whatever_stands_around_a_secret_it_goes_and_nothing_moves(
            before in "([a-z:#{}\\[\\]'\"|>*&!?, -]|\n|---\n|ä){0,20}",
            after in "([a-z:#{}\\[\\]'\"|>*&!?, -]|\n|---\n|ä){0,20}",
        ) {
            let text = format!("{before}\nkind: Secret\ndata:\n  k: HUNTER{after}");
            let left = super::secrets(&text, 100).unwrap_or_else(|| text.clone());
            let at = |t: &str| t.char_indices().filter(|(_, c)| c.is_whitespace()).map(|(i, _)| i).collect::<Vec<_>>();
            proptest::prop_assert_eq!((left.len(), at(&left)), (text.len(), at(&text)));
            proptest::prop_assert!(!left.contains("HUNTER"), "{}", left);
        }
    }
}
