//! What a plain scalar means: YAML 1.2's core schema.
//!
//! `yes`, `no`, `on` and `off` are texts, as in YAML 1.2; a field that wants a boolean says so.

use serde_json::{Number, Value};

/// A plain scalar's value.
pub(super) fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    number(text).map_or_else(|| Value::String(text.to_owned()), Value::Number)
}

/// A scalar with an explicit core tag, such as `!!str 5`; `None` if the text does not fit the tag.
pub(super) fn tagged(suffix: &str, text: &str) -> Option<Value> {
    let value = plain(text);
    match suffix {
        "str" => Some(Value::String(text.to_owned())),
        "null" => value.is_null().then_some(value),
        "bool" => value.is_boolean().then_some(value),
        "int" => (value.is_i64() || value.is_u64()).then_some(value),
        "float" => value.is_number().then_some(value),
        _ => None,
    }
}

fn number(text: &str) -> Option<Number> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let first = unsigned.bytes().next()?;
    if !first.is_ascii_digit() && first != b'.' {
        return None;
    }
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        if let Some(digits) = text.strip_prefix(prefix) {
            let all_digits = !digits.starts_with(['+', '-']);
            return all_digits.then(|| u64::from_str_radix(digits, radix).ok()).flatten().map(Number::from);
        }
    }
    if unsigned.bytes().all(|b| b.is_ascii_digit()) {
        let signed = || text.parse::<i64>().ok().map(Number::from);
        let large = || text.parse::<u64>().ok().map(Number::from);
        if let Some(whole) = signed().or_else(large) {
            return Some(whole);
        }
    }
    // Only digits, one point and an exponent: Rust's parser alone would take `1inf` apart otherwise.
    let shape = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if !unsigned.bytes().all(shape) || !unsigned.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    // Infinite values are no JSON: the text stays, and the field that wants a number says so.
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::{plain, tagged};
    use serde_json::{Value, json};

    #[test]
    fn plain_scalars_follow_the_core_schema() {
        for (text, want) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("True", json!(true)),
            ("90", json!(90)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("0x1F", json!(31)),
            ("0o17", json!(15)),
            ("18446744073709551615", json!(18_446_744_073_709_551_615_u64)),
            ("0.5", json!(0.5)),
            ("1e3", json!(1000.0)),
            (".5", json!(0.5)),
        ] {
            assert_eq!(plain(text), want, "{text}");
        }
    }

    #[test]
    fn what_looks_like_a_number_but_is_none_stays_a_text() {
        for text in [
            "v1",
            "1.2.3.4",
            "127.0.0.1:80",
            "10s",
            "-",
            ".",
            "1e",
            ".inf",
            "1e999",
            "0x",
            "0xg",
            "yes",
            "1_000",
        ] {
            assert_eq!(plain(text), json!(text));
        }
    }

    #[test]
    fn a_tag_overrules_the_look_and_must_fit() {
        assert_eq!(tagged("str", "5"), Some(json!("5")));
        assert_eq!(tagged("int", "5"), Some(json!(5)));
        assert_eq!(tagged("int", "x"), None);
        assert_eq!(tagged("binary", "x"), None);
    }
}
