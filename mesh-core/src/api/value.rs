//! Values that several kinds share: durations, string matches, selectors, percentages.

use serde::de::Deserializer;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A span of time as Istio's YAML writes it: `5s`, `0.5s`, `100ms`, `1h30m`. Never negative.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// Why a text is not a [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpan {
    /// A negative span of time.
    #[error("a duration is not negative: {0:?}")]
    Negative(String),
    /// Not numbers with units.
    #[error("{0:?} is not a duration, such as 5s, 1h30m or 100ms")]
    Syntax(String),
    /// More than can be held.
    #[error("{0:?} is too long a duration")]
    TooLong(String),
}

impl FromStr for Span {
    type Err = InvalidSpan;

    /// Go's syntax, of which protobuf's is a part.
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let syntax = || InvalidSpan::Syntax(s.to_owned());
        let mut rest = match s.strip_prefix('-') {
            // Zero has no sign.
            Some("0" | "0s") => return Ok(Self::default()),
            Some(_) => return Err(InvalidSpan::Negative(s.to_owned())),
            None => s.strip_prefix('+').unwrap_or(s),
        };
        if rest == "0" {
            return Ok(Self::default());
        }
        if rest.is_empty() {
            return Err(syntax());
        }
        let mut nanos: u128 = 0;
        while !rest.is_empty() {
            let unit_at = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(syntax)?;
            let (number, tail) = rest.split_at(unit_at);
            let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
            let (unit, next) = tail.split_at(unit_end);
            let scale: u128 = match unit {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                _ => return Err(syntax()),
            };
            let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
            if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
                return Err(syntax());
            }
            // More digits than these are below a nanosecond or beyond all years.
            if whole.len() > 19 {
                return Err(InvalidSpan::TooLong(s.to_owned()));
            }
            let whole: u128 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| syntax())? };
            nanos += whole * scale;
            let fraction = fraction.get(..fraction.len().min(18)).unwrap_or_default();
            if !fraction.is_empty() {
                let digits: u128 = fraction.parse().map_err(|_| syntax())?;
                let power = u32::try_from(fraction.len()).map_err(|_| syntax())?;
                nanos += digits * scale / 10_u128.pow(power);
            }
            rest = next;
        }
        let seconds = u64::try_from(nanos / 1_000_000_000)
            .ok()
            .filter(|s| *s <= MAX_SECONDS)
            .ok_or_else(|| InvalidSpan::TooLong(s.to_owned()))?;
        let below = u32::try_from(nanos % 1_000_000_000).map_err(|_| syntax())?;
        Ok(Self(Duration::new(seconds, below)))
    }
}

/// Protobuf's bound: ten thousand years.
const MAX_SECONDS: u64 = 315_576_000_000;

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(SpanVisitor)
    }
}

struct SpanVisitor;

impl serde::de::Visitor<'_> for SpanVisitor {
    type Value = Span;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration, such as 5s, 1h30m or 100ms")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Span, E> {
        Err(E::custom(format_args!("{number} has no unit: write {number}s for seconds")))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<Span, E> {
        Err(E::custom(format_args!("{number} has no unit: write {number}s for seconds")))
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Span {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A duration, such as 5s, 0.5s, 100ms or 1h30m.",
            "type": "string",
            "pattern": r"^[+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))*$|^-?0s?$",
        })
    }
}

impl Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl fmt::Display for Span {
    /// As protobuf writes it: `1.5s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.0.as_secs(), self.0.subsec_nanos());
        if nanos == 0 {
            return write!(f, "{seconds}s");
        }
        let digits = format!("{nanos:09}");
        write!(f, "{seconds}.{}s", digits.trim_end_matches('0'))
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

/// Istio's `StringMatch`: one of three, or `{}` for "there at all".
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "RawStringMatch")]
pub enum StringMatch {
    /// Equal.
    Exact(String),
    /// Starts with.
    Prefix(String),
    /// Matches as a whole; RE2 syntax.
    Regex(String),
    /// Written as `{}`: any value, if it is there.
    Present,
}

#[derive(Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("maxProperties" = 1)))]
#[serde(deny_unknown_fields)]
struct RawStringMatch {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

impl TryFrom<RawStringMatch> for StringMatch {
    type Error = &'static str;

    fn try_from(raw: RawStringMatch) -> Result<Self, Self::Error> {
        match (raw.exact, raw.prefix, raw.regex) {
            (Some(s), None, None) => Ok(Self::Exact(s)),
            (None, Some(s), None) => Ok(Self::Prefix(s)),
            (None, None, Some(s)) => Ok(Self::Regex(s)),
            (None, None, None) => Ok(Self::Present),
            _ => Err("only one of exact, prefix and regex may be written"),
        }
    }
}

impl Serialize for StringMatch {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let pair = match self {
            Self::Exact(text) => Some(("exact", text)),
            Self::Prefix(text) => Some(("prefix", text)),
            Self::Regex(text) => Some(("regex", text)),
            Self::Present => None,
        };
        s.collect_map(pair)
    }
}

/// A percentage: `{value: 12.5}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Percent {
    /// Between 0 and 100.
    pub value: f64,
}

/// `matchLabels`, as security, telemetry and DestinationRule select workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Selector {
    /// Labels that a workload must have, all of them.
    pub match_labels: BTreeMap<String, String>,
}

/// `labels`, as networking kinds select workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct WorkloadSelector {
    /// Labels that a workload must have, all of them.
    pub labels: BTreeMap<String, String>,
}

/// A resource that a policy attaches to instead of selecting workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TargetRef {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind, such as `Gateway` or `Service`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; Istio allows only the policy's own.
    pub namespace: String,
}

/// Whether every wanted label is there with its value.
pub fn labels_match(want: &BTreeMap<String, String>, have: &BTreeMap<String, String>) -> bool {
    want.iter().all(|(key, value)| have.get(key) == Some(value))
}

/// A gRPC status by its name or number, as Istio's API writes it.
pub fn grpc_status(text: &str) -> Option<u32> {
    const NAMES: [&str; 17] = [
        "OK",
        "CANCELLED",
        "UNKNOWN",
        "INVALID_ARGUMENT",
        "DEADLINE_EXCEEDED",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "RESOURCE_EXHAUSTED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNIMPLEMENTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
        "UNAUTHENTICATED",
    ];
    let by_name = NAMES.iter().position(|n| *n == text).and_then(|n| u32::try_from(n).ok());
    by_name.or_else(|| text.parse().ok().filter(|n| *n <= 16))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_read_as_go_and_protobuf_write_them() {
        for (text, millis) in [
            ("5s", 5_000),
            ("0.5s", 500),
            (".5s", 500),
            ("100ms", 100),
            ("1h30m", 5_400_000),
            ("1m0.001s", 60_001),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))), "{text}");
        }
        assert_eq!("1.000000001s".parse(), Ok(Span(Duration::new(1, 1))));
        for text in ["", "5", "s", "5x", "1.2.3s", "5s5", "five", "."] {
            assert!(matches!(text.parse::<Span>(), Err(InvalidSpan::Syntax(_))), "{text}");
        }
        assert!(matches!("-1s".parse::<Span>(), Err(InvalidSpan::Negative(_))));
        assert!(matches!("99999999999999h".parse::<Span>(), Err(InvalidSpan::TooLong(_))));
        assert!(matches!("99999999999999999999999h".parse::<Span>(), Err(InvalidSpan::TooLong(_))));
    }

    #[test]
    fn a_duration_prints_as_protobuf_does() {
        assert_eq!("1h0.25s".parse::<Span>().unwrap().to_string(), "3600.25s");
    }

    #[test]
    fn a_string_match_is_exactly_one_thing() {
        let read = |v| serde_json::from_value::<StringMatch>(v).map_err(|e| e.to_string());
        assert_eq!(read(json!({"exact": "a"})), Ok(StringMatch::Exact("a".into())));
        assert_eq!(read(json!({})), Ok(StringMatch::Present));
        assert!(read(json!({"exact": "a", "regex": "b"})).unwrap_err().contains("only one"));
        assert!(read(json!({"suffix": "a"})).unwrap_err().contains("suffix"));
    }
}
