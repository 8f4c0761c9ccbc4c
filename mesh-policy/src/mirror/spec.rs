//! Mirroring from a configuration file.

use super::layer::{MirrorLayer, Settings};
use crate::SpecError;
use mesh_core::api::value::{Percent, Span};
use mesh_core::model::values::Fraction;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which requests are copied, and within which bounds: Istio's `http[].mirrors[]`, and Envoy's names for the
/// rest. Where copies go is not a file's to say: [`MirrorLayer::to`].
///
/// ```
/// use mesh_policy::mirror::{CopyBody, MirrorLayer, MirrorSpec};
///
/// let read = |json| -> Result<MirrorLayer<()>, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<MirrorSpec>(json)?.try_into()?)
/// };
/// let canary = tower::service_fn(|_: http::Request<CopyBody>| async {
///     Ok::<_, std::convert::Infallible>(http::Response::new(String::new()))
/// });
/// let layer = read(r#"{"percentage": {"value": 0.01}, "timeout": "1s"}"#)?.to(canary);
/// # let _ = layer;
/// let wrong = read(r#"{"percentage": {"value": 101}}"#).unwrap_err();
/// assert_eq!(wrong.to_string(), "percentage.value: must be between 0 and 100");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct MirrorSpec {
    /// The share of requests that are copied; all where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percentage: Option<Percent>,
    /// Leave the authority of copies as it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disable_shadow_host_suffix_append: bool,
    /// How long a copy may take; 15s where nothing is written, `0s` is as long as it likes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// How many copies may run at a time; 1024 where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_requests: Option<u32>,
    /// How many bytes a copy's body may be behind; 65536 where nothing is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request_buffer_limit_bytes: Option<u32>,
}

impl TryFrom<MirrorSpec> for MirrorLayer<()> {
    type Error = SpecError;

    fn try_from(spec: MirrorSpec) -> Result<Self, SpecError> {
        let mut settings = Settings { mark: !spec.disable_shadow_host_suffix_append, ..Settings::default() };
        if let Some(percent) = spec.percentage {
            let fraction = Fraction::percent(percent.value);
            settings.fraction =
                fraction.ok_or_else(|| SpecError::new("percentage.value", "must be between 0 and 100"))?;
        }
        match spec.timeout.map(|span| span.0) {
            None => {}
            Some(Duration::ZERO) => settings.timeout = None,
            Some(short) if short < Duration::from_millis(1) => {
                return Err(SpecError::new("timeout", "must be 0s for no bound, or at least 1ms"));
            }
            bound => settings.timeout = bound,
        }
        if let Some(most) = spec.max_requests {
            settings.max_requests = most;
        }
        if let Some(bytes) = spec.per_request_buffer_limit_bytes {
            settings.buffer_limit = usize::try_from(bytes).unwrap_or(usize::MAX);
        }
        Ok(Self::with((), settings))
    }
}
