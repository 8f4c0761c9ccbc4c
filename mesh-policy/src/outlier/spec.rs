//! Outlier detection from a configuration file.

use super::detector::Detector;
use crate::SpecError;
use crate::spec::percent;
use mesh_core::api::value::Span;
use mesh_core::model::cluster::{FailurePercentage, OutlierDetection, SuccessRate};
use mesh_core::model::values::Fraction;
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};

/// [`OutlierDetection`] as Istio's DestinationRule writes it, with Envoy's fields where Istio has none. What
/// is not written is [`OutlierDetection::default`]; percentages are whole numbers from 0 to 100.
///
/// ```
/// use mesh_policy::outlier::{Detector, OutlierSpec};
///
/// let spec: OutlierSpec = serde_json::from_value(serde_json::json!({
///     "consecutive5xxErrors": 3,
///     "interval": "5s",
///     "baseEjectionTime": "1m",
///     "maxEjectionPercent": 50,
///     "enforcingSuccessRate": 100,
/// }))?;
/// let detector = Detector::try_from(spec)?;
/// assert_eq!(detector.interval().as_secs(), 5);
///
/// let wrong = OutlierSpec { max_ejection_percent: Some(150), ..OutlierSpec::default() };
/// assert_eq!(
///     Detector::try_from(wrong).unwrap_err().to_string(),
///     "maxEjectionPercent: must be from 0 to 100",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierSpec {
    /// Eject after so many 5xx in a row; 0 never.
    #[serde(rename = "consecutive5xxErrors", skip_serializing_if = "Option::is_none")]
    pub consecutive_5xx_errors: Option<u32>,
    /// In which percentage of the cases.
    #[serde(rename = "enforcingConsecutive5xx", skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_5xx: Option<u32>,
    /// Eject after so many 502, 503 or 504 in a row; 0 never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_gateway_errors: Option<u32>,
    /// In which percentage of the cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_gateway_failure: Option<u32>,
    /// Count failures to connect apart from answers.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub split_external_local_origin_errors: bool,
    /// Where they are apart, eject after so many in a row: 5 unless written, 0 never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_local_origin_failures: Option<u32>,
    /// In which percentage of the cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_consecutive_local_origin_failure: Option<u32>,
    /// Eject who succeeds less often than the others, in which percentage of the cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_success_rate: Option<u32>,
    /// The same for connecting alone, where that is apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_local_origin_success_rate: Option<u32>,
    /// Only if so many hosts had enough requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate_minimum_hosts: Option<u32>,
    /// So many in an interval are enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate_request_volume: Option<u32>,
    /// How many thousandths of the standard deviation below the mean is too little.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success_rate_stdev_factor: Option<u32>,
    /// Eject who fails more often than the threshold, in which percentage of the cases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_failure_percentage: Option<u32>,
    /// The same for connecting alone, where that is apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enforcing_failure_percentage_local_origin: Option<u32>,
    /// The percentage of failures that is too much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_percentage_threshold: Option<u32>,
    /// Only if so many hosts had enough requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_percentage_minimum_hosts: Option<u32>,
    /// So many in an interval are enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_percentage_request_volume: Option<u32>,
    /// How often returns and rates are looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Span>,
    /// The first stay; the n-th is n times as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_ejection_time: Option<Span>,
    /// The longest stay; never below the first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ejection_time: Option<Span>,
    /// Up to so much longer, at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ejection_time_jitter: Option<Span>,
    /// Never more than this percentage of hosts at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ejection_percent: Option<u32>,
    /// But one, whatever the percentage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub always_eject_one_host: Option<bool>,
}

impl TryFrom<OutlierSpec> for OutlierDetection {
    type Error = SpecError;

    fn try_from(spec: OutlierSpec) -> Result<Self, SpecError> {
        let unsaid = Self::default();
        let (rate, failures) = (unsaid.success_rate, unsaid.failure_percentage);
        let share =
            |value: Option<u32>, unsaid: Fraction, path| value.map_or(Ok(unsaid), |n| percent(n, path));
        let base_ejection_time =
            time(spec.base_ejection_time, unsaid.base_ejection_time, "baseEjectionTime")?;
        let max_ejection_time = time(
            spec.max_ejection_time,
            unsaid.max_ejection_time.max(base_ejection_time),
            "maxEjectionTime",
        )?;
        if max_ejection_time < base_ejection_time {
            return Err(SpecError::new("maxEjectionTime", "must not be shorter than baseEjectionTime"));
        }
        Ok(Self {
            consecutive_5xx: spec.consecutive_5xx_errors.unwrap_or(unsaid.consecutive_5xx),
            enforcing_consecutive_5xx: share(
                spec.enforcing_consecutive_5xx,
                unsaid.enforcing_consecutive_5xx,
                "enforcingConsecutive5xx",
            )?,
            consecutive_gateway_errors: spec
                .consecutive_gateway_errors
                .unwrap_or(unsaid.consecutive_gateway_errors),
            enforcing_consecutive_gateway_errors: share(
                spec.enforcing_consecutive_gateway_failure,
                unsaid.enforcing_consecutive_gateway_errors,
                "enforcingConsecutiveGatewayFailure",
            )?,
            consecutive_local_origin_failures: spec
                .split_external_local_origin_errors
                .then(|| spec.consecutive_local_origin_failures.unwrap_or(5)),
            enforcing_consecutive_local_origin_failures: share(
                spec.enforcing_consecutive_local_origin_failure,
                unsaid.enforcing_consecutive_local_origin_failures,
                "enforcingConsecutiveLocalOriginFailure",
            )?,
            success_rate: SuccessRate {
                enforcing: share(spec.enforcing_success_rate, rate.enforcing, "enforcingSuccessRate")?,
                enforcing_local_origin: share(
                    spec.enforcing_local_origin_success_rate,
                    rate.enforcing_local_origin,
                    "enforcingLocalOriginSuccessRate",
                )?,
                minimum_hosts: spec.success_rate_minimum_hosts.unwrap_or(rate.minimum_hosts),
                request_volume: spec.success_rate_request_volume.unwrap_or(rate.request_volume),
                stdev_factor: spec.success_rate_stdev_factor.unwrap_or(rate.stdev_factor),
            },
            failure_percentage: FailurePercentage {
                enforcing: share(
                    spec.enforcing_failure_percentage,
                    failures.enforcing,
                    "enforcingFailurePercentage",
                )?,
                enforcing_local_origin: share(
                    spec.enforcing_failure_percentage_local_origin,
                    failures.enforcing_local_origin,
                    "enforcingFailurePercentageLocalOrigin",
                )?,
                threshold: share(
                    spec.failure_percentage_threshold,
                    failures.threshold,
                    "failurePercentageThreshold",
                )?,
                minimum_hosts: spec.failure_percentage_minimum_hosts.unwrap_or(failures.minimum_hosts),
                request_volume: spec.failure_percentage_request_volume.unwrap_or(failures.request_volume),
            },
            interval: time(spec.interval, unsaid.interval, "interval")?,
            base_ejection_time,
            max_ejection_time,
            max_ejection_time_jitter: spec
                .max_ejection_time_jitter
                .map_or(unsaid.max_ejection_time_jitter, Duration::from),
            max_ejection_percent: share(
                spec.max_ejection_percent,
                unsaid.max_ejection_percent,
                "maxEjectionPercent",
            )?,
            always_eject_one_host: spec.always_eject_one_host.unwrap_or(unsaid.always_eject_one_host),
        })
    }
}

impl TryFrom<OutlierSpec> for Detector {
    type Error = SpecError;

    /// Detection from now on.
    fn try_from(spec: OutlierSpec) -> Result<Self, SpecError> {
        Ok(Self::new(spec.try_into()?, Instant::now()))
    }
}

/// A time that is at least a millisecond, as Istio wants these.
fn time(span: Option<Span>, unsaid: Duration, path: &str) -> Result<Duration, SpecError> {
    match span.map(Duration::from) {
        None => Ok(unsaid),
        Some(time) if time >= Duration::from_millis(1) => Ok(time),
        Some(_) => Err(SpecError::new(path, "must be at least 1ms")),
    }
}
