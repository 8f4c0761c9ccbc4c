//! A cluster's circuit breakers and outlier detection.

use super::duration_or;
use crate::convert::decode::{refuse, value};
use crate::convert::error::{At, ConvertError};
use crate::convert::pb;
use mesh_core::model::cluster::{
    CircuitLimits, FailurePercentage, OutlierDetection, RetryBudget, SuccessRate,
};
use mesh_core::model::values::{Denominator, Fraction};
use pb::cluster::circuit_breakers::{Thresholds, thresholds};
use pb::core::RoutingPriority;
use std::time::Duration;
use value::uint;

/// What is not said is Envoy's default.
const UNSAID: CircuitLimits = CircuitLimits::ENVOY;

/// The limits of both priorities; those of HIGH only if something is said of it.
pub(super) fn limits(
    breakers: Option<&pb::cluster::CircuitBreakers>,
) -> Result<(CircuitLimits, Option<CircuitLimits>), ConvertError> {
    let Some(breakers) = breakers else { return Ok((UNSAID, None)) };
    refuse!(breakers; per_host_thresholds);
    let (mut default, mut high) = (None, None);
    for (i, raw) in breakers.thresholds.iter().enumerate() {
        let at = |e: ConvertError| e.within(&format!("[{i}]")).within("thresholds");
        let found = match value::enumeration(raw.priority).at("priority").map_err(at)? {
            RoutingPriority::Default => &mut default,
            RoutingPriority::High => &mut high,
        };
        // Envoy takes the first that it finds.
        if found.is_none() {
            *found = Some(threshold(raw).map_err(at)?);
        }
    }
    Ok((default.unwrap_or(UNSAID), high))
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
    let defaults = OutlierDetection::default();
    let share = |value: &Option<pb::UInt32Value>, unsaid| percent(uint(value.as_ref(), unsaid));
    let count = |value: &Option<pb::UInt32Value>, unsaid| uint(value.as_ref(), unsaid);
    let base = duration_or(raw.base_ejection_time.as_ref(), defaults.base_ejection_time);
    let base_ejection_time = base.at("base_ejection_time")?;
    // Never below the base, as in Envoy.
    let max: Duration = duration_or(raw.max_ejection_time.as_ref(), defaults.max_ejection_time)
        .at("max_ejection_time")?
        .max(base_ejection_time);
    let jitter = raw.max_ejection_time_jitter.as_ref().map(value::duration).transpose();
    let consecutive_5xx = count(&raw.consecutive_5xx, 5);
    let consecutive_gateway_errors = count(&raw.consecutive_gateway_failure, 5);
    let consecutive_local_origin_failures =
        raw.split_external_local_origin_errors.then(|| count(&raw.consecutive_local_origin_failure, 5));
    let rate = SuccessRate::default();
    let failures = FailurePercentage::default();
    Ok(OutlierDetection {
        consecutive_5xx,
        enforcing_consecutive_5xx: of_row(consecutive_5xx, share(&raw.enforcing_consecutive_5xx, 100))
            .at("enforcing_consecutive_5xx")?,
        consecutive_gateway_errors,
        enforcing_consecutive_gateway_errors: of_row(
            consecutive_gateway_errors,
            share(&raw.enforcing_consecutive_gateway_failure, 0),
        )
        .at("enforcing_consecutive_gateway_failure")?,
        consecutive_local_origin_failures,
        enforcing_consecutive_local_origin_failures: of_row(
            consecutive_local_origin_failures.unwrap_or(0),
            share(&raw.enforcing_consecutive_local_origin_failure, 100),
        )
        .at("enforcing_consecutive_local_origin_failure")?,
        success_rate: SuccessRate {
            enforcing: share(&raw.enforcing_success_rate, 100).at("enforcing_success_rate")?,
            enforcing_local_origin: share(&raw.enforcing_local_origin_success_rate, 100)
                .at("enforcing_local_origin_success_rate")?,
            minimum_hosts: count(&raw.success_rate_minimum_hosts, rate.minimum_hosts),
            request_volume: count(&raw.success_rate_request_volume, rate.request_volume),
            stdev_factor: count(&raw.success_rate_stdev_factor, rate.stdev_factor),
        },
        failure_percentage: FailurePercentage {
            enforcing: share(&raw.enforcing_failure_percentage, 0).at("enforcing_failure_percentage")?,
            enforcing_local_origin: share(&raw.enforcing_failure_percentage_local_origin, 0)
                .at("enforcing_failure_percentage_local_origin")?,
            threshold: share(&raw.failure_percentage_threshold, 85).at("failure_percentage_threshold")?,
            minimum_hosts: count(&raw.failure_percentage_minimum_hosts, failures.minimum_hosts),
            request_volume: count(&raw.failure_percentage_request_volume, failures.request_volume),
        },
        interval: duration_or(raw.interval.as_ref(), defaults.interval).at("interval")?,
        base_ejection_time,
        max_ejection_time: max,
        max_ejection_time_jitter: jitter.at("max_ejection_time_jitter")?.unwrap_or_default(),
        max_ejection_percent: share(&raw.max_ejection_percent, 10).at("max_ejection_percent")?,
        always_eject_one_host: raw.always_eject_one_host.is_some_and(|b| b.value),
    })
}

fn percent(percent: u32) -> Result<Fraction, ConvertError> {
    match percent {
        0..=100 => Ok(Denominator::Hundred.fraction(percent)),
        more => Err(ConvertError::new(format!("{more} is not a percentage"))),
    }
}

/// The share of a row's cases. A row that is never complete has none, so it has one form here.
fn of_row(threshold: u32, share: Result<Fraction, ConvertError>) -> Result<Fraction, ConvertError> {
    let share = share?;
    Ok(if threshold == 0 { Fraction::ONE } else { share })
}
