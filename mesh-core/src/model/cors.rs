//! Which other origins a browser may let use a host: Envoy's `cors.v3.CorsPolicy`, Istio's `corsPolicy`.

use super::matcher::StringMatch;
use std::time::Duration;

/// What pages of other origins may do. [`crate::decide::cors`] reads it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CorsPolicy {
    /// The origins, such as `https://example.com`. One that takes the text `*` takes every origin.
    pub allow_origins: Vec<StringMatch>,
    /// The methods that they may use; `*` is whatever is asked for.
    pub allow_methods: Vec<String>,
    /// The request headers that they may send; `*` is whatever is asked for.
    pub allow_headers: Vec<String>,
    /// The response headers that they may read.
    pub expose_headers: Vec<String>,
    /// How long a browser may keep the answer to a preflight; whole seconds are told.
    pub max_age: Option<Duration>,
    /// Whether they may send cookies and other credentials. An origin that only `*` allows never may.
    pub allow_credentials: bool,
    /// What becomes of preflights of origins that are not allowed.
    pub unmatched_preflights: UnmatchedPreflights,
}

/// What becomes of preflights of origins that are not allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnmatchedPreflights {
    /// They are sent on: Envoy's default.
    #[default]
    Forward,
    /// They are answered, without the headers that would allow the request.
    Ignore,
}
