//! What a rule does with a request beside forwarding it, and what it changes of it.

use crate::api::number::optional_port_number;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// A redirect.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRedirect {
    /// Replaces the path; behind `%PREFIX()%`, the matched prefix only.
    pub uri: String,
    /// Replaces the matched prefix.
    pub prefix_rewrite: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces the port.
    #[serde(deserialize_with = "optional_port_number")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: Option<u16>,
    /// Derives the port, in place of `port`.
    pub derive_port: Option<DerivePort>,
    /// Replaces the scheme: `http` or `https`.
    pub scheme: String,
    /// The status: 301, 302, 303, 307 or 308; 301 where nothing is written.
    pub redirect_code: Option<u16>,
}

/// Where a redirect takes its port from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DerivePort {
    /// 80 or 443, by the scheme.
    FromProtocolDefault,
    /// The port that was asked.
    FromRequestPort,
}

/// An answer that no upstream gives.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpDirectResponse {
    /// Its status, from 200 to 599.
    pub status: u16,
    /// Its body, of at most 1 MiB; empty where nothing is written.
    pub body: Option<HttpBody>,
}

/// A body: text, or base64.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum HttpBody {
    /// The body as text.
    String(String),
    /// The body in base64.
    Bytes(String),
}

impl HttpBody {
    /// The bytes of the body; `None` where they are not base64. As in protobuf's JSON, of either alphabet, padded or
    /// not; line ends inside are no matter.
    pub fn to_bytes(&self) -> Option<Vec<u8>> {
        match self {
            Self::String(text) => Some(text.clone().into_bytes()),
            Self::Bytes(text) => {
                let joined = text.replace(['\r', '\n'], "");
                let alphabet =
                    if joined.contains(['-', '_']) { &alphabet::URL_SAFE } else { &alphabet::STANDARD };
                GeneralPurpose::new(alphabet, AS_PROTOBUF).decode(joined).ok()
            }
        }
    }
}

const AS_PROTOBUF: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);

/// Another VirtualService.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Delegate {
    /// The name of a VirtualService without hosts.
    pub name: String,
    /// Its namespace; the resource's own where nothing is written.
    pub namespace: String,
}

/// Changes of path and authority.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRewrite {
    /// Replaces the matched prefix, or the whole path where the match is exact.
    pub uri: String,
    /// Replaces the authority.
    pub authority: String,
    /// Replaces what a pattern finds in the path, in place of `uri`.
    pub uri_regex_rewrite: Option<RegexRewrite>,
}

/// A pattern and what it becomes.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RegexRewrite {
    /// What is replaced wherever it is found, in RE2 syntax.
    pub r#match: String,
    /// What it becomes: `\1` to `\9` stand for the pattern's groups, `\0` for all of what was found.
    pub rewrite: String,
}

#[cfg(test)]
mod tests {
    use super::HttpBody;

    #[test]
    fn a_body_is_base64_as_protobuf_reads_it() {
        let bytes = |text: &str| HttpBody::Bytes(text.to_owned()).to_bytes();
        for hi in ["aGk=", "aGk", "aG\nk="] {
            assert_eq!(bytes(hi).as_deref(), Some(&b"hi"[..]), "{hi:?}");
        }
        assert_eq!(bytes("_-8="), bytes("/+8="));
        assert_eq!(bytes("_-8"), Some(vec![0xff, 0xef]));
        assert_eq!(bytes("a"), None);
        assert_eq!(bytes("a#=="), None);
    }
}
