//! Rewrites from a configuration file.

use super::layer::{Changes, RewriteLayer};
use crate::SpecError;
use mesh_core::api::value::StringMatch;
use mesh_core::decide::rewrite::{NewAuthority, PathRewriter};
use mesh_core::model::matcher::Regex;
use mesh_core::model::route::{PathMatch, PathRewrite, RouteMatch};
use serde::{Deserialize, Serialize};

/// What becomes of a request's path and authority: Istio's `http[].rewrite`, with the match of its rule.
///
/// ```
/// use mesh_policy::rewrite::{RewriteLayer, RewriteSpec};
///
/// let read = |json| -> Result<RewriteLayer, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<RewriteSpec>(json)?.try_into()?)
/// };
/// read(r#"{"match": {"uri": {"prefix": "/ratings"}}, "uri": "/v1/bookRatings", "authority": "ratings"}"#)?;
/// let wrong = read(r#"{"uriRegexRewrite": {"match": "^/(.*)", "rewrite": "/\\2"}}"#).unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "uriRegexRewrite.rewrite: `\\2` is a group that the pattern does not have; it has 1"
/// );
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RewriteSpec {
    /// Which requests; all where nothing is written. One of Istio's `http[].match`.
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    pub matches: Option<UriMatchSpec>,
    /// What the matched prefix becomes, or the whole path if it did not match by a prefix.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// The authority that is sent.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub authority: String,
    /// What a pattern finds becomes something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_regex_rewrite: Option<RegexRewriteSpec>,
}

/// Which paths are rewritten.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UriMatchSpec {
    /// What the path is like, without its query.
    pub uri: StringMatch,
    /// Compare without case; not with a regular expression.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_uri_case: bool,
}

/// A pattern and what its finds become.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RegexRewriteSpec {
    /// RE2's syntax; looked for anywhere in the path.
    pub r#match: String,
    /// `\1` stands for the first group.
    pub rewrite: String,
}

impl TryFrom<RewriteSpec> for RewriteLayer {
    type Error = SpecError;

    fn try_from(spec: RewriteSpec) -> Result<Self, SpecError> {
        let matches = matches(spec.matches)?;
        let path = match (&spec.uri_regex_rewrite, spec.uri.as_str()) {
            (Some(_), uri) if !uri.is_empty() => {
                return Err(SpecError::new("uri", "must not stand beside uriRegexRewrite"));
            }
            (Some(regex), _) => Some(regex_rewriter(regex).map_err(|e| e.under("uriRegexRewrite"))?),
            (None, "") => None,
            (None, uri) if !uri.starts_with('/') => {
                return Err(SpecError::new("uri", "must begin with a slash"));
            }
            (None, _) => {
                let rewriter = PathRewriter::new(&PathRewrite::Prefix(spec.uri), &matches.path);
                Some(rewriter.map_err(|e| SpecError::new("uri", e.to_string()))?)
            }
        };
        let authority = match spec.authority.as_str() {
            "" => None,
            text => Some(NewAuthority::new(text).ok_or_else(|| {
                SpecError::new("authority", "must be a host, with a port where it needs one")
            })?),
        };
        if path.is_none() && authority.is_none() {
            return Err(SpecError::new("", "must have uri, uriRegexRewrite or authority"));
        }
        Ok(Self::of(Changes { matches, path, authority }))
    }
}

fn matches(spec: Option<UriMatchSpec>) -> Result<RouteMatch, SpecError> {
    // A rule without a match takes the prefix `/`, as in Istio.
    let Some(spec) = spec else { return Ok(RouteMatch::default()) };
    let path = match spec.uri {
        StringMatch::Exact(path) => PathMatch::Exact(path),
        StringMatch::Prefix(prefix) => PathMatch::Prefix(prefix),
        StringMatch::Regex(pattern) => PathMatch::Regex(
            Regex::new(&pattern).map_err(|e| SpecError::new("match.uri.regex", e.to_string()))?,
        ),
        StringMatch::Present => return Ok(RouteMatch::default()),
    };
    Ok(RouteMatch { path, case_sensitive: !spec.ignore_uri_case, ..RouteMatch::default() })
}

fn regex_rewriter(spec: &RegexRewriteSpec) -> Result<PathRewriter, SpecError> {
    if spec.r#match.is_empty() {
        return Err(SpecError::new("match", "must be a regular expression"));
    }
    let pattern = Regex::new(&spec.r#match).map_err(|e| SpecError::new("match", e.to_string()))?;
    let rewrite = PathRewrite::Regex { pattern, substitution: spec.rewrite.clone() };
    PathRewriter::new(&rewrite, &RouteMatch::default().path)
        .map_err(|e| SpecError::new("rewrite", e.to_string()))
}
