//! When and how a request is sent again.

use crate::model::matcher::HeaderMatch;
use http::HeaderName;
use std::time::Duration;

/// When and how a request is sent again. Envoy's `route.v3.RetryPolicy`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// After what.
    pub on: RetryOn,
    /// How many times beyond the first.
    pub retries: u32,
    /// From dispatch to response head, of each attempt; `None` leaves the route's timeout alone.
    pub per_try_timeout: Option<Duration>,
    /// Status codes for [`RetryCondition::RetriableStatusCodes`].
    pub retriable_status_codes: Vec<http::StatusCode>,
    /// Response headers for [`RetryCondition::RetriableHeaders`]; one that matches is enough.
    pub retriable_headers: Vec<HeaderMatch>,
    /// Only requests that match one of these are sent again; without any, all may be.
    pub retriable_request_headers: Vec<HeaderMatch>,
    /// Base of the exponential back-off; Envoy's default is 25 ms.
    pub backoff_base: Duration,
    /// Its bound; Envoy's default is ten times the base.
    pub backoff_max: Duration,
    /// Wait as long as the answer says, where it does; `None` never looks.
    pub rate_limited_backoff: Option<RateLimitedBackoff>,
    /// Prefer an endpoint that this request has not tried, looking at most so many times; 0 never looks.
    pub avoid_previous_hosts: u32,
}

impl Default for RetryPolicy {
    /// Never, with Envoy's back-off.
    fn default() -> Self {
        Self {
            on: RetryOn::NEVER,
            retries: 1,
            per_try_timeout: None,
            retriable_status_codes: vec![],
            retriable_headers: vec![],
            retriable_request_headers: vec![],
            backoff_base: Duration::from_millis(25),
            backoff_max: Duration::from_millis(250),
            rate_limited_backoff: None,
            avoid_previous_hosts: 0,
        }
    }
}

/// A wait that the answer asks for. Envoy's `rate_limited_retry_back_off`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimitedBackoff {
    /// Where the answer says it; the first that says a wait within the bound is taken.
    pub reset_headers: Vec<ResetHeader>,
    /// A longer wait is not taken; Envoy's default is five minutes.
    pub max_interval: Duration,
}

/// A header that says when to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetHeader {
    /// Its name, such as `retry-after`.
    pub name: HeaderName,
    /// How it says it.
    pub format: ResetFormat,
}

/// How a [`ResetHeader`] says when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResetFormat {
    /// Seconds from now.
    Seconds,
    /// Seconds since 1970.
    UnixTimestamp,
}

impl RateLimitedBackoff {
    /// Envoy's `max_interval` where none is written.
    pub const MAX_INTERVAL: Duration = Duration::from_secs(300);

    /// `retry-after` in seconds, as RFC 9110 has it, up to five minutes.
    pub fn retry_after() -> Self {
        let name = http::header::RETRY_AFTER;
        let reset_headers = vec![ResetHeader { name, format: ResetFormat::Seconds }];
        Self { reset_headers, max_interval: Self::MAX_INTERVAL }
    }

    /// The wait that an answer asks for, within the bound. `unix_now` is seconds since 1970.
    pub fn interval(&self, headers: &http::HeaderMap, unix_now: u64) -> Option<Duration> {
        self.reset_headers.iter().find_map(|reset| {
            // Only a first value counts, as in Envoy.
            let said: u64 = headers.get(&reset.name)?.to_str().ok()?.trim().parse().ok()?;
            let seconds = match reset.format {
                ResetFormat::Seconds => said,
                ResetFormat::UnixTimestamp => said.checked_sub(unix_now)?,
            };
            Some(Duration::from_secs(seconds)).filter(|wait| *wait <= self.max_interval)
        })
    }
}

/// A set of [`RetryCondition`]s; Envoy's comma-separated `retry_on`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RetryOn(u32);

/// One reason to send a request again, by Envoy's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RetryCondition {
    /// `5xx`: any 5xx, or no response at all.
    FiveXx,
    /// `gateway-error`: 502, 503, 504.
    GatewayError,
    /// `reset`: no response at all.
    Reset,
    /// `reset-before-request`: no response, and the request's headers were not sent.
    ResetBeforeRequest,
    /// `connect-failure`.
    ConnectFailure,
    /// `envoy-ratelimited`: `x-envoy-ratelimited` is there.
    EnvoyRateLimited,
    /// `retriable-4xx`: 409.
    Retriable4xx,
    /// `refused-stream`: the upstream says that it did not look at the request.
    RefusedStream,
    /// `retriable-status-codes`: one of the policy's codes.
    RetriableStatusCodes,
    /// `retriable-headers`: one of the policy's response headers.
    RetriableHeaders,
    /// gRPC `cancelled`.
    Cancelled,
    /// gRPC `deadline-exceeded`.
    DeadlineExceeded,
    /// gRPC `internal`.
    Internal,
    /// gRPC `resource-exhausted`.
    ResourceExhausted,
    /// gRPC `unavailable`.
    Unavailable,
}

impl RetryCondition {
    /// All, in Envoy's order.
    pub const ALL: [Self; 15] = [
        Self::FiveXx,
        Self::GatewayError,
        Self::Reset,
        Self::ResetBeforeRequest,
        Self::ConnectFailure,
        Self::EnvoyRateLimited,
        Self::Retriable4xx,
        Self::RefusedStream,
        Self::RetriableStatusCodes,
        Self::RetriableHeaders,
        Self::Cancelled,
        Self::DeadlineExceeded,
        Self::Internal,
        Self::ResourceExhausted,
        Self::Unavailable,
    ];

    /// Envoy's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FiveXx => "5xx",
            Self::GatewayError => "gateway-error",
            Self::Reset => "reset",
            Self::ResetBeforeRequest => "reset-before-request",
            Self::ConnectFailure => "connect-failure",
            Self::EnvoyRateLimited => "envoy-ratelimited",
            Self::Retriable4xx => "retriable-4xx",
            Self::RefusedStream => "refused-stream",
            Self::RetriableStatusCodes => "retriable-status-codes",
            Self::RetriableHeaders => "retriable-headers",
            Self::Cancelled => "cancelled",
            Self::DeadlineExceeded => "deadline-exceeded",
            Self::Internal => "internal",
            Self::ResourceExhausted => "resource-exhausted",
            Self::Unavailable => "unavailable",
        }
    }

    /// By Envoy's name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.as_str() == name)
    }
}

impl RetryOn {
    /// The empty set.
    pub const NEVER: Self = Self(0);

    /// Whether a condition is in the set.
    pub fn contains(self, condition: RetryCondition) -> bool {
        self.0 & bit(condition) != 0
    }

    /// The set with one more condition.
    #[must_use]
    pub fn with(self, condition: RetryCondition) -> Self {
        Self(self.0 | bit(condition))
    }

    /// The conditions, in Envoy's order.
    pub fn iter(self) -> impl Iterator<Item = RetryCondition> {
        RetryCondition::ALL.into_iter().filter(move |c| self.contains(*c))
    }
}

fn bit(condition: RetryCondition) -> u32 {
    1 << (condition as u32)
}

impl FromIterator<RetryCondition> for RetryOn {
    fn from_iter<I: IntoIterator<Item = RetryCondition>>(iter: I) -> Self {
        iter.into_iter().fold(Self::NEVER, Self::with)
    }
}

impl std::fmt::Display for RetryOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, condition) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(condition.as_str())?;
        }
        Ok(())
    }
}

impl std::fmt::Debug for RetryOn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RetryOn({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_on_prints_envoys_names() {
        let on: RetryOn = [RetryCondition::Unavailable, RetryCondition::FiveXx].into_iter().collect();
        assert_eq!(on.to_string(), "5xx,unavailable");
        assert!(on.contains(RetryCondition::FiveXx) && !on.contains(RetryCondition::Reset));
        assert_eq!(RetryCondition::ALL.into_iter().collect::<RetryOn>().iter().count(), 15);
        assert!(RetryCondition::ALL.into_iter().all(|c| RetryCondition::from_name(c.as_str()) == Some(c)));
    }

    #[test]
    fn an_answer_says_how_long_to_wait_within_a_bound() {
        let timestamp =
            ResetHeader { name: "x-ratelimit-reset".parse().unwrap(), format: ResetFormat::UnixTimestamp };
        let mut policy = RateLimitedBackoff::retry_after();
        policy.reset_headers.push(timestamp);
        let wait = |after: &str, reset: &str| {
            let mut headers = http::HeaderMap::new();
            headers.insert("retry-after", after.parse().unwrap());
            headers.insert("x-ratelimit-reset", reset.parse().unwrap());
            policy.interval(&headers, 1_000).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("120", "1007"), Some(120));
        assert_eq!(wait("301", "1007"), Some(7), "beyond the bound the next header is asked");
        assert_eq!(wait("soon", "999"), None);
        assert_eq!(wait("-1", "99999999999999999999999"), None);
    }
}
