//! Faults from a configuration file.

use super::layer::FaultLayer;
use crate::SpecError;
use crate::spec::fraction;
use http::StatusCode;
use mesh_core::api::value::{Span, grpc_status};
use mesh_core::model::http::{
    AbortBy, AbortWith, DelayBy, Fault, FaultAbort, FaultDelay, FaultRateLimit, RateBy,
};
use mesh_core::model::values::{Denominator, Fraction};
use serde::{Deserialize, Serialize};
use std::num::NonZeroU64;
use std::time::Duration;

/// Faults as Istio's VirtualService writes them, with Envoy's fields where Istio has none.
///
/// ```
/// use mesh_policy::fault::{FaultLayer, FaultSpec};
///
/// let spec: FaultSpec = serde_json::from_value(serde_json::json!({
///     "delay": { "fixedDelay": "5s", "percentage": { "value": 0.01 } },
///     "abort": { "grpcStatus": "UNAVAILABLE", "percentage": { "value": 10 } },
///     "responseRateLimit": { "fixedLimit": { "limitKbps": 64 }, "percentage": { "value": 1 } },
///     "maxActiveFaults": 100,
/// }))?;
/// let layer = FaultLayer::try_from(spec)?;
///
/// let by_header: FaultSpec = serde_json::from_value(serde_json::json!({
///     "delay": { "headerDelay": {}, "percentage": { "value": 100 } },
/// }))?;
/// assert_eq!(
///     FaultLayer::try_from(by_header).unwrap_err().to_string(),
///     "delay.headerDelay: any caller can ask for it; dangerousTrustHeaders must say so",
/// );
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultSpec {
    /// Hold requests back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<DelaySpec>,
    /// Answer them with an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<AbortSpec>,
    /// Slow their responses down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response_rate_limit: Option<RateLimitSpec>,
    /// No fault while so many are active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_active_faults: Option<u32>,
    /// Whether requests may ask for faults by their headers, where these are written as `header…: {}`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dangerous_trust_headers: bool,
}

/// A share of requests, `{value: 0.01}`: in percent, down to a ten-thousandth of one. None if not written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct PercentageSpec {
    /// From 0 to 100.
    pub value: f64,
}

/// Left to a request's headers: `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderSpec {}

/// Hold requests back. One of the two ways must be written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DelaySpec {
    /// Which share of them.
    pub percentage: PercentageSpec,
    /// For so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_delay: Option<Span>,
    /// For as long as they ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_delay: Option<HeaderSpec>,
}

/// Answer requests with an error. One of the three ways must be written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct AbortSpec {
    /// Which share of them.
    pub percentage: PercentageSpec,
    /// With this HTTP status, from 200 to 599.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http_status: Option<u16>,
    /// With this gRPC status, by name or number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<String>,
    /// With the status that they ask for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_abort: Option<HeaderSpec>,
}

/// Slow responses down. One of the two ways must be written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RateLimitSpec {
    /// Which share of them.
    pub percentage: PercentageSpec,
    /// To this rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fixed_limit: Option<FixedLimitSpec>,
    /// To the rate that the request asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_limit: Option<HeaderSpec>,
}

/// A rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FixedLimitSpec {
    /// KiB a second, at least 1.
    pub limit_kbps: u64,
}

impl TryFrom<FaultSpec> for FaultLayer {
    type Error = SpecError;

    fn try_from(spec: FaultSpec) -> Result<Self, SpecError> {
        let trusted = spec.dangerous_trust_headers;
        let under = |path: &'static str| move |e: SpecError| e.under(path);
        let fault = Fault {
            delay: spec.delay.map(|d| delay(&d, trusted)).transpose().map_err(under("delay"))?,
            abort: spec.abort.map(|a| abort(&a, trusted)).transpose().map_err(under("abort"))?,
            response_rate_limit: spec
                .response_rate_limit
                .map(|limit| rate_limit(&limit, trusted))
                .transpose()
                .map_err(under("responseRateLimit"))?,
            max_active: spec.max_active_faults,
        };
        let layer = Self::new(fault);
        Ok(if trusted { layer.dangerous_trust_headers() } else { layer })
    }
}

fn delay(spec: &DelaySpec, trusted: bool) -> Result<FaultDelay, SpecError> {
    let by = match (spec.fixed_delay, spec.header_delay) {
        (Some(span), None) => match Duration::from(span) {
            time if time >= Duration::from_millis(1) => DelayBy::Fixed(time),
            _ => return Err(SpecError::new("fixedDelay", "must be at least 1ms")),
        },
        (None, Some(_)) => DelayBy::Header(unit(trusted, "headerDelay")?),
        _ => return Err(SpecError::new("", "must have either fixedDelay or headerDelay")),
    };
    Ok(FaultDelay { by, fraction: share(spec.percentage)? })
}

fn abort(spec: &AbortSpec, trusted: bool) -> Result<FaultAbort, SpecError> {
    let by = match (spec.http_status, &spec.grpc_status, spec.header_abort) {
        (Some(status), None, None) => match StatusCode::from_u16(status) {
            Ok(valid) if (200..600).contains(&status) => AbortBy::Fixed(AbortWith::Http(valid)),
            _ => return Err(SpecError::new("httpStatus", "must be from 200 to 599")),
        },
        (None, Some(status), None) => match grpc_status(status) {
            Some(status) => AbortBy::Fixed(AbortWith::Grpc(status)),
            None => return Err(SpecError::new("grpcStatus", "must be a gRPC status, such as UNAVAILABLE")),
        },
        (None, None, Some(_)) => AbortBy::Header(unit(trusted, "headerAbort")?),
        _ => return Err(SpecError::new("", "must have one of httpStatus, grpcStatus and headerAbort")),
    };
    Ok(FaultAbort { by, fraction: share(spec.percentage)? })
}

fn rate_limit(spec: &RateLimitSpec, trusted: bool) -> Result<FaultRateLimit, SpecError> {
    let by = match (spec.fixed_limit, spec.header_limit) {
        (Some(limit), None) => match NonZeroU64::new(limit.limit_kbps) {
            Some(kbps) => RateBy::Fixed(kbps),
            None => return Err(SpecError::new("fixedLimit.limitKbps", "must be at least 1")),
        },
        (None, Some(_)) => RateBy::Header(unit(trusted, "headerLimit")?),
        _ => return Err(SpecError::new("", "must have either fixedLimit or headerLimit")),
    };
    Ok(FaultRateLimit { by, fraction: share(spec.percentage)? })
}

/// Headers ask in percents, if they may ask at all.
fn unit(trusted: bool, path: &str) -> Result<Denominator, SpecError> {
    match trusted {
        true => Ok(Denominator::Hundred),
        false => Err(SpecError::new(path, "any caller can ask for it; dangerousTrustHeaders must say so")),
    }
}

fn share(percentage: PercentageSpec) -> Result<Fraction, SpecError> {
    fraction(percentage.value, "percentage.value")
}
