//! What `kubectl` and `istioctl` accept is accepted, with the meaning that it has to Go.
//!
//! Both go through `sigs.k8s.io/yaml`: Go's yaml.v2, then JSON. Each test says what Go does.

use super::*;
use serde_json::json;

fn value(text: &str) -> Value {
    let read = read(text);
    assert!(read.findings.is_empty(), "{text:?}: {}", crate::diagnostic::text(&read.findings, Color::Never));
    assert_eq!(read.documents.len(), 1, "{text:?}");
    read.documents[0].value.clone()
}

fn kinds(text: &str) -> Vec<String> {
    let read = read(text);
    assert!(read.findings.is_empty(), "{text:?}: {}", crate::diagnostic::text(&read.findings, Color::Never));
    read.documents.iter().map(|d| d.value["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn go_resolves_plain_scalars_by_yaml_1_1_and_leaves_quoted_ones_alone() {
    assert_eq!(
        value("a: yes\nb: off\nc: 017\nd: 1_000\ne: ~\nf: 'yes'\ng: \"017\"\nh: 2001-01-01\ni: 12:30:45\n"),
        json!({"a": true, "b": false, "c": 15, "d": 1000, "e": null, "f": "yes", "g": "017",
            "h": "2001-01-01", "i": "12:30:45"})
    );
}

#[test]
fn go_reads_a_yes_into_a_boolean_field_and_refuses_it_in_a_field_of_text() {
    let parsed = resources(
        "a.yaml",
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
         spec: {hosts: [a], http: [{match: [{ignoreUriCase: on}], route: [{destination: {host: a}}]}]}\n",
        &Limits::default(),
    );
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
    let Some(crate::api::AnyResource::VirtualService(vs)) = &parsed.outcomes[0].resource else { panic!() };
    assert!(vs.spec.http[0].r#match[0].ignore_uri_case);

    let finding = only(&format!("{HEAD}  hosts: [no]\n"));
    assert_eq!((finding.path.as_str(), marked(&finding)), ("spec.hosts[0]", "no"));
    assert_eq!(finding.help.as_deref(), Some("quote it: to YAML, `no` is a boolean"));
}

#[test]
fn go_takes_whole_numbers_that_are_written_as_fractions_for_whole() {
    let parsed = resources(
        "a.yaml",
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\n\
         spec: {hosts: [a], http: [{route: [{weight: 1e2, destination: {host: a, port: {number: 80.0}}}]}]}\n",
        &Limits::default(),
    );
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
}

#[test]
fn go_makes_texts_of_names_that_are_numbers_or_booleans_and_refuses_null_and_collections() {
    assert_eq!(
        value("8080: a\n1.50: b\non: c\n0x10: d\n'0x10': e\n"),
        json!({"8080": "a", "1.5": "b", "true": "c", "16": "d", "0x10": "e"})
    );
    assert!(only("~: a\n").message.contains("null"));
    assert!(only("? [a]\n: b\n").message.contains("must be a text"));
    assert_eq!(only("on: 1\ntrue: 2\n").message, "`true` is written twice in the same mapping");
}

#[test]
fn go_reads_scalars_in_flow_collections_up_to_a_comma_or_a_bracket() {
    assert_eq!(
        value(
            "a: {b: c}\nd: {image: nginx:1.2, at: 10.0.0.1:80, u: http://x/y?z=1#k}\ne: [a b, c:d, -1, 2-3]\n"
        ),
        json!({"a": {"b": "c"}, "d": {"image": "nginx:1.2", "at": "10.0.0.1:80", "u": "http://x/y?z=1#k"},
            "e": ["a b", "c:d", -1, "2-3"]})
    );
    assert_eq!(value("a: [\"::1\", fe80::1, '*', 2001:db8::/32]\n")["a"][1], "fe80::1");
    assert_eq!(value("a: {\n  b: 1,\n  c: 2,\n}\nd: [\n  1,\n]\n"), json!({"a": {"b": 1, "c": 2}, "d": [1]}));
    assert_eq!(value("a: {b, c: 1}\n"), json!({"a": {"b": null, "c": 1}}));
    assert_eq!(value("a: [b: 1, c: 2]\n"), json!({"a": [{"b": 1}, {"c": 2}]}));
    assert_eq!(value("a: {\"b\":1,'c':[]}\n"), json!({"a": {"b": 1, "c": []}}));
}

#[test]
fn go_folds_plain_and_quoted_scalars_of_several_lines() {
    assert_eq!(value("a: one\n  two\n\n  three\n"), json!({"a": "one two\nthree"}));
    assert_eq!(value("a: \"one\n  two\\\n  three\"\n"), json!({"a": "one twothree"}));
    assert_eq!(value("a: 'one\n  it''s'\n"), json!({"a": "one it's"}));
}

#[test]
fn go_reads_literal_and_folded_blocks_with_their_chomping() {
    assert_eq!(
        value("a: |\n  x\n  y\n\nb: |-\n  x\nc: |+\n  x\n\nd: >\n  x\n  y\ne: |2\n    x\n"),
        json!({"a": "x\ny\n", "b": "x", "c": "x\n\n", "d": "x y\n", "e": "  x\n"})
    );
}

#[test]
fn go_takes_tabs_between_tokens_but_not_for_indentation() {
    assert_eq!(value("a:\t1\nb: [1,\t2]\t# three\nc:\t\"x\"\t\n"), json!({"a": 1, "b": [1, 2], "c": "x"}));
    assert_eq!(only("a:\n\tb: 1\n").code, code::SYNTAX);
}

#[test]
fn go_reads_lists_at_the_indentation_of_their_name_and_in_one_line() {
    assert_eq!(value("a:\n- 1\n- - 2\n  - 3\n- b: 4\n  c: 5\n"), json!({"a": [1, [2, 3], {"b": 4, "c": 5}]}));
}

#[test]
fn go_skips_comments_empty_documents_directives_and_a_byte_order_mark() {
    assert_eq!(
        kinds(
            "\u{feff}%YAML 1.1\n---\n# one\nkind: A # two\n---\n---\n# nothing\n---\nkind: B\n...\n---\nkind: C\n"
        ),
        ["A", "B", "C"]
    );
    assert_eq!(kinds("--- # first\nkind: A\n--- \nkind: B\r\n---\r\nkind: C\r\n"), ["A", "B", "C"]);
    assert_eq!(kinds(""), Vec::<String>::new());
}

#[test]
fn go_takes_the_written_field_over_the_merged_and_the_earlier_merge_over_the_later() {
    let text = "a: &a {x: 1, z: 1}\nb: &b {x: 2, w: 2}\nc: {<<: [*a, *b], z: 3}\nd:\n  z: 4\n  <<: *a\n";
    let read = value(text);
    assert_eq!(read["c"], json!({"z": 3, "x": 1, "w": 2}));
    assert_eq!(read["d"], json!({"z": 4, "x": 1}));
    assert_eq!(value("a: {'<<': 1}\n"), json!({"a": {"<<": 1}}));
    assert!(only("a: {<<: 1}\n").message.contains("mappings only"));
    assert!(only("a: {<<: [1]}\n").message.contains("mappings only"));
}

#[test]
fn go_lets_an_anchor_be_redefined_and_forgets_it_with_the_document() {
    assert_eq!(value("a: &x 1\nb: *x\nc: &x 2\nd: *x\n"), json!({"a": 1, "b": 1, "c": 2, "d": 2}));
    let read = read("a: &x 1\n---\nkind: *x\n---\nkind: C\n");
    assert_eq!((read.documents.len(), read.findings.len()), (2, 1));
}

#[test]
fn go_ignores_tags_of_ones_own() {
    assert_eq!(
        value("a: !mine 5\nb: !mine {x: 1}\nc: !!str 5\nd: !!int '7'\n"),
        json!({"a": "5", "b": {"x": 1}, "c": "5", "d": 7})
    );
}

#[test]
fn kubectl_reads_json_objects_one_after_another() {
    let text = "{\"kind\": \"A\"}\n{\"kind\": \"B\", \"x\": \"}{\"}{\"kind\":\n  \"C\", \"x\": [}\n";
    let read = read(text);
    assert_eq!(read.documents.len(), 2);
    let source = &read.documents[1].source;
    let at = |path: &str| source.locate(path).map(|s| (s.line, s.column, &text[s.start..s.end]));
    assert_eq!(at("kind"), Some((2, 10, "\"B\"")));
    assert_eq!(at("x"), Some((2, 20, "\"}{\"")));
    assert_eq!(place(&read.findings[0]).0, 3);

    assert_eq!(kinds("{\"kind\": \"A\"}{\"kind\": \"B\"}\n{\"kind\": \"C\"}"), ["A", "B", "C"]);
    assert_eq!(kinds("{\"kind\": \"A\"}\n---\n{\"kind\": \"B\"}\n"), ["A", "B"]);
    assert_eq!(kinds("{kind: A}\n---\nkind: B\n"), ["A", "B"]);
}

#[test]
fn kubectl_takes_every_kind_of_list_apart_and_lists_in_lists() {
    let text = "kind: List\nitems:\n- kind: A\n- kind: BList\n  items: [{kind: B}, null]\n- kind: CList\n  items:\n- kind: AllowList\n  spec: {}\n";
    assert_eq!(kinds(text), ["A", "B", "AllowList"]);
}

#[test]
fn a_null_is_a_field_that_is_not_written() {
    let parsed = resources(
        "a.yaml",
        &format!("{HEAD}  hosts: [a]\n  gateways:\n  http: ~\n  tcp: null\n"),
        &Limits::default(),
    );
    assert!(parsed.findings.is_empty(), "{:?}", parsed.findings);
}

#[test]
fn a_list_is_not_taken_for_the_fields_of_a_mapping() {
    let finding = only(&format!("{HEAD}  hosts: [a]\n  http: [[a]]\n"));
    assert!(finding.message.starts_with("a list, where a mapping"), "{}", finding.message);
    assert_eq!(finding.path, "spec.http[0]");
}

#[test]
fn names_with_points_and_quotes_are_found_in_the_text() {
    let text = "metadata:\n  labels: {app.kubernetes.io/name: a, app: b, \"it\\u0027s\": c, 'q': d}\n  x: {a: {b: 1}, a.b: 2, a.b.c: 3}\n";
    let source = &read(text).documents[0].source;
    let at = |path: &str| source.locate(path).map(|s| &text[s.start..s.end]);
    assert_eq!(at("metadata.labels.app.kubernetes.io/name"), Some("a"));
    assert_eq!(at("metadata.labels.it's"), Some("c"));
    assert_eq!(at("metadata.labels.q"), Some("d"));
    assert_eq!(at("metadata.labels.q.deeper"), Some("d"));
    assert_eq!(at("metadata.x.a.b"), Some("1"));
    assert_eq!(at("metadata.x.a.b.c"), Some("3"));
    assert_eq!(at("metadata.x.a.c"), Some("a"));
    assert!(source.is_written("metadata.x.a") && !source.is_written("metadata.x.a.c"));
    assert_eq!(source.key("metadata.labels.q").map(|s| &text[s.start..s.end]), Some("'q'"));
}
