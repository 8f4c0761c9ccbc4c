//! A policy from plain values.

use super::layer::RetryLayer;
use http::{HeaderName, StatusCode};
use mesh_core::model::matcher::{HeaderKey, HeaderMatch, ValueMatch};
use mesh_core::model::route::{RateLimitedBackoff, RetryCondition, RetryPolicy};
use std::time::Duration;

/// What Envoy's `retry_policy` says; each changes the policy that the layer has.
impl RetryLayer {
    /// Twice beyond the first attempt after any of these, as in Istio; see [`RetryLayer::new`] for the rest.
    ///
    /// ```
    /// use mesh_policy::retry::{RetryCondition, RetryLayer};
    /// use mesh_policy::RetryBudget;
    ///
    /// let layer = RetryLayer::on([RetryCondition::ConnectFailure, RetryCondition::RefusedStream])
    ///     .status_codes([http::StatusCode::SERVICE_UNAVAILABLE])
    ///     .avoid_previous_hosts(5)
    ///     .respect_retry_after()
    ///     .budget(RetryBudget::percent(10, 3));
    /// # let _ = layer;
    /// ```
    pub fn on(conditions: impl IntoIterator<Item = RetryCondition>) -> Self {
        let on = conditions.into_iter().collect();
        Self::new(RetryPolicy { on, retries: 2, ..RetryPolicy::default() })
    }

    /// So many times beyond the first; 0 is never: Envoy's `num_retries`.
    #[must_use]
    pub fn retries(self, retries: u32) -> Self {
        self.with(|policy| policy.retries = retries)
    }

    /// A wait before the first retry, which doubles for each further one up to a bound; what is waited is
    /// anywhere below: Envoy's `retry_back_off`. A bound below the base is the base.
    #[must_use]
    pub fn backoff(self, base: Duration, max: Duration) -> Self {
        self.with(|policy| (policy.backoff_base, policy.backoff_max) = (base, max.max(base)))
    }

    /// After these status codes, too: Envoy's `retriable-status-codes`.
    #[must_use]
    pub fn status_codes(self, codes: impl IntoIterator<Item = StatusCode>) -> Self {
        self.with(|policy| {
            policy.on = policy.on.with(RetryCondition::RetriableStatusCodes);
            policy.retriable_status_codes.extend(codes);
        })
    }

    /// After answers that have one of these headers, too: Envoy's `retriable-headers`.
    #[must_use]
    pub fn response_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|policy| {
            policy.on = policy.on.with(RetryCondition::RetriableHeaders);
            policy.retriable_headers.extend(names.into_iter().map(present));
        })
    }

    /// Only of requests that have one of these headers: Envoy's `retriable_request_headers`.
    #[must_use]
    pub fn request_headers(self, names: impl IntoIterator<Item = HeaderName>) -> Self {
        self.with(|policy| policy.retriable_request_headers.extend(names.into_iter().map(present)))
    }

    /// Waits as long as an answer's `retry-after` says, in seconds and up to five minutes: Envoy's
    /// `rate_limited_retry_back_off`. Other headers and bounds: [`RateLimitedBackoff`].
    #[must_use]
    pub fn respect_retry_after(self) -> Self {
        self.rate_limited_backoff(RateLimitedBackoff::retry_after())
    }

    /// Waits as long as an answer says: Envoy's `rate_limited_retry_back_off`.
    #[must_use]
    pub fn rate_limited_backoff(self, backoff: impl Into<Option<RateLimitedBackoff>>) -> Self {
        self.with(|policy| policy.rate_limited_backoff = backoff.into())
    }

    /// Prefers endpoints that the request was not sent to, looking at most so many times for one; a balancer
    /// below reads it off an [`Attempt`](super::Attempt).
    #[must_use]
    pub fn avoid_previous_hosts(self, times: u32) -> Self {
        self.with(|policy| policy.avoid_previous_hosts = times)
    }

    fn with(mut self, change: impl FnOnce(&mut RetryPolicy)) -> Self {
        change(&mut self.0.rules.policy);
        self
    }
}

/// Whatever its value.
pub(super) fn present(name: HeaderName) -> HeaderMatch {
    let name = HeaderKey::Name(name);
    HeaderMatch { name, value: ValueMatch::Present(true), invert: false, absent_is_empty: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_values_are_the_policy_that_they_say() {
        let wait = Duration::from_millis;
        let layer = RetryLayer::on([RetryCondition::ConnectFailure])
            .retries(3)
            .backoff(wait(10), wait(5))
            .status_codes([StatusCode::SERVICE_UNAVAILABLE])
            .response_headers([HeaderName::from_static("x-again")])
            .request_headers([HeaderName::from_static("x-safe")])
            .respect_retry_after()
            .avoid_previous_hosts(5);
        let conditions = [
            RetryCondition::ConnectFailure,
            RetryCondition::RetriableStatusCodes,
            RetryCondition::RetriableHeaders,
        ];
        let expected = RetryPolicy {
            on: conditions.into_iter().collect(),
            retries: 3,
            per_try_timeout: None,
            retriable_status_codes: vec![StatusCode::SERVICE_UNAVAILABLE],
            retriable_headers: vec![present(HeaderName::from_static("x-again"))],
            retriable_request_headers: vec![present(HeaderName::from_static("x-safe"))],
            backoff_base: wait(10),
            backoff_max: wait(10),
            rate_limited_backoff: Some(RateLimitedBackoff::retry_after()),
            avoid_previous_hosts: 5,
        };
        assert_eq!(layer.0.rules.policy, expected);
        assert_eq!(RetryLayer::on([]).0.rules.policy.retries, 2);
    }
}
