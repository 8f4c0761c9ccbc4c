//! Adaptive concurrency from a file, in the shape of Envoy's filter.

use super::controller::{AdaptiveConcurrency, Gradient};
use super::layer::AdaptiveConcurrencyLayer;
use crate::SpecError;
use crate::shed::queue::Queue;
use crate::spec::{refusal, share};
use mesh_core::api::value::Span;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Settings of an [`AdaptiveConcurrencyLayer`]: Envoy's `gradient_controller_config`, and a queue.
///
/// ```
/// use mesh_policy::shed::{AdaptiveConcurrencyLayer, AdaptiveConcurrencySpec};
///
/// let mut spec: AdaptiveConcurrencySpec = serde_json::from_str(r#"{
///     "maxConcurrencyLimit": 200,
///     "minRtt": {"interval": "30s", "jitter": 10, "buffer": 50},
///     "queue": {"maxWaiting": 100, "maxWait": "50ms"}
/// }"#)?;
/// let layer = AdaptiveConcurrencyLayer::try_from(spec.clone())?;
///
/// spec.sample_aggregate_percentile = Some(101.0);
/// let error = AdaptiveConcurrencyLayer::try_from(spec).unwrap_err();
/// assert_eq!(error.to_string(), "sampleAggregatePercentile: must be a percentage from 0 to 100");
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct AdaptiveConcurrencySpec {
    /// The percentile of a window's latencies that counts; 50 by default.
    pub sample_aggregate_percentile: Option<f64>,
    /// How often the limit moves; 100ms by default.
    pub concurrency_update_interval: Option<Span>,
    /// Never more than these at once; 1000 by default.
    pub max_concurrency_limit: Option<u32>,
    /// How the latency of an idle service is measured.
    pub min_rtt: MinRttSpec,
    /// Status of a refusal, from 400 to 599; 503 by default.
    pub concurrency_limit_exceeded_status: Option<u16>,
    /// Lets requests wait for a place; none does by default.
    pub queue: Option<QueueSpec>,
}

/// Envoy's `min_rtt_calc_params`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct MinRttSpec {
    /// How often; 60s by default.
    pub interval: Option<Span>,
    /// A latency to take for it, instead of measuring.
    pub fixed_value: Option<Span>,
    /// By how many answers; 50 by default.
    pub request_count: Option<u32>,
    /// How much later it may be, in percent of the interval; 15 by default.
    pub jitter: Option<f64>,
    /// How many at once meanwhile, and never fewer; 3 by default.
    pub min_concurrency: Option<u32>,
    /// How much longer an answer may take without being slow, in percent; 25 by default.
    pub buffer: Option<f64>,
}

/// Who may wait for a place.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QueueSpec {
    /// How many.
    pub max_waiting: u32,
    /// How long at most.
    pub max_wait: Span,
}

fn percent(value: Option<f64>, default: f64, field: &str) -> Result<f64, SpecError> {
    value.map_or(Ok(default), |percent| share(percent, 0.0, field))
}

fn positive(value: Option<u32>, default: u32, field: &str) -> Result<u32, SpecError> {
    match value.unwrap_or(default) {
        0 => Err(SpecError::new(field, "must be at least 1")),
        n => Ok(n),
    }
}

fn at_least_a_milli(value: Option<Span>, default: Duration, field: &str) -> Result<Duration, SpecError> {
    let value = value.map_or(default, Duration::from);
    let fits = value >= Duration::from_millis(1);
    fits.then_some(value).ok_or_else(|| SpecError::new(field, "must be at least 1ms"))
}

impl TryFrom<&AdaptiveConcurrencySpec> for Gradient {
    type Error = SpecError;

    fn try_from(spec: &AdaptiveConcurrencySpec) -> Result<Self, SpecError> {
        let (default, min) = (Self::default(), &spec.min_rtt);
        let settings = Self {
            sample_aggregate_percentile: percent(
                spec.sample_aggregate_percentile,
                default.sample_aggregate_percentile,
                "sampleAggregatePercentile",
            )?,
            concurrency_update_interval: at_least_a_milli(
                spec.concurrency_update_interval,
                default.concurrency_update_interval,
                "concurrencyUpdateInterval",
            )?,
            max_concurrency_limit: positive(
                spec.max_concurrency_limit,
                default.max_concurrency_limit,
                "maxConcurrencyLimit",
            )?,
            min_rtt_interval: at_least_a_milli(min.interval, default.min_rtt_interval, "minRtt.interval")?,
            request_count: positive(min.request_count, default.request_count, "minRtt.requestCount")?,
            jitter: percent(min.jitter, default.jitter, "minRtt.jitter")?,
            min_concurrency: positive(min.min_concurrency, default.min_concurrency, "minRtt.minConcurrency")?,
            buffer: percent(min.buffer, default.buffer, "minRtt.buffer")?,
            fixed_min_rtt: match min.fixed_value {
                None => None,
                some => Some(at_least_a_milli(some, Duration::ZERO, "minRtt.fixedValue")?),
            },
        };
        if settings.max_concurrency_limit < settings.min_concurrency {
            return Err(SpecError::new("maxConcurrencyLimit", "must not be below minRtt.minConcurrency"));
        }
        Ok(settings)
    }
}

impl TryFrom<AdaptiveConcurrencySpec> for AdaptiveConcurrencyLayer {
    type Error = SpecError;

    fn try_from(spec: AdaptiveConcurrencySpec) -> Result<Self, SpecError> {
        let mut limit = AdaptiveConcurrency::new(Gradient::try_from(&spec)?);
        if let Some(queue) = spec.queue {
            let wrong = |field, must| SpecError::new(field, must).under("queue");
            let most = usize::try_from(queue.max_waiting).ok().filter(|n| *n > 0);
            let most = most.ok_or_else(|| wrong("maxWaiting", "must be at least 1"))?;
            if queue.max_wait.0.is_zero() {
                return Err(wrong("maxWait", "must be more than 0s"));
            }
            limit = limit.queue(Queue::new(most, queue.max_wait.0));
        }
        let status = spec.concurrency_limit_exceeded_status.unwrap_or(503);
        Ok(Self::new(limit).status(refusal(status, "concurrencyLimitExceededStatus")?))
    }
}
