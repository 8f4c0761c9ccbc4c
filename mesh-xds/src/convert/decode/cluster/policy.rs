//! A cluster's circuit breakers and outlier detection.

use super::duration_or;
use crate::convert::decode::{refuse, value};
use crate::convert::error::{At, ConvertError};
use crate::convert::pb;
use mesh_core::model::cluster::{CircuitLimits, OutlierDetection, RetryBudget};
use mesh_core::model::values::Fraction;
use pb::cluster::circuit_breakers::{Thresholds, thresholds};
use pb::core::RoutingPriority;
use std::time::Duration;
use value::uint;

/// Envoy's defaults, where Istio's are no bounds.
const UNSAID: CircuitLimits = CircuitLimits {
    max_connections: 1024,
    max_pending_requests: 1024,
    max_requests: 1024,
    max_retries: 3,
    retry_budget: None,
};

pub(super) fn limits(breakers: Option<&pb::cluster::CircuitBreakers>) -> Result<CircuitLimits, ConvertError> {
    let Some(breakers) = breakers else { return Ok(UNSAID) };
    refuse!(breakers; per_host_thresholds);
    let mut found = None;
    for (i, raw) in breakers.thresholds.iter().enumerate() {
        let at = |e: ConvertError| e.within(&format!("[{i}]")).within("thresholds");
        match value::enumeration(raw.priority).at("priority").map_err(at)? {
            // Envoy takes the first that it finds.
            RoutingPriority::Default if found.is_none() => found = Some(threshold(raw).map_err(at)?),
            RoutingPriority::Default => {}
            RoutingPriority::High => {
                return Err(at(ConvertError::new("HIGH is not supported").within("priority")));
            }
        }
    }
    Ok(found.unwrap_or(UNSAID))
}

fn threshold(raw: &Thresholds) -> Result<CircuitLimits, ConvertError> {
    refuse!(raw; max_connection_pools);
    Ok(CircuitLimits {
        max_connections: uint(raw.max_connections.as_ref(), UNSAID.max_connections),
        max_pending_requests: uint(raw.max_pending_requests.as_ref(), UNSAID.max_pending_requests),
        max_requests: uint(raw.max_requests.as_ref(), UNSAID.max_requests),
        max_retries: uint(raw.max_retries.as_ref(), UNSAID.max_retries),
        retry_budget: raw.retry_budget.as_ref().map(budget).transpose().at("retry_budget")?,
    })
}

fn budget(raw: &thresholds::RetryBudget) -> Result<RetryBudget, ConvertError> {
    refuse!(raw; budget_interval);
    let percent = raw.budget_percent.as_ref().map(value::percent).transpose().at("budget_percent")?;
    Ok(RetryBudget {
        percent: percent.unwrap_or(Fraction::millionths(200_000)),
        min_concurrency: uint(raw.min_retry_concurrency.as_ref(), 3),
    })
}

pub(super) fn outlier(raw: &pb::cluster::OutlierDetection) -> Result<OutlierDetection, ConvertError> {
    refuse!(raw; monitors, detect_degraded_hosts);
    // Ejection by statistics. Absent it is on by Envoy's default, which only shows with many endpoints and
    // much traffic; we say nothing of that, but refuse it where it is asked for.
    let asked_for = [
        ("enforcing_success_rate", &raw.enforcing_success_rate),
        ("enforcing_local_origin_success_rate", &raw.enforcing_local_origin_success_rate),
        ("enforcing_failure_percentage", &raw.enforcing_failure_percentage),
        ("enforcing_failure_percentage_local_origin", &raw.enforcing_failure_percentage_local_origin),
    ];
    for (field, share) in asked_for {
        if uint(share.as_ref(), 0) > 0 {
            return Err(ConvertError::unsupported(field));
        }
    }
    let local = raw.split_external_local_origin_errors.then(|| {
        let threshold = uint(raw.consecutive_local_origin_failure.as_ref(), 5);
        let share = uint(raw.enforcing_consecutive_local_origin_failure.as_ref(), 100);
        enforced(threshold, share).at("enforcing_consecutive_local_origin_failure")
    });
    let percent = uint(raw.max_ejection_percent.as_ref(), 10);
    if percent > 100 {
        let message = format!("{percent} is not a percentage");
        return Err(ConvertError::new(message).within("max_ejection_percent"));
    }
    let defaults = OutlierDetection::default();
    let base = duration_or(raw.base_ejection_time.as_ref(), defaults.base_ejection_time);
    let base_ejection_time = base.at("base_ejection_time")?;
    // Never below the base, as in Envoy.
    let max: Duration = duration_or(raw.max_ejection_time.as_ref(), defaults.max_ejection_time)
        .at("max_ejection_time")?
        .max(base_ejection_time);
    Ok(OutlierDetection {
        consecutive_5xx: enforced(
            uint(raw.consecutive_5xx.as_ref(), 5),
            uint(raw.enforcing_consecutive_5xx.as_ref(), 100),
        )
        .at("enforcing_consecutive_5xx")?,
        consecutive_gateway_errors: enforced(
            uint(raw.consecutive_gateway_failure.as_ref(), 5),
            uint(raw.enforcing_consecutive_gateway_failure.as_ref(), 0),
        )
        .at("enforcing_consecutive_gateway_failure")?,
        consecutive_local_origin_failures: local.transpose()?,
        interval: duration_or(raw.interval.as_ref(), defaults.interval).at("interval")?,
        base_ejection_time,
        max_ejection_time: max,
        max_ejection_percent: Fraction::millionths(percent.saturating_mul(10_000)),
    })
}

/// A threshold with the share of cases in which Envoy acts on it: always or never.
fn enforced(threshold: u32, share: u32) -> Result<u32, ConvertError> {
    match share {
        0 => Ok(0),
        100.. => Ok(threshold),
        share => Err(ConvertError::new(format!("{share}: only 0 and 100 are supported"))),
    }
}
