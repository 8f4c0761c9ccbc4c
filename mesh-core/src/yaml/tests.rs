use super::*;
use crate::diagnostic::{Color, Level};
use crate::world::Key;

fn read(text: &str) -> Documents {
    documents("a.yaml", text, &Limits::default())
}

fn only(text: &str) -> Finding {
    let mut findings = resources("a.yaml", text, &Limits::default()).findings;
    assert_eq!(findings.len(), 1, "{findings:?}");
    findings.remove(0)
}

fn place(finding: &Finding) -> (u32, u32) {
    finding.span.map(|s| (s.line, s.column)).unwrap()
}

/// What the finding's mark covers.
fn marked(finding: &Finding) -> &str {
    let span = finding.span.unwrap();
    &finding.source.as_ref().unwrap().text[span.start..span.end]
}

mod go;
mod hostile;

const HEAD: &str = "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: a\nspec:\n";

#[test]
fn lines_and_columns_are_the_files_in_every_document() {
    let read = read(
        "# comment\nkind: A\n\n---\n# more\nkind: B\nspec:\n  http:\n  - match:\n    - {uri: {prefix: \"/ä\", x: 1}}\n",
    );
    assert_eq!(read.documents.len(), 2);
    let source = &read.documents[1].source;
    let at = |path: &str| source.locate(path).map(|s| (s.line, s.column)).unwrap();
    assert_eq!(at(""), (6, 1));
    assert_eq!(at("spec.http"), (8, 3));
    assert_eq!(at("spec.http[0].match[0].uri.prefix"), (10, 22));
    assert_eq!(at("spec.http[0].match[0].uri.x"), (10, 31));
    let span = source.locate("spec.http[0].match[0].uri.prefix").unwrap();
    assert_eq!(&source.text[span.start..span.end], "\"/ä\"");
    assert_eq!(at("spec.http[0].match[0].uri.x.deeper"), (10, 31));
}

#[test]
fn a_broken_document_does_not_take_its_neighbours_along() {
    let read = read("kind: A\n---\nkind: [B\n---\nkind: C\n");
    let kinds: Vec<_> = read.documents.iter().map(|d| d.value["kind"].clone()).collect();
    assert_eq!(kinds, ["A", "C"]);
    assert_eq!(read.findings.len(), 1);
    assert_eq!(read.findings[0].code, code::SYNTAX);
    assert!(matches!(place(&read.findings[0]).0, 3 | 4));
}

#[test]
fn the_items_of_a_list_are_documents() {
    let read = read("apiVersion: v1\nkind: List\nitems:\n- kind: A\n  spec: {x: 1}\n- kind: B\n");
    assert_eq!(read.documents.len(), 2);
    let source = &read.documents[0].source;
    assert_eq!(source.locate("spec.x").map(|s| (s.line, s.column)), Some((5, 13)));
}

#[test]
fn anchors_aliases_and_merge_keys_are_followed() {
    let read = read("base: &b {x: 1, z: 2}\nsame: *b\nmore:\n  <<: *b\n  z: 3\n");
    let value = &read.documents[0].value;
    assert_eq!(value["same"], value["base"]);
    assert_eq!(value["more"], serde_json::json!({"z": 3, "x": 1}));
    assert!(read.findings.is_empty());
}

#[test]
fn json_is_read_as_well_with_tabs_escapes_and_surrogates() {
    let text = "{\n\t\"kind\": \"A\",\n\t\"spec\": {\"x\": [1, 2.5, true, null], \"s\": \"\\u00e4\\/\\ud83d\\ude00\"}\n}\n";
    let read = documents("a.json", text, &Limits::default());
    assert!(read.findings.is_empty(), "{:?}", read.findings);
    assert_eq!(read.documents[0].value, serde_json::from_str::<Value>(text).unwrap());
}

#[test]
fn texts_in_quotes_and_blocks_stay_texts() {
    let read = read("a: \"1\"\nb: 'true'\nc: |\n  1\nd: !!str 5\ne: 1\n");
    assert_eq!(
        read.documents[0].value,
        serde_json::json!({"a": "1", "b": "true", "c": "1\n", "d": "5", "e": 1})
    );
}

#[test]
fn a_field_that_is_written_twice_is_an_error_at_the_second() {
    let finding = only("kind: A\nkind: B\n");
    assert_eq!((finding.code, place(&finding)), (code::SYNTAX, (2, 1)));
    assert_eq!(finding.message, "`kind` is written twice in the same mapping");
}

#[test]
fn hostile_files_are_bounded() {
    let deep = format!("kind: {}1{}", "[".repeat(5000), "]".repeat(5000));
    assert_eq!(only(&deep).code, code::SYNTAX);
    let mut laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let before = format!("*a{}, ", n - 1).repeat(9);
        laughs.push_str(&format!("a{n}: &a{n} [{before}*a{}]\n", n - 1));
    }
    let finding = only(&laughs);
    assert!(finding.message.starts_with("more than 1000000 values"), "{}", finding.message);
    assert_eq!(only("a: &a [*a]\n").code, code::SYNTAX);
    let small = Limits { bytes: 10, ..Limits::default() };
    assert_eq!(documents("a.yaml", "kind: ABCDE\n", &small).findings[0].code, code::SYNTAX);
}

#[test]
fn foreign_bytes_never_panic() {
    for text in [
        "\0",
        "\u{feff}kind: A",
        "%YAML 9.9\n---\n",
        "- - -",
        "? [a]: b",
        "!!binary x",
        "&a *a",
        "--- |",
        "\t",
    ] {
        let parsed = resources("a.yaml", text, &Limits::default());
        let _ = crate::diagnostic::text(&parsed.findings, Color::Always);
    }
}

proptest::proptest! {
    #[test]
    fn whatever_is_read_its_findings_can_be_shown(text in "[a-c:\\-{}\\[\\]&*#|>'\"\n ä!<]{0,60}") {
        let parsed = resources("a.yaml", &text, &Limits::default());
        let _ = crate::diagnostic::text(&parsed.findings, Color::Never);
    }

    #[test]
    fn json_reads_as_serde_json_reads_it(n in proptest::prelude::any::<i64>(), s in "\\PC{0,20}", b in proptest::prelude::any::<bool>()) {
        let value = serde_json::json!({"n": n, "s": s, "l": [b, {"k": s}]});
        let text = serde_json::to_string_pretty(&value).unwrap();
        let read = documents("a.json", &text, &Limits::default());
        proptest::prop_assert_eq!(&read.documents[0].value, &value);
    }
}

#[test]
fn an_unknown_field_is_marked_by_its_name_and_the_likely_one_is_named() {
    let finding = only(&format!("{HEAD}  hosts: [a]\n  http:\n  - route:\n    - destinatoin: {{host: a}}\n"));
    assert_eq!(finding.path, "spec.http[0].route[0].destinatoin");
    assert_eq!((finding.code, marked(&finding), place(&finding)), (code::SCHEMA, "destinatoin", (9, 7)));
    assert_eq!(finding.help.as_deref(), Some("did you mean `destination`?"));
}

#[test]
fn a_value_of_the_wrong_type_is_marked() {
    let finding = only(&format!("{HEAD}  hosts: [a]\n  http:\n  - timeout: soon\n"));
    assert_eq!((marked(&finding), finding.path.as_str()), ("soon", "spec.http[0].timeout"));
    assert!(finding.message.contains("not a duration"), "{}", finding.message);
    let finding = only(&format!("{HEAD}  hosts: a\n"));
    assert_eq!((marked(&finding), finding.path.as_str()), ("a", "spec.hosts"));
    let finding = only(&format!("{HEAD}  hosts: [1.10]\n"));
    assert_eq!(finding.help.as_deref(), Some("quote it, so that it is a text"));
}

#[test]
fn an_unknown_value_of_an_enumeration_is_marked() {
    let finding = only(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: a}\n\
         spec: {mtls: {mode: STRCT}}\n",
    );
    assert_eq!(
        (marked(&finding), finding.message.as_str()),
        ("STRCT", "`STRCT` is not a value of this field")
    );
    assert_eq!(finding.help.as_deref(), Some("did you mean `STRICT`?"));
}

#[test]
fn what_is_not_a_resource_says_what_is_missing() {
    assert_eq!(only("apiVersion: v1\nmetadata: {name: a}\n").message, "`kind` is missing");
    assert_eq!(only("apiVersion: v1\nkind: Service\n").message, "`metadata.name` is missing");
    assert_eq!(only("a: b\n").level, Level::Warning);
    let finding = only("apiVersion: v1\nkind: Service\nmetadata: {name: Ä}\n");
    assert_eq!((marked(&finding), finding.path.as_str()), ("Ä", "metadata.name"));
    let finding = only("apiVersion: v1\nkind: Pod\nmetadata: {name: a, labels: {version: 1.10}}\n");
    assert_eq!((marked(&finding), finding.path.as_str()), ("1.10", "metadata.labels.version"));
}

#[test]
fn unknown_kinds_of_istios_groups_are_errors_and_others_notes() {
    let with =
        |api: &str, kind: &str| only(&format!("apiVersion: {api}\nkind: {kind}\nmetadata: {{name: a}}\n"));
    let finding = with("networking.istio.io/v1", "VirtualServise");
    assert_eq!((finding.level, finding.code), (Level::Error, code::UNKNOWN_KIND));
    assert_eq!(finding.help.as_deref(), Some("did you mean `VirtualService`?"));
    let finding = with("networking.istio.io/v2", "VirtualService");
    assert_eq!(finding.help.as_deref(), Some("write `apiVersion: networking.istio.io/v1`"));
    let finding = with("networking.istio.oi/v1", "VirtualService");
    assert_eq!((finding.level, marked(&finding)), (Level::Error, "networking.istio.oi/v1"));
    let finding = with("gateway.networking.k8s.io/v1", "HttpRoute");
    assert_eq!((finding.level, finding.help.as_deref()), (Level::Error, Some("did you mean `HTTPRoute`?")));
    let finding = with("gateway.networking.k8s.oi/v1", "Gateway");
    assert_eq!(finding.help.as_deref(), Some("write `apiVersion: gateway.networking.k8s.io/v1`"));
    assert_eq!(with("gateway.networking.x-k8s.io/v1alpha1", "XMesh").code, code::NOT_HONOURED);
}

#[test]
fn what_no_mesh_reads_is_passed_over_with_a_note() {
    for text in [
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: a}\n",
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: a}\nspec: {minAvailable: 1}\n",
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a.b.c}\n",
        "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n",
        "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: system:a}\n",
    ] {
        let finding = only(text);
        assert_eq!((finding.level, finding.code), (Level::Info, code::UNREAD_KIND), "{text}");
    }
    let helm = only("replicaCount: 1\nimage: {repository: a, tag: b}\n");
    assert_eq!((helm.level, helm.code), (Level::Warning, code::NOT_A_RESOURCE));
    let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Service, metadata: {name: a}}\n\
                - {apiVersion: policy/v1, kind: PodDisruptionBudget, metadata: {name: b}}\n";
    let parsed = resources("a.yaml", list, &Limits::default());
    assert_eq!((parsed.outcomes.len(), parsed.findings.len()), (1, 1));
    assert!(!parsed.unreadable);
}

#[test]
fn a_refused_document_still_says_which_resource_it_is() {
    let parsed = resources("a.yaml", &format!("{HEAD}  hots: [a]\n"), &Limits::default());
    let key = Key {
        group: "networking.istio.io".into(),
        kind: "VirtualService".into(),
        namespace: "default".into(),
        name: "a".into(),
    };
    assert_eq!(parsed.outcomes[0].key, key);
    assert!(parsed.outcomes[0].resource.is_none() && !parsed.unreadable);
    assert!(resources("a.yaml", "kind: [\n", &Limits::default()).unreadable);
}

#[test]
fn a_finding_inside_of_a_config_map_points_into_the_file() {
    let text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\n\
                data:\n  mesh: |\n    # ours\n    trustDomain: x\n    trustDomian: y\n";
    let document = read(text).documents.remove(0);
    let inner = *mesh_config(document.value["data"]["mesh"].as_str().unwrap()).unwrap_err();
    let meta = crate::api::Meta { kind: "ConfigMap".into(), name: "istio".into(), ..Default::default() };
    let finding = transplant(inner, &meta, &document.source, "data.mesh");
    assert_eq!((marked(&finding), place(&finding)), ("trustDomian", (8, 5)));
    assert!(crate::diagnostic::text(&[finding], Color::Never).contains("8 |     trustDomian: y\n"));
}

#[test]
fn what_many_resources_have_in_common_is_one_text_in_memory() {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Service\n\
                metadata: {name: b, namespace: default}\n";
    let parsed = resources("a.yaml", text, &Limits::default());
    let metas: Vec<_> = parsed.outcomes.iter().map(|o| &o.meta).collect();
    let [a, b] = metas.as_slice() else { panic!("{metas:?}") };
    for (a, b) in [(&a.version, &b.version), (&a.kind, &b.kind), (&a.namespace, &b.namespace)] {
        assert!(Arc::ptr_eq(a, b), "{a}");
    }
}
