//! The global limit from a file, in the shape of Envoy's filter.

use super::layer::RateLimitLayer;
use crate::SpecError;
use crate::ratelimit::local::spec::{RateLimitsSpec, XRateLimitHeaders, descriptors, header_lines, refusal};
use mesh_core::api::value::Span;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Settings of a [`RateLimitLayer`]; its service is not in a file.
///
/// ```
/// use mesh_policy::ratelimit::{Code, RateLimitRequest, RateLimitResponse, RateLimitSpec};
///
/// let spec: RateLimitSpec = serde_json::from_str(r#"{
///     "domain": "shop",
///     "rateLimits": [{"actions": [{"remoteAddress": {}}]}],
///     "timeout": "50ms",
///     "failureModeDeny": true
/// }"#)?;
/// let service = |_: RateLimitRequest| async {
///     let response = RateLimitResponse { overall_code: Code::Ok, ..RateLimitResponse::default() };
///     Ok::<_, mesh_policy::BoxError>(response)
/// };
/// let layer = spec.clone().layer(service)?;
///
/// let wrong = RateLimitSpec { domain: "".into(), ..spec };
/// assert_eq!(wrong.layer(service).unwrap_err().to_string(), "domain: must not be empty");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitSpec {
    /// Whose limits.
    pub domain: String,
    /// What is asked about: a descriptor for each that a request has all entries of.
    pub rate_limits: Vec<RateLimitsSpec>,
    /// How long to wait for the service's word; 20ms by default.
    pub timeout: Option<Span>,
    /// Whether nothing passes without the service's word; by default everything does.
    pub failure_mode_deny: bool,
    /// Status of a refusal because the service failed; 500 by default.
    pub status_on_error: Option<u16>,
    /// Status of what is over its limit; 429 by default.
    pub rate_limited_status: Option<u16>,
    /// Refuses gRPC calls with `RESOURCE_EXHAUSTED` instead of `UNAVAILABLE`.
    pub rate_limited_as_resource_exhausted: bool,
    /// Whether callers are told how they stand.
    pub enable_x_ratelimit_headers: XRateLimitHeaders,
    /// Leaves `x-envoy-ratelimited` out of refusals.
    pub disable_x_envoy_ratelimited_header: bool,
    /// Headers of a refusal.
    pub response_headers_to_add: BTreeMap<String, String>,
}

impl RateLimitSpec {
    /// The layer, asking this service.
    ///
    /// # Errors
    /// With the field that cannot be used.
    pub fn layer<R>(self, service: R) -> Result<RateLimitLayer<R>, SpecError> {
        if self.domain.is_empty() {
            return Err(SpecError::new("domain", "must not be empty"));
        }
        let timeout = self.timeout.map_or(Duration::from_millis(20), Duration::from);
        if timeout.is_zero() {
            return Err(SpecError::new("timeout", "must be more than 0s"));
        }
        let descriptors = descriptors(&self.rate_limits)?;
        let status = refusal(self.rate_limited_status, "rateLimitedStatus")?;
        let on_error = refusal(Some(self.status_on_error.unwrap_or(500)), "statusOnError")?;
        let lines = header_lines(&self.response_headers_to_add, "responseHeadersToAdd")?;
        Ok(RateLimitLayer::new(service, self.domain).set(|settings| {
            settings.descriptors = descriptors.into_iter().map(Vec::into_boxed_slice).collect();
            settings.timeout = timeout;
            settings.deny = self.failure_mode_deny;
            settings.status = status;
            settings.status_on_error = on_error;
            settings.resource_exhausted = self.rate_limited_as_resource_exhausted;
            settings.x_ratelimit = self.enable_x_ratelimit_headers == XRateLimitHeaders::DraftVersion03;
            settings.x_envoy_ratelimited = !self.disable_x_envoy_ratelimited_header;
            settings.add = lines.into_iter().collect();
        }))
    }
}
