use crate::model::matcher::Regex;

fn takes(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).unwrap_or_else(|e| panic!("{pattern}: {e}")).is_match(text)
}

#[test]
fn what_only_re2_knows_means_the_same_here() {
    for (pattern, yes, no) in [
        (r"\Qa.b*\E+", "a.b***", "axb"),
        (r"\Q(", "(", ")"),
        (r"\141\060", "a0", "a\u{0}"),
        (r"\x41\x{1F600}", "A😀", "a"),
        (r"a{,3}", "a{,3}", "aa"),
        (r"a{b}{", "a{b}{", "ab"),
        (r"\<a\>", "<a>", "a"),
        (r"\_\-\ ", "_- ", "_-"),
        (r"[[a]", "[", "b"),
        (r"[a&&b]+", "a&b", "c"),
        (r"[a~~b-]+", "a~b-", "d"),
        (r"[]a]+", "]a", "b"),
        (r"[^\D5]", "6", "5"),
        (r"[\w.-]+", "a_.-", "é"),
        (r"[[:alpha:][:^digit:]]", "a", "1"),
        (r"\p{^Greek}", "a", "α"),
        (r"\pL\p{Lu}\P{Greek}", "aAa", "aaα"),
        (r"(?P<v>a)(?<w>b)", "ab", "a"),
        (r"(?i:A)b", "ab", "aB"),
        (r"a}]", "a}]", "a"),
        (r"(?s).(?-s).", "\na", "a\n"),
    ] {
        assert!(takes(pattern, yes), "{pattern} on {yes}");
        assert!(!takes(pattern, no), "{pattern} on {no}");
    }
}

#[test]
fn digits_words_and_spaces_are_those_of_ascii() {
    assert!(takes(r"\d\w\s", "1a ") && !takes(r"\d", "٣") && !takes(r"\w", "é") && !takes(r"\s", "\u{a0}"));
    assert!(takes(r"\D\W\S", "٣éx") && !takes(r"\s", "\u{b}"));
    assert!(takes(r"é\ba", "éa") && takes(r"a\Bb", "ab"));
}

#[test]
fn what_only_the_crate_knows_is_refused() {
    for pattern in [
        "a**",
        "a*+",
        "a+?*",
        "a{2}{3}",
        "a??+",
        r"(?x)a b",
        r"(?u)a",
        r"(?R)a",
        r"\u0041",
        r"\U00000041",
        r"\e",
        r"\Z",
        r"\C",
        r"\1",
        r"\8",
        "(?=a)",
        "(?!a)",
        "(?<=a)",
        "(?<!a)",
        "(?>a)",
        "(?#a)",
        r"(?P<a.b>c)",
        "(?P<a>b)(?P<a>c)",
        "a{1001}",
        "a{2,1}",
        "(a{500}){3}",
        "((a{11}){10}){10}",
        r"\p{Letter}",
        r"\p{sc=Greek}",
        r"\p{Nonsense}",
        r"[\b]",
        r"[\Qa\E]",
        "[a",
        "[z-a]",
        r"[a-\d]",
        "a)",
        "(a",
        "*a",
        "a|*",
        r"a\",
        "[[:nope:]]",
        r"\x4",
        r"\x{110000}",
        "(?",
        "(?i",
    ] {
        assert!(Regex::new(pattern).is_err(), "{pattern}");
    }
}

#[test]
fn repetitions_up_to_a_thousand_are_taken() {
    for pattern in
        ["a{1000}", "(a{100}){10}", "(?:a{10}b{10}){100}", "a{0,1000}?", "(a*)*", "(?i)a{1000}", "a{0}"]
    {
        assert!(Regex::new(pattern).is_ok(), "{pattern}");
    }
}

proptest::proptest! {
    #[test]
    fn no_pattern_and_no_text_panic(pattern in "[\\\\\\[\\](){}*+?|^$.,:<>=!&~PpQEdwsx0-9a-d-]{0,24}", text in ".{0,12}") {
        if let Ok(regex) = Regex::new(&pattern) {
            let _ = regex.is_match(&text);
        }
    }

    #[test]
    fn a_text_that_is_quoted_matches_itself_alone(text in "[^\\\\]{1,12}", other in "[^\\\\]{1,12}") {
        let regex = Regex::new(&format!("\\Q{text}\\E")).unwrap();
        proptest::prop_assert!(regex.is_match(&text));
        proptest::prop_assert_eq!(regex.is_match(&other), text == other);
    }
}
