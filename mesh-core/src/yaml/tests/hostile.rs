//! Hostile texts cost no more than they weigh. Sizes are such that work that grows with their square would
//! not end within a test run.

use super::*;

/// Reads a text of about so many bytes; whatever it says, it ends, and can be shown.
fn survives(text: &str) -> Parsed {
    let parsed = resources("a.yaml", text, &Limits::default());
    let _ = crate::diagnostic::text(&parsed.findings, Color::Never);
    parsed
}

const SIZE: usize = 60_000;

#[test]
fn many_small_tokens_are_read_one_by_one() {
    for unit in [
        "[",
        "{",
        "- ",
        "? ",
        ": ",
        "&a ",
        "*a ",
        "!a ",
        "\"",
        "'",
        "#",
        "%",
        "---\n",
        "...\n",
        "a: ",
        "a:\n",
        "[]",
        "{},",
        "|\n",
        ">-\n",
        "\n",
        "\t",
        " ",
        "a ",
        "a:",
        "<<: ",
        "\\",
        "\u{feff}",
        "{\"a\":1}",
        "]",
        "}",
        ", ",
        "- - ",
        "@",
        "`",
        "0",
    ] {
        survives(&unit.repeat(SIZE / unit.len()));
        survives(&format!("a: {}", unit.repeat(SIZE / unit.len())));
        survives(&format!("a: [{}", unit.repeat(SIZE / unit.len())));
    }
}

#[test]
fn long_lists_and_mappings_are_read_item_by_item() {
    let list = format!("kind: A\nspec: [{}]\n", "{a: 1}, ".repeat(50_000));
    assert_eq!(read(&list).documents[0].value["spec"].as_array().map(Vec::len), Some(50_000));
    let fields: String = (0..50_000).map(|n| format!("  f{n}: {n}\n")).collect();
    let wide = format!("kind: A\nspec:\n{fields}");
    let document = &read(&wide).documents[0];
    assert_eq!(document.value["spec"]["f49999"], 49_999);
    assert_eq!(document.source.locate("spec.f49999").map(|s| s.line), Some(50_002));
    let documents: String = (0..20_000).map(|n| format!("kind: A\nname: n{n}\n---\n")).collect();
    assert_eq!(read(&documents).documents.len(), 20_000);
}

#[test]
fn what_anchors_keep_and_aliases_repeat_counts_against_the_bound_on_values() {
    let nested: String = (0..90).map(|n| format!("&a{n} [")).collect();
    let items = "x, ".repeat(20_000);
    let finding = only(&format!("a: {nested}{items}{}\n", "]".repeat(90)));
    assert!(finding.message.starts_with("more than 1000000 values"), "{}", finding.message);

    let merges: String = (0..30_000).map(|n| format!("- {{<<: *a, f{n}: 1}}\n")).collect();
    let base: String = (0..50).map(|n| format!("  k{n}: 1\n")).collect();
    let finding = only(&format!("a: &a\n{base}b:\n{merges}"));
    assert!(finding.message.starts_with("more than 1000000 values"), "{}", finding.message);
}

#[test]
fn depth_that_aliases_add_up_is_bounded_too() {
    let mut text = "a0: &a0 [[[[[[[[[[x]]]]]]]]]]\n".to_owned();
    for n in 1..15 {
        text.push_str(&format!("a{n}: &a{n} [[[[[[[[[[*a{}]]]]]]]]]]\n", n - 1));
    }
    let finding = only(&text);
    assert_eq!((finding.message.as_str(), place(&finding).0), ("nested deeper than 100 levels", 10));
}

#[test]
fn ten_thousand_refused_resources_of_one_line_are_each_marked() {
    let one = "{\"apiVersion\":\"networking.istio.io/v1\",\"kind\":\"VirtualService\",\"metadata\":{\"name\":\"a\"},\"spec\":{\"hots\":[]}}";
    let parsed = survives(&one.repeat(10_000));
    assert_eq!(parsed.findings.len(), 10_000);
    let last = parsed.findings.last().unwrap();
    assert_eq!(
        (marked(last), place(last)),
        ("\"hots\"", (1, u32::try_from(one.len() * 9_999).unwrap() + 96))
    );
}
