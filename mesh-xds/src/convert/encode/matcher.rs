//! Matchers of texts, headers and query parameters.

use crate::convert::pb;
use mesh_core::model::matcher::{
    HeaderKey, HeaderMatch, Pattern, QueryMatch, Regex, StringMatch, ValueMatch,
};
use mesh_core::model::rbac::{MetadataMatch, MetadataValue};
use pb::matcher::double_matcher::MatchPattern as DoublePattern;
use pb::matcher::list_matcher::MatchPattern as ListPattern;
use pb::matcher::metadata_matcher::path_segment::Segment;
use pb::matcher::string_matcher::MatchPattern;
use pb::matcher::value_matcher::MatchPattern as ValuePattern;
use pb::route::header_matcher::HeaderMatchSpecifier;
use pb::route::query_parameter_matcher::QueryParameterMatchSpecifier;

/// RE2 is the only engine, so that naming it has become deprecated.
pub(super) fn regex(regex: &Regex) -> pb::matcher::RegexMatcher {
    regex_of(regex.as_str())
}

fn regex_of(source: &str) -> pb::matcher::RegexMatcher {
    // Envoy refuses the empty text, which matches what an empty group matches.
    let source = if source.is_empty() { "()" } else { source };
    pb::matcher::RegexMatcher { regex: source.to_owned(), engine_type: None }
}

pub(super) fn string(want: &StringMatch) -> pb::matcher::StringMatcher {
    let pattern = match &want.pattern {
        Pattern::Exact(text) => MatchPattern::Exact(text.clone()),
        // Everything starts with nothing, but Envoy refuses to be told so.
        Pattern::Prefix(text) | Pattern::Suffix(text) | Pattern::Contains(text) if text.is_empty() => {
            MatchPattern::SafeRegex(regex_of("(?s).*"))
        }
        Pattern::Prefix(text) => MatchPattern::Prefix(text.clone()),
        Pattern::Suffix(text) => MatchPattern::Suffix(text.clone()),
        Pattern::Contains(text) => MatchPattern::Contains(text.clone()),
        Pattern::Regex(re) => MatchPattern::SafeRegex(regex(re)),
    };
    // Envoy refuses the flag on a regular expression, which does not look at it.
    let ignore_case = want.ignore_case && !matches!(pattern, MatchPattern::SafeRegex(_));
    pb::matcher::StringMatcher { ignore_case, match_pattern: Some(pattern) }
}

pub(super) fn header(want: &HeaderMatch) -> pb::route::HeaderMatcher {
    let specifier = match &want.value {
        ValueMatch::Present(present) => HeaderMatchSpecifier::PresentMatch(*present),
        ValueMatch::String(value) => HeaderMatchSpecifier::StringMatch(string(value)),
        ValueMatch::Range { start, end } => {
            HeaderMatchSpecifier::RangeMatch(pb::values::Int64Range { start: *start, end: *end })
        }
    };
    let name = match &want.name {
        HeaderKey::Method => ":method",
        HeaderKey::Authority => ":authority",
        HeaderKey::Scheme => ":scheme",
        HeaderKey::Path => ":path",
        HeaderKey::Name(name) => name.as_str(),
    };
    pb::route::HeaderMatcher {
        name: name.to_owned(),
        invert_match: want.invert,
        treat_missing_header_as_empty: want.absent_is_empty,
        header_match_specifier: Some(specifier),
    }
}

pub(super) fn query(want: &QueryMatch) -> pb::route::QueryParameterMatcher {
    let specifier = match &want.value {
        None => QueryParameterMatchSpecifier::PresentMatch(true),
        Some(value) => QueryParameterMatchSpecifier::StringMatch(string(value)),
    };
    pb::route::QueryParameterMatcher {
        name: want.name.clone(),
        query_parameter_match_specifier: Some(specifier),
    }
}

/// What a filter before must have found out.
pub(super) fn metadata(want: &MetadataMatch) -> pb::matcher::MetadataMatcher {
    let segment = |key: &String| pb::matcher::metadata_matcher::PathSegment {
        segment: Some(Segment::Key(key.clone())),
    };
    pb::matcher::MetadataMatcher {
        filter: want.filter.clone(),
        path: want.path.iter().map(segment).collect(),
        value: Some(metadata_value(&want.value)),
        invert: want.invert,
    }
}

fn metadata_value(want: &MetadataValue) -> pb::matcher::ValueMatcher {
    let number =
        |pattern| ValuePattern::DoubleMatch(pb::matcher::DoubleMatcher { match_pattern: Some(pattern) });
    let pattern = match want {
        MetadataValue::Present => ValuePattern::PresentMatch(true),
        MetadataValue::Null => ValuePattern::NullMatch(pb::matcher::value_matcher::NullMatch {}),
        MetadataValue::Bool(value) => ValuePattern::BoolMatch(*value),
        MetadataValue::Number(exact) => number(DoublePattern::Exact(*exact)),
        MetadataValue::Range { start, end } => {
            number(DoublePattern::Range(pb::values::DoubleRange { start: *start, end: *end }))
        }
        MetadataValue::String(text) => ValuePattern::StringMatch(string(text)),
        MetadataValue::OneOf(value) => ValuePattern::ListMatch(Box::new(pb::matcher::ListMatcher {
            match_pattern: Some(ListPattern::OneOf(Box::new(metadata_value(value)))),
        })),
        // Envoy wants at least two.
        MetadataValue::Or(any) => match any.as_slice() {
            [] => ValuePattern::StringMatch(pb::matcher::StringMatcher {
                ignore_case: false,
                match_pattern: Some(MatchPattern::SafeRegex(regex_of(r"[^\x00-\x{10FFFF}]"))),
            }),
            [only] => return metadata_value(only),
            some => ValuePattern::OrMatch(pb::matcher::OrMatcher {
                value_matchers: some.iter().map(metadata_value).collect(),
            }),
        },
    };
    pb::matcher::ValueMatcher { match_pattern: Some(pattern) }
}
