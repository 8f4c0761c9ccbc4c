//! When a request is sent again: Istio's defaults, and over them what is written.

use crate::api::networking::virtual_service::HttpRetry;
use crate::model::route::{RetryCondition, RetryOn, RetryPolicy};
use http::StatusCode;
use std::time::Duration;

/// How many endpoints are looked at for one that was not tried.
const AVOID_PREVIOUS_HOSTS: u32 = 5;

/// The policy (`None`: never) and the conditions that are not known.
///
/// Istio's defaults repeat only what no application can have seen: a 503 may come from one that has
/// already acted, so that it is repeated where `retryOn` says so and nowhere else.
///
/// Under a consistent hash a retry goes where the hash says, tried or not.
pub(super) fn policy(said: Option<&HttpRetry>, hashed: bool) -> (Option<RetryPolicy>, Vec<String>) {
    let mut policy = RetryPolicy {
        on: [
            RetryCondition::ConnectFailure,
            RetryCondition::RefusedStream,
            RetryCondition::Unavailable,
            RetryCondition::Cancelled,
        ]
        .into_iter()
        .collect(),
        retries: 2,
        avoid_previous_hosts: if hashed { 0 } else { AVOID_PREVIOUS_HOSTS },
        ..RetryPolicy::default()
    };
    let Some(said) = said else { return (Some(policy), vec![]) };
    if said.attempts == 0 {
        return (None, vec![]);
    }
    policy.retries = said.attempts;
    let mut unknown = Vec::new();
    if !said.retry_on.is_empty() {
        (policy.on, policy.retriable_status_codes, unknown) = conditions(&said.retry_on);
    }
    policy.per_try_timeout = said.per_try_timeout.map(Duration::from).filter(|d| !d.is_zero());
    match said.retry_ignore_previous_hosts {
        Some(true) => policy.avoid_previous_hosts = AVOID_PREVIOUS_HOSTS,
        Some(false) => policy.avoid_previous_hosts = 0,
        None => {}
    }
    if let Some(backoff) = said.backoff.map(Duration::from).filter(|d| !d.is_zero()) {
        policy.backoff_base = backoff;
        policy.backoff_max = backoff.saturating_mul(10);
    }
    (Some(policy), unknown)
}

/// Envoy's names and status codes, joined by commas.
fn conditions(text: &str) -> (RetryOn, Vec<StatusCode>, Vec<String>) {
    let (mut on, mut codes, mut unknown) = (RetryOn::NEVER, Vec::new(), Vec::new());
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let code = part.parse::<u16>().ok().and_then(|n| StatusCode::from_u16(n).ok());
        match (code, RetryCondition::from_name(part)) {
            (Some(code), _) => codes.push(code),
            (None, Some(condition)) => on = on.with(condition),
            (None, None) => unknown.push(part.to_owned()),
        }
    }
    // A code alone means that it is to be retried.
    if !codes.is_empty() {
        on = on.with(RetryCondition::RetriableStatusCodes);
    }
    (on, codes, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(yaml: serde_json::Value) -> HttpRetry {
        serde_json::from_value(yaml).unwrap()
    }

    #[test]
    fn without_a_word_two_retries_avoid_the_hosts_that_were_tried() {
        let policy = policy(None, false).0.unwrap();
        assert_eq!(policy.on.to_string(), "connect-failure,refused-stream,cancelled,unavailable");
        assert_eq!((policy.retries, policy.avoid_previous_hosts), (2, 5));
        assert_eq!(super::policy(None, true).0.unwrap().avoid_previous_hosts, 0);
    }

    #[test]
    fn a_503_is_never_repeated_unless_it_is_asked_for() {
        let by_answer = [
            RetryCondition::FiveXx,
            RetryCondition::GatewayError,
            RetryCondition::RetriableStatusCodes,
            RetryCondition::Retriable4xx,
            RetryCondition::Reset,
        ];
        let attempts_alone = said(serde_json::json!({"attempts": 3}));
        for written in [None, Some(&attempts_alone)] {
            let policy = policy(written, false).0.unwrap();
            assert!(policy.retriable_status_codes.is_empty(), "{policy:?}");
            assert!(by_answer.iter().all(|c| !policy.on.contains(*c)), "{policy:?}");
        }
    }

    #[test]
    fn a_503_that_is_asked_for_is_repeated() {
        for (text, on) in [
            ("503", "retriable-status-codes"),
            ("503,retriable-status-codes", "retriable-status-codes"),
            ("connect-failure,503", "connect-failure,retriable-status-codes"),
        ] {
            let said = said(serde_json::json!({"attempts": 2, "retryOn": text}));
            let (policy, unknown) = policy(Some(&said), false);
            let policy = policy.unwrap();
            assert_eq!((policy.on.to_string().as_str(), unknown.len()), (on, 0), "{text}");
            assert_eq!(policy.retriable_status_codes, [StatusCode::SERVICE_UNAVAILABLE], "{text}");
        }
    }

    #[test]
    fn zero_attempts_mean_never() {
        assert_eq!(policy(Some(&said(serde_json::json!({"attempts": 0, "retryOn": "5xx"}))), false).0, None);
    }

    #[test]
    fn a_status_code_stands_among_conditions() {
        let said = said(
            serde_json::json!({"attempts": 3, "retryOn": "5xx, 429,wonder", "perTryTimeout": "2s", "backoff": "1s"}),
        );
        let (policy, unknown) = policy(Some(&said), false);
        let policy = policy.unwrap();
        assert_eq!(policy.on.to_string(), "5xx,retriable-status-codes");
        assert_eq!(policy.retriable_status_codes, [StatusCode::TOO_MANY_REQUESTS]);
        assert_eq!(policy.per_try_timeout, Some(Duration::from_secs(2)));
        assert_eq!(
            (policy.backoff_base, policy.backoff_max),
            (Duration::from_secs(1), Duration::from_secs(10))
        );
        assert_eq!(unknown, ["wonder"]);
    }
}
