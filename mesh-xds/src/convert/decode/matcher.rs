//! Matchers of texts, headers and query parameters.

use super::value;
use crate::convert::error::{At, ConvertError};
use crate::convert::pb;
use mesh_core::model::matcher::{
    HeaderKey, HeaderMatch, Pattern, QueryMatch, Regex, StringMatch, ValueMatch,
};
use pb::matcher::string_matcher::MatchPattern;
use pb::route::header_matcher::HeaderMatchSpecifier;
use pb::route::query_parameter_matcher::QueryParameterMatchSpecifier;

pub(super) fn regex(regex: &pb::matcher::RegexMatcher) -> Result<Regex, ConvertError> {
    Regex::new(&regex.regex).map_err(|e| ConvertError::new(e.to_string()).within("regex"))
}

pub(super) fn string(want: &pb::matcher::StringMatcher) -> Result<StringMatch, ConvertError> {
    let pattern = match &want.match_pattern {
        Some(MatchPattern::Exact(text)) => Pattern::Exact(text.clone()),
        Some(MatchPattern::Prefix(text)) => Pattern::Prefix(text.clone()),
        Some(MatchPattern::Suffix(text)) => Pattern::Suffix(text.clone()),
        Some(MatchPattern::Contains(text)) => Pattern::Contains(text.clone()),
        Some(MatchPattern::SafeRegex(re)) => Pattern::Regex(regex(re).at("safe_regex")?),
        Some(MatchPattern::Custom(_)) => return Err(ConvertError::unsupported("custom")),
        None => return Err(ConvertError::missing("match_pattern")),
    };
    Ok(StringMatch { pattern, ignore_case: want.ignore_case })
}

#[expect(deprecated)]
pub(super) fn header(want: &pb::route::HeaderMatcher) -> Result<HeaderMatch, ConvertError> {
    let text = |pattern: Pattern| ValueMatch::String(pattern.into());
    let value = match &want.header_match_specifier {
        None => ValueMatch::Present(true),
        Some(HeaderMatchSpecifier::PresentMatch(present)) => ValueMatch::Present(*present),
        Some(HeaderMatchSpecifier::StringMatch(want)) => ValueMatch::String(string(want).at("string_match")?),
        Some(HeaderMatchSpecifier::RangeMatch(range)) => {
            ValueMatch::Range { start: range.start, end: range.end }
        }
        Some(HeaderMatchSpecifier::ExactMatch(exact)) => text(Pattern::Exact(exact.clone())),
        Some(HeaderMatchSpecifier::PrefixMatch(prefix)) => text(Pattern::Prefix(prefix.clone())),
        Some(HeaderMatchSpecifier::SuffixMatch(suffix)) => text(Pattern::Suffix(suffix.clone())),
        Some(HeaderMatchSpecifier::ContainsMatch(part)) => text(Pattern::Contains(part.clone())),
        Some(HeaderMatchSpecifier::SafeRegexMatch(re)) => {
            text(Pattern::Regex(regex(re).at("safe_regex_match")?))
        }
    };
    let name = match want.name.as_str() {
        ":method" => HeaderKey::Method,
        ":authority" => HeaderKey::Authority,
        ":scheme" => HeaderKey::Scheme,
        ":path" => HeaderKey::Path,
        name => HeaderKey::Name(value::header_name(name).at("name")?),
    };
    Ok(HeaderMatch {
        name,
        value,
        invert: want.invert_match,
        absent_is_empty: want.treat_missing_header_as_empty,
    })
}

pub(super) fn query(want: &pb::route::QueryParameterMatcher) -> Result<QueryMatch, ConvertError> {
    let value = match &want.query_parameter_match_specifier {
        None | Some(QueryParameterMatchSpecifier::PresentMatch(true)) => None,
        Some(QueryParameterMatchSpecifier::PresentMatch(false)) => {
            return Err(ConvertError::new("only true is supported").within("present_match"));
        }
        Some(QueryParameterMatchSpecifier::StringMatch(want)) => Some(string(want).at("string_match")?),
    };
    Ok(QueryMatch { name: want.name.clone(), value })
}
