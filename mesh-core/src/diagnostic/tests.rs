use super::*;

fn source() -> Arc<SourceMap> {
    let text = "kind: X\nspec:\n  größe: vïer\n";
    crate::yaml::documents("a.yaml", text, &crate::yaml::Limits::default()).documents.remove(0).source
}

fn meta() -> Meta {
    Meta { kind: "X".into(), namespace: "shop".into(), name: "cart".into(), ..Meta::default() }
}

#[test]
fn a_finding_is_shown_with_its_line_a_caret_and_help() {
    let finding = Finding::error(code::SCHEMA, "not a number").about(&meta(), &source(), "spec.größe");
    let shown = text(&[finding.help("write 4")], Color::Never);
    let want = "\
error[IST0106]: X shop/cart: spec.größe: not a number
 --> a.yaml:3:10
  |
3 |   größe: vïer
  |          ^^^^
  |
  = help: write 4

";
    assert_eq!(shown, want);
}

#[test]
fn the_name_of_a_field_can_be_marked_in_place_of_its_value() {
    let finding = Finding::warning(code::SCHEMA, "w").about(&meta(), &source(), "spec.größe").at_key();
    assert!(text(&[finding], Color::Never).contains("3 |   größe: vïer\n  |   ^^^^^\n"));
}

#[test]
fn colour_is_written_only_if_asked() {
    let all = [Finding::error("E", "m").about(&meta(), &source(), "")];
    assert!(!text(&all, Color::Never).contains('\u{1b}'));
    assert!(text(&all, Color::Always).contains('\u{1b}'));
}

#[test]
fn a_span_that_does_not_fit_its_text_costs_the_excerpt_only() {
    for (start, end) in [(1000, 1001), (18, 19), (5, 2), (7, 7)] {
        let mut finding = Finding::error("E", "m").about(&meta(), &source(), "");
        finding.span = Some(Span { line: 9, column: 1, start, end });
        assert!(text(&[finding], Color::Never).starts_with("error[E]: X shop/cart: m\n"));
    }
}

#[test]
fn the_json_form_names_file_line_and_column() {
    let finding = Finding::info("MESH0004", "m").about(&meta(), &source(), "spec.größe");
    let want = serde_json::json!([{
        "code": "MESH0004", "level": "info",
        "resource": {"kind": "X", "namespace": "shop", "name": "cart"},
        "path": "spec.größe", "file": "a.yaml", "line": 3, "column": 10, "message": "m", "help": null, "notes": [], "related": [],
    }]);
    assert_eq!(json(&[finding]), want);
}

#[test]
fn one_line_says_where_and_what() {
    let finding = Finding::error("E", "m").about(&meta(), &source(), "spec.größe");
    assert_eq!(finding.to_string(), "a.yaml:3:10: error[E]: X shop/cart: spec.größe: m");
}

#[test]
fn a_field_that_is_not_written_is_located_at_its_parent() {
    let source = source();
    assert_eq!(source.locate("spec.größe.x[3].y").map(|s| s.line), Some(3));
    assert_eq!(source.locate("spec.other").map(|s| s.line), Some(2));
    assert_eq!(source.locate("other").map(|s| s.line), Some(1));
}

#[test]
fn other_places_notes_and_help_follow_in_this_order() {
    let other = crate::yaml::documents(
        "b.yaml",
        "kind: X\nmetadata: {name: cart}\n",
        &crate::yaml::Limits::default(),
    );
    let finding = Finding::warning(code::DUPLICATE, "`cart` is declared twice")
        .about(&meta(), &source(), "spec.größe")
        .beside(&other.documents[0].source, "metadata.name", "first declared here")
        .beside(&Arc::new(SourceMap::of_file("gone.yaml", "")), "", "and here")
        .note("the first one is in force")
        .help("delete one of them");
    let want = "\
warning[MESH0005]: X shop/cart: spec.größe: `cart` is declared twice
 --> a.yaml:3:10
  |
3 |   größe: vïer
  |          ^^^^
  |
 ::: b.yaml:2:18
  |
2 | metadata: {name: cart}
  |                  ---- first declared here
 ::: gone.yaml
  = note: and here
  = note: the first one is in force
  = help: delete one of them

";
    let all = [finding];
    assert_eq!(text(&all, Color::Never), want);
    let related = serde_json::json!([
        {"file": "b.yaml", "line": 2, "column": 18, "message": "first declared here"},
        {"file": "gone.yaml", "line": null, "column": null, "message": "and here"},
    ]);
    assert_eq!(json(&all)[0]["related"], related);
    assert_eq!(json(&all)[0]["notes"], serde_json::json!(["the first one is in force"]));
}

#[test]
fn a_line_that_nobody_would_read_is_not_shown_but_named() {
    let text_of = format!("kind: X\nspec: [{} b]\n", "a, ".repeat(2000));
    let read = crate::yaml::documents("a.yaml", &text_of, &crate::yaml::Limits::default());
    let source = &read.documents[0].source;
    let finding = Finding::error("E", "m").about(&meta(), source, "spec[2000]").help("h");
    let shown = text(&[finding], Color::Never);
    assert!(shown.starts_with("error[E]: X shop/cart: spec[2000]: m\n--> a.yaml:2:6009\n"), "{shown}");
    assert!(shown.len() < 200, "{shown}");
}

/// What the schema of SARIF 2.1.0 requires of the parts that are written.
fn check_sarif(log: &serde_json::Value) {
    assert_eq!(log["version"], "2.1.0");
    assert!(log["$schema"].as_str().unwrap().ends_with("sarif-2.1.0.json"));
    for run in log["runs"].as_array().unwrap() {
        let driver = &run["tool"]["driver"];
        assert!(!driver["name"].as_str().unwrap().is_empty());
        let rules = driver["rules"].as_array().unwrap();
        let ids: std::collections::HashSet<_> = rules.iter().map(|r| r["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), rules.len(), "rules are unique");
        for rule in rules.iter().filter(|r| r.get("shortDescription").is_some()) {
            assert!(!rule["shortDescription"]["text"].as_str().unwrap().is_empty());
        }
        assert!(["utf16CodeUnits", "unicodeCodePoints"].contains(&run["columnKind"].as_str().unwrap()));
        for result in run["results"].as_array().unwrap() {
            assert!(!result["message"]["text"].as_str().unwrap().is_empty());
            assert!(["none", "note", "warning", "error"].contains(&result["level"].as_str().unwrap()));
            let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
            assert_eq!(rules[index]["id"], result["ruleId"]);
            let of = |name: &str| result.get(name).and_then(|l| l.as_array()).cloned().unwrap_or_default();
            for location in of("locations").iter().chain(&of("relatedLocations")) {
                assert!(location.get("physicalLocation").or(location.get("logicalLocations")).is_some());
                let Some(place) = location.get("physicalLocation") else { continue };
                let uri = place["artifactLocation"]["uri"].as_str().unwrap();
                assert!(uri.parse::<http::Uri>().is_ok() || !uri.starts_with('/'), "{uri}");
                assert!(uri.is_ascii() && !uri.contains([' ', '\\']), "{uri}");
                if let Some(region) = place.get("region") {
                    assert!(region["startLine"].as_u64().unwrap() >= 1);
                    assert!(region["startColumn"].as_u64().unwrap() >= 1);
                }
            }
        }
    }
}

#[test]
fn sarif_has_what_its_schema_requires_and_the_places_of_the_findings() {
    let source = source();
    let named = |file: &str| Arc::new(SourceMap { file: file.into(), ..(*source).clone() });
    let all = [
        Finding::error(code::SCHEMA, "m").about(&meta(), &named("./größe/a b.yaml"), "spec.größe").help("h"),
        Finding::warning(code::DUPLICATE, "twice")
            .about(&meta(), &named("/etc/mesh/a.yaml"), "")
            .beside(&source, "spec", "first declared here")
            .note("n"),
        Finding::info(code::SCHEMA, "nowhere"),
        Finding::info("X1", "a code of nobody").within(&Arc::new(SourceMap::of_file("c:x.yaml", "")), None),
    ];
    let log = sarif(&all);
    check_sarif(&log);
    let results = log["runs"][0]["results"].as_array().unwrap();
    let place = |n: usize| &results[n]["locations"][0]["physicalLocation"];
    assert_eq!(place(0)["artifactLocation"]["uri"], "gr%C3%B6%C3%9Fe/a%20b.yaml");
    assert_eq!(place(0)["region"], serde_json::json!({"startLine": 3, "startColumn": 10}));
    assert_eq!(results[0]["message"]["text"], "spec.größe: m\nhelp: h");
    assert_eq!(results[0]["locations"][0]["logicalLocations"][0]["fullyQualifiedName"], "X shop/cart");
    assert_eq!(place(1)["artifactLocation"]["uri"], "file:///etc/mesh/a.yaml");
    let related = &results[1]["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "first declared here");
    assert_eq!(related["physicalLocation"]["region"]["startLine"], 2);
    assert!(results[2].get("locations").is_none());
    assert_eq!(place(3)["artifactLocation"]["uri"], "c%3Ax.yaml");
    let levels: Vec<_> = results.iter().map(|r| r["level"].as_str().unwrap()).collect();
    assert_eq!(levels, ["error", "warning", "note", "note"]);
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"].as_array().map(Vec::len), Some(3));
    check_sarif(&sarif(&[]));
}

#[test]
fn each_item_of_a_long_list_is_found_where_it_stands() {
    let items: String = (0..100).map(|i| format!("- {{a: {i}, b: [{}]}}\n", "x, ".repeat(i))).collect();
    let read = crate::yaml::documents("a.yaml", &format!("list:\n{items}"), &Default::default());
    let source = &read.documents[0].source;
    for i in 0..100_u32 {
        let place = |field: &str| source.locate(&format!("list[{i}]{field}")).map(|s| (s.line, s.column));
        assert_eq!(place(".a"), Some((i + 2, 7)), "{i}");
        assert!(source.is_written(&format!("list[{i}].b")), "{i}");
        let last = format!("list[{i}].b[{}]", i.saturating_sub(1));
        let column = source.locate(&last).filter(|_| i > 0).map(|s| s.column);
        let before = u32::try_from(i.to_string().len()).unwrap() + 7 + 6;
        assert_eq!(column, (i > 0).then(|| before + (i - 1) * 3), "{last}");
    }
    assert!(!source.is_written("list[100]") && !source.is_written("list[100].a"));
}

#[test]
fn a_message_never_repeats_a_megabyte() {
    let finding = Finding::error("IST0106", format!("{:?} is not a host", "ä".repeat(1 << 20)));
    assert!(
        finding.message.len() < 1000 && finding.message.ends_with("is not a host"),
        "{}",
        finding.message
    );
}

#[test]
fn the_fields_of_a_long_mapping_are_found_where_they_stand_even_with_points_in_their_names() {
    let mut text = String::from("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  annotations:\n");
    // Not in the order of their names, and some names begin as others do.
    let names: Vec<String> = (0..200).map(|i| format!("n{}.x/{}", i * 37 % 200, i % 3)).collect();
    let names: Vec<String> =
        names.into_iter().chain(["n5".into(), "n5.x".into(), "\"q.q\"".into()]).collect();
    for name in &names {
        text.push_str(&format!("    {name}: v\n"));
    }
    let parsed = crate::yaml::resources("a.yaml", &text, &Default::default());
    let source = &parsed.outcomes[0].source;
    for (i, name) in names.iter().enumerate() {
        let path = format!("metadata.annotations.{}", name.trim_matches('"'));
        let line = source.key(&path).map(|s| s.line);
        assert_eq!(line.and_then(|l| usize::try_from(l).ok()), Some(6 + i), "{path}");
    }
    assert_eq!(source.key("metadata.annotations.n5.x/7"), None);
    // Of what is not written the nearest parent: here a name that the path begins with.
    let near = source.locate("metadata.annotations.n5.x.y").map(|s| s.start);
    assert_eq!(near, source.locate("metadata.annotations.n5.x").map(|s| s.start));
}
