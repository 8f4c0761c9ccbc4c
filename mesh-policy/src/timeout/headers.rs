//! Budgets that callers send along.

use http::HeaderMap;
use std::time::Duration;

/// gRPC's `grpc-timeout`: at most eight digits and a unit, one of `H M S m u n`.
///
/// `None` if it is absent or not of that form; gRPC's servers take a malformed one for no deadline, too.
pub fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("grpc-timeout")?.to_str().ok()?;
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

/// Envoy's `x-envoy-upstream-rq-timeout-ms`, which replaces a route's budget where the caller is trusted.
///
/// Zero asks for no budget, so it is not `None`: absent or malformed is.
pub fn upstream_rq_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-envoy-upstream-rq-timeout-ms")?.to_str().ok()?;
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok().map(Duration::from_millis))?
}
