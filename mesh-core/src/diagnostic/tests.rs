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
        "path": "spec.größe", "file": "a.yaml", "line": 3, "column": 10, "message": "m", "help": null,
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
