//! `x-ratelimit-limit`, `-remaining` and `-reset`, of the third draft of the IETF's RateLimit header fields.

use super::bucket::Standing;
use super::global::message::DescriptorStatus;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::fmt::Write;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Says how a bucket stands. Adds to what a service behind says of its own limits, as Envoy does.
pub(super) fn add(headers: &mut HeaderMap, standing: &Standing) {
    headers.append(LIMIT, HeaderValue::from(standing.limit));
    headers.append(REMAINING, HeaderValue::from(standing.remaining));
    let reset = standing.reset.as_secs() + u64::from(standing.reset.subsec_nanos() > 0);
    headers.append(RESET, HeaderValue::from(reset));
}

/// Says how the descriptor stands that has the least left, and the limits of all, as Envoy's global filter does:
/// `10, 10;w=1;name="per second", 600;w=3600`.
pub(super) fn add_least(headers: &mut HeaderMap, statuses: &[DescriptorStatus]) {
    let limited = statuses.iter().filter_map(|status| Some((status, status.current_limit.as_ref()?)));
    let Some((least, limit)) = limited.clone().min_by_key(|(status, _)| status.limit_remaining) else {
        return;
    };
    let mut policy = limit.requests_per_unit.to_string();
    for (_, limit) in limited {
        // Writing to a String cannot fail.
        let _ = write!(policy, ", {};w={}", limit.requests_per_unit, limit.unit.seconds());
        if !limit.name.is_empty() {
            let _ = write!(policy, ";name=\"{}\"", limit.name);
        }
    }
    // A name that no header can hold leaves the policy out, not the numbers.
    let policy = HeaderValue::try_from(policy).unwrap_or_else(|_| HeaderValue::from(limit.requests_per_unit));
    headers.append(LIMIT, policy);
    headers.append(REMAINING, HeaderValue::from(least.limit_remaining));
    let reset = least.duration_until_reset.unwrap_or_default();
    headers.append(RESET, HeaderValue::from(reset.as_secs()));
}
