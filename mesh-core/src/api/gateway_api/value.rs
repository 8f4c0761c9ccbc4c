//! Values of the Gateway API that several of its kinds share.

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// A span of time as the Gateway API writes it: at most four numbers of at most five digits, each with one of the
/// units `h`, `m`, `s` and `ms`, such as `1h30m` or `500ms`. No fractions, no sign. Zero switches a timeout off.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Duration(pub std::time::Duration);

/// Why a text is not a [`Duration`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a duration of the Gateway API, such as 10s, 500ms or 1h30m: whole numbers of up to five digits"
)]
pub struct InvalidDuration(String);

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidDuration(s.to_owned());
        let (mut rest, mut millis, mut parts) = (s, 0_u64, 0);
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let (number, tail) = rest.split_at(digits);
            let end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, next) = tail.split_at(end);
            let scale = match unit {
                "h" => 3_600_000,
                "m" => 60_000,
                "s" => 1_000,
                "ms" => 1,
                _ => return Err(invalid()),
            };
            parts += 1;
            if digits == 0 || digits > 5 || parts > 4 {
                return Err(invalid());
            }
            // Five digits of hours, four times, are far below what can be held.
            millis += number.parse::<u64>().map_err(|_| invalid())? * scale;
            rest = next;
        }
        if parts == 0 {
            return Err(invalid());
        }
        Ok(Self(std::time::Duration::from_millis(millis)))
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GatewayDuration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A duration, such as 10s, 500ms or 1h30m: whole numbers of up to five digits.",
            "type": "string",
            "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$",
        })
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// Which namespaces, or other things with labels: all conditions must hold; without any, all things are selected.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelector {
    /// Labels with exactly these values.
    pub match_labels: BTreeMap<String, String>,
    /// Conditions on labels.
    pub match_expressions: Vec<LabelSelectorRequirement>,
}

/// A condition on a label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LabelSelectorRequirement {
    /// The label's key.
    pub key: String,
    /// What must be true of it.
    pub operator: Option<LabelSelectorOperator>,
    /// For `In` and `NotIn`: the values; for the others there are none.
    pub values: Vec<String>,
}

/// What must be true of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum LabelSelectorOperator {
    /// Its value is one of those listed.
    In,
    /// It is missing, or its value is none of those listed.
    NotIn,
    /// It is there.
    Exists,
    /// It is missing.
    DoesNotExist,
}

/// A part of a whole, such as `numerator: 1, denominator: 1000` for a thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fraction {
    /// Parts that are taken; from 0 to `denominator`.
    pub numerator: i32,
    /// Parts that there are, at least 1. Default: 100.
    #[serde(default = "hundred")]
    pub denominator: i32,
}

fn hundred() -> i32 {
    100
}

/// How a text is compared with the one that is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum MatchType {
    /// Equal. The default.
    #[default]
    Exact,
    /// Matches a regular expression of RE2 as a whole.
    RegularExpression,
}

/// Whether routes attach to the default gateways without naming them. Experimental.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GatewayDefaultScope {
    /// To every default gateway.
    All,
    /// To none. The default.
    None,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_whole_numbers_with_units() {
        for (text, millis) in
            [("0s", 0), ("10s", 10_000), ("1h30m", 5_400_000), ("500ms", 500), ("1h1m1s1ms", 3_661_001)]
        {
            let want = Duration(std::time::Duration::from_millis(millis));
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for text in ["", "0", "s", "1.5s", "-1s", "+1s", "100000s", "1d", "1us", "1s1s1s1s1s", " 1s"] {
            assert!(text.parse::<Duration>().is_err(), "{text}");
        }
        assert!("99999h99999h99999h99999h".parse::<Duration>().is_ok());
    }
}
