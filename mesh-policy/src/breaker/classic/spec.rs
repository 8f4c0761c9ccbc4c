//! A circuit from a configuration file.

use super::circuit::{Circuit, CircuitBuilder};
use super::layer::CircuitLayer;
use crate::SpecError;
use crate::spec::percent;
use mesh_core::api::value::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When a circuit opens and closes. What is not written is as in [`CircuitBuilder`].
///
/// ```
/// use mesh_policy::breaker::classic::{CircuitLayer, CircuitSpec};
///
/// let spec: CircuitSpec = serde_json::from_value(serde_json::json!({
///     "consecutiveFailures": 3,
///     "failureRate": { "percent": 50, "window": "30s", "minimumRequests": 20 },
///     "openTime": "2s",
///     "maxOpenTime": "1m",
///     "maxHalfOpenTime": "10s",
///     "jitterPercent": 25,
///     "probes": 2,
/// }))?;
/// let layer = CircuitLayer::try_from(spec)?;
///
/// let wrong: CircuitSpec = serde_json::from_str(r#"{ "failureRate": { "percent": 0, "window": "30s" } }"#)?;
/// assert_eq!(
///     CircuitLayer::try_from(wrong).unwrap_err().to_string(),
///     "failureRate.percent: must be from 1 to 100",
/// );
/// # let _ = layer;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct CircuitSpec {
    /// Opens after so many failures in a row; 0 never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consecutive_failures: Option<u32>,
    /// Opens as well by a share of failures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_rate: Option<FailureRateSpec>,
    /// How long it is open the first time; twice as long each time a probe fails.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_time: Option<Span>,
    /// How long at most; not below `openTime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_open_time: Option<Span>,
    /// How long probes may be under way; what is not answered by then has failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_half_open_time: Option<Span>,
    /// Up to this percentage longer, at random.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter_percent: Option<u32>,
    /// How many probes must succeed, from 1 to 1000000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probes: Option<u32>,
}

/// A share of failures that opens a circuit.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FailureRateSpec {
    /// The share, a whole percentage.
    pub percent: u32,
    /// Of the requests of so long, which end with the last one.
    pub window: Span,
    /// If there were so many; 20 unless written.
    #[serde(default = "minimum_requests")]
    pub minimum_requests: u32,
}

fn minimum_requests() -> u32 {
    20
}

impl TryFrom<CircuitSpec> for CircuitBuilder {
    type Error = SpecError;

    fn try_from(spec: CircuitSpec) -> Result<Self, SpecError> {
        let mut builder = Circuit::builder();
        if let Some(row) = spec.consecutive_failures {
            builder = builder.consecutive_failures(row);
        }
        if let Some(rate) = spec.failure_rate {
            let at = |e: SpecError| e.under("failureRate");
            if rate.percent == 0 {
                return Err(at(SpecError::new("percent", "must be from 1 to 100")));
            }
            let share = percent(rate.percent, "percent").map_err(at)?;
            let window = time(rate.window, "window").map_err(at)?;
            builder = builder.failure_rate(share, window, rate.minimum_requests);
        }
        if let Some(span) = spec.open_time {
            builder = builder.open_time(time(span, "openTime")?);
        }
        if let Some(span) = spec.max_open_time {
            let longest = time(span, "maxOpenTime")?;
            if longest < builder.first_open_time() {
                return Err(SpecError::new(
                    "maxOpenTime",
                    "must not be below openTime, which is 5s unless written",
                ));
            }
            builder = builder.max_open_time(longest);
        }
        if let Some(span) = spec.max_half_open_time {
            builder = builder.max_half_open_time(time(span, "maxHalfOpenTime")?);
        }
        if let Some(jitter) = spec.jitter_percent {
            builder = builder.jitter(percent(jitter, "jitterPercent")?);
        }
        match spec.probes {
            None => Ok(builder),
            Some(probes @ 1..=1_000_000) => Ok(builder.probes(probes)),
            Some(_) => Err(SpecError::new("probes", "must be from 1 to 1000000")),
        }
    }
}

impl TryFrom<CircuitSpec> for CircuitLayer {
    type Error = SpecError;

    fn try_from(spec: CircuitSpec) -> Result<Self, SpecError> {
        Ok(Self::new(CircuitBuilder::try_from(spec)?.build()))
    }
}

fn time(span: Span, path: &str) -> Result<Duration, SpecError> {
    match Duration::from(span) {
        time if time >= Duration::from_millis(10) => Ok(time),
        _ => Err(SpecError::new(path, "must be at least 10ms")),
    }
}
