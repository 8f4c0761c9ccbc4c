//! Matchers of texts, headers and query parameters.

use crate::convert::pb;
use mesh_core::model::matcher::{
    HeaderKey, HeaderMatch, Pattern, QueryMatch, Regex, StringMatch, ValueMatch,
};
use pb::matcher::string_matcher::MatchPattern;
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
