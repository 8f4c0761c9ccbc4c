//! Bounds how many requests pass in a time: by buckets of this process, or by what a service says.
//!
//! ```text
//! request → jwt → authz → [rate limit] → fault → timeout → retry → …
//! ```
//!
//! [`LocalRateLimitLayer`] is Envoy's `envoy.filters.http.local_ratelimit`: token buckets in this process, one for
//! all requests and one for each value of whatever a limit goes by ([`Entry`]): a caller's address, its identity, a
//! header. [`RateLimitLayer`] is `envoy.filters.http.ratelimit`: it asks a service that many processes share, by
//! Envoy's protocol over whatever transport the program has ([`RateLimitService`]). [`Quotas`] are such a service in
//! this process, counting in its memory or in Redis.

mod bucket;
mod entry;
mod error;
mod global;
mod headers;
mod local;
mod metrics;
mod quota;
mod table;

pub use crate::connection::{Connection, ConnectionLayer};
pub use bucket::{Bucket, Rate, Standing};
pub use entry::{Entry, Read, View};
pub use error::RateLimited;
pub use global::error::RateLimitServiceFailed;
pub use global::future::RateLimitFuture;
pub use global::layer::{RateLimitLayer, RateLimiter};
pub use global::message::{
    Code, DescriptorStatus, RateLimit, RateLimitDescriptor, RateLimitRequest, RateLimitResponse,
    RateLimitService, RateLimitUnit,
};
pub use global::metrics::{RateLimitCounts, RateLimitMetrics};
pub use global::spec::RateLimitSpec;
pub use local::future::LocalRateLimitFuture;
pub use local::header_match::{HeaderMatchSpec, HeaderRangeSpec, RegexSpec, StringMatchSpec};
pub use local::layer::{LocalRateLimit, LocalRateLimitLayer};
pub use local::spec::{
    ActionSpec, DescriptorEntrySpec, DescriptorSpec, LocalRateLimitSpec, RateLimitsSpec, TokenBucketSpec,
    XRateLimitHeaders,
};
pub use metrics::{LocalRateLimitCounts, LocalRateLimitMetrics};
pub use quota::memory::MemoryStore;
pub use quota::metrics::{QuotasCounts, QuotasMetrics};
#[cfg(feature = "redis")]
pub use quota::redis::RedisStore;
pub use quota::service::{Quota, QuotaUsage, QuotaUsageFuture, Quotas, QuotasFuture};
pub use quota::spec::{QuotaRateSpec, QuotaSpec, QuotasSpec};
pub use quota::store::{Charge, Charged, Store};
