//! What a plain scalar means: what it means to `kubectl` and `istioctl`.
//!
//! Both read YAML through `sigs.k8s.io/yaml`, which resolves plain scalars by YAML 1.1 as Go's yaml.v2 does
//! and then makes JSON of them: `yes` and `on` are booleans, `017` is fifteen, `1_000` is a thousand, `1.0`
//! is the JSON number 1. A field that wants a text is told to quote such a scalar.

use super::tree::Scalar;
use serde_json::Number;
use std::borrow::Cow;

/// A plain scalar's value.
///
/// # Errors
/// What JSON cannot say: infinities and what is not a number.
pub(super) fn plain(text: Cow<'_, str>) -> Result<Scalar<'_>, String> {
    Ok(match text.as_bytes().first() {
        None => Scalar::Null,
        Some(b'0'..=b'9' | b'+' | b'-' | b'.') => match number(&text)? {
            Some(number) => number,
            None => Scalar::Text(text),
        },
        Some(b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~') => {
            word(&text).unwrap_or(Scalar::Text(text))
        }
        _ => Scalar::Text(text),
    })
}

/// A scalar with a tag: the part behind `tag:yaml.org,2002:`, or `None` for a tag of somebody's own, which
/// Go ignores.
///
/// # Errors
/// The text is not of the tag's type.
pub(super) fn tagged<'t>(suffix: Option<&str>, text: Cow<'t, str>) -> Result<Scalar<'t>, String> {
    let Some(suffix) = suffix else { return Ok(Scalar::Text(text)) };
    if matches!(suffix, "str" | "timestamp") {
        return Ok(Scalar::Text(text));
    }
    let written = text.clone();
    let value = plain(text)?;
    let fits = match suffix {
        "null" => value == Scalar::Null,
        "bool" => matches!(value, Scalar::Bool(_)),
        "int" => matches!(value, Scalar::Int(_) | Scalar::Large(_)),
        "float" => matches!(value, Scalar::Int(_) | Scalar::Large(_) | Scalar::Float(_)),
        "binary" => return Err("the tag !!binary is not read: write base64 as a text".to_owned()),
        _ => return Ok(Scalar::Text(written)),
    };
    if fits { Ok(value) } else { Err(format!("this is not a !!{suffix}")) }
}

/// A plain scalar as the name of a field: numbers and booleans become texts, as JSON wants them.
///
/// # Errors
/// What JSON has no text for.
pub(super) fn name(text: Cow<'_, str>) -> Result<Cow<'_, str>, String> {
    Ok(match plain(text)? {
        Scalar::Text(text) => text,
        Scalar::Null => return Err("a field's name must be a text, and this is null: quote it".to_owned()),
        Scalar::Bool(true) => "true".into(),
        Scalar::Bool(false) => "false".into(),
        Scalar::Int(n) => n.to_string().into(),
        Scalar::Large(n) => n.to_string().into(),
        Scalar::Float(n) => short(n).into(),
    })
}

/// A JSON number.
pub(super) fn of_number(n: &Number) -> Scalar<'static> {
    match (n.as_i64(), n.as_u64(), n.as_f64()) {
        (Some(n), ..) => Scalar::Int(n),
        (None, Some(n), _) => Scalar::Large(n),
        (None, None, n) => Scalar::Float(n.unwrap_or_default()),
    }
}

fn word(text: &str) -> Option<Scalar<'static>> {
    match text {
        "~" | "null" | "Null" | "NULL" => Some(Scalar::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            Some(Scalar::Bool(true))
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            Some(Scalar::Bool(false))
        }
        _ => None,
    }
}

/// A number, if the text is one.
fn number(text: &str) -> Result<Option<Scalar<'static>>, String> {
    if matches!(text.trim_start_matches(['+', '-']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN") {
        return Err("not a number that JSON can hold: quote it if it is a text".to_owned());
    }
    // Most of what begins with a digit is an address, a duration or a version.
    let shape =
        |b: u8| b.is_ascii_hexdigit() || matches!(b, b'.' | b'-' | b'+' | b'_' | b'x' | b'X' | b'o' | b'O');
    if !text.bytes().all(shape) {
        return Ok(None);
    }
    let plain: Cow<'_, str> = if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    Ok(integer(&plain).or_else(|| float(&plain)))
}

/// Go's `ParseInt` with base 0: a sign, then `0x`, `0o` or `0`, `0b`, or nothing before the digits.
fn integer(text: &str) -> Option<Scalar<'static>> {
    let (is_negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match unsigned.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, unsigned.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, unsigned.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, unsigned.get(2..)?),
        [b'0', _, ..] => (8, unsigned.get(1..)?),
        _ => (10, unsigned),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let size = u64::from_str_radix(digits, radix).ok()?;
    match (is_negative, i64::try_from(size)) {
        (false, Ok(n)) => Some(Scalar::Int(n)),
        (false, Err(_)) => Some(Scalar::Large(size)),
        (true, _) => 0_i64.checked_sub_unsigned(size).map(Scalar::Int),
    }
}

/// Digits with one point and an exponent, each of which may be left out. Whole numbers are whole in JSON,
/// however they are written.
fn float(text: &str) -> Option<Scalar<'static>> {
    let shape = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'-' | b'+');
    if !text.bytes().all(shape) || !text.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    // Beyond what can be held, the text stays one.
    let n = text.parse::<f64>().ok().filter(|n| n.is_finite())?;
    if n.fract() == 0.0 && n.abs() < 1e21 {
        // Printed in full below 1e21, as Go's JSON does.
        if let Some(whole) = integer(&format!("{n:.0}")) {
            return Some(whole);
        }
    }
    Some(Scalar::Float(n))
}

/// Go's `FormatFloat(n, 'g', -1, 32)`: the fewest digits that single precision can tell apart.
#[allow(clippy::cast_possible_truncation, reason = "single precision is what Go prints names in")]
fn short(n: f64) -> String {
    let single = n as f32;
    let scientific = format!("{single:e}");
    let exponent: i32 = scientific.split_once('e').and_then(|(_, e)| e.parse().ok()).unwrap_or(0);
    if (-4..21).contains(&exponent) {
        return single.to_string();
    }
    let digits = scientific.split('e').next().unwrap_or_default();
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Scalar<'_> {
        plain(text.into()).unwrap()
    }

    #[test]
    fn go_takes_yes_and_on_for_true_and_no_and_off_for_false() {
        for text in ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"] {
            assert_eq!(read(text), Scalar::Bool(true), "{text}");
        }
        for text in ["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"] {
            assert_eq!(read(text), Scalar::Bool(false), "{text}");
        }
        for text in ["yEs", "nO", "oN", "tRUE", "yess", "nope", "offer", "t", "f", "o"] {
            assert_eq!(read(text), Scalar::Text(text.into()));
        }
    }

    #[test]
    fn go_takes_nothing_a_tilde_and_three_spellings_of_null_for_null() {
        for text in ["", "~", "null", "Null", "NULL"] {
            assert_eq!(read(text), Scalar::Null, "{text}");
        }
        assert_eq!(read("nULL"), Scalar::Text("nULL".into()));
    }

    #[test]
    fn go_reads_whole_numbers_in_four_bases_and_with_underscores() {
        for (text, want) in [
            ("90", 90),
            ("-7", -7),
            ("+7", 7),
            ("0", 0),
            ("0x1F", 31),
            ("-0x1f", -31),
            ("0o17", 15),
            ("017", 15),
            ("0644", 420),
            ("0b101", 5),
            ("-0b11", -3),
            ("1_000", 1000),
            ("-9223372036854775808", i64::MIN),
        ] {
            assert_eq!(read(text), Scalar::Int(want), "{text}");
        }
        assert_eq!(read("18446744073709551615"), Scalar::Large(u64::MAX));
    }

    #[test]
    fn go_makes_json_of_numbers_so_that_whole_ones_are_whole() {
        for (text, want) in [("1e3", 1000), ("1.0", 1), ("1.", 1), ("80.0", 80), ("08", 8), ("-0.0", 0)] {
            assert_eq!(read(text), Scalar::Int(want), "{text}");
        }
        for (text, want) in [("0.5", 0.5), (".5", 0.5), ("1.5e-3", 0.0015), ("-2.5", -2.5), ("1e30", 1e30)] {
            assert_eq!(read(text), Scalar::Float(want), "{text}");
        }
        assert_eq!(read("99999999999999999999"), Scalar::Float(1e20));
    }

    #[test]
    fn what_looks_like_a_number_but_is_none_stays_a_text() {
        for text in [
            "v1",
            "1.2.3.4",
            "127.0.0.1:80",
            "10s",
            "-",
            "+",
            ".",
            "..",
            "1e",
            "1e999",
            "0x",
            "0xg",
            "0b",
            "0b2",
            "1-2",
            "--1",
            "+-1",
            "e5",
            "2001-01-01",
            "12:30",
            "fe80::1",
            "0.0.0.0/0",
            "1inf",
        ] {
            assert_eq!(read(text), Scalar::Text(text.into()));
        }
    }

    #[test]
    fn go_refuses_numbers_that_json_cannot_hold() {
        for text in [".inf", "-.Inf", "+.INF", ".nan"] {
            assert!(plain(text.into()).unwrap_err().contains("quote it"), "{text}");
        }
    }

    #[test]
    fn a_tag_overrules_the_look_and_must_fit_and_a_tag_of_ones_own_makes_a_text() {
        let with = |suffix, text: &'static str| tagged(suffix, text.into());
        assert_eq!(with(Some("str"), "5"), Ok(Scalar::Text("5".into())));
        assert_eq!(with(Some("timestamp"), "2001-01-01"), Ok(Scalar::Text("2001-01-01".into())));
        assert_eq!(with(Some("int"), "5"), Ok(Scalar::Int(5)));
        assert_eq!(with(Some("bool"), "yes"), Ok(Scalar::Bool(true)));
        assert_eq!(with(None, "5"), Ok(Scalar::Text("5".into())));
        assert!(with(Some("int"), "x").unwrap_err().contains("not a !!int"));
        assert!(with(Some("binary"), "aGk=").is_err());
    }

    #[test]
    fn go_makes_texts_of_names_that_are_numbers_or_booleans_and_refuses_null() {
        for (text, want) in [
            ("80", "80"),
            ("0x50", "80"),
            ("yes", "true"),
            ("off", "false"),
            ("1.10", "1.1"),
            ("-0.25", "-0.25"),
            ("1e21", "1e+21"),
            ("1.5e-7", "1.5e-07"),
            ("app.kubernetes.io/name", "app.kubernetes.io/name"),
        ] {
            assert_eq!(name(text.into()).unwrap(), want, "{text}");
        }
        assert!(name("~".into()).is_err());
    }
}
