//! What a header must be like, in the shape of Envoy's `route.v3.HeaderMatcher`.

use crate::SpecError;
use http::HeaderName;
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, Pattern, Regex, StringMatch, ValueMatch};
use serde::{Deserialize, Serialize};

/// What a header must be like; only there, if nothing else is written.
///
/// At most one of `exact`, `prefix`, `suffix`, `contains` and `regex`, or Envoy's `stringMatch`, `rangeMatch` and
/// `presentMatch`. Several lines of one header are one value, joined by commas, as in Envoy.
///
/// ```
/// use mesh_policy::ratelimit::HeaderMatchSpec;
///
/// let specs: Vec<HeaderMatchSpec> = serde_json::from_str(r#"[
///     {"name": ":path", "prefix": "/reports/"},
///     {"name": "user-agent", "stringMatch": {"contains": "bot", "ignoreCase": true}},
///     {"name": "x-depth", "range": {"start": 10, "end": 100}},
///     {"name": "authorization", "present": false}
/// ]"#)?;
/// # assert_eq!(specs.len(), 4);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderMatchSpec {
    /// Its name, or one of `:method`, `:authority`, `:scheme` and `:path`, which has the query.
    pub name: String,
    /// Equal.
    pub exact: Option<String>,
    /// Starts with.
    pub prefix: Option<String>,
    /// Ends with.
    pub suffix: Option<String>,
    /// Has it somewhere.
    pub contains: Option<String>,
    /// Matches as a whole; RE2 syntax.
    pub regex: Option<String>,
    /// Takes ASCII letters of either case for the same. Not for `regex`, which has `(?i)`.
    pub ignore_case: bool,
    /// These six as Envoy writes them.
    pub string_match: Option<StringMatchSpec>,
    /// A decimal integer of a range. Also as `range`.
    #[serde(alias = "range")]
    pub range_match: Option<HeaderRangeSpec>,
    /// Whether it is there; with `false`, that it is not. Also as `present`.
    #[serde(alias = "present")]
    pub present_match: Option<bool>,
    /// Turns the answer round. A header that is not there still matches no value.
    pub invert_match: bool,
    /// Takes a header that is not there for an empty one.
    pub treat_missing_header_as_empty: bool,
}

/// How a text is compared: one of these. Envoy's `type.matcher.v3.StringMatcher`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct StringMatchSpec {
    /// Equal.
    pub exact: Option<String>,
    /// Starts with.
    pub prefix: Option<String>,
    /// Ends with.
    pub suffix: Option<String>,
    /// Has it somewhere.
    pub contains: Option<String>,
    /// Matches as a whole.
    pub safe_regex: Option<RegexSpec>,
    /// Takes ASCII letters of either case for the same. Not for `safeRegex`, which has `(?i)`.
    pub ignore_case: bool,
}

/// A regular expression. Envoy's `type.matcher.v3.RegexMatcher`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegexSpec {
    /// RE2 syntax.
    pub regex: String,
}

/// Integers from `start` to just before `end`. Envoy's `type.v3.Int64Range`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderRangeSpec {
    /// The first that matches.
    pub start: i64,
    /// The first that does not.
    pub end: i64,
}

/// A header or pseudo-header by its name.
pub(super) fn header_key(name: &str) -> Result<HeaderKey, SpecError> {
    Ok(match name {
        ":method" => HeaderKey::Method,
        ":authority" => HeaderKey::Authority,
        ":scheme" => HeaderKey::Scheme,
        ":path" => HeaderKey::Path,
        name => HeaderKey::Name(
            HeaderName::try_from(name).map_err(|_| SpecError::new("", "must be the name of a header"))?,
        ),
    })
}

/// One way to compare: the field, and what is written there.
type Way<'s> = (&'static str, Result<Pattern, &'s str>);

/// Those that are written, a regular expression not compiled yet.
fn ways<'s>(
    [exact, prefix, suffix, contains]: [&Option<String>; 4],
    (regex_field, regex): (&'static str, Option<&'s str>),
) -> Vec<Way<'s>> {
    let text = |field, text: &Option<String>, pattern: fn(String) -> Pattern| {
        text.clone().map(|text| (field, Ok(pattern(text))))
    };
    let texts = [
        text("exact", exact, Pattern::Exact),
        text("prefix", prefix, Pattern::Prefix),
        text("suffix", suffix, Pattern::Suffix),
        text("contains", contains, Pattern::Contains),
        regex.map(|regex| (regex_field, Err(regex))),
    ];
    texts.into_iter().flatten().collect()
}

fn string_match((field, pattern): Way<'_>, ignore_case: bool) -> Result<StringMatch, SpecError> {
    let pattern = match pattern {
        Ok(Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text)) if text.is_empty() => {
            return Err(SpecError::new(field, "must not be empty"));
        }
        Ok(pattern) => pattern,
        Err(_) if ignore_case => {
            return Err(SpecError::new("ignoreCase", "must be written (?i) in a regular expression"));
        }
        Err(regex) => {
            Pattern::Regex(Regex::new(regex).map_err(|error| SpecError::new(field, error.to_string()))?)
        }
    };
    Ok(StringMatch { pattern, ignore_case })
}

impl TryFrom<&StringMatchSpec> for StringMatch {
    type Error = SpecError;

    fn try_from(spec: &StringMatchSpec) -> Result<Self, SpecError> {
        let texts = [&spec.exact, &spec.prefix, &spec.suffix, &spec.contains];
        let regex = spec.safe_regex.as_ref().map(|spec| spec.regex.as_str());
        match <[Way<'_>; 1]>::try_from(ways(texts, ("safeRegex.regex", regex))) {
            Ok([way]) => string_match(way, spec.ignore_case),
            Err(_) => {
                Err(SpecError::new("", "must have one of exact, prefix, suffix, contains and safeRegex"))
            }
        }
    }
}

impl TryFrom<&HeaderRangeSpec> for ValueMatch {
    type Error = SpecError;

    fn try_from(spec: &HeaderRangeSpec) -> Result<Self, SpecError> {
        match spec.start < spec.end {
            true => Ok(Self::Range { start: spec.start, end: spec.end }),
            false => {
                Err(SpecError::new("end", "must be more than start: it is the first that does not match"))
            }
        }
    }
}

impl TryFrom<&HeaderMatchSpec> for HeaderMatch {
    type Error = SpecError;

    fn try_from(spec: &HeaderMatchSpec) -> Result<Self, SpecError> {
        let texts = [&spec.exact, &spec.prefix, &spec.suffix, &spec.contains];
        let mut ways = ways(texts, ("regex", spec.regex.as_deref()));
        let others = [spec.string_match.is_some(), spec.range_match.is_some(), spec.present_match.is_some()];
        if ways.len() + others.into_iter().filter(|there| *there).count() > 1 {
            let message = "must have only one of exact, prefix, suffix, contains, regex, stringMatch, rangeMatch \
                           and presentMatch";
            return Err(SpecError::new("", message));
        }
        if spec.ignore_case && ways.is_empty() {
            return Err(SpecError::new("ignoreCase", "must stand with exact, prefix, suffix or contains"));
        }
        let value = match (ways.pop(), &spec.string_match, &spec.range_match) {
            (Some(way), ..) => ValueMatch::String(string_match(way, spec.ignore_case)?),
            (None, Some(string), _) => {
                ValueMatch::String(StringMatch::try_from(string).map_err(|e| e.under("stringMatch"))?)
            }
            (None, None, Some(range)) => ValueMatch::try_from(range).map_err(|e| e.under("rangeMatch"))?,
            (None, None, None) => ValueMatch::Present(spec.present_match.unwrap_or(true)),
        };
        let name = header_key(&spec.name).map_err(|e| e.under("name"))?;
        let absent_is_empty = spec.treat_missing_header_as_empty;
        Ok(Self { name, value, invert: spec.invert_match, absent_is_empty })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderValue, Method};
    use mesh_core::model::matcher::RequestHead;
    use serde_json::{Value, json};

    fn spec(mut spec: Value) -> HeaderMatchSpec {
        spec.as_object_mut().unwrap().entry("name").or_insert_with(|| "x-a".into());
        serde_json::from_value(spec).unwrap()
    }

    /// Whether a header of this value is as wanted; `None` is none.
    fn matches(wanted: Value, value: Option<&'static str>) -> bool {
        let headers = value.map(|value| ("x-a".parse().unwrap(), HeaderValue::from_static(value)));
        let headers: HeaderMap = headers.into_iter().collect();
        let (method, scheme, authority, path) = (&Method::GET, "http", "shop", "/a?b");
        let head = RequestHead { method, scheme, authority, path, headers: &headers };
        HeaderMatch::try_from(&spec(wanted)).unwrap().matches(&head)
    }

    #[test]
    fn every_form_takes_what_envoy_takes() {
        for (wanted, takes, leaves) in [
            (json!({}), vec![Some("a"), Some("")], vec![None]),
            (json!({"exact": "a"}), vec![Some("a")], vec![Some("A"), Some("ab"), None]),
            (json!({"exact": "a", "ignoreCase": true}), vec![Some("a"), Some("A")], vec![Some("ab")]),
            (json!({"exact": ""}), vec![Some("")], vec![Some("a"), None]),
            (json!({"prefix": "ab"}), vec![Some("ab"), Some("abc")], vec![Some("a"), Some("cab"), None]),
            (json!({"suffix": "ab"}), vec![Some("ab"), Some("cab")], vec![Some("abc"), None]),
            (json!({"contains": "b"}), vec![Some("abc"), Some("b")], vec![Some("ac"), None]),
            (json!({"regex": "a|b+"}), vec![Some("a"), Some("bb")], vec![Some("ab"), None]),
            (json!({"stringMatch": {"suffix": "B", "ignoreCase": true}}), vec![Some("ab")], vec![Some("ba")]),
            (json!({"stringMatch": {"safeRegex": {"regex": "[0-9]+"}}}), vec![Some("12")], vec![Some("1a")]),
            (
                json!({"range": {"start": -1, "end": 10}}),
                vec![Some("-1"), Some("9")],
                vec![Some("10"), Some("-2"), Some("x"), Some(""), None],
            ),
            (json!({"rangeMatch": {"start": 1, "end": 2}}), vec![Some("1")], vec![Some("2")]),
            (json!({"present": true}), vec![Some("a")], vec![None]),
            (json!({"presentMatch": false}), vec![None], vec![Some("a"), Some("")]),
            // Turned round, what is not there still has no value, but it is absent.
            (json!({"exact": "a", "invertMatch": true}), vec![Some("b")], vec![Some("a"), None]),
            (json!({"present": true, "invertMatch": true}), vec![None], vec![Some("a")]),
            (json!({"present": false, "invertMatch": true}), vec![Some("a")], vec![None]),
            (json!({"exact": "", "treatMissingHeaderAsEmpty": true}), vec![Some(""), None], vec![Some("a")]),
            (
                json!({"exact": "a", "invertMatch": true, "treatMissingHeaderAsEmpty": true}),
                vec![Some("b"), None],
                vec![Some("a")],
            ),
            (json!({"name": ":path", "suffix": "?b"}), vec![None], vec![]),
            (json!({"name": ":authority", "exact": "shop"}), vec![None], vec![]),
        ] {
            for value in takes {
                assert!(matches(wanted.clone(), value), "{wanted} leaves {value:?}");
            }
            for value in leaves {
                assert!(!matches(wanted.clone(), value), "{wanted} takes {value:?}");
            }
        }
    }

    #[test]
    fn what_cannot_be_meant_is_an_error_at_its_place() {
        for (wrong, want) in [
            (
                json!({"exact": "a", "present": true}),
                "must have only one of exact, prefix, suffix, contains, regex, stringMatch, rangeMatch and \
                 presentMatch",
            ),
            (json!({"name": "a b"}), "name: must be the name of a header"),
            (json!({"name": ""}), "name: must be the name of a header"),
            (json!({"prefix": ""}), "prefix: must not be empty"),
            (json!({"contains": ""}), "contains: must not be empty"),
            (json!({"ignoreCase": true}), "ignoreCase: must stand with exact, prefix, suffix or contains"),
            (
                json!({"regex": "a", "ignoreCase": true}),
                "ignoreCase: must be written (?i) in a regular expression",
            ),
            (
                json!({"range": {"start": 5, "end": 5}}),
                "rangeMatch.end: must be more than start: it is the first that does not match",
            ),
            (
                json!({"stringMatch": {}}),
                "stringMatch: must have one of exact, prefix, suffix, contains and safeRegex",
            ),
            (json!({"stringMatch": {"suffix": ""}}), "stringMatch.suffix: must not be empty"),
        ] {
            assert_eq!(HeaderMatch::try_from(&spec(wrong)).unwrap_err().to_string(), want);
        }
        for (wrong, path) in [
            (json!({"regex": "("}), "regex"),
            (json!({"stringMatch": {"safeRegex": {"regex": "("}}}), "stringMatch.safeRegex.regex"),
        ] {
            assert_eq!(HeaderMatch::try_from(&spec(wrong)).unwrap_err().path(), path);
        }
        assert!(serde_json::from_value::<HeaderMatchSpec>(json!({"name": "a", "exactly": "b"})).is_err());
    }
}
