//! A breaker's limits from a configuration file.

use super::layer::BreakerLayer;
use super::permit::Breaker;
use crate::SpecError;
use crate::spec::percent;
use mesh_core::model::cluster::{CircuitLimits, RetryBudget};
use serde::{Deserialize, Serialize};

/// The limits of each priority.
///
/// ```
/// use mesh_policy::breaker::{BreakerLayer, BreakerSpec, Priority, Resource};
///
/// let spec: BreakerSpec = serde_json::from_value(serde_json::json!({
///     "default": { "http2MaxRequests": 100, "retryBudget": { "percent": 20, "minRetryConcurrency": 3 } },
///     "high": { "http2MaxRequests": 10 },
/// }))?;
/// let layer = BreakerLayer::try_from(spec)?;
/// assert!(!layer.breaker(Priority::High).is_open(Resource::Request));
///
/// let wrong: BreakerSpec = serde_json::from_str(r#"{ "default": { "maxConnections": 0 } }"#)?;
/// assert_eq!(
///     BreakerLayer::try_from(wrong).unwrap_err().to_string(),
///     "default.maxConnections: must be at least 1; leave it out for no bound",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct BreakerSpec {
    /// Of all requests that are not of high priority.
    pub default: LimitsSpec,
    /// Of those that are; unless written, they count among all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub high: Option<LimitsSpec>,
}

/// The limits of one priority, by the names of Istio's `connectionPool`. What is not written has no bound.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct LimitsSpec {
    /// Connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_connections: Option<u32>,
    /// Requests that wait for a connection.
    #[serde(rename = "http1MaxPendingRequests", skip_serializing_if = "Option::is_none")]
    pub http1_max_pending_requests: Option<u32>,
    /// Requests in flight, of any version of HTTP.
    #[serde(rename = "http2MaxRequests", skip_serializing_if = "Option::is_none")]
    pub http2_max_requests: Option<u32>,
    /// Retries in flight, where there is no budget.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retries: Option<u32>,
    /// Retries in flight as a share of requests in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<RetryBudgetSpec>,
}

/// Retries in flight as a share of requests in flight, by the names of Istio's `retryBudget`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RetryBudgetSpec {
    /// The share, a whole percentage; 20 unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub percent: Option<u32>,
    /// So many in any case; 3 unless written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_retry_concurrency: Option<u32>,
}

impl TryFrom<LimitsSpec> for CircuitLimits {
    type Error = SpecError;

    fn try_from(spec: LimitsSpec) -> Result<Self, SpecError> {
        let budget = |spec: RetryBudgetSpec| {
            Ok(RetryBudget {
                percent: percent(spec.percent.unwrap_or(20), "percent")?,
                min_concurrency: spec.min_retry_concurrency.unwrap_or(3),
            })
        };
        Ok(Self {
            max_connections: bound(spec.max_connections, "maxConnections")?,
            max_pending_requests: bound(spec.http1_max_pending_requests, "http1MaxPendingRequests")?,
            max_requests: bound(spec.http2_max_requests, "http2MaxRequests")?,
            max_retries: bound(spec.max_retries, "maxRetries")?,
            retry_budget: spec
                .retry_budget
                .map(budget)
                .transpose()
                .map_err(|e: SpecError| e.under("retryBudget"))?,
        })
    }
}

/// Istio takes zero for no bound and Envoy for a closed door, so it is neither here.
fn bound(max: Option<u32>, path: &str) -> Result<u32, SpecError> {
    match max {
        None => Ok(u32::MAX),
        Some(0) => Err(SpecError::new(path, "must be at least 1; leave it out for no bound")),
        Some(max) => Ok(max),
    }
}

impl TryFrom<BreakerSpec> for BreakerLayer {
    type Error = SpecError;

    fn try_from(spec: BreakerSpec) -> Result<Self, SpecError> {
        let breaker = |limits: LimitsSpec, path: &str| {
            CircuitLimits::try_from(limits).map(Breaker::new).map_err(|e| e.under(path))
        };
        let layer = Self::new(breaker(spec.default, "default")?);
        Ok(match spec.high {
            None => layer,
            Some(high) => layer.high(breaker(high, "high")?),
        })
    }
}
