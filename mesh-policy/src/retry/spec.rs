//! Retries from a configuration file.

use super::builder::present;
use super::hedge::Hedge;
use super::layer::RetryLayer;
use super::rules::Repeat;
use crate::spec::fraction;
use crate::{RetryBudget, SpecError};
use http::{HeaderName, StatusCode};
use mesh_core::api::value::Span;
use mesh_core::model::route::{
    RateLimitedBackoff, ResetFormat, ResetHeader, RetryCondition, RetryOn, RetryPolicy,
};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// When and how requests are sent again, by the names of Istio's `http[].retries`, else Envoy's.
///
/// ```
/// use mesh_policy::retry::{RetryLayer, RetrySpec};
///
/// let read = |json| -> Result<RetryLayer, mesh_policy::BoxError> {
///     Ok(serde_json::from_str::<RetrySpec>(json)?.try_into()?)
/// };
/// let layer = read(r#"{
///     "attempts": 3,
///     "retryOn": "connect-failure,refused-stream,503",
///     "backoff": "25ms",
///     "rateLimitedBackoff": {"resetHeaders": [{"name": "retry-after", "format": "SECONDS"}]}
/// }"#)?;
/// # let _ = layer;
/// let wrong = read(r#"{"retryOn": "connect-failure,often"}"#).unwrap_err();
/// assert_eq!(wrong.to_string(), r#"retryOn: "often" is neither a condition of Envoy's nor a status code"#);
/// # Ok::<(), mesh_policy::BoxError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RetrySpec {
    /// How many times beyond the first; 0 is never.
    pub attempts: u32,
    /// Envoy's conditions and HTTP status codes, joined by commas.
    pub retry_on: String,
    /// Base of the exponential back-off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Span>,
    /// Its bound; ten times the base where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_backoff: Option<Span>,
    /// Waits that an answer asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limited_backoff: Option<RateLimitedBackoffSpec>,
    /// Response headers that `retriable-headers` means.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retriable_headers: Vec<String>,
    /// Prefer an endpoint that was not tried.
    pub retry_ignore_previous_hosts: bool,
    /// The bound on retries in flight.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_budget: Option<RetryBudgetSpec>,
    /// How many bytes of a body are kept. Envoy's `per_request_buffer_limit_bytes`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_request_buffer_limit_bytes: Option<usize>,
    /// Whether what may have been executed is sent again although its method is not idempotent.
    pub repeat: RepeatSpec,
    /// Attempts beside one that stays unanswered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hedge_policy: Option<HedgeSpec>,
}

/// [`Repeat`], by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub enum RepeatSpec {
    /// Where the policy names the very answer.
    #[default]
    WhereNamed,
    /// Never.
    IdempotentOnly,
    /// Wherever `retryOn` says so, as in Envoy.
    AnyMethod,
}

/// Envoy's `rate_limited_retry_back_off`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RateLimitedBackoffSpec {
    /// In order; at least one.
    pub reset_headers: Vec<ResetHeaderSpec>,
    /// A longer wait is not taken; five minutes where it is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_interval: Option<Span>,
}

/// A header that says when to come back.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetHeaderSpec {
    /// Its name.
    pub name: String,
    /// How it says it.
    #[serde(default)]
    pub format: ResetFormatSpec,
}

/// [`ResetFormat`], by Envoy's name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum ResetFormatSpec {
    /// Seconds from now.
    #[default]
    Seconds,
    /// Seconds since 1970.
    UnixTimestamp,
}

/// A share of the requests in flight, with a floor. Istio's `retryBudget`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct RetryBudgetSpec {
    /// 0 to 100.
    pub percent: f64,
    /// So many in any case.
    pub min_retry_concurrency: u32,
}

/// Envoy's `hedge_policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
#[non_exhaustive]
pub struct HedgeSpec {
    /// How long an attempt stays unanswered before another runs beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub per_try_timeout: Option<Span>,
    /// How many are sent at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_requests: Option<u32>,
}

impl Default for RetrySpec {
    /// Istio's: two retries of what was certainly not executed.
    fn default() -> Self {
        Self {
            attempts: 2,
            retry_on: "connect-failure,refused-stream,unavailable,cancelled".to_owned(),
            backoff: None,
            max_backoff: None,
            rate_limited_backoff: None,
            retriable_headers: vec![],
            retry_ignore_previous_hosts: false,
            retry_budget: None,
            per_request_buffer_limit_bytes: None,
            repeat: RepeatSpec::default(),
            hedge_policy: None,
        }
    }
}

impl Default for RetryBudgetSpec {
    fn default() -> Self {
        Self { percent: 20.0, min_retry_concurrency: 3 }
    }
}

/// How many endpoints are looked at for one that was not tried, as Istio has it.
const AVOID_PREVIOUS_HOSTS: u32 = 5;

impl TryFrom<RetrySpec> for RetryLayer {
    type Error = SpecError;

    fn try_from(spec: RetrySpec) -> Result<Self, SpecError> {
        let repeat = match spec.repeat {
            RepeatSpec::WhereNamed => Repeat::WhereNamed,
            RepeatSpec::IdempotentOnly => Repeat::IdempotentOnly,
            RepeatSpec::AnyMethod => Repeat::AnyMethod,
        };
        let hedge = spec.hedge_policy.map(hedge).transpose().map_err(|e| e.under("hedgePolicy"))?;
        let budget = spec.retry_budget.map(budget).transpose().map_err(|e| e.under("retryBudget"))?;
        let limit = spec.per_request_buffer_limit_bytes;
        let mut layer = RetryLayer::new(policy(spec)?).repeat(repeat).hedge(hedge);
        if let Some(budget) = budget {
            layer = layer.budget(budget);
        }
        if let Some(limit) = limit {
            layer = layer.buffer_limit(limit);
        }
        Ok(layer)
    }
}

fn policy(spec: RetrySpec) -> Result<RetryPolicy, SpecError> {
    let defaults = RetryPolicy::default();
    let base = wait(spec.backoff, "backoff")?.unwrap_or(defaults.backoff_base);
    let max = wait(spec.max_backoff, "maxBackoff")?.unwrap_or(base.saturating_mul(10));
    if max < base {
        return Err(SpecError::new("maxBackoff", format!("must be at least backoff, {}", Span(base))));
    }
    let (mut on, codes) = conditions(&spec.retry_on)?;
    let headers = spec
        .retriable_headers
        .iter()
        .enumerate()
        .map(|(i, text)| name(text, &format!("retriableHeaders[{i}]")).map(present));
    let retriable_headers = headers.collect::<Result<Vec<_>, SpecError>>()?;
    // To name a header means to retry on it, as with a status code.
    if !retriable_headers.is_empty() {
        on = on.with(RetryCondition::RetriableHeaders);
    }
    let rate_limited = spec.rate_limited_backoff.map(rate_limited).transpose();
    Ok(RetryPolicy {
        on,
        retries: spec.attempts,
        retriable_status_codes: codes,
        retriable_headers,
        backoff_base: base,
        backoff_max: max,
        rate_limited_backoff: rate_limited.map_err(|e| e.under("rateLimitedBackoff"))?,
        avoid_previous_hosts: if spec.retry_ignore_previous_hosts { AVOID_PREVIOUS_HOSTS } else { 0 },
        ..defaults
    })
}

fn conditions(text: &str) -> Result<(RetryOn, Vec<StatusCode>), SpecError> {
    let (mut on, mut codes) = (RetryOn::NEVER, Vec::new());
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        if let Some(condition) = RetryCondition::from_name(part) {
            on = on.with(condition);
        } else if let Some(code) = part.parse().ok().and_then(|code| StatusCode::from_u16(code).ok()) {
            on = on.with(RetryCondition::RetriableStatusCodes);
            codes.push(code);
        } else {
            let message = format!("{part:?} is neither a condition of Envoy's nor a status code");
            return Err(SpecError::new("retryOn", message));
        }
    }
    Ok((on, codes))
}

fn rate_limited(spec: RateLimitedBackoffSpec) -> Result<RateLimitedBackoff, SpecError> {
    if spec.reset_headers.is_empty() {
        return Err(SpecError::new("resetHeaders", "must name a header"));
    }
    let reset = spec.reset_headers.iter().enumerate().map(|(i, reset)| {
        let name = name(&reset.name, &format!("resetHeaders[{i}].name"))?;
        let format = match reset.format {
            ResetFormatSpec::Seconds => ResetFormat::Seconds,
            ResetFormatSpec::UnixTimestamp => ResetFormat::UnixTimestamp,
        };
        Ok(ResetHeader { name, format })
    });
    let max = wait(spec.max_interval, "maxInterval")?;
    Ok(RateLimitedBackoff {
        reset_headers: reset.collect::<Result<_, SpecError>>()?,
        max_interval: max.unwrap_or(RateLimitedBackoff::MAX_INTERVAL),
    })
}

fn budget(spec: RetryBudgetSpec) -> Result<RetryBudget, SpecError> {
    Ok(RetryBudget::new(fraction(spec.percent, "percent")?, spec.min_retry_concurrency))
}

fn hedge(spec: HedgeSpec) -> Result<Hedge, SpecError> {
    let initial = spec.initial_requests.unwrap_or(1);
    if initial == 0 {
        return Err(SpecError::new("initialRequests", "must be at least 1"));
    }
    let after = wait(spec.per_try_timeout, "perTryTimeout")?;
    Ok(after.map_or_else(Hedge::default, Hedge::on_per_try_timeout).initial_requests(initial))
}

fn name(text: &str, field: &str) -> Result<HeaderName, SpecError> {
    text.parse().map_err(|_| SpecError::new(field, format!("{text:?} is not the name of a header")))
}

/// A timer knows milliseconds, and so do Istio and Envoy.
fn wait(span: Option<Span>, field: &str) -> Result<Option<Duration>, SpecError> {
    match span.map(|span| span.0) {
        Some(short) if short < Duration::from_millis(1) => Err(SpecError::new(field, "must be at least 1ms")),
        wait => Ok(wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<RetryPolicy, String> {
        let spec: RetrySpec = serde_json::from_str(json).map_err(|e| e.to_string())?;
        RetryLayer::try_from(spec.clone()).map_err(|e| e.to_string())?;
        policy(spec).map_err(|e| e.to_string())
    }

    #[test]
    fn an_empty_spec_repeats_only_what_was_not_executed() {
        let policy = read("{}").unwrap();
        assert_eq!(policy.on.to_string(), "connect-failure,refused-stream,cancelled,unavailable");
        assert_eq!((policy.retries, policy.avoid_previous_hosts), (2, 0));
        assert_eq!(read(r#"{"attempts": 0}"#).unwrap().retries, 0);
    }

    #[test]
    fn what_is_named_is_a_condition() {
        let policy = read(r#"{"retryOn": "503, 429", "retriableHeaders": ["x-again"]}"#).unwrap();
        assert_eq!(policy.on.to_string(), "retriable-status-codes,retriable-headers");
        assert_eq!(policy.retriable_status_codes.len(), 2);
    }

    #[test]
    fn a_spec_says_where_it_is_wrong() {
        for (json, wrong) in [
            (r#"{"backoff": "10us"}"#, "backoff: must be at least 1ms"),
            (r#"{"backoff": "1s", "maxBackoff": "10ms"}"#, "maxBackoff: must be at least backoff, 1s"),
            (r#"{"rateLimitedBackoff": {}}"#, "rateLimitedBackoff.resetHeaders: must name a header"),
            (
                r#"{"rateLimitedBackoff": {"resetHeaders": [{"name": "a b"}]}}"#,
                r#"rateLimitedBackoff.resetHeaders[0].name: "a b" is not the name of a header"#,
            ),
            (r#"{"retriableHeaders": [""]}"#, r#"retriableHeaders[0]: "" is not the name of a header"#),
            (r#"{"retryBudget": {"percent": 101}}"#, "retryBudget.percent: must be from 0 to 100"),
            (r#"{"hedgePolicy": {"initialRequests": 0}}"#, "hedgePolicy.initialRequests: must be at least 1"),
        ] {
            assert_eq!(read(json), Err(wrong.to_owned()));
        }
        assert!(read(r#"{"attemps": 1}"#).is_err());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let spec = RetrySpec { hedge_policy: Some(HedgeSpec::default()), ..RetrySpec::default() };
        let json = serde_json::to_string(&spec).unwrap();
        assert_eq!(serde_json::from_str::<RetrySpec>(&json).unwrap(), spec);
    }
}
