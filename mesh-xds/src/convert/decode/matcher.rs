//! Matchers of texts, headers and query parameters.

use super::value;
use crate::convert::error::{At, ConvertError, each};
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

/// What a filter before must have found out.
pub(super) fn metadata(want: &pb::matcher::MetadataMatcher) -> Result<MetadataMatch, ConvertError> {
    let path = each(&want.path, |segment| match &segment.segment {
        Some(Segment::Key(key)) => Ok(key.clone()),
        None => Err(ConvertError::missing("key")),
    });
    let value = want.value.as_ref().ok_or_else(|| ConvertError::missing("value"))?;
    Ok(MetadataMatch {
        filter: want.filter.clone(),
        path: path.at("path")?,
        value: metadata_value(value).at("value")?,
        invert: want.invert,
    })
}

fn metadata_value(want: &pb::matcher::ValueMatcher) -> Result<MetadataValue, ConvertError> {
    Ok(match &want.match_pattern {
        None => return Err(ConvertError::missing("match_pattern")),
        Some(ValuePattern::NullMatch(_)) => MetadataValue::Null,
        Some(ValuePattern::DoubleMatch(number)) => match &number.match_pattern {
            Some(DoublePattern::Exact(number)) => MetadataValue::Number(*number),
            Some(DoublePattern::Range(range)) => MetadataValue::Range { start: range.start, end: range.end },
            None => return Err(ConvertError::missing("match_pattern").within("double_match")),
        },
        Some(ValuePattern::StringMatch(text)) => MetadataValue::String(string(text).at("string_match")?),
        Some(ValuePattern::BoolMatch(value)) => MetadataValue::Bool(*value),
        Some(ValuePattern::PresentMatch(true)) => MetadataValue::Present,
        Some(ValuePattern::PresentMatch(false)) => {
            return Err(ConvertError::new("only true is supported").within("present_match"));
        }
        Some(ValuePattern::ListMatch(list)) => match &list.match_pattern {
            Some(ListPattern::OneOf(value)) => {
                MetadataValue::OneOf(Box::new(metadata_value(value).at("one_of").at("list_match")?))
            }
            None => return Err(ConvertError::missing("match_pattern").within("list_match")),
        },
        Some(ValuePattern::OrMatch(any)) => {
            let any = each(&any.value_matchers, metadata_value);
            MetadataValue::Or(any.at("value_matchers").at("or_match")?)
        }
    })
}
