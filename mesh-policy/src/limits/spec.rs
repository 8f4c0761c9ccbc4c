//! Limits from a file.

use super::layer::{LimitsLayer, UnpackedLimitsLayer};
use crate::SpecError;
use serde::{Deserialize, Serialize};

/// Settings of a [`LimitsLayer`], under the names of Envoy's connection manager and buffer filter.
///
/// ```
/// use mesh_policy::limits::{LimitsLayer, LimitsSpec};
///
/// let spec: LimitsSpec = serde_json::from_str(r#"{"maxHeadersCount": 50, "maxRequestBytes": 1048576}"#)?;
/// let layer = LimitsLayer::try_from(spec)?;
///
/// let spec: LimitsSpec = serde_json::from_str(r#"{"maxRequestHeadersKb": 0}"#)?;
/// let error = LimitsLayer::try_from(spec).unwrap_err();
/// assert_eq!(error.to_string(), "maxRequestHeadersKb: must be from 1 to 8192");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsSpec {
    /// Header lines; 100 by default.
    pub max_headers_count: Option<u32>,
    /// KiB of all headers, from 1 to 8192; 60 by default.
    pub max_request_headers_kb: Option<u32>,
    /// Bytes of a body; any number by default.
    pub max_request_bytes: Option<u64>,
}

impl TryFrom<LimitsSpec> for LimitsLayer {
    type Error = SpecError;

    fn try_from(spec: LimitsSpec) -> Result<Self, SpecError> {
        let mut layer = Self::new();
        if let Some(lines) = spec.max_headers_count {
            let lines = usize::try_from(lines).ok().filter(|n| *n >= 1);
            layer = layer
                .max_headers(lines.ok_or_else(|| SpecError::new("maxHeadersCount", "must be at least 1"))?);
        }
        if let Some(kb) = spec.max_request_headers_kb {
            let bytes = usize::try_from(kb).ok().filter(|kb| (1..=8192).contains(kb)).map(|kb| kb * 1024);
            let wrong = || SpecError::new("maxRequestHeadersKb", "must be from 1 to 8192");
            layer = layer.max_header_bytes(bytes.ok_or_else(wrong)?);
        }
        if let Some(bytes) = spec.max_request_bytes {
            layer = layer.max_body_bytes(bytes);
        }
        Ok(layer)
    }
}

/// Settings of an [`UnpackedLimitsLayer`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnpackedLimitsSpec {
    /// Bytes of an unpacked body.
    pub max_bytes: u64,
    /// How many times larger than what came it may be; 100 by default.
    pub max_inflate_ratio: Option<u32>,
    /// Bytes that may come out before the ratio counts; a mebibyte by default.
    pub ratio_floor: Option<u64>,
}

impl TryFrom<UnpackedLimitsSpec> for UnpackedLimitsLayer {
    type Error = SpecError;

    fn try_from(spec: UnpackedLimitsSpec) -> Result<Self, SpecError> {
        let ratio = spec.max_inflate_ratio.unwrap_or(100);
        if ratio == 0 {
            return Err(SpecError::new("maxInflateRatio", "must be at least 1"));
        }
        Ok(Self::new(spec.max_bytes).max_ratio(u64::from(ratio), spec.ratio_floor.unwrap_or(1 << 20)))
    }
}
