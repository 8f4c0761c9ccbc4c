//! Session persistence of routes. Experimental.

use super::value::Duration;
use serde::Deserialize;

/// Keeps the requests of one client at one endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SessionPersistence {
    /// Name of the cookie or header, at most 128 bytes.
    pub session_name: String,
    /// How long a session lasts at most. Required with a permanent cookie.
    pub absolute_timeout: Option<Duration>,
    /// How long a session lasts without a request.
    pub idle_timeout: Option<Duration>,
    /// What carries the session. Default: `Cookie`.
    pub r#type: SessionPersistenceType,
    /// Settings of the cookie.
    pub cookie_config: Option<CookieConfig>,
}

/// What carries a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum SessionPersistenceType {
    /// A cookie. The default.
    #[default]
    Cookie,
    /// A header.
    Header,
}

/// Settings of a session's cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieConfig {
    /// How long the client keeps it. Default: `Session`.
    pub lifetime_type: CookieLifetimeType,
}

/// How long a client keeps a cookie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum CookieLifetimeType {
    /// For as long as `absoluteTimeout` says.
    Permanent,
    /// Until the client ends. The default.
    #[default]
    Session,
}
