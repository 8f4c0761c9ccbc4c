//! Budgets that callers send along.

use http::{HeaderMap, HeaderName, HeaderValue};
use std::time::Duration;

/// `grpc-timeout`.
pub(super) const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// gRPC's `grpc-timeout`: at most eight digits and a unit, one of `H M S m u n`.
///
/// `None` if it is absent or not of that form; gRPC's servers take a malformed one for no deadline, too.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let n: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(n * 3600),
        "M" => Duration::from_secs(n * 60),
        "S" => Duration::from_secs(n),
        "m" => Duration::from_millis(n),
        "u" => Duration::from_micros(n),
        "n" => Duration::from_nanos(n),
        _ => return None,
    })
}

/// A span of time as gRPC's `grpc-timeout`, never longer than it is; the finest unit that eight digits hold.
///
/// Nothing left is a nanosecond: gRPC has no zero, and no timeout at all would be the opposite.
pub fn encode_grpc_timeout(left: Duration) -> HeaderValue {
    let nanos = left.as_nanos().max(1);
    let units = [
        (1, "n"),
        (1_000, "u"),
        (1_000_000, "m"),
        (1_000_000_000, "S"),
        (60_000_000_000, "M"),
        (3_600_000_000_000, "H"),
    ];
    let fits = units.iter().map(|(unit, name)| (nanos / unit, name)).find(|(count, _)| *count <= MOST);
    let (count, name) = fits.unwrap_or((MOST, &"H"));
    // Digits and a letter are always a header's value; were they not, no time would be left.
    HeaderValue::try_from(format!("{count}{name}")).unwrap_or_else(|_| HeaderValue::from_static("1n"))
}

/// Eight digits.
const MOST: u128 = 99_999_999;

/// Envoy's `x-envoy-upstream-rq-timeout-ms`, which replaces a route's budget where the caller is trusted.
///
/// Zero asks for no budget, so it is not `None`: absent or malformed is.
pub fn upstream_rq_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-envoy-upstream-rq-timeout-ms")?.to_str().ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok().map(Duration::from_millis))?
}
