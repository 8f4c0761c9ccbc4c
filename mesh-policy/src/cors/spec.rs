//! CORS from a configuration file.

use super::layer::CorsLayer;
use crate::SpecError;
use mesh_core::api::value::{Span, StringMatch as Wanted};
use mesh_core::model::cors::{CorsPolicy, UnmatchedPreflights};
use mesh_core::model::matcher::{Pattern, Regex, StringMatch};
use serde::{Deserialize, Serialize};

/// What pages of other origins may do: Istio's `corsPolicy`.
///
/// ```
/// use mesh_policy::cors::{CorsLayer, CorsSpec};
///
/// let read = |json| -> Result<CorsLayer, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<CorsSpec>(json)?.try_into()?)
/// };
/// read(r#"{"allowOrigins": [{"regex": "https://[a-z]+\\.shop\\.example"}], "allowCredentials": true}"#)?;
/// let wrong = read(r#"{"allowOrigins": [{"exact": "*"}], "allowCredentials": true}"#).unwrap_err();
/// assert_eq!(
///     wrong.to_string(),
///     "allowCredentials: must name the origins: any page could act as its visitor where all are allowed"
/// );
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsSpec {
    /// The origins, such as `{"exact": "https://example.com"}`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origins: Vec<Wanted>,
    /// Deprecated in Istio: origins by their whole text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_origin: Vec<String>,
    /// The methods that they may use; `*` for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_methods: Vec<String>,
    /// The request headers that they may send; `*` for all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow_headers: Vec<String>,
    /// The response headers that they may read; `*` for all, but not with credentials.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the answer to a preflight, in whole seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Span>,
    /// Whether they may send cookies and other credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights of other origins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unmatched_preflights: Option<UnmatchedPreflightsSpec>,
}

/// What becomes of preflights of origins that are not allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflightsSpec {
    /// They are sent on.
    Unspecified,
    /// They are sent on.
    Forward,
    /// They are answered, without the headers that would allow the request.
    Ignore,
}

impl TryFrom<CorsSpec> for CorsLayer {
    type Error = SpecError;

    fn try_from(spec: CorsSpec) -> Result<Self, SpecError> {
        let mut origins = Vec::with_capacity(spec.allow_origins.len() + spec.allow_origin.len());
        for (i, wanted) in spec.allow_origins.iter().enumerate() {
            origins.push(origin(wanted).map_err(|e| e.under(&format!("allowOrigins[{i}]")))?);
        }
        origins.extend(spec.allow_origin.into_iter().map(StringMatch::exact));
        let credentials = spec.allow_credentials.unwrap_or_default();
        // Beside a star, origins that are named have credentials and the others have not.
        if credentials && !origins.is_empty() && origins.iter().all(|origin| origin.matches("*")) {
            let message = "must name the origins: any page could act as its visitor where all are allowed";
            return Err(SpecError::new("allowCredentials", message));
        }
        if spec.max_age.is_some_and(|age| age.0.subsec_nanos() != 0) {
            return Err(SpecError::new("maxAge", "must be whole seconds"));
        }
        Self::new(CorsPolicy {
            allow_origins: origins,
            allow_methods: spec.allow_methods,
            allow_headers: spec.allow_headers,
            expose_headers: spec.expose_headers,
            max_age: spec.max_age.map(|age| age.0),
            allow_credentials: credentials,
            unmatched_preflights: match spec.unmatched_preflights {
                Some(UnmatchedPreflightsSpec::Ignore) => UnmatchedPreflights::Ignore,
                None | Some(UnmatchedPreflightsSpec::Unspecified | UnmatchedPreflightsSpec::Forward) => {
                    UnmatchedPreflights::Forward
                }
            },
        })
    }
}

fn origin(wanted: &Wanted) -> Result<StringMatch, SpecError> {
    let pattern = match wanted {
        Wanted::Exact(text) => Pattern::Exact(text.clone()),
        Wanted::Prefix(text) => Pattern::Prefix(text.clone()),
        Wanted::Regex(text) => {
            Pattern::Regex(Regex::new(text).map_err(|e| SpecError::new("regex", e.to_string()))?)
        }
        Wanted::Present => return Err(SpecError::new("", "must be exact, prefix or regex")),
    };
    Ok(pattern.into())
}
