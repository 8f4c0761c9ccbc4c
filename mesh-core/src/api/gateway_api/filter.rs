//! What is done to requests and responses on their way: the filters of HTTPRoute, of which GRPCRoute has some.
//!
//! A filter names its type and has the field of that type, as the API has it; validation sees to it that the two
//! agree.

use super::reference::{BackendObjectReference, LocalObjectReference};
use super::value::Fraction;
use crate::api::number::optional_port_number;
use serde::Deserialize;

/// A filter of an HTTPRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteFilter {
    /// What is done. Required.
    pub r#type: Option<HttpRouteFilterType>,
    /// For `RequestHeaderModifier`.
    pub request_header_modifier: Option<HttpHeaderFilter>,
    /// For `ResponseHeaderModifier`.
    pub response_header_modifier: Option<HttpHeaderFilter>,
    /// For `RequestMirror`.
    pub request_mirror: Option<HttpRequestMirrorFilter>,
    /// For `RequestRedirect`.
    pub request_redirect: Option<HttpRequestRedirectFilter>,
    /// For `URLRewrite`.
    pub url_rewrite: Option<HttpUrlRewriteFilter>,
    /// For `CORS`.
    pub cors: Option<HttpCorsFilter>,
    /// For `ExternalAuth`. Experimental.
    pub external_auth: Option<HttpExternalAuthFilter>,
    /// For `ExtensionRef`: a resource of the implementation.
    pub extension_ref: Option<LocalObjectReference>,
}

/// What a filter of an HTTPRoute does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HttpRouteFilterType {
    /// Changes the request's headers.
    RequestHeaderModifier,
    /// Changes the response's headers.
    ResponseHeaderModifier,
    /// Sends a copy of the request elsewhere.
    RequestMirror,
    /// Answers by a redirect.
    RequestRedirect,
    /// Changes the request's host or path.
    #[serde(rename = "URLRewrite")]
    UrlRewrite,
    /// Answers browsers' questions about other origins.
    #[serde(rename = "CORS")]
    Cors,
    /// Asks an authorization server. Experimental.
    ExternalAuth,
    /// What the implementation's resource says.
    ExtensionRef,
}

/// A filter of a GRPCRoute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcRouteFilter {
    /// What is done. Required.
    pub r#type: Option<GrpcRouteFilterType>,
    /// For `RequestHeaderModifier`.
    pub request_header_modifier: Option<HttpHeaderFilter>,
    /// For `ResponseHeaderModifier`.
    pub response_header_modifier: Option<HttpHeaderFilter>,
    /// For `RequestMirror`.
    pub request_mirror: Option<HttpRequestMirrorFilter>,
    /// For `ExtensionRef`: a resource of the implementation.
    pub extension_ref: Option<LocalObjectReference>,
}

/// What a filter of a GRPCRoute does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum GrpcRouteFilterType {
    /// Changes the request's headers.
    RequestHeaderModifier,
    /// Changes the response's headers.
    ResponseHeaderModifier,
    /// Sends a copy of the request elsewhere.
    RequestMirror,
    /// What the implementation's resource says.
    ExtensionRef,
}

/// A header and its value.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeader {
    /// Name, in any case. Required.
    pub name: String,
    /// Value, 1 to 4096 bytes. Required.
    pub value: String,
}

/// Changes headers. One header is named once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpHeaderFilter {
    /// Headers that get these values in place of theirs, at most 16.
    pub set: Vec<HttpHeader>,
    /// Headers that get these values besides theirs, at most 16.
    pub add: Vec<HttpHeader>,
    /// Headers that are taken away, at most 16.
    pub remove: Vec<String>,
}

/// Sends a copy of requests elsewhere; its answer is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRequestMirrorFilter {
    /// Where to. Required.
    pub backend_ref: BackendObjectReference,
    /// Share of the requests, 0 to 100. Default: all. Either this or `fraction`.
    pub percent: Option<i32>,
    /// Share of the requests. Default: all. Either this or `percent`.
    pub fraction: Option<Fraction>,
}

/// Answers by a redirect.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRequestRedirectFilter {
    /// Scheme of the new location. Default: the request's.
    pub scheme: Option<RedirectScheme>,
    /// Host of the new location. Default: the request's.
    pub hostname: String,
    /// Path of the new location. Default: the request's.
    pub path: Option<HttpPathModifier>,
    /// Port of the new location. Default: the scheme's own, or the listener's where no scheme is written.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Status: 301, 302, 303, 307 or 308. Default: 302.
    pub status_code: u16,
}

impl Default for HttpRequestRedirectFilter {
    fn default() -> Self {
        Self { scheme: None, hostname: String::new(), path: None, port: None, status_code: 302 }
    }
}

/// Scheme of a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum RedirectScheme {
    /// `http`.
    Http,
    /// `https`.
    Https,
}

/// Changes a request's host or path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpUrlRewriteFilter {
    /// New host. Default: the request's.
    pub hostname: String,
    /// New path. Default: the request's.
    pub path: Option<HttpPathModifier>,
}

/// A new path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPathModifier {
    /// How much of the path is replaced. Required.
    pub r#type: Option<HttpPathModifierType>,
    /// For `ReplaceFullPath`: the whole new path.
    pub replace_full_path: Option<String>,
    /// For `ReplacePrefixMatch`: what stands in place of the prefix that the rule matched.
    pub replace_prefix_match: Option<String>,
}

/// How much of a path is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum HttpPathModifierType {
    /// All of it.
    ReplaceFullPath,
    /// The prefix that the rule matched.
    ReplacePrefixMatch,
}

/// Answers browsers' questions about other origins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCorsFilter {
    /// Origins that may read answers, such as `https://shop.example.com` or `https://*.example.com`, or `*` alone;
    /// at most 64.
    pub allow_origins: Vec<String>,
    /// Whether they may send credentials. Default: `false`.
    pub allow_credentials: bool,
    /// Methods that they may use, or `*` alone; at most 9.
    pub allow_methods: Vec<CorsMethod>,
    /// Headers that they may send, or `*` alone; at most 64.
    pub allow_headers: Vec<String>,
    /// Headers of answers that they may read, at most 64.
    pub expose_headers: Vec<String>,
    /// How long browsers may remember this, in seconds, at least 1. Default: 5.
    pub max_age: i32,
}

impl Default for HttpCorsFilter {
    fn default() -> Self {
        Self {
            allow_origins: Vec::new(),
            allow_credentials: false,
            allow_methods: Vec::new(),
            allow_headers: Vec::new(),
            expose_headers: Vec::new(),
            max_age: 5,
        }
    }
}

/// A method, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum CorsMethod {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `CONNECT`.
    Connect,
    /// `OPTIONS`.
    Options,
    /// `TRACE`.
    Trace,
    /// `PATCH`.
    Patch,
    /// All methods.
    #[serde(rename = "*")]
    Any,
}

/// Asks an authorization server. Experimental.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpExternalAuthFilter {
    /// What the server speaks. Required.
    pub protocol: Option<ExternalAuthProtocol>,
    /// The server. Required.
    pub backend_ref: BackendObjectReference,
    /// For `GRPC`.
    pub grpc: Option<GrpcAuthConfig>,
    /// For `HTTP`.
    pub http: Option<HttpAuthConfig>,
    /// How much of the body is sent along. Default: nothing.
    pub forward_body: Option<ForwardBodyConfig>,
}

/// What an authorization server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum ExternalAuthProtocol {
    /// HTTP: status 200 allows, any other refuses.
    #[serde(rename = "HTTP")]
    Http,
    /// Envoy's `ext_authz` over gRPC.
    #[serde(rename = "GRPC")]
    Grpc,
}

/// Settings of an authorization server over gRPC.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct GrpcAuthConfig {
    /// Headers of the request that are sent, at most 64. Default: all.
    pub allowed_headers: Vec<String>,
}

/// Settings of an authorization server over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpAuthConfig {
    /// Prefix that the request's path gets. Default: none.
    pub path: String,
    /// Headers of the request that are sent besides host, method, path, length and `authorization`; at most 64.
    pub allowed_headers: Vec<String>,
    /// Headers of the server's answer that the request gets, at most 64. Default: all.
    pub allowed_response_headers: Vec<String>,
}

/// How much of a body is sent to an authorization server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ForwardBodyConfig {
    /// Bytes at most. Default: 0, nothing is sent.
    pub max_size: i32,
}
