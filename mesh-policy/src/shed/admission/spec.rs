//! Admission control from a file, in the shape of Envoy's filter.

use super::controller::{Admission, AdmissionControl};
use super::layer::AdmissionControlLayer;
use crate::SpecError;
use crate::spec::share;
use mesh_core::api::value::Span;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::time::Duration;

/// Settings of an [`AdmissionControlLayer`].
///
/// ```
/// use mesh_policy::shed::{AdmissionControlLayer, AdmissionControlSpec};
///
/// let mut spec: AdmissionControlSpec = serde_json::from_str(r#"{
///     "samplingWindow": "10s", "aggression": 1.5, "srThreshold": 90, "rpsThreshold": 5,
///     "successCriteria": {"httpSuccessStatus": [{"start": 100, "end": 400}]}
/// }"#)?;
/// let layer = AdmissionControlLayer::try_from(spec.clone())?;
///
/// spec.sr_threshold = Some(0.0);
/// let error = AdmissionControlLayer::try_from(spec).unwrap_err();
/// assert_eq!(error.to_string(), "srThreshold: must be a percentage from 1 to 100");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AdmissionControlSpec {
    /// The time whose answers count, from 1s to 1h; 30s by default.
    pub sampling_window: Option<Span>,
    /// How soon the probability of refusal rises; at least 1, which is the default.
    pub aggression: Option<f64>,
    /// The percentage of successes from which on nothing is refused; 95 by default.
    pub sr_threshold: Option<f64>,
    /// With fewer requests a second, nothing is refused; 0 by default.
    pub rps_threshold: Option<u32>,
    /// The probability of refusal in percent goes no higher; 80 by default.
    pub max_rejection_probability: Option<f64>,
    /// What counts as a success.
    pub success_criteria: SuccessCriteriaSpec,
}

/// Envoy's `success_criteria`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct SuccessCriteriaSpec {
    /// Ranges of statuses; below 500 by default.
    pub http_success_status: Vec<StatusRangeSpec>,
    /// gRPC statuses; by default those that sending less would not mend.
    pub grpc_success_status: Vec<u32>,
}

/// Statuses from `start` up to, and without, `end`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StatusRangeSpec {
    /// The first.
    pub start: u16,
    /// The first that is not in it.
    pub end: u16,
}

impl TryFrom<&AdmissionControlSpec> for Admission {
    type Error = SpecError;

    fn try_from(spec: &AdmissionControlSpec) -> Result<Self, SpecError> {
        let default = Self::default();
        let window = spec.sampling_window.map_or(default.sampling_window, Duration::from);
        if !(Duration::from_secs(1)..=Duration::from_secs(3600)).contains(&window) {
            return Err(SpecError::new("samplingWindow", "must be from 1s to 1h"));
        }
        let aggression = spec.aggression.unwrap_or(default.aggression);
        if !(1.0..=1000.0).contains(&aggression) {
            return Err(SpecError::new("aggression", "must be from 1 to 1000"));
        }
        let criteria = &spec.success_criteria;
        let range = |(i, range): (usize, &StatusRangeSpec)| -> Result<Range<u16>, SpecError> {
            let fits = 100 <= range.start && range.start < range.end && range.end <= 600;
            let path = format!("successCriteria.httpSuccessStatus[{i}]");
            fits.then_some(range.start..range.end)
                .ok_or_else(|| SpecError::new(path, "must begin at 100 at least, and end at 600 at most"))
        };
        let http =
            criteria.http_success_status.iter().enumerate().map(range).collect::<Result<Vec<_>, _>>()?;
        if let Some(i) = criteria.grpc_success_status.iter().position(|code| *code > 16) {
            let path = format!("successCriteria.grpcSuccessStatus[{i}]");
            return Err(SpecError::new(path, "must be a gRPC status from 0 to 16"));
        }
        Ok(Self {
            sampling_window: window,
            aggression,
            sr_threshold: share(spec.sr_threshold.unwrap_or(95.0), 1.0, "srThreshold")?,
            rps_threshold: spec.rps_threshold.unwrap_or(default.rps_threshold),
            max_rejection_probability: share(
                spec.max_rejection_probability.unwrap_or(80.0),
                0.0,
                "maxRejectionProbability",
            )?,
            http_success: if http.is_empty() { default.http_success } else { http },
            grpc_success: match criteria.grpc_success_status.is_empty() {
                true => default.grpc_success,
                false => criteria.grpc_success_status.clone(),
            },
        })
    }
}

impl TryFrom<AdmissionControlSpec> for AdmissionControlLayer {
    type Error = SpecError;

    fn try_from(spec: AdmissionControlSpec) -> Result<Self, SpecError> {
        Ok(Self::new(AdmissionControl::new(Admission::try_from(&spec)?)))
    }
}
