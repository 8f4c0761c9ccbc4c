//! Whether a value is a number, a text, a duration: what a single field may hold.
//!
//! As Istio's reader of JSON has it, which is protobuf's but for durations, which are Go's, and for bytes, which
//! are base64 of one alphabet.

use mesh_core::api::value::{InvalidSpan, Span};
use mesh_core::diagnostic::did_you_mean;
use prost_reflect::prost_types::Timestamp;
use prost_reflect::{EnumDescriptor, Kind};
use serde_json::{Number, Value};

/// What is wrong, and what would be right.
#[derive(Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) help: String,
}

fn problem_is(message: impl Into<String>, help: impl Into<String>) -> Option<Problem> {
    Some(Problem { message: message.into(), help: help.into() })
}

/// What a value is, in the words of YAML.
pub(super) fn shape(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn other(value: &Value, wanted: &str, help: impl Into<String>) -> Option<Problem> {
    let help = match value {
        // The way in which protobuf's own text has scalars that may be missing.
        Value::Object(fields) if fields.len() == 1 && fields.contains_key("value") => {
            "write the value itself, without `value:`".to_owned()
        }
        _ => help.into(),
    };
    problem_is(format!("{} where Envoy has {wanted}", shape(value)), help)
}

/// What is wrong with a value of a kind that is not a message.
pub(super) fn problem(kind: &Kind, value: &Value) -> Option<Problem> {
    match kind {
        Kind::Bool => match value {
            Value::Bool(_) => None,
            Value::String(text) if text == "true" || text == "false" => {
                other(value, "true or false", format!("write {text} without quotes"))
            }
            _ => other(value, "true or false", "write true or false"),
        },
        Kind::String => match value {
            Value::String(_) => None,
            Value::Bool(_) | Value::Number(_) => other(value, "a text", "quote it, so that it is a text"),
            _ => other(value, "a text", "write a text"),
        },
        Kind::Bytes => match value {
            Value::String(text) if is_base64(text) => None,
            Value::String(_) => {
                problem_is("this is not base64", "write the bytes in base64, with `=` at its end")
            }
            _ => other(value, "bytes", "write the bytes in base64"),
        },
        Kind::Double | Kind::Float => match value {
            Value::Number(_) => None,
            Value::String(text) if matches!(text.as_str(), "NaN" | "Infinity" | "-Infinity") => None,
            Value::String(text) if number_in(text).is_some() => None,
            _ => other(value, "a number", "write a number, such as 1.5"),
        },
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => whole(value, i32::MIN.into(), i32::MAX.into()),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => whole(value, i64::MIN.into(), i64::MAX.into()),
        Kind::Uint32 | Kind::Fixed32 => whole(value, 0, u32::MAX.into()),
        Kind::Uint64 | Kind::Fixed64 => whole(value, 0, u64::MAX.into()),
        Kind::Enum(of) => one_of(of, value),
        Kind::Message(_) => None,
    }
}

/// What is wrong with the name of an entry of a map, of which JSON has texts only.
pub(super) fn problem_of_key(kind: &Kind, name: &str) -> Option<Problem> {
    match kind {
        Kind::String => None,
        Kind::Bool if matches!(name, "true" | "false") => None,
        Kind::Bool => problem_is(format!("`{name}` where Envoy has true or false"), "write true or false"),
        kind => problem(kind, &Value::String(name.to_owned())),
    }
}

/// What is wrong with a message of protobuf's own, `Duration` for example, whose JSON is not a map.
pub(super) fn problem_of_message(own: &str, value: &Value) -> Option<Problem> {
    match (own, value) {
        ("Duration", Value::String(text)) => duration(text),
        ("Duration", Value::Number(number)) => {
            other(value, "a duration", format!("write its unit: {number}s for seconds"))
        }
        ("Duration", _) => other(value, "a duration", "write a number with its unit, such as 10s or 250ms"),
        ("Timestamp", Value::String(text)) => match text.parse::<Timestamp>() {
            Ok(_) => None,
            Err(_) => problem_is(format!("`{text}` is not a time"), "write it as 2030-01-31T23:59:00Z"),
        },
        ("Timestamp", _) => other(value, "a time", "write it as \"2030-01-31T23:59:00Z\""),
        ("Struct", Value::Object(_)) | ("ListValue", Value::Array(_)) | ("Any", Value::Object(_)) => None,
        ("Struct", _) => other(value, "a map", "write a map of names to values"),
        ("ListValue", _) => other(value, "a list", "begin each entry of the list with `- `"),
        ("Any", _) => other(value, "a configuration with its @type", "write a map with @type in it"),
        _ => None,
    }
}

fn duration(text: &str) -> Option<Problem> {
    let help = match number_in(text) {
        Some(number) => format!("write its unit: {number}s for seconds"),
        None => "write a number with its unit, such as 10s or 250ms".to_owned(),
    };
    // What a negative one would mean is left to Envoy.
    match text.strip_prefix('-').unwrap_or(text).parse::<Span>() {
        Ok(_) => None,
        Err(InvalidSpan::TooLong(_)) => problem_is(format!("`{text}` is too long a duration"), help),
        Err(_) => problem_is(format!("`{text}` is not a duration"), help),
    }
}

fn whole(value: &Value, least: i128, most: i128) -> Option<Problem> {
    let number = match value {
        Value::Number(number) => Some(number.clone()),
        Value::String(text) => number_in(text),
        _ => None,
    };
    let Some(number) = number else {
        let found = other(value, "a whole number", "write a whole number, such as 1000")?;
        return match value {
            Value::String(text) => problem_is(format!("`{text}` is not a whole number"), found.help),
            _ => Some(found),
        };
    };
    let range = || format!("write a whole number from {least} to {most}");
    match as_whole(&number) {
        Some(n) if (least..=most).contains(&n) => None,
        Some(n) => problem_is(format!("{n} is out of range"), range()),
        None => problem_is(format!("{number} is not a whole number"), range()),
    }
}

fn as_whole(number: &Number) -> Option<i128> {
    let exact = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    // A fraction of zero is none; what is beyond 64 bits is out of every range.
    let printed =
        || number.as_f64().filter(|n| n.fract() == 0.0).and_then(|n| format!("{n:.0}").parse().ok());
    exact.or_else(printed)
}

fn number_in(text: &str) -> Option<Number> {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) => Some(number),
        _ => None,
    }
}

fn one_of(of: &EnumDescriptor, value: &Value) -> Option<Problem> {
    let names = || of.values().map(|v| v.name().to_owned()).collect::<Vec<_>>();
    let all = |names: &[String]| format!("the values here are {}", names.join(", "));
    match value {
        Value::String(name) if of.get_value_by_name(name).is_some() => None,
        Value::String(name) => {
            let names = names();
            let help = did_you_mean(name, names.iter().map(String::as_str)).unwrap_or_else(|| all(&names));
            problem_is(format!("`{name}` is not a value of {}", of.full_name()), help)
        }
        // Numbers that this schema does not name may have one in another.
        Value::Number(number) if number.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => None,
        _ => other(value, &format!("a value of {}", of.full_name()), all(&names())),
    }
}

/// Base64 in the standard alphabet with its padding; line breaks count for nothing.
fn is_base64(text: &str) -> bool {
    let bytes: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let padding = bytes.iter().rev().take_while(|b| **b == b'=').count();
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    bytes.len().is_multiple_of(4) && padding <= 2 && bytes.iter().take(bytes.len() - padding).all(is_digit)
}
