//! Which headers a proxy adds: `proxyHeaders`.

use serde::Deserialize;

/// Which headers the proxy adds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ProxyHeaders {
    /// What becomes of `x-forwarded-client-cert` in inbound requests; `APPEND_FORWARD` where none is written.
    pub forwarded_client_cert: Option<ForwardClientCertDetails>,
    /// What `x-forwarded-client-cert` says of the caller's certificate.
    pub set_current_client_cert_details: Option<SetCurrentClientCertDetails>,
    /// `x-request-id`; added where nothing is written.
    pub request_id: Option<DisabledHeader>,
    /// `server`; `istio-envoy` where nothing is written.
    pub server: Option<ServerHeader>,
    /// `x-envoy-attempt-count`; added where nothing is written.
    pub attempt_count: Option<DisabledHeader>,
    /// `x-envoy-overloaded`, `x-envoy-upstream-service-time` and the like; added where nothing is written.
    pub envoy_debug_headers: Option<DisabledHeader>,
    /// `x-envoy-peer-metadata` and its id.
    pub metadata_exchange_headers: Option<MetadataExchangeHeaders>,
    /// Keep the case of HTTP/1 headers.
    pub preserve_http1_header_case: Option<bool>,
    /// `x-forwarded-host`; not added where nothing is written.
    pub x_forwarded_host: Option<EnabledHeader>,
    /// `x-forwarded-port`; not added where nothing is written.
    pub x_forwarded_port: Option<EnabledHeader>,
}

/// A header that is added unless it is disabled.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DisabledHeader {
    /// Whether it is left alone.
    pub disabled: Option<bool>,
}

/// A header that is added if it is enabled.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct EnabledHeader {
    /// Whether it is added.
    pub enabled: Option<bool>,
}

/// `server`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ServerHeader {
    /// Whether it is left alone.
    pub disabled: Option<bool>,
    /// Its value.
    pub value: String,
}

/// `x-envoy-peer-metadata` and its id.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MetadataExchangeHeaders {
    /// To whom.
    pub mode: MetadataExchangeMode,
}

/// To whom metadata is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MetadataExchangeMode {
    /// To everybody.
    #[default]
    Undefined,
    /// To services of the mesh.
    InMesh,
}

/// What `x-forwarded-client-cert` says of the caller's certificate.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct SetCurrentClientCertDetails {
    /// Its subject; yes where nothing is written.
    pub subject: Option<bool>,
    /// The certificate itself; no where nothing is written.
    pub cert: Option<bool>,
    /// The certificate and its chain; no where nothing is written.
    pub chain: Option<bool>,
    /// Its DNS names; yes where nothing is written.
    pub dns: Option<bool>,
    /// Its URI; yes where nothing is written.
    pub uri: Option<bool>,
}

/// What becomes of `x-forwarded-client-cert`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ForwardClientCertDetails {
    /// As where nothing is written.
    Undefined,
    /// Removed.
    Sanitize,
    /// Passed on under mTLS.
    ForwardOnly,
    /// Appended to under mTLS.
    AppendForward,
    /// Replaced under mTLS.
    SanitizeSet,
    /// Passed on.
    AlwaysForwardOnly,
}
