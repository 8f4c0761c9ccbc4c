//! What is asked of a rate-limit service, and what it says: `envoy.service.ratelimit.v3`, as plain values.

use crate::BoxError;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use std::future::Future;
use std::time::Duration;

/// Asks whether a request is within its limits. Envoy's `RateLimitRequest`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimitRequest {
    /// Whose limits: services with other limits have another domain.
    pub domain: String,
    /// What the request is. It must be within the limits of each.
    pub descriptors: Vec<RateLimitDescriptor>,
    /// How much it counts; zero counts as one.
    pub hits_addend: u32,
}

/// What a limit may go by: keys and values, in order. Envoy's `RateLimitDescriptor`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RateLimitDescriptor {
    /// Keys with their values.
    pub entries: Vec<(String, String)>,
}

/// Whether a request is within its limits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Code {
    /// The service did not say, which counts as a failure of the service.
    #[default]
    Unknown,
    /// Within.
    Ok,
    /// Over.
    OverLimit,
}

/// What a rate-limit service says. Envoy's `RateLimitResponse`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RateLimitResponse {
    /// Of all descriptors: over if one is.
    pub overall_code: Code,
    /// Of each descriptor, in their order.
    pub statuses: Vec<DescriptorStatus>,
    /// Headers for the caller, whatever the code is.
    pub response_headers_to_add: Vec<(HeaderName, HeaderValue)>,
    /// Headers for the service behind.
    pub request_headers_to_add: Vec<(HeaderName, HeaderValue)>,
    /// The body of a refusal.
    pub raw_body: Bytes,
}

/// How one descriptor stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescriptorStatus {
    /// Within its limit, or over it.
    pub code: Code,
    /// Its limit; `None` if it has none.
    pub current_limit: Option<RateLimit>,
    /// How many more requests it has now.
    pub limit_remaining: u32,
    /// When its limit begins anew.
    pub duration_until_reset: Option<Duration>,
}

/// A limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Its name; may be empty.
    pub name: String,
    /// So many requests.
    pub requests_per_unit: u32,
    /// In this time.
    pub unit: RateLimitUnit,
}

/// A time that requests are counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RateLimitUnit {
    /// 1 s.
    Second,
    /// 60 s.
    Minute,
    /// 3,600 s.
    Hour,
    /// 86,400 s.
    Day,
}

impl RateLimitUnit {
    /// In seconds.
    pub fn seconds(self) -> u32 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }
}

/// Decides about requests: a service of many processes, or [`Quotas`](crate::ratelimit::Quotas) in this one.
///
/// Any function of a [`RateLimitRequest`] that returns a future is one, so that a client of any kind serves.
#[doc = include_str!("../docs/service.md")]
pub trait RateLimitService {
    /// The verdict, or why there is none.
    type Future: Future<Output = Result<RateLimitResponse, BoxError>>;

    /// Asks. Dropping the future is giving up.
    fn should_rate_limit(&self, request: RateLimitRequest) -> Self::Future;
}

impl<F, Fut> RateLimitService for F
where
    F: Fn(RateLimitRequest) -> Fut,
    Fut: Future<Output = Result<RateLimitResponse, BoxError>>,
{
    type Future = Fut;

    fn should_rate_limit(&self, request: RateLimitRequest) -> Fut {
        self(request)
    }
}
